export { instrument, type InstrumentOptions, type TraceCall } from './otel/instrument';
export type { GenAIOptions } from './otel/gen-ai';
