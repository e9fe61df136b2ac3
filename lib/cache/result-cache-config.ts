import type { SchedulerLike } from 'rxjs';
import type { TokenUsage } from '../core/call';
import type { Clock } from '../core/clock';
import type { CallEventListener } from '../core/events';
import { guarded } from '../core/listener';
import { clockFrom } from '../core/scheduler-clock';
import {
  type Lenient,
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
  switchSetting,
  type FieldsOf,
} from '../core/settings';
import type { Clone } from './answer-copies';
import { sizeOfAnswer } from './answer-size';
import type { CacheStore } from './cache-store';
import { isCacheable } from './cacheable-answer';
import type { TimeToLiveSettings } from './time-to-live';

export const resultCacheFields: FieldsOf<ResultCacheConfig> = {
  defaultTtl: true,
  ttlJitter: true,
  random: true,
  staleWhileRevalidate: true,
  staleIfError: true,
  errorTtl: true,
  maxSize: true,
  maxBytes: true,
  sizeOf: true,
  sweepInterval: true,
  shouldCache: true,
  clone: true,
  keepAlive: true,
  sharedCallTimeout: true,
  store: true,
  storeDeadline: true,
  events: true,
  scheduler: true,
};

/** The config of an {@link LLMResultCache}; all times are milliseconds. */
export interface ResultCacheConfig {
  /**
   * Milliseconds for which an answer stays fresh, or a function that returns them for each answer; 0 does not keep it.
   * The `cacheTtl` of a request comes first. `Infinity` is allowed.
   *
   * ```
   * defaultTtl: 5
   * requests  a---a---a---|
   * calls     a-------a---
   * outcomes  A---a---A---|      (a: from the cache)
   * ```
   *
   * @defaultValue 3,600,000 (an hour)
   *
   * @example
   * new LLMResultCache({ defaultTtl: (answer) => (answer === 'unknown' ? 60_000 : 86_400_000) });
   */
  readonly defaultTtl?: number | Lenient<[value: unknown, request: unknown], number> | undefined;
  /**
   * The largest random cut of each TTL, as a share from 0 to 1, so that answers stored together do not expire together.
   *
   * ```
   * defaultTtl: 10, ttlJitter: 0.5
   * expires  ------xxxxx      (at one of the x)
   * ```
   *
   * @defaultValue 0
   */
  readonly ttlJitter?: number | undefined;
  /**
   * Returns random numbers in [0, 1) for the jitter.
   *
   * @defaultValue `Math.random`
   */
  readonly random?: (() => number) | undefined;
  /**
   * Milliseconds after the TTL in which an answer is still given at once (source `stale`), while one call with LOW
   * priority renews it. That call goes on when the subscriber of the stale answer leaves, and ends with `delete`,
   * `clear` or `close()`. If it brings no answer to keep, it is not repeated for a second; a failed one not for
   * `errorTtl`, if that is set.
   *
   * ```
   * defaultTtl: 4, staleWhileRevalidate: 6, a call takes 2
   * requests  a-----a--a-|
   * calls     a-----a----
   * outcomes  --A---s--r-|      (s: stale, at once; r: the renewed answer, from the cache)
   * ```
   *
   * @defaultValue 0: off
   */
  readonly staleWhileRevalidate?: number | undefined;
  /**
   * Milliseconds after the TTL in which an answer replaces (source `stale`) a call that failed, was refused or came too
   * late.
   *
   * ```
   * defaultTtl: 4, staleIfError: 20, a call takes 2
   * requests  a-----a----|
   * calls     a-----#----
   * outcomes  --A-----s--|      (s: the stale answer in place of the failure)
   * ```
   *
   * @defaultValue 0: off
   */
  readonly staleIfError?: number | undefined;
  /**
   * Milliseconds for which the failure of a call is kept and given to equal requests. Refusals and overload are not
   * kept, nor failures that a stale answer replaces.
   *
   * ```
   * errorTtl: 5
   * requests  a---a---a---|
   * calls     #-------#---
   * outcomes  #---#---#---|      (all three are failed outcomes; the second made no call)
   * ```
   *
   * @defaultValue 0: off
   */
  readonly errorTtl?: number | undefined;
  /**
   * The most answers in memory; the least recently used leave first.
   *
   * @defaultValue 1000
   */
  readonly maxSize?: number | undefined;
  /**
   * The most bytes of keys and answers in memory; the least recently used leave first.
   *
   * @defaultValue `Infinity`: bytes are not counted
   */
  readonly maxBytes?: number | undefined;
  /**
   * Measures an answer in bytes; used only with `maxBytes`.
   *
   * @defaultValue an estimate by its texts, buffers, fields and elements
   */
  readonly sizeOf?: Lenient<[value: unknown], number> | undefined;
  /**
   * Milliseconds between background sweeps of expired answers.
   *
   * @defaultValue 60,000
   */
  readonly sweepInterval?: number | undefined;
  /**
   * Decides whether an answer may be kept.
   *
   * @defaultValue {@link isCacheable}: answers that are present, whole and not refused
   */
  readonly shouldCache?: Lenient<[value: unknown, request: unknown], boolean> | undefined;
  /**
   * Copies an answer on its way in and out.
   *
   * @defaultValue plain answers are frozen, others shared as they are
   */
  readonly clone?: (<V>(value: V) => V) | undefined;
  /**
   * Whether a started call goes on, and its answer is kept, when its last waiter leaves. If not, it is aborted.
   *
   * ```
   * requests  a--!            (! leaves)
   * call      -----A
   * later     ---------a      (a: from the cache)
   * ```
   *
   * @defaultValue false
   */
  readonly keepAlive?: boolean | undefined;
  /**
   * Milliseconds that a shared call may take from its first start, retries included. Then all requests that share it
   * fail with `CallTimeoutError`, and the next request makes another call.
   *
   * @defaultValue `Infinity`
   */
  readonly sharedCallTimeout?: number | undefined;
  /**
   * Keeps answers beyond memory: a Keyv instance, or `diskStore` of `rxllm/disk`.
   *
   * @defaultValue none
   */
  readonly store?: CacheStore | undefined;
  /**
   * Milliseconds that a look-up in the store may take. A slower store is bypassed, with an event, until it answers
   * again. Writes run in the background and may take 10 seconds, or this time if it is longer.
   *
   * @defaultValue 100
   */
  readonly storeDeadline?: number | undefined;
  /** Receives an event when an entry leaves and when the store is bypassed or restored. @defaultValue none */
  readonly events?: CallEventListener | undefined;
  /**
   * The scheduler whose time is used.
   *
   * @defaultValue `asyncScheduler`
   */
  readonly scheduler?: SchedulerLike | undefined;
}

/** Details of an answer that is set. */
export interface StoreOptions {
  /**
   * Milliseconds for which the answer stays fresh.
   *
   * @defaultValue the `defaultTtl` of the cache
   */
  readonly ttl?: number | undefined;
  /** The tokens that the call used. Each hit saves them. @defaultValue none */
  readonly usage?: TokenUsage | undefined;
  /**
   * Milliseconds that the call took. Each hit saves them.
   *
   * @defaultValue 0
   */
  readonly latency?: number | undefined;
  /**
   * The tags by which the answer can be invalidated: `cache.invalidate({ tag })`.
   *
   * @defaultValue none
   */
  readonly tags?: readonly string[] | undefined;
}

export interface CacheEngineSettings extends TimeToLiveSettings {
  readonly clock: Clock;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly errorTtl: number;
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly sizeOf: (value: unknown) => number;
  readonly sweepInterval: number;
  readonly keepAlive: boolean;
  readonly sharedCallTimeout: number;
  readonly shouldCache: (value: unknown, request: unknown) => boolean;
  readonly clone: Clone | undefined;
  readonly store: CacheStore | undefined;
  readonly storeDeadline: number;
  readonly events: CallEventListener | undefined;
}

/** The settings of a cache in a config that has others, too. */
export function resultCacheConfigOf(config: ResultCacheConfig): ResultCacheConfig {
  return Object.fromEntries(Object.entries(config).filter(([field]) => field in resultCacheFields));
}

export function cacheSettings(config: ResultCacheConfig | undefined): CacheEngineSettings {
  const settings: ResultCacheConfig = configObject('LLMResultCache', config, resultCacheFields);
  const { defaultTtl, maxBytes } = settings;
  return {
    clock: clockFrom(settings.scheduler),
    defaultTtl:
      typeof defaultTtl === 'function'
        ? defaultTtl
        : numberSetting('defaultTtl', defaultTtl, 3_600_000, { infinite: true }),
    ttlJitter: numberSetting('ttlJitter', settings.ttlJitter, 0, { max: 1 }),
    random: functionSetting('random', settings.random) ?? Math.random,
    staleWhileRevalidate: graceSetting('staleWhileRevalidate', settings.staleWhileRevalidate),
    staleIfError: graceSetting('staleIfError', settings.staleIfError),
    errorTtl: numberSetting('errorTtl', settings.errorTtl, 0),
    maxSize: numberSetting('maxSize', settings.maxSize, 1000, { min: 1, whole: true }),
    maxBytes: numberSetting('maxBytes', maxBytes, Infinity, { min: 1, whole: true, infinite: true }),
    sizeOf: functionSetting('sizeOf', settings.sizeOf) ?? sizeOfAnswer,
    sweepInterval: timeSetting('sweepInterval', settings.sweepInterval, 60_000),
    keepAlive: switchSetting('keepAlive', settings.keepAlive, false),
    sharedCallTimeout: timeSetting('sharedCallTimeout', settings.sharedCallTimeout, Infinity),
    shouldCache: functionSetting('shouldCache', settings.shouldCache) ?? isCacheable,
    clone: functionSetting('clone', settings.clone),
    store: storeSetting(settings.store),
    storeDeadline: timeSetting('storeDeadline', settings.storeDeadline, 100),
    events: guarded(listenerSetting('events', settings.events)),
  };
}

export function timeSetting(field: string, value: number | undefined, fallback: number): number {
  return numberSetting(field, value, fallback, { above: true, infinite: true });
}

function graceSetting(field: string, value: number | undefined): number {
  return numberSetting(field, value, 0, { infinite: true });
}

function storeSetting(store: CacheStore | undefined): CacheStore | undefined {
  if (store !== undefined) {
    for (const method of ['get', 'set', 'delete'] as const) {
      if (typeof (store as Partial<CacheStore> | null)?.[method] !== 'function') {
        throw new TypeError(`store must have a ${method}() method, as a Keyv instance or diskStore() has.`);
      }
    }
  }
  return store;
}
