export { openaiCall, type OpenAIChatClient } from './clients/openai';
