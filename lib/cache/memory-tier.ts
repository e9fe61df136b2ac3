import { LRUCache } from 'lru-cache';
import type { Cancel, Clock } from '../core/clock';
import type { EvictionReason, NotKeptReason } from '../core/events';
import { sizeOfAnswer } from './answer-size';
import { KeptFailure, type CacheEntry } from './cache-entry';

/** What a {@link MemoryTier} works with. */
export interface MemoryTierSettings {
  readonly clock: Clock;
  /** Entries kept at most. */
  readonly maxSize: number;
  /** Bytes kept at most; `Infinity` where they are not counted. */
  readonly maxBytes: number;
  readonly sizeOf: (value: unknown) => number;
  /** Milliseconds an expired answer is still of use. */
  readonly grace: number;
  /** Milliseconds between sweeps. */
  readonly sweepInterval: number;
  /** Hears which entries leave, why and when. */
  readonly left: (key: string, reason: EvictionReason, at: number) => void;
}

/** Bytes an entry takes besides its key and its value, measured as `npm run bench:cache` does. */
const bytesOfEntry = 180;

/** The LRU takes room in advance for all that it is to count; more than this many are counted here. */
const mostInAdvance = 100_000;

/** The entries in memory: the least recently used leave first, by count or by bytes, expired ones when they are swept. */
export class MemoryTier {
  readonly #lru: LRUCache<string, CacheEntry>;
  readonly #settings: MemoryTierSettings;
  /** Who left during an operation, told only after it: the listener may use the cache itself. */
  readonly #gone: { readonly key: string; readonly reason: EvictionReason }[] = [];
  #cancelSweep: Cancel | undefined;
  /** Whether the next entry that makes room does so for the count. */
  #isFull = false;
  #deletedFor: EvictionReason = 'deleted';
  #isClosed = false;
  readonly #isCountedHere: boolean;

  constructor(settings: MemoryTierSettings) {
    this.#settings = settings;
    const { maxBytes, maxSize } = settings;
    this.#isCountedHere = maxSize > mostInAdvance;
    const bytes = { maxSize: Math.min(maxBytes, Number.MAX_SAFE_INTEGER) };
    this.#lru = new LRUCache<string, CacheEntry>({
      // One that has no bound at all is refused.
      ...(this.#isCountedHere ? bytes : { max: maxSize, ...(maxBytes !== Infinity && bytes) }),
      dispose: (_entry, key, why) => {
        if (this.#isClosed) {
          return;
        }
        if (why === 'evict') {
          const reason = this.#isFull ? 'size' : 'bytes';
          this.#isFull = false;
          this.#gone.push({ key, reason });
        } else if (why === 'delete') {
          this.#gone.push({ key, reason: this.#deletedFor });
        }
      },
    });
  }

  get size(): number {
    return this.#lru.size;
  }

  /** Bytes of keys, values and entries; 0 where they are not counted. */
  get bytes(): number {
    return this.#settings.maxBytes === Infinity ? 0 : this.#lru.calculatedSize;
  }

  /** The entry of a key, which is now the most recently used one; an expired one for as long as it is of use. */
  get(key: string, now: number): CacheEntry | undefined {
    const entry = this.#lru.get(key);
    if (entry && now >= entry.freshUntil && this.#isDead(entry, now)) {
      this.delete(key, 'expired', now);
      return undefined;
    }
    return entry;
  }

  /** The entry of a key as it is, expired or not, without any effect. */
  peek(key: string): CacheEntry | undefined {
    return this.#lru.peek(key);
  }

  /**
   * Why it is not kept, if so: the entry alone is larger than all may be, or cannot be measured. Then what stood under
   * its key has left.
   */
  set(key: string, entry: CacheEntry, bytes: number, now: number): NotKeptReason | undefined {
    const { maxBytes, maxSize } = this.#settings;
    if (!(bytes <= maxBytes)) {
      this.delete(key, 'bytes', now);
      return Number.isNaN(bytes) ? 'unusable' : 'bytes';
    }
    const size = maxBytes !== Infinity ? bytes : this.#isCountedHere ? 1 : undefined;
    this.#isFull = this.#lru.size >= maxSize && !this.#lru.has(key);
    if (this.#isFull && this.#isCountedHere) {
      this.#lru.pop();
    }
    this.#lru.set(key, entry, size === undefined ? undefined : { size });
    this.#isFull = false;
    this.#sweepLater();
    this.#tellGone(now);
    return undefined;
  }

  delete(key: string, reason: EvictionReason, now: number): boolean {
    this.#deletedFor = reason;
    const wasThere = this.#lru.delete(key);
    this.#tellGone(now);
    return wasThere;
  }

  clear(now: number): void {
    this.#deletedFor = 'deleted';
    this.#lru.clear();
    this.#stopSweeping();
    this.#tellGone(now);
  }

  /** Lets go of everything without a word. */
  close(): void {
    this.#isClosed = true;
    this.#lru.clear();
    this.#stopSweeping();
  }

  entries(): Iterable<[string, CacheEntry]> {
    return this.#lru.entries();
  }

  #tellGone(now: number): void {
    if (this.#gone.length > 0) {
      for (const { key, reason } of this.#gone.splice(0)) {
        this.#settings.left(key, reason, now);
      }
    }
  }

  /** Bytes of an entry; NaN where they cannot be told, as what a user's function says must not fail a request. */
  measure(key: string, { value }: CacheEntry): number {
    if (this.#settings.maxBytes === Infinity) {
      return 0;
    }
    try {
      const sizeOfValue =
        value instanceof KeptFailure ? sizeOfAnswer(value.error) : this.#settings.sizeOf(value);
      return Math.max(1, Math.ceil(sizeOfValue + sizeOfAnswer(key) + bytesOfEntry));
    } catch {
      return NaN;
    }
  }

  #stopSweeping(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  #isDead({ value, freshUntil }: CacheEntry, now: number): boolean {
    return now >= (value instanceof KeptFailure ? freshUntil : freshUntil + this.#settings.grace);
  }

  /** One timer in the background as long as there is anything that may expire. */
  #sweepLater(): void {
    if (this.#cancelSweep) {
      return;
    }
    const { clock, sweepInterval } = this.#settings;
    if (sweepInterval !== Infinity && !this.#isClosed) {
      this.#cancelSweep = clock.schedule(
        sweepInterval,
        () => {
          this.#cancelSweep = undefined;
          const now = clock.now();
          for (const [key, entry] of [...this.#lru.entries()]) {
            // Whoever heard of an earlier one may have stored this one anew.
            if (this.#isDead(entry, now) && this.#lru.peek(key) === entry) {
              this.delete(key, 'expired', now);
            }
          }
          if (this.#lru.size > 0) {
            this.#sweepLater();
          }
        },
        { background: true },
      );
    }
  }
}
