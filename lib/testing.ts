export type {
  LatencyConfig,
  LimitedResource,
  SimulatedHeaders,
  SimulatedLimit,
  SimulatedNeighbour,
  SimulatedOutage,
  SimulatedProviderConfig,
  SimulatedRetryAfter,
  SimulatedSituation,
  StreamingConfig,
} from './testing/provider-config';
export type { RequestTokens } from './testing/request-tokens';
export type { SimulatedChunk } from './testing/simulated-stream';
export { SimulatedProviderError } from './testing/simulated-error';
export type { SimulatedAnswer, SimulatedCallContext } from './testing/simulated-answer';
export { SimulatedProvider, type SimulatedProviderStatistics } from './testing/simulated-provider';
