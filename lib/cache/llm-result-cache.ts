import { LRUCache } from 'lru-cache';
import type { SchedulerLike } from 'rxjs';
import type { TokenUsage } from '../core/call';
import type { Cancel, Clock } from '../core/clock';
import type { CallEventListener, EvictionReason } from '../core/events';
import { clockFrom } from '../core/scheduler-clock';
import { configObject, functionSetting, listenerSetting, numberSetting } from '../core/settings';
import { isCacheable } from './cacheable-answer';
import { Flights } from './flights';
import { freezeAnswer } from './freeze';
import { generateKey } from './request-key';

/** The config of an {@link LLMResultCache}. */
export interface ResultCacheConfig {
  /** Milliseconds an answer stays. Default 3,600,000 (an hour); `Infinity` is allowed. */
  readonly defaultTtl?: number;
  /** Answers kept; the least recently used ones leave first. Default 1000. */
  readonly maxSize?: number;
  /** Milliseconds between sweeps of expired answers, in the background. Default 60,000. */
  readonly sweepInterval?: number;
  /** Which answers may be kept. Default: those that are there, whole and not refused. */
  readonly shouldCache?: (value: unknown) => boolean;
  /** Copies an answer on the way in and out. Default: plain answers are frozen, others shared as they are. */
  readonly clone?: <V>(value: V) => V;
  /** Hears which entries leave, and why. */
  readonly events?: CallEventListener;
  /** The scheduler whose time it lives by. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** What was stored with an answer, besides the answer. */
export interface StoreOptions {
  /** Milliseconds the answer stays. Default: the cache's `defaultTtl`. */
  readonly ttl?: number;
  /** What the call had used up: what each hit saves. */
  readonly usage?: TokenUsage;
  /** Milliseconds the call had taken. */
  readonly latency?: number;
}

/** How a cache is used. */
export interface CacheStatistics {
  /** Answers kept now, expired ones that were not swept yet included. */
  readonly size: number;
  readonly maxSize: number;
  readonly totalAccesses: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits over accesses, 0 to 1. */
  readonly hitRate: number;
  readonly evictions: Readonly<Record<EvictionReason, number>>;
}

interface Entry {
  readonly value: unknown;
  readonly storedAt: number;
  readonly usage: TokenUsage | undefined;
  readonly latency: number;
}

/** What a look-up finds. */
export interface Found {
  readonly value: unknown;
  /** Milliseconds since it was stored. */
  readonly age: number;
  readonly usage: TokenUsage | undefined;
  readonly latency: number;
}

const evictionReasons: Readonly<Partial<Record<LRUCache.DisposeReason, EvictionReason>>> = {
  expire: 'expired',
  evict: 'size',
  delete: 'deleted',
};

/** The key under which cacheLLM finds what only it may use. */
export const internalsOf = Symbol('rxllm cache internals');

/**
 * Keeps answers by the content of their requests: with a time to live each, the least recently used leaving first,
 * and expired ones swept in the background. Share one among pipelines so that they share answers and running calls.
 *
 * @example
 * const cache = new LLMResultCache({ defaultTtl: 10 * 60_000, maxSize: 5000 });
 * cache.set(LLMResultCache.generateKey('What moved gold today?'), answer, { ttl: 60_000 });
 *
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export class LLMResultCache {
  /** @internal */
  readonly [internalsOf]: {
    readonly clock: Clock;
    readonly flights: Flights;
    find(key: string): Found | undefined;
    /** The answer as every waiter of a flight may have it. */
    share<V>(value: V): V;
    shouldCache(value: unknown): boolean;
    stopSweeping(): void;
  };
  readonly #lru: LRUCache<string, Entry>;
  readonly #clock: Clock;
  readonly #flights = new Flights();
  readonly #defaultTtl: number;
  readonly #sweepInterval: number;
  readonly #clone: (<V>(value: V) => V) | undefined;
  readonly #events: CallEventListener | undefined;
  readonly #evictions: Record<EvictionReason, number> = { expired: 0, size: 0, deleted: 0 };
  #hits = 0;
  #misses = 0;
  #cancelSweep: Cancel | undefined;

  constructor(config?: ResultCacheConfig) {
    const settings: ResultCacheConfig = configObject('LLMResultCache', config);
    this.#defaultTtl = ttlSetting('defaultTtl', settings.defaultTtl, 3_600_000);
    this.#sweepInterval = numberSetting('sweepInterval', settings.sweepInterval, 60_000, {
      above: true,
      infinite: true,
    });
    this.#clone = functionSetting('clone', settings.clone);
    this.#events = listenerSetting('events', settings.events);
    const shouldCache = functionSetting('shouldCache', settings.shouldCache) ?? isCacheable;
    const clock = clockFrom(settings.scheduler);
    this.#clock = clock;
    this.#lru = new LRUCache<string, Entry>({
      max: numberSetting('maxSize', settings.maxSize, 1000, { min: 1, whole: true }),
      ttl: 1,
      ttlResolution: 0,
      // lru-cache takes a time of 0 for "no time to live", and virtual time starts at 0.
      perf: { now: () => clock.now() + 1 },
      dispose: (_entry, _key, reason) => this.#left(reason),
    });
    this[internalsOf] = {
      clock,
      flights: this.#flights,
      find: (key) => {
        try {
          return this.#find(key);
        } catch {
          // A copy that fails must not fail the request: it is as if the answer were not there.
          this.#misses++;
          return undefined;
        }
      },
      share: (value) => {
        try {
          return this.#copied(value);
        } catch {
          return value;
        }
      },
      stopSweeping: () => this.#stopSweeping(),
      shouldCache: (value) => {
        try {
          return shouldCache(value);
        } catch {
          return false;
        }
      },
    };
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

  /** The answer kept under a key; undefined where there is none or it has expired. Looks only in memory. */
  get(key: string): unknown {
    return this.#find(key)?.value;
  }

  /** Keeps an answer, whatever it is. */
  set(key: string, value: unknown, options: StoreOptions = {}): void {
    const ttl = ttlSetting('ttl', options.ttl, this.#defaultTtl);
    const entry: Entry = {
      value: this.#copied(value),
      storedAt: this.#clock.now(),
      usage: options.usage,
      latency: options.latency ?? 0,
    };
    this.#lru.set(key, entry, { ttl: ttl === Infinity ? 0 : ttl });
    this.#sweepLater();
  }

  /** Forgets an answer; a call for it that runs now is not joined any more and writes nothing. */
  delete(key: string): boolean {
    this.#flights.fence(key);
    return this.#lru.delete(key);
  }

  /** Forgets all answers; calls that run now are not joined any more and write nothing. */
  clear(): void {
    this.#flights.fenceAll();
    this.#lru.clear();
    this.#stopSweeping();
  }

  /** How the cache is used. */
  get stats(): CacheStatistics {
    const totalAccesses = this.#hits + this.#misses;
    return {
      size: this.#lru.size,
      maxSize: this.#lru.max,
      totalAccesses,
      hits: this.#hits,
      misses: this.#misses,
      hitRate: totalAccesses === 0 ? 0 : this.#hits / totalAccesses,
      evictions: { ...this.#evictions },
    };
  }

  #copied<V>(value: V): V {
    return this.#clone ? this.#clone(value) : freezeAnswer(value);
  }

  #find(key: string): Found | undefined {
    const entry = this.#lru.get(key);
    if (!entry) {
      this.#misses++;
      return undefined;
    }
    const value = this.#clone ? this.#clone(entry.value) : entry.value;
    this.#hits++;
    return {
      value,
      age: this.#clock.now() - entry.storedAt,
      usage: entry.usage,
      latency: entry.latency,
    };
  }

  /** One timer in the background as long as there is anything that may expire. */
  #sweepLater(): void {
    if (!this.#cancelSweep && this.#sweepInterval !== Infinity) {
      this.#cancelSweep = this.#clock.schedule(
        this.#sweepInterval,
        () => {
          this.#cancelSweep = undefined;
          this.#lru.purgeStale();
          if (this.#lru.size > 0) {
            this.#sweepLater();
          }
        },
        { background: true },
      );
    }
  }

  #stopSweeping(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  #left(disposeReason: LRUCache.DisposeReason): void {
    const reason = evictionReasons[disposeReason];
    if (!reason) {
      return;
    }
    this.#evictions[reason]++;
    try {
      this.#events?.next({ type: 'cache-evicted', at: this.#clock.now(), reason });
    } catch (error) {
      // Not here, in the middle of the cache's work, but where unhandled errors go.
      this.#clock.schedule(0, () => {
        throw error;
      });
    }
  }
}

function ttlSetting(field: string, value: number | undefined, fallback: number): number {
  return numberSetting(field, value, fallback, { above: true, infinite: true });
}
