export { mergeWithConcurrency, type ConcurrencyConfig } from './operators/merge-with-concurrency';
export { adaptiveThrottle, type ThrottleConfig } from './operators/adaptive-throttle';
export { cacheLLM, type CacheConfig } from './operators/cache-llm';
export {
  settled,
  streamWithConcurrency,
  type StreamConfig,
  type StreamTimeouts,
} from './operators/stream-with-concurrency';
export { unwrapOutcomes } from './operators/unwrap-outcomes';

export { LLMCallOptimizer } from './optimizer/llm-call-optimizer';
export type { BatchProgress } from './optimizer/batch-progress';
export type {
  BatchOptions,
  CallOptions,
  DrainOptions,
  LLMCall,
  OptimizeOptions,
  OptimizerConfig,
  PromiseOptions,
  SharedTraits,
} from './optimizer/optimizer-config';
export type { OptimizeStreamOptions, StreamOptions } from './optimizer/stream-options';
export type { ChunkReplay } from './operators/cache-run-settings';
export { AsyncLLMExecutor, type ExecuteOptions, type ExecutorConfig } from './optimizer/async-llm-executor';

export {
  AdaptiveRateLimiter,
  type OverflowPolicy,
  type Permit,
  type RateLimiterConfig,
} from './limiter/adaptive-rate-limiter';
export type { KnownLimits } from './limiter/known-limits';
export type { BudgetState, LimitedDimension } from './core/budget-state';
export type { HoldReason, RateLimiterState } from './limiter/limiter-state';
export type { GateName, NextStart } from './core/gates';
export {
  LLMResultCache,
  type CacheStatistics,
  type RequestKeyOptions,
  type ResultCacheConfig,
  type StoreOptions,
} from './cache/llm-result-cache';
export type { CacheExplanation, CacheExplanationReason } from './cache/explanation';
export type { DepartureReason } from './cache/departures';
export type { CacheSelection, CachedAnswer } from './cache/selection';
export type { CacheStore, LeaseResult, StoreLease } from './cache/cache-store';
export type { KeySpace } from './cache/request-identity';
export type { StoreStatistics } from './cache/store-tier';
export { isCacheable } from './cache/cacheable-answer';
export {
  CallStats,
  type CacheGauges,
  type ExecutorGauges,
  type RateLimiterGauges,
  type StatsConfig,
  type StatsSnapshot,
} from './stats/call-stats';
export type { StreamMetrics } from './stats/stream-metrics';
export type { CallMetrics } from './stats/call-metrics';
export type { ModelPrice, PriceTable } from './stats/prices';
export { errorKindOf, type ErrorKind } from './stats/error-kinds';
export type { Distribution } from './stats/latency-histogram';
export { prometheusText, type StatsSource } from './stats/prometheus-text';
export type { CallTimes, ErrorCounts, OutcomeCounts, TokensByModel } from './stats/request-fold';
export { classifyError, type ErrorClassification, type ErrorClassifier } from './provider/classify-error';
export type { StatedLimit } from './provider/rate-limit-headers';
export type { RetryConfig } from './provider/retry-policy';

export type {
  CallContext,
  CallOutcome,
  FailedOutcome,
  HeadersLike,
  OutcomeSource,
  ProviderFeedback,
  SuccessfulOutcome,
  TokenUsage,
} from './core/call';
export type { CacheBypass, CallTraits, TraitsReader } from './core/traits';
export type { StreamCall, StreamChunk, StreamedAnswer, StreamEnd, StreamItem } from './core/stream';
export { CallPriority } from './core/priority';
export { callIdentity, type CallIdentity } from './core/call-identity';
export { errorInAnswer } from './core/answer-error';
export type * from './core/events';
export type { Fleet, FleetState } from './core/fleet';
export {
  CallTimeoutError,
  ClosedError,
  DeadlineExceededError,
  FleetCallError,
  MissingOutcomeError,
  NoAnswerError,
  QueueOverflowError,
  QuotaSpentError,
  SpendLimitError,
} from './core/errors';
