export { openaiCall, type OpenAIChatClient } from './clients/openai';
export { usageOf } from './clients/usage';
