export {
  anthropicCall,
  anthropicMiddleware,
  anthropicStreamCall,
  type AnthropicMessagesClient,
  type AnthropicRequest,
} from './clients/anthropic';
export type { EndpointOptimizers, EndpointOptions, EndpointTarget } from './clients/endpoint-responder';
export type { EndpointRequest } from './clients/llm-endpoint';
