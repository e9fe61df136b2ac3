import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../cache/llm-result-cache';
import type { KeySpace } from '../cache/request-identity';
import type { CallContext } from '../core/call';
import type { CallEventListener } from '../core/events';
import type { Fleet } from '../core/fleet';
import { configObject, numberSetting, switchSetting } from '../core/settings';
import type { CallTraits, TraitsReader } from '../core/traits';
import { AdaptiveRateLimiter, type OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { KnownLimits } from '../limiter/known-limits';
import type { ConcurrencyConfig } from '../operators/merge-with-concurrency';
import type { ErrorClassifier } from '../provider/classify-error';
import type { RetryConfig } from '../provider/retry-policy';
import type { PriceTable } from '../stats/prices';
import type { BatchProgress } from './batch-progress';

/** A call of the optimizer: it returns an Observable, a promise or any other `ObservableInput` except a string. */
export type LLMCall<R, V> = (request: R, context: CallContext) => ObservableInput<V>;

/** The config of an {@link LLMCallOptimizer}. */
export interface OptimizerConfig {
  /**
   * Milliseconds between starts at first. Without a value, a fresh optimizer starts four requests at once.
   * @defaultValue 50
   */
  readonly baseInterval?: number | undefined;
  /** Milliseconds that the interval never shrinks below. @defaultValue 0 */
  readonly minInterval?: number | undefined;
  /** Milliseconds that the interval never grows above. @defaultValue 30,000 */
  readonly maxInterval?: number | undefined;
  /** Whether the interval adapts to the results of calls. @defaultValue true */
  readonly adaptive?: boolean | undefined;
  /** Limits that you know beforehand; limits in the provider's headers need no setting. @defaultValue none */
  readonly limits?: KnownLimits | undefined;
  /**
   * The processes that share the limits, made by `redisFleet` of `rxllm/redis`.
   *
   * @defaultValue none
   * @example
   * new LLMCallOptimizer({ fleet: redisFleet(new Redis(), { pool: 'openai:gpt-4o-mini', processes: 4 }) });
   */
  readonly fleet?: Fleet | undefined;
  /**
   * A cache to share with others; or the config of an own cache: freshness, write policy, bounds, a store. `false` is
   * the same as `enableCache: false`. If the cache is shared or has a store, a call needs a `namespace`, unless an
   * adapter made it.
   *
   * @defaultValue an own cache in memory
   * @example
   * new LLMCallOptimizer({ cache: { staleWhileRevalidate: 60_000, store: diskStore('./answers') } });
   */
  readonly cache?: LLMResultCache | Omit<ResultCacheConfig, 'scheduler' | 'events'> | boolean | undefined;
  /**
   * Milliseconds for which an answer stays fresh in the cache, or a function that returns them.
   * @defaultValue 3,600,000
   */
  readonly cacheTtl?: ResultCacheConfig['defaultTtl'] | undefined;
  /** The most answers in the cache. @defaultValue 1000 */
  readonly cacheMaxSize?: number | undefined;
  /** Decides which answers may be cached. @defaultValue {@link isCacheable} */
  readonly shouldCache?: ResultCacheConfig['shouldCache'] | undefined;
  /** Copies answers on their way into and out of the cache. @defaultValue plain answers are frozen */
  readonly clone?: ResultCacheConfig['clone'] | undefined;
  /** Calls that run at once; an Observable changes it while running. @defaultValue 3 */
  readonly maxConcurrent?: number | Observable<number> | undefined;
  /** Requests that may wait for their start. @defaultValue `Infinity` */
  readonly maxQueue?: number | undefined;
  /**
   * Which request a full queue refuses: the new one (`reject`), or the oldest of the lowest priority (`drop-oldest`).
   * @defaultValue `reject`
   */
  readonly overflow?: OverflowPolicy | undefined;
  /** Whether answers are cached and running calls shared. @defaultValue true */
  readonly enableCache?: boolean | undefined;
  /** Whether starts are paced. @defaultValue true */
  readonly enableRateLimit?: boolean | undefined;
  /** Whether and how failed calls are retried; a number is the attempts in all. @defaultValue true */
  readonly retry?: boolean | number | RetryConfig | undefined;
  /** Milliseconds that one attempt may take. @defaultValue `Infinity` */
  readonly timeout?: number | undefined;
  /** Milliseconds that a request may wait for its start; its own `maxWait` may be shorter. @defaultValue `Infinity` */
  readonly maxWait?: number | undefined;
  /** Says what the error of a call means, for pace and retries. @defaultValue `classifyError` */
  readonly classifyError?: ErrorClassifier | undefined;
  /**
   * Finds the error in an answer that came as a success; `false` accepts every answer.
   * @defaultValue `errorInAnswer`
   */
  readonly errorInAnswer?: ConcurrencyConfig<unknown>['errorInAnswer'] | undefined;
  /** Reads the traits of a request. @defaultValue the request's own fields that are valid traits */
  readonly traits?: TraitsReader<never> | undefined;
  /** The prices of tokens, for `spent` and `saved`; `model-unpriced` reports missing ones. @defaultValue none */
  readonly prices?: PriceTable | undefined;
  /**
   * The money, in the currency of `prices`, that all calls together may cost. After that no call starts, also no retry:
   * waiting and later requests fail with `SpendLimitError`, unless the cache or a running call answers them. Running
   * calls go on, so their cost is the most by which the limit may be exceeded.
   *
   * It counts the usage that calls of this optimizer report when they end. A model without a price costs nothing, and
   * `model-unpriced` reports it; a price for `'*'` covers all models. Requires `prices`.
   *
   * @defaultValue no limit
   * @example
   * new LLMCallOptimizer({ prices: { 'gpt-4o-mini': { input: 0.15, output: 0.6 } }, maxSpend: 5 });
   */
  readonly maxSpend?: number | undefined;
  /** Milliseconds between two snapshots of `stats$` at least. @defaultValue 1000 */
  readonly sampleInterval?: number | undefined;
  /** The scheduler whose time is used. @defaultValue `asyncScheduler` */
  readonly scheduler?: SchedulerLike | undefined;
}

/** The names of the fields. */
export const optimizerFields = Object.keys({
  baseInterval: true,
  minInterval: true,
  maxInterval: true,
  adaptive: true,
  limits: true,
  fleet: true,
  cache: true,
  cacheTtl: true,
  cacheMaxSize: true,
  shouldCache: true,
  clone: true,
  maxConcurrent: true,
  maxQueue: true,
  overflow: true,
  enableCache: true,
  enableRateLimit: true,
  retry: true,
  timeout: true,
  maxWait: true,
  classifyError: true,
  errorInAnswer: true,
  traits: true,
  prices: true,
  maxSpend: true,
  sampleInterval: true,
  scheduler: true,
} satisfies Record<keyof OptimizerConfig, true>);

/** Options of a call. */
export type CallOptions = KeySpace;

/** Traits of all requests of a stream or batch, in place of their own. A key is not among them. */
export interface SharedTraits extends Omit<CallTraits, 'cacheKey'> {
  /** `false` lets all requests bypass the cache. @defaultValue none */
  readonly cacheKey?: false | undefined;
}

/** Options of {@link LLMCallOptimizer.optimize}. */
export interface OptimizeOptions extends CallOptions, SharedTraits {
  /** Whether outcomes keep the order of the source. @defaultValue false */
  readonly ordered?: boolean | undefined;
  /** Receives the events of this stream's requests, besides `events$`. @defaultValue none */
  readonly events?: CallEventListener | undefined;
}

/** Options of {@link LLMCallOptimizer.call}. Its traits replace those of the request. */
export interface PromiseOptions extends CallOptions, CallTraits {
  /** When aborted, the promise rejects, or the outcome fails, with the signal's reason. @defaultValue none */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link LLMCallOptimizer.callBatch}. */
export interface BatchOptions<R = unknown, V = unknown> extends CallOptions, SharedTraits {
  /** When aborted, requests without an answer fail with the signal's reason. @defaultValue none */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with each outcome as soon as it is known. What it throws is reported as RxJS reports unhandled errors, and
   * has no other effect.
   *
   * @defaultValue none
   * @example
   * await optimizer.callBatch(summarise, articles, { onProgress: ({ done, total }) => console.log(`${done}/${total}`) });
   */
  readonly onProgress?: ((progress: BatchProgress<R, V>) => void) | undefined;
}

/** Options of {@link LLMCallOptimizer.drain}. */
export interface DrainOptions {
  /** When aborted, open requests fail with `ClosedError`. @defaultValue it waits for as long as they take */
  readonly signal?: AbortSignal | undefined;
}

/** The limiter for a config; undefined with `enableRateLimit: false`. */
export function limiterOf(
  settings: OptimizerConfig,
  events: CallEventListener,
): AdaptiveRateLimiter | undefined {
  if (!switchSetting('enableRateLimit', settings.enableRateLimit, true)) {
    return undefined;
  }
  const { baseInterval, minInterval, maxInterval, adaptive, limits, fleet, classifyError, scheduler } =
    settings;
  return new AdaptiveRateLimiter({
    baseInterval,
    minInterval,
    maxInterval,
    adaptive,
    limits,
    fleet,
    classifyError,
    events,
    scheduler,
  });
}

/** The cache for a config. */
export interface OptimizerCache {
  /** Undefined if caching is disabled. */
  readonly cache: LLMResultCache | undefined;
  /** Whether it was made for the optimizer and ends with it. */
  readonly isOwn: boolean;
  /** Whether its answers outlive the process or the optimizer, so that a function does not identify a call. */
  readonly needsNames: boolean;
}

export function cacheOf(settings: OptimizerConfig, events: CallEventListener): OptimizerCache {
  const { cacheTtl, cacheMaxSize, shouldCache, clone, scheduler } = settings;
  const isOn = switchSetting('enableCache', settings.enableCache, true) && settings.cache !== false;
  const cache = typeof settings.cache === 'boolean' ? undefined : settings.cache;
  if (!isOn) {
    return { cache: undefined, isOwn: false, needsNames: false };
  }
  const config: LLMResultCache | ResultCacheConfig = configObject('cache', cache);
  for (const [field, inCache] of sameSettings) {
    if (settings[field] === undefined) {
      continue;
    }
    if (config instanceof LLMResultCache) {
      throw new TypeError(`cache is an LLMResultCache, so set ${field} in the config of that cache.`);
    }
    if (config[inCache] !== undefined) {
      throw new TypeError(`${field} and cache.${inCache} are the same setting: give only one of them.`);
    }
  }
  if (config instanceof LLMResultCache) {
    return { cache: config, isOwn: false, needsNames: true };
  }
  if (typeof cacheTtl !== 'function') {
    numberSetting('cacheTtl', cacheTtl, 3_600_000, { above: true, infinite: true });
  }
  numberSetting('cacheMaxSize', cacheMaxSize, 1000, { min: 1, whole: true });
  const made = new LLMResultCache({
    ...config,
    defaultTtl: cacheTtl ?? config.defaultTtl,
    maxSize: cacheMaxSize ?? config.maxSize,
    shouldCache: shouldCache ?? config.shouldCache,
    clone: clone ?? config.clone,
    events,
    scheduler,
  });
  return { cache: made, isOwn: true, needsNames: config.store !== undefined };
}

const sameSettings = [
  ['cacheTtl', 'defaultTtl'],
  ['cacheMaxSize', 'maxSize'],
  ['shouldCache', 'shouldCache'],
  ['clone', 'clone'],
] as const;

/** Refuses a key for all requests of a stream or batch. */
export function refuseSharedKey({ cacheKey }: { readonly cacheKey?: unknown }): void {
  if (cacheKey !== undefined && cacheKey !== false) {
    throw new TypeError(
      'cacheKey must be false here: all requests would get one answer. Give each request its own as a trait.',
    );
  }
}
