export {
  rxllmMiddleware,
  type AICall,
  type AIMiddleware,
  type AIMiddlewareOptions,
  type AIModel,
  type AIParameters,
} from './clients/ai';
