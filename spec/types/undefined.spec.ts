import { expectTypeOf } from 'expect-type';
import type {
  BatchOptions,
  CacheConfig,
  CacheSelection,
  CallTraits,
  ConcurrencyConfig,
  DrainOptions,
  ErrorClassification,
  ExecuteOptions,
  ExecutorConfig,
  KnownLimits,
  ModelPrice,
  OptimizeOptions,
  OptimizerConfig,
  OptimizeStreamOptions,
  PromiseOptions,
  ProviderFeedback,
  RateLimiterConfig,
  RequestKeyOptions,
  ResultCacheConfig,
  RetryConfig,
  StatsConfig,
  StoreOptions,
  StreamConfig,
  StreamOptions,
  ThrottleConfig,
  TokenUsage,
} from '../../lib';
import type { DiskStoreConfig } from '../../lib/disk';
import type { SimulatedProviderConfig } from '../../lib/testing';

/** The optional fields of a type, each undefined. */
type Undefined<T> = {
  [Name in keyof T as object extends Pick<T, Name> ? Name : never]: undefined;
};

/** The optional fields alone. */
type Optional<T> = { [Name in keyof T as object extends Pick<T, Name> ? Name : never]?: T[Name] };

type Accepts<T> = Undefined<T> extends Optional<T> ? true : false;

describe('options', () => {
  it('may be undefined, also with exact optional property types', () => {
    expectTypeOf<
      [
        Accepts<OptimizerConfig>,
        Accepts<OptimizeOptions>,
        Accepts<PromiseOptions>,
        Accepts<BatchOptions>,
        Accepts<DrainOptions>,
        Accepts<OptimizeStreamOptions>,
        Accepts<StreamOptions>,
        Accepts<ExecutorConfig>,
        Accepts<ExecuteOptions>,
        Accepts<ConcurrencyConfig<string>>,
        Accepts<StreamConfig<string>>,
        Accepts<ThrottleConfig<string>>,
        Accepts<CacheConfig<string>>,
        Accepts<ResultCacheConfig>,
        Accepts<RequestKeyOptions>,
        Accepts<StoreOptions>,
        Accepts<CacheSelection>,
        Accepts<RateLimiterConfig>,
        Accepts<KnownLimits>,
        Accepts<RetryConfig>,
        Accepts<StatsConfig>,
        Accepts<ModelPrice>,
        Accepts<CallTraits>,
        Accepts<ProviderFeedback>,
        Accepts<TokenUsage>,
        Accepts<ErrorClassification>,
        Accepts<DiskStoreConfig>,
        Accepts<SimulatedProviderConfig<string>>,
      ][number]
    >().toEqualTypeOf<true>();
  });
});
