export { openaiCall, type OpenAIChatClient } from './clients/openai';
export { openaiStreamCall } from './clients/openai-stream';
export {
  openaiEmbeddingsCall,
  openaiResponsesCall,
  openaiResponsesStreamCall,
  type OpenAIEmbeddingsClient,
  type OpenAIResponsesClient,
} from './clients/openai-responses';
export { usageOf } from './clients/usage';
