export { llmFetch, type LLMFetchOptions } from './clients/fetch';
export type { EndpointOptimizers, EndpointOptions, EndpointTarget } from './clients/endpoint-responder';
export type { EndpointRequest } from './clients/llm-endpoint';
