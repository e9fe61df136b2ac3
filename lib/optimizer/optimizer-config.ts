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

/** A call as the optimizer takes it: an Observable, a promise or any other `ObservableInput` but a string. */
export type LLMCall<R, V> = (request: R, context: CallContext) => ObservableInput<V>;

/** The config of an {@link LLMCallOptimizer}. */
export interface OptimizerConfig {
  /** Milliseconds between starts at first. Default 50, and four requests may start at once before it counts. */
  readonly baseInterval?: number | undefined;
  /** Milliseconds; the interval never shrinks below it. Default 0. */
  readonly minInterval?: number | undefined;
  /** Milliseconds; the interval never grows above it. Default 30,000. */
  readonly maxInterval?: number | undefined;
  /** Whether the interval follows what happens to the calls. Default true. */
  readonly adaptive?: boolean | undefined;
  /** Limits known beforehand; those stated in headers are found by themselves. Default: none. */
  readonly limits?: KnownLimits | undefined;
  /**
   * The processes that share the limits, as `redisFleet` of `rxllm/redis` makes them. Default: none.
   *
   * @example
   * new LLMCallOptimizer({ fleet: redisFleet(new Redis(), { pool: 'openai:gpt-4o-mini', processes: 4 }) });
   */
  readonly fleet?: Fleet | undefined;
  /**
   * A cache to share with others, which stays theirs to clear; or the config of one of its own: freshness, write
   * policy, bounds, a store beyond memory.
   *
   * `false` is `enableCache: false`. With a cache to share, or one with a store, a call needs a `namespace`, unless an
   * adapter made it.
   *
   * @example
   * new LLMCallOptimizer({ cache: { staleWhileRevalidate: 60_000, store: diskStore('./answers') } });
   */
  readonly cache?: LLMResultCache | Omit<ResultCacheConfig, 'scheduler' | 'events'> | boolean | undefined;
  /** Milliseconds an answer stays fresh in the cache, or a function that says so. Default 3,600,000. */
  readonly cacheTtl?: ResultCacheConfig['defaultTtl'] | undefined;
  /** Answers kept. Default 1000. */
  readonly cacheMaxSize?: number | undefined;
  /** Which answers may be kept. Default: those that are there, whole and not refused. */
  readonly shouldCache?: ResultCacheConfig['shouldCache'] | undefined;
  /** Copies answers on the way into and out of the cache. Default: plain ones are frozen. */
  readonly clone?: ResultCacheConfig['clone'] | undefined;
  /** Calls that run at once; an Observable changes it while running. Default 3. */
  readonly maxConcurrent?: number | Observable<number> | undefined;
  /** Requests that may wait for their start. Default `Infinity`. */
  readonly maxQueue?: number | undefined;
  /** Whom a full queue refuses: `reject` the newcomer (default), or `drop-oldest` of the lowest priority. */
  readonly overflow?: OverflowPolicy | undefined;
  /** Whether answers are cached and running calls shared. Default true. */
  readonly enableCache?: boolean | undefined;
  /** Whether starts are paced. Default true. */
  readonly enableRateLimit?: boolean | undefined;
  /** Whether and how failed calls are tried again; a number is the attempts in all. Default true. */
  readonly retry?: boolean | number | RetryConfig | undefined;
  /** Milliseconds one attempt may take. Default `Infinity`. */
  readonly timeout?: number | undefined;
  /** Milliseconds a request may wait for its start. Default `Infinity`; its own `maxWait` may be shorter. */
  readonly maxWait?: number | undefined;
  /** What an error of a call means, for pace and retries. Default: `classifyError`. */
  readonly classifyError?: ErrorClassifier | undefined;
  /** Finds the error in an answer that came as a success; `false`: none. Default: the function `errorInAnswer`. */
  readonly errorInAnswer?: ConcurrencyConfig<unknown>['errorInAnswer'] | undefined;
  /** Reads the traits of a request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<never> | undefined;
  /** What tokens cost, for `spent` and `saved`; `model-unpriced` tells what it lacks. Default: nothing. */
  readonly prices?: PriceTable | undefined;
  /**
   * Money, in the currency of `prices`, that calls may cost in all. Once they have cost as much, no further call starts,
   * retries included: what waits, and what comes later, fails with `SpendLimitError`, unless the cache or a running call
   * answers it. Calls that run then go on, so they are the most that it may be exceeded by.
   *
   * It counts the usage that this optimizer's own calls report, when they end. A model without a price counts as nothing,
   * and `model-unpriced` tells of it; a price for `'*'` counts all of them. Refused without `prices`.
   *
   * @defaultValue no limit
   * @example
   * new LLMCallOptimizer({ prices: { 'gpt-4o-mini': { input: 0.15, output: 0.6 } }, maxSpend: 5 });
   */
  readonly maxSpend?: number | undefined;
  /** Milliseconds between snapshots of `stats$` at least. Default 1000. */
  readonly sampleInterval?: number | undefined;
  /** The scheduler whose time it lives by. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** What may differ from call to call. */
export type CallOptions = KeySpace;

/** Traits that all requests of a stream or a batch have, in place of their own: all but a key, which is one request's. */
export interface SharedTraits extends Omit<CallTraits, 'cacheKey'> {
  /** `false` has all requests go past the cache. */
  readonly cacheKey?: false | undefined;
}

/** What may differ from stream to stream. */
export interface OptimizeOptions extends CallOptions, SharedTraits {
  /** Whether outcomes keep the order of the source. Default false. */
  readonly ordered?: boolean | undefined;
  /** Hears what happens to the requests of this stream, besides `events$`. */
  readonly events?: CallEventListener | undefined;
}

/** What may differ from promise to promise; traits among it come before those of the request. */
export interface PromiseOptions extends CallOptions, CallTraits {
  /** Gives the request up when aborted: the promise rejects, or the outcome fails, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What may differ from batch to batch. */
export interface BatchOptions<R = unknown, V = unknown> extends CallOptions, SharedTraits {
  /** When aborted, requests without an answer fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told of each outcome as soon as it is known, in the order in which they become known. What it throws is reported as
   * RxJS reports unhandled errors, and harms nothing.
   *
   * @defaultValue nobody is told
   * @example
   * await optimizer.callBatch(summarise, articles, { onProgress: ({ done, total }) => console.log(`${done}/${total}`) });
   */
  readonly onProgress?: ((progress: BatchProgress<R, V>) => void) | undefined;
}

/** What may differ from drain to drain. */
export interface DrainOptions {
  /** When aborted, what is still open fails with `ClosedError`. @defaultValue it waits for as long as that takes */
  readonly signal?: AbortSignal | undefined;
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

/** The cache that a config asks for. */
export interface OptimizerCache {
  /** Undefined if caching is switched off. */
  readonly cache: LLMResultCache | undefined;
  /** Whether it was made for the optimizer alone, and so ends with it. */
  readonly isOwn: boolean;
  /** Whether its answers outlive the process or the optimizer, so that a function does not tell a call from others. */
  readonly needsNames: boolean;
}

/** The cache that a config asks for. */
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
      throw new TypeError(`cache is an LLMResultCache, so ${field} must be set where that is made.`);
    }
    if (config[inCache] !== undefined) {
      throw new TypeError(`${field} and cache.${inCache} are the same setting: give one of them.`);
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

/** Refuses a key that all requests of a stream or a batch would have. */
export function refuseSharedKey({ cacheKey }: { readonly cacheKey?: unknown }): void {
  if (cacheKey !== undefined && cacheKey !== false) {
    throw new TypeError(
      'cacheKey must be false here: all requests would get one answer. Give each request its own as a trait.',
    );
  }
}
