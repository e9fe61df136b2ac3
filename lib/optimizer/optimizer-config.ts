import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../cache/llm-result-cache';
import type { KeySpace } from '../cache/request-identity';
import type { CallContext } from '../core/call';
import type { CallEventListener } from '../core/events';
import type { Fleet } from '../core/fleet';
import { configObject, numberSetting, switchSetting } from '../core/settings';
import type { TraitsReader } from '../core/traits';
import { AdaptiveRateLimiter, type OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { KnownLimits } from '../limiter/known-limits';
import type { ConcurrencyConfig } from '../operators/merge-with-concurrency';
import type { ErrorClassifier } from '../provider/classify-error';
import type { RetryConfig } from '../provider/retry-policy';
import type { PriceTable } from '../stats/prices';

/** A call as the optimizer takes it: an Observable, a promise or any other `ObservableInput` but a string. */
export type LLMCall<R, V> = (request: R, context: CallContext) => ObservableInput<V>;

/** The config of an {@link LLMCallOptimizer}. */
export interface OptimizerConfig {
  /** Milliseconds between starts at first. Default 50, and four requests may start at once before it counts. */
  readonly baseInterval?: number;
  /** Milliseconds; the interval never shrinks below it. Default 0. */
  readonly minInterval?: number;
  /** Milliseconds; the interval never grows above it. Default 30,000. */
  readonly maxInterval?: number;
  /** Whether the interval follows what happens to the calls. Default true. */
  readonly adaptive?: boolean;
  /** Limits known beforehand; those stated in headers are found by themselves. Default: none. */
  readonly limits?: KnownLimits;
  /**
   * The processes that share the limits, as `redisFleet` of `rxllm/redis` makes them. Default: none.
   *
   * @example
   * new LLMCallOptimizer({ fleet: redisFleet(new Redis(), { pool: 'openai:gpt-4o-mini', processes: 4 }) });
   */
  readonly fleet?: Fleet;
  /**
   * A cache to share with others, which stays theirs to clear; or the config of one of its own: freshness, write
   * policy, bounds, a store beyond memory.
   *
   * @example
   * new LLMCallOptimizer({ cache: { staleWhileRevalidate: 60_000, store: diskStore('./answers') } });
   */
  readonly cache?: LLMResultCache | Omit<ResultCacheConfig, 'scheduler' | 'events'>;
  /** Milliseconds an answer stays fresh in the cache, or a function that says so. Default 3,600,000. */
  readonly cacheTtl?: ResultCacheConfig['defaultTtl'];
  /** Answers kept. Default 1000. */
  readonly cacheMaxSize?: number;
  /** Which answers may be kept. Default: those that are there, whole and not refused. */
  readonly shouldCache?: ResultCacheConfig['shouldCache'];
  /** Copies answers on the way into and out of the cache. Default: plain ones are frozen. */
  readonly clone?: ResultCacheConfig['clone'];
  /** Calls that run at once; an Observable changes it while running. Default 3. */
  readonly maxConcurrent?: number | Observable<number>;
  /** Requests that may wait for their start. Default `Infinity`. */
  readonly maxQueue?: number;
  /** Whom a full queue refuses: `reject` the newcomer (default), or `drop-oldest` of the lowest priority. */
  readonly overflow?: OverflowPolicy;
  /** Whether answers are cached and running calls shared. Default true. */
  readonly enableCache?: boolean;
  /** Whether starts are paced. Default true. */
  readonly enableRateLimit?: boolean;
  /** Whether and how failed calls are tried again; a number is the attempts in all. Default true. */
  readonly retry?: boolean | number | RetryConfig;
  /** Milliseconds one attempt may take. Default `Infinity`. */
  readonly timeout?: number;
  /** Milliseconds a request may wait for its start. Default `Infinity`; its own `maxWait` comes first. */
  readonly maxWait?: number;
  /** What an error of a call means, for pace and retries. Default: `classifyError`. */
  readonly classifyError?: ErrorClassifier;
  /** Finds the error in an answer that came as a success; `false`: none. Default: the function `errorInAnswer`. */
  readonly errorInAnswer?: ConcurrencyConfig<unknown>['errorInAnswer'];
  /** Reads the traits of a request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<never>;
  /** What tokens cost, for `spent` and `saved`; `model-unpriced` tells what it lacks. Default: nothing. */
  readonly prices?: PriceTable;
  /** Milliseconds between snapshots of `stats$` at least. Default 1000. */
  readonly sampleInterval?: number;
  /** The scheduler whose time it lives by. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** What may differ from call to call. */
export type CallOptions = KeySpace;

/** What may differ from stream to stream. */
export interface OptimizeOptions extends CallOptions {
  /** Whether outcomes keep the order of the source. Default false. */
  readonly ordered?: boolean;
  /** Hears what happens to the requests of this stream, besides `events$`. */
  readonly events?: CallEventListener;
}

/** What may differ from promise to promise. */
export interface PromiseOptions extends CallOptions {
  /** Gives the request up when aborted: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The limiter that a config asks for; undefined with `enableRateLimit: false`. */
export function limiterOf(
  settings: OptimizerConfig,
  events: CallEventListener,
): AdaptiveRateLimiter | undefined {
  if (!switchSetting('enableRateLimit', settings.enableRateLimit, true)) {
    return undefined;
  }
  const { baseInterval, minInterval, maxInterval, adaptive, limits, fleet, classifyError, scheduler } =
    settings;
  const own = { baseInterval, minInterval, maxInterval, adaptive, limits, fleet, classifyError, scheduler };
  return new AdaptiveRateLimiter({ ...given(own), events });
}

/** The cache that a config asks for; undefined with `enableCache: false`. */
export function cacheOf(settings: OptimizerConfig, events: CallEventListener): LLMResultCache | undefined {
  if (!switchSetting('enableCache', settings.enableCache, true)) {
    return undefined;
  }
  const { cache, cacheTtl, cacheMaxSize, shouldCache, clone, scheduler } = settings;
  const shortcuts = given({ cacheTtl, cacheMaxSize, shouldCache, clone });
  if (cache instanceof LLMResultCache) {
    const [field] = Object.keys(shortcuts);
    if (field !== undefined) {
      throw new TypeError(`cache is an LLMResultCache, so ${field} must be set where that is made.`);
    }
    return cache;
  }
  if (typeof cacheTtl !== 'function') {
    numberSetting('cacheTtl', cacheTtl, 3_600_000, { above: true, infinite: true });
  }
  numberSetting('cacheMaxSize', cacheMaxSize, 1000, { min: 1, whole: true });
  return new LLMResultCache({
    ...configObject('cache', cache),
    ...given({ defaultTtl: cacheTtl, maxSize: cacheMaxSize, shouldCache, clone }),
    events,
    ...given({ scheduler }),
  });
}

/** The fields that were given: with exact optional properties, undefined is not the same as absent. */
export function given<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
