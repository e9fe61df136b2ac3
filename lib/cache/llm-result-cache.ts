import type { SchedulerLike } from 'rxjs';
import type { TokenUsage } from '../core/call';
import type { CallEventListener, EvictionReason } from '../core/events';
import { clockFrom } from '../core/scheduler-clock';
import {
  type Lenient,
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
  switchSetting,
} from '../core/settings';
import { readTraits, validated, type TraitsReader } from '../core/traits';
import { sizeOfAnswer } from './answer-size';
import { CacheEngine } from './cache-engine';
import type { CacheStore } from './cache-store';
import { isCacheable } from './cacheable-answer';
import type { CacheExplanation } from './explanation';
import { identify, keySpaceOf, type KeylessRequest, type KeySpace } from './request-identity';
import { generateKey } from './request-key';
import type { CacheSelection } from './selection';
import type { StoreStatistics } from './store-tier';

/** The config of an {@link LLMResultCache}; all times are milliseconds. */
export interface ResultCacheConfig {
  /**
   * Milliseconds an answer stays fresh, or a function that says so for each; 0 keeps it not at all. A request's own
   * `cacheTtl` comes first. Default 3,600,000 (an hour); `Infinity` is allowed.
   *
   * ```
   * defaultTtl: 5
   * requests  a---a---a---|
   * calls     a-------a---
   * outcomes  A---a---A---|      (a: from the cache)
   * ```
   *
   * @example
   * new LLMResultCache({ defaultTtl: (answer) => (answer === 'unknown' ? 60_000 : 86_400_000) });
   */
  readonly defaultTtl?: number | Lenient<[value: unknown, request: unknown], number>;
  /**
   * Share of every TTL, 0 to 1, that chance may take off it, so that answers stored together do not expire together.
   * Default 0.
   *
   * ```
   * defaultTtl: 10, ttlJitter: 0.5      expires somewhere in  ------xxxxx
   * ```
   */
  readonly ttlJitter?: number;
  /** Source of chance for the jitter, in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
  /**
   * Milliseconds after its TTL in which an answer is still given at once (source `stale`), while one call with LOW
   * priority renews it. That call belongs to the cache: it goes on when whoever got the stale answer leaves, and ends
   * with `delete`, `clear` or `close()`. One that brings nothing to keep is not repeated for a second, or for
   * `errorTtl` where it failed and that is set. Default 0: off.
   *
   * ```
   * defaultTtl: 4, staleWhileRevalidate: 6, a call takes 2
   * requests  a-----a--a-|
   * calls     a-----a----
   * outcomes  --A---s--r-|      (s: stale, at once; r: the renewed answer, from the cache)
   * ```
   */
  readonly staleWhileRevalidate?: number;
  /**
   * Milliseconds after its TTL in which an answer stands in (source `stale`) for a call that failed, was refused or
   * came too late. Default 0: off.
   *
   * ```
   * defaultTtl: 4, staleIfError: 20, a call takes 2
   * requests  a-----a----|
   * calls     a-----#----
   * outcomes  --A-----s--|      (s: the stale answer in place of the failure)
   * ```
   */
  readonly staleIfError?: number;
  /**
   * Milliseconds a failure of a call is kept and given to equal requests; never that a provider refused or was
   * overloaded, and never in place of an answer that may stand in for it. Default 0: off.
   *
   * ```
   * errorTtl: 5
   * requests  a---a---a---|
   * calls     #-------#---
   * outcomes  #---#---#---|      (all three are failed outcomes; the second made no call)
   * ```
   */
  readonly errorTtl?: number;
  /** Answers kept in memory; the least recently used leave first. Default 1000. */
  readonly maxSize?: number;
  /** Bytes of keys and answers kept in memory; the least recently used leave first. Default `Infinity`: not counted. */
  readonly maxBytes?: number;
  /** Bytes of an answer, asked only with `maxBytes`. Default: measured by its strings, fields and elements. */
  readonly sizeOf?: Lenient<[value: unknown], number>;
  /** Milliseconds between sweeps of expired answers, in the background. Default 60,000. */
  readonly sweepInterval?: number;
  /** Which answers may be kept. Default: {@link isCacheable}, those that are there, whole and not refused. */
  readonly shouldCache?: Lenient<[value: unknown, request: unknown], boolean>;
  /** Copies an answer on the way in and out. Default: plain answers are frozen, others shared as they are. */
  readonly clone?: <V>(value: V) => V;
  /**
   * Whether a call that has begun goes on, and its answer is kept, when the last request that waits for it leaves.
   * Default false: it is aborted.
   *
   * ```
   * requests  a--!            (! leaves)
   * call      -----A
   * later     ---------a      answered from the cache
   * ```
   */
  readonly keepAlive?: boolean;
  /**
   * Milliseconds a call may take, retries included, from its first start; then all who share it fail with
   * `CallTimeoutError`, and the next request makes a call of its own. Default `Infinity`.
   */
  readonly sharedCallTimeout?: number;
  /** Where answers stay beyond memory: a Keyv instance, or `diskStore` of `rxllm/disk`. Default: none. */
  readonly store?: CacheStore;
  /**
   * Milliseconds a look-up in the store may take; a slower one is bypassed, with an event, until it answers again.
   * Writes, which nobody waits for, may take 10 seconds, or this if it is more. Default 100.
   */
  readonly storeDeadline?: number;
  /** Hears which entries leave, and why, and what becomes of the store. */
  readonly events?: CallEventListener;
  /** The scheduler whose time it lives by. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** What was stored with an answer, besides the answer. */
export interface StoreOptions {
  /** Milliseconds the answer stays fresh. Default: the cache's `defaultTtl`. */
  readonly ttl?: number;
  /** What the call had used up: what each hit saves. */
  readonly usage?: TokenUsage;
  /** Milliseconds the call had taken: what each hit saves. */
  readonly latency?: number;
  /** What the answer can be invalidated by. */
  readonly tags?: readonly string[];
}

/** Which request is meant: the key space it is asked in, and how its traits are read. */
export interface RequestKeyOptions<R = unknown> extends KeySpace {
  /** Reads the traits of the request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<R>;
}

/** How a cache is used. */
export interface CacheStatistics {
  /** Answers kept in memory now, expired ones that were not swept yet included. */
  readonly size: number;
  readonly maxSize: number;
  /** Bytes of keys and answers in memory; 0 without `maxBytes`, as they are not counted then. */
  readonly bytes: number;
  readonly maxBytes: number;
  readonly totalAccesses: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits that were given an expired answer while a call renews it. */
  readonly staleHits: number;
  /** Hits over accesses, 0 to 1. */
  readonly hitRate: number;
  /** Hits over accesses of the last minute, 0 to 1. */
  readonly recentHitRate: number;
  /** Tokens, prompts and answers, that hits did not use again. */
  readonly savedTokens: number;
  /** Milliseconds that the calls of hits had taken. */
  readonly savedLatency: number;
  /** Entries that left memory, by reason. */
  readonly evictions: Readonly<Record<EvictionReason, number>>;
  /** The store behind the memory, where there is one. */
  readonly store?: StoreStatistics;
}

/** The key under which cacheLLM finds what only it may use. */
export const internalsOf = Symbol('rxllm cache internals');

/**
 * Keeps answers by the content of their requests: with a time to live each, the least recently used leaving first,
 * and expired ones swept in the background. Share one among pipelines so that they share answers and running calls.
 * With a `store`, answers outlive the process, and several processes share them: memory first, then the store.
 *
 * @example
 * const cache = new LLMResultCache({ defaultTtl: 10 * 60_000, maxSize: 5000 });
 * cache.set(LLMResultCache.generateKey('What moved gold today?'), answer, { ttl: 60_000 });
 *
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export class LLMResultCache {
  /** @internal */
  readonly [internalsOf]: CacheEngine;
  readonly #engine: CacheEngine;
  readonly #maxSize: number;
  readonly #maxBytes: number;

  constructor(config?: ResultCacheConfig) {
    const settings: ResultCacheConfig = configObject('LLMResultCache', config);
    this.#maxSize = numberSetting('maxSize', settings.maxSize, 1000, {
      min: 1,
      whole: true,
    });
    this.#maxBytes = numberSetting('maxBytes', settings.maxBytes, Infinity, {
      min: 1,
      whole: true,
      infinite: true,
    });
    this.#engine = new CacheEngine({
      clock: clockFrom(settings.scheduler),
      defaultTtl:
        typeof settings.defaultTtl === 'function'
          ? settings.defaultTtl
          : numberSetting('defaultTtl', settings.defaultTtl, 3_600_000, { infinite: true }),
      ttlJitter: numberSetting('ttlJitter', settings.ttlJitter, 0, { max: 1 }),
      random: functionSetting('random', settings.random) ?? Math.random,
      staleWhileRevalidate: graceSetting('staleWhileRevalidate', settings.staleWhileRevalidate),
      staleIfError: graceSetting('staleIfError', settings.staleIfError),
      errorTtl: numberSetting('errorTtl', settings.errorTtl, 0),
      maxSize: this.#maxSize,
      maxBytes: this.#maxBytes,
      sizeOf: functionSetting('sizeOf', settings.sizeOf) ?? sizeOfAnswer,
      sweepInterval: ttlSetting('sweepInterval', settings.sweepInterval, 60_000),
      keepAlive: switchSetting('keepAlive', settings.keepAlive, false),
      sharedCallTimeout: ttlSetting('sharedCallTimeout', settings.sharedCallTimeout, Infinity),
      shouldCache: functionSetting('shouldCache', settings.shouldCache) ?? isCacheable,
      clone: functionSetting('clone', settings.clone),
      store: storeSetting(settings.store),
      storeDeadline: ttlSetting('storeDeadline', settings.storeDeadline, 100),
      events: listenerSetting('events', settings.events),
    });
    this[internalsOf] = this.#engine;
  }

  /**
   * The key of a prompt, or of a whole request, by its content: `v1:` and a SHA-256, the same in Node and in a
   * browser. The order of fields does not matter; `null` is not the same as absent.
   *
   * @throws TypeError for a value that cannot be told apart from others (a function, a class instance, a cycle)
   */
  static generateKey(prompt: unknown, params?: unknown): string {
    return generateKey(prompt, params);
  }

  /**
   * The whole key of a request as cacheLLM makes it, with namespace, version, scope and sample; undefined for one that
   * goes past the cache. What `get`, `set` and `delete` take.
   *
   * @example
   * cache.delete(cache.keyOf({ prompt: 'What moved gold today?' }, { namespace: 'commentary' })!);
   */
  keyOf<R>(request: R, options: RequestKeyOptions<R> = {}): string | undefined {
    const identity = identityOf(request, options);
    return typeof identity === 'string' ? identity : undefined;
  }

  /**
   * The answer kept under a key while it is fresh; undefined where there is none. Looks only in memory, and counts as
   * an access.
   */
  get(key: string): unknown {
    return this.#engine.findFresh(key, this.#engine.clock.now())?.value;
  }

  /**
   * Keeps an answer, whatever it is; a call for the key that runs now is not joined any more and writes nothing.
   *
   * @throws RangeError for a `ttl` that is not above 0 or a `latency` below 0, TypeError for `tags` that are no array of
   * texts; what `clone` or a `defaultTtl` function throws
   */
  set(key: string, value: unknown, options: StoreOptions = {}): void {
    const { ttl, usage, latency, tags } = options;
    this.#engine.set(key, value, {
      ttl: ttl === undefined ? undefined : ttlSetting('ttl', ttl, 0),
      usage,
      latency: numberSetting('latency', latency, 0),
      tags: tagsSetting(tags),
    });
  }

  /**
   * Forgets an answer, in the store too; a call for it that runs now is not joined any more and writes nothing.
   *
   * @returns whether it was kept in memory
   */
  delete(key: string): boolean {
    return this.#engine.delete(key);
  }

  /** Forgets all answers, in the store too; calls that run now are not joined any more and write nothing. */
  clear(): void {
    this.#engine.clear();
  }

  /**
   * Forgets the answers that everything given applies to, in the store too; calls for them that run now are not joined
   * any more and write nothing. A store that cannot list what it holds is cleared as a whole.
   *
   * @example
   * cache.invalidate({ tag: 'gold' });
   * cache.invalidate({ namespace: 'summaries', predicate: ({ value }) => value === 'unknown' });
   *
   * @returns how many answers left memory
   * @throws TypeError for a selection that selects nothing; what `predicate` throws, and then nothing has changed
   */
  invalidate(selection: CacheSelection): number {
    return this.#engine.invalidate(selection);
  }

  /**
   * Tells whether a request would be answered from the cache now, and if not, why not: never seen, expired when, left
   * for what, or which value makes it go past the cache. Changes nothing, and counts as no access.
   *
   * @example
   * console.log((await cache.explain({ model, messages }, { namespace: 'summaries' })).text);
   */
  explain<R>(request: R, options: RequestKeyOptions<R> = {}): Promise<CacheExplanation> {
    const { bypass } = readerOf(options)(request);
    return this.#engine.explain(identityOf(request, options), bypass?.lookUp === true);
  }

  /** How the cache is used. */
  get stats(): CacheStatistics {
    const { clock, memory, store, usage } = this.#engine;
    const { hits, misses, staleHits, savedTokens, savedLatency, evictions } = usage;
    const totalAccesses = hits + misses;
    return {
      size: memory.size,
      maxSize: this.#maxSize,
      bytes: memory.bytes,
      maxBytes: this.#maxBytes,
      totalAccesses,
      hits,
      misses,
      staleHits,
      hitRate: totalAccesses === 0 ? 0 : hits / totalAccesses,
      recentHitRate: usage.recentHitRate(clock.now()),
      savedTokens,
      savedLatency,
      evictions: { ...evictions },
      ...(store && { store: store.statistics }),
    };
  }

  /**
   * Ends its timers and the calls that nobody but the cache waits for. What it holds in memory goes with it; the store
   * stays as it is and is yours to close.
   */
  close(): void {
    this.#engine.close();
  }
}

function identityOf<R>(request: R, options: RequestKeyOptions<R>): string | KeylessRequest {
  const reader = readerOf(options);
  return identify(request, reader(request), keySpaceOf(options), reader === readTraits);
}

function readerOf<R>({ traits }: RequestKeyOptions<R>): TraitsReader<R> {
  return validated(functionSetting('traits', traits));
}

function tagsSetting(tags: readonly string[] | undefined): readonly string[] | undefined {
  if (tags !== undefined && !(Array.isArray(tags) && tags.every((tag) => typeof tag === 'string'))) {
    throw new TypeError('tags must be an array of strings.');
  }
  return tags;
}

function ttlSetting(field: string, value: number | undefined, fallback: number): number {
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
