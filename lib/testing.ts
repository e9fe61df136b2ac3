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
} from './testing/provider-config';
export type { RequestTokens } from './testing/request-tokens';
export { SimulatedProviderError } from './testing/simulated-error';
export {
  SimulatedProvider,
  type SimulatedAnswer,
  type SimulatedCallContext,
  type SimulatedProviderStatistics,
} from './testing/simulated-provider';
