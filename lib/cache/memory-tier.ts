import { LRUCache } from 'lru-cache';
import type { Cancel, Clock } from '../core/clock';
import type { EvictionReason, NotKeptReason } from '../core/events';
import { refusePromise } from '../core/settings';
import { sizeOfAnswer } from './answer-size';
import { KeptFailure, type CacheEntry } from './cache-entry';

/** The settings of a {@link MemoryTier}. */
export interface MemoryTierSettings {
  readonly clock: Clock;
  /** Entries kept at most. */
  readonly maxSize: number;
  /** Bytes kept at most; `Infinity` if they are not counted. */
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
const bytesOfEntry = 240;

/** The entries in memory: the least recently used leave first, by count or by bytes, expired ones when they are swept. */
export class MemoryTier {
  readonly #settings: MemoryTierSettings;
  /**
   * Bounded by `max`, it would take room for all entries in advance; so its bound is the bytes, and the count is bounded
   * in `set`. It does not know the time: an entry is fresh, stale or dead, which takes more than one TTL.
   */
  readonly #entries: LRUCache<string, CacheEntry>;
  #cancelSweep: Cancel | undefined;
  #isClosed = false;

  constructor(settings: MemoryTierSettings) {
    this.#settings = settings;
    this.#entries = new LRUCache({ maxSize: Math.min(settings.maxBytes, Number.MAX_SAFE_INTEGER) });
  }

  get size(): number {
    return this.#entries.size;
  }

  get maxSize(): number {
    return this.#settings.maxSize;
  }

  /** Bytes of keys, values and entries; 0 if they are not counted. */
  get bytes(): number {
    return this.#countsBytes ? this.#entries.calculatedSize : 0;
  }

  get maxBytes(): number {
    return this.#settings.maxBytes;
  }

  get #countsBytes(): boolean {
    return this.#settings.maxBytes !== Infinity;
  }

  /** The entry of a key, which is now the most recently used one; an expired one while it is of use. */
  get(key: string, now: number): CacheEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry && this.#isDead(entry, now)) {
      this.delete(key, 'expired', now);
      return undefined;
    }
    return entry;
  }

  /** The entry of a key, expired or not, without any effect. */
  peek(key: string): CacheEntry | undefined {
    return this.#entries.peek(key);
  }

  /** The bytes of an entry; 1 if they are not counted; NaN if they cannot be measured. */
  measure(key: string, value: unknown): number {
    if (!this.#countsBytes) {
      return 1;
    }
    try {
      const bytes = value instanceof KeptFailure ? sizeOfAnswer(value.error) : this.#settings.sizeOf(value);
      refusePromise('sizeOf', bytes);
      return Math.max(1, Math.ceil(bytes + sizeOfAnswer(key) + bytesOfEntry));
    } catch {
      return NaN;
    }
  }

  /**
   * Keeps an entry; or forgets what its key has if it alone is larger than the bound, or cannot be measured.
   *
   * @param bytes as `measure` returned them
   * @returns why the entry is not kept; undefined if it is
   */
  set(key: string, entry: CacheEntry, bytes: number, now: number): NotKeptReason | undefined {
    const { maxBytes, maxSize } = this.#settings;
    if (!(bytes <= maxBytes)) {
      this.delete(key, 'bytes', now);
      return Number.isNaN(bytes) ? 'unusable' : 'bytes';
    }
    this.#entries.delete(key);
    const leaving: [string, EvictionReason][] = [];
    if (this.#entries.size >= maxSize) {
      leaving.push([this.#removeOldest(), 'size']);
    }
    while (this.#entries.calculatedSize + bytes > maxBytes) {
      leaving.push([this.#removeOldest(), 'bytes']);
    }
    this.#entries.set(key, entry, { size: bytes });
    this.#sweepLater();
    // Last, as the listener may use this cache.
    for (const [oldest, reason] of leaving) {
      this.#tell(oldest, reason, now);
    }
    return undefined;
  }

  /** Puts an entry with the same answer in the place of one that is kept. */
  replace(key: string, entry: CacheEntry): void {
    this.#entries.set(key, entry, { size: this.#entries.info(key)?.size ?? 1 });
  }

  /** Returns whether the key had an entry. */
  delete(key: string, reason: EvictionReason, now: number): boolean {
    const wasKept = this.#entries.delete(key);
    if (wasKept) {
      this.#tell(key, reason, now);
    }
    return wasKept;
  }

  clear(now: number): void {
    const keys = [...this.#entries.rkeys()];
    this.#entries.clear();
    this.#stopSweeping();
    for (const key of keys) {
      this.#tell(key, 'deleted', now);
    }
  }

  /** Forgets everything, and tells nobody. */
  close(): void {
    this.#isClosed = true;
    this.#entries.clear();
    this.#stopSweeping();
  }

  /** The entries by their keys, the most recently used one first. */
  entries(): [string, CacheEntry][] {
    return [...this.#entries.entries()];
  }

  #removeOldest(): string {
    const [oldest] = this.#entries.rkeys();
    this.#entries.delete(oldest!);
    return oldest!;
  }

  #isDead({ value, freshUntil }: CacheEntry, now: number): boolean {
    return now >= (value instanceof KeptFailure ? freshUntil : freshUntil + this.#settings.grace);
  }

  #tell(key: string, reason: EvictionReason, now: number): void {
    if (!this.#isClosed) {
      this.#settings.left(key, reason, now);
    }
  }

  /** Has one timer run in the background while there are entries. */
  #sweepLater(): void {
    const { clock, sweepInterval } = this.#settings;
    if (!this.#cancelSweep && sweepInterval !== Infinity && !this.#isClosed) {
      const sweep = () => {
        this.#cancelSweep = undefined;
        this.#sweep(clock.date());
      };
      this.#cancelSweep = clock.schedule(sweepInterval, sweep, { background: true });
    }
  }

  #sweep(now: number): void {
    for (const [key, entry] of this.entries()) {
      // The listener may have stored it anew when an earlier one left.
      if (this.#isDead(entry, now) && this.peek(key) === entry) {
        this.delete(key, 'expired', now);
      }
    }
    if (this.size > 0) {
      this.#sweepLater();
    }
  }

  #stopSweeping(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }
}
