import type { CallContext } from '../core/call';
import type { EvictionReason } from '../core/events';
import type { StreamCall } from '../core/stream';
import { functionSetting, numberSetting } from '../core/settings';
import { traitsOfRequests, type TraitsReader } from '../core/traits';
import { CacheEngine } from './cache-engine';
import { explain, type CacheExplanation } from './explanation';
import { invalidate } from './invalidation';
import { RequestKeys, type KeySpace } from './request-identity';
import { generateKey } from './request-key';
import { cacheSettings, timeSetting, type ResultCacheConfig, type StoreOptions } from './result-cache-config';
import type { CacheSelection } from './selection';
import type { StoreStatistics } from './store-tier';

export type { ResultCacheConfig, StoreOptions } from './result-cache-config';

/** Says which request is meant: its key space, its call, and how its traits are read. */
export interface RequestKeyOptions<R = unknown> extends KeySpace {
  /** The call of an optimizer that the request is for. @defaultValue none, as in `cacheLLM` */
  readonly call?: ((request: R, context: CallContext) => unknown) | StreamCall<R, never, unknown> | undefined;
  /** Reads the traits of the request. @defaultValue the request's own fields that are valid traits */
  readonly traits?: TraitsReader<R> | undefined;
}

/** How a cache is used. */
export interface CacheStatistics {
  /** Answers in memory now, including expired ones that were not swept yet. */
  readonly size: number;
  readonly maxSize: number;
  /** Bytes of keys and answers in memory; 0 without `maxBytes`. */
  readonly bytes: number;
  readonly maxBytes: number;
  readonly totalAccesses: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits that got an expired answer while a call renewed it. */
  readonly staleHits: number;
  /** Hits over accesses, 0 to 1. */
  readonly hitRate: number;
  /** Hits over accesses in the last minute, 0 to 1. */
  readonly recentHitRate: number;
  /** Tokens, prompts and answers, that hits saved. */
  readonly savedTokens: number;
  /** Milliseconds that hits saved: the latency of the calls that had made their answers. */
  readonly savedLatency: number;
  /** Entries that left memory, by reason. */
  readonly evictions: Readonly<Record<EvictionReason, number>>;
  /** The store behind the memory; absent without one. */
  readonly store?: StoreStatistics;
}

/** The key under which cacheLLM finds the internals of a cache. */
export const internalsOf = Symbol('rxllm cache internals');

/**
 * Keeps answers by the content of their requests. Each answer has a time to live; the least recently used ones leave
 * first, and expired ones are swept in the background. Pipelines that share a cache share answers and running calls.
 * With a `store`, answers survive a restart and several processes share them; memory is asked first.
 *
 * @example
 * const cache = new LLMResultCache({ defaultTtl: 10 * 60_000, maxSize: 5000 });
 * cache.set(LLMResultCache.generateKey('What moved gold today?'), answer, { ttl: 60_000 });
 *
 * @throws TypeError or RangeError if the config has a wrong value
 */
export class LLMResultCache {
  /** @internal */
  readonly [internalsOf]: CacheEngine;
  readonly #engine: CacheEngine;

  constructor(config?: ResultCacheConfig) {
    this.#engine = new CacheEngine(cacheSettings(config));
    this[internalsOf] = this.#engine;
  }

  /**
   * Makes the key of a prompt, or of a whole request, from its content: `v1:` and a SHA-256, the same in Node and in a
   * browser. The order of fields does not matter; `null` differs from absent.
   *
   * @throws TypeError if a value cannot be part of a key (a function, a class instance, a cycle)
   */
  static generateKey(prompt: unknown, params?: unknown): string {
    return generateKey(prompt, params);
  }

  /**
   * Makes the whole key of a request, for `get`, `set` and `delete`: as `cacheLLM` makes it, or as an optimizer makes
   * it for a `call`, with namespace, version, scope and sample. Undefined for a request that bypasses the cache.
   *
   * @example
   * cache.delete(cache.keyOf({ prompt: 'What moved gold today?' }, { namespace: 'commentary' })!);
   */
  keyOf<R>(request: R, options: RequestKeyOptions<R> = {}): string | undefined {
    const { keys, traits } = rulesOf(options);
    return keys.of(request, traits.read(request)).key;
  }

  /**
   * Returns the fresh answer under a key; undefined if there is none. Looks only in memory, and counts as an access.
   */
  get(key: string): unknown {
    return this.#engine.findFresh(key, this.#engine.clock.date())?.value;
  }

  /**
   * Keeps an answer of any value. A running call for the key writes nothing, and no request joins it any more.
   *
   * @throws RangeError if `ttl` is not above 0 or `latency` is below 0, TypeError if `tags` is no array of strings, and
   * the error of `clone` or of a `defaultTtl` function
   */
  set(key: string, value: unknown, options: StoreOptions = {}): void {
    const { ttl, latency, tags } = options;
    this.#engine.set(key, value, {
      ...options,
      ...(ttl !== undefined && { ttl: timeSetting('ttl', ttl, 0) }),
      latency: numberSetting('latency', latency, 0),
      tags: tagsSetting(tags),
    });
  }

  /**
   * Deletes an answer, in the store too. A running call for it writes nothing, and no request joins it any more.
   *
   * @returns whether it was in memory
   */
  delete(key: string): boolean {
    return this.#engine.delete(key);
  }

  /** Deletes all answers, in the store too. Running calls write nothing, and no request joins them any more. */
  clear(): void {
    this.#engine.clear();
  }

  /**
   * Deletes the answers that match all given fields, in the store too. Running calls for them write nothing, and no
   * request joins them any more. A store that cannot list its content is cleared.
   *
   * @example
   * cache.invalidate({ tag: 'gold' });
   * cache.invalidate({ namespace: 'summaries', predicate: ({ value }) => value === 'unknown' });
   *
   * @returns how many answers left memory
   * @throws TypeError if the selection is empty, and the error of `predicate`; then nothing has changed
   */
  invalidate(selection: CacheSelection): number {
    return invalidate(this.#engine, selection);
  }

  /**
   * Explains whether a request would be answered from the cache now, and if not, why: never seen, expired, evicted, or
   * which value makes it bypass the cache. Changes nothing, and counts as no access.
   *
   * @example
   * console.log((await cache.explain({ model, messages }, { namespace: 'summaries' })).text);
   */
  explain<R>(request: R, options: RequestKeyOptions<R> = {}): Promise<CacheExplanation> {
    const { keys, traits } = rulesOf(options);
    const read = traits.read(request);
    return explain(this.#engine, keys.of(request, read), read);
  }

  /** How the cache is used. */
  get stats(): CacheStatistics {
    const { clock, memory, store, usage } = this.#engine;
    const { hits, misses, staleHits, savedTokens, savedLatency, evictions } = usage;
    const totalAccesses = hits + misses;
    return {
      size: memory.size,
      maxSize: memory.maxSize,
      bytes: memory.bytes,
      maxBytes: memory.maxBytes,
      totalAccesses,
      hits,
      misses,
      staleHits,
      hitRate: totalAccesses === 0 ? 0 : hits / totalAccesses,
      recentHitRate: usage.recentHitRate(clock.date()),
      savedTokens,
      savedLatency,
      evictions: { ...evictions },
      ...(store && { store: store.statistics }),
    };
  }

  /**
   * Ends its timers and the calls that only the cache waits for, and clears memory. The store stays open and is yours
   * to close.
   */
  close(): void {
    this.#engine.close();
  }
}

function rulesOf<R>(options: RequestKeyOptions<R>) {
  const traits = traitsOfRequests(functionSetting('traits', options.traits));
  return { traits, keys: new RequestKeys<R>(options, traits, options.call) };
}

function tagsSetting(tags: readonly string[] = []): readonly string[] {
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) {
    throw new TypeError('tags must be an array of strings.');
  }
  return tags;
}
