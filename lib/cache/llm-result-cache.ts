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

/** Which request is meant: the key space it is asked in, the call it is for, and how its traits are read. */
export interface RequestKeyOptions<R = unknown> extends KeySpace {
  /** The call of an optimizer that the request is for. Default: none, as in cacheLLM. */
  readonly call?: ((request: R, context: CallContext) => unknown) | StreamCall<R, never, unknown> | undefined;
  /** Reads the traits of the request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<R> | undefined;
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

  constructor(config?: ResultCacheConfig) {
    this.#engine = new CacheEngine(cacheSettings(config));
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
   * The whole key of a request as cacheLLM makes it, or an optimizer for a `call`, with namespace, version, scope and
   * sample; undefined for one that goes past the cache. What `get`, `set` and `delete` take.
   *
   * @example
   * cache.delete(cache.keyOf({ prompt: 'What moved gold today?' }, { namespace: 'commentary' })!);
   */
  keyOf<R>(request: R, options: RequestKeyOptions<R> = {}): string | undefined {
    const { keys, traits } = rulesOf(options);
    return keys.of(request, traits.read(request)).key;
  }

  /**
   * The answer kept under a key while it is fresh; undefined where there is none. Looks only in memory, and counts as
   * an access.
   */
  get(key: string): unknown {
    return this.#engine.findFresh(key, this.#engine.clock.date())?.value;
  }

  /**
   * Keeps an answer, whatever it is; a call for the key that runs now is not joined any more and writes nothing.
   *
   * @throws RangeError for a `ttl` that is not above 0 or a `latency` below 0, TypeError for `tags` that are no array of
   * texts; what `clone` or a `defaultTtl` function throws
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
    return invalidate(this.#engine, selection);
  }

  /**
   * Tells whether a request would be answered from the cache now, and if not, why not: never seen, expired when, left
   * for what, or which value makes it go past the cache. Changes nothing, and counts as no access.
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
   * Ends its timers and the calls that nobody but the cache waits for. What it holds in memory goes with it; the store
   * stays as it is and is yours to close.
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
