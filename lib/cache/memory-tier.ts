import { LRUCache } from 'lru-cache';
import type { Cancel, Clock } from '../core/clock';
import type { EvictionReason, NotKeptReason } from '../core/events';
import { refusePromise } from '../core/settings';
import { sizeOfAnswer } from './answer-size';
import { KeptFailure, type CacheEntry } from './cache-entry';

export interface MemoryTierSettings {
  readonly clock: Clock;
  /** The most entries. */
  readonly maxSize: number;
  /** The most bytes; `Infinity` if they are not counted. */
  readonly maxBytes: number;
  readonly sizeOf: (value: unknown) => number;
  /** Milliseconds for which an expired answer may still be used. */
  readonly grace: number;
  /** Milliseconds between sweeps. */
  readonly sweepInterval: number;
  /** Called for each entry that leaves. */
  readonly left: (key: string, reason: EvictionReason, at: number) => void;
}

/** Bytes of an entry besides its key and value, as measured by `npm run bench:cache`. */
const bytesOfEntry = 240;

/**
 * The entries in memory. The least recently used leave first, by count or by bytes; expired ones leave when they are
 * swept.
 */
export class MemoryTier {
  readonly #settings: MemoryTierSettings;
  /**
   * With `max`, an LRUCache allocates room for all entries in advance. So it is bounded by bytes, and `set` bounds the
   * count. It has no TTL, because entries are fresh, stale or dead.
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

  /**
   * The entry of a key, which becomes the most recently used one. An expired entry is returned while it may be used.
   */
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
   * Keeps an entry. If it cannot be measured or is larger than the bound, the key is deleted instead.
   *
   * @param bytes the result of `measure`
   * @returns the reason if the entry is not kept
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
    // Last, because the listener may use this cache.
    for (const [oldest, reason] of leaving) {
      this.#tell(oldest, reason, now);
    }
    return undefined;
  }

  /** Replaces an entry by one with the same answer. */
  replace(key: string, entry: CacheEntry): void {
    this.#entries.set(key, entry, { size: this.#entries.info(key)?.size ?? 1 });
  }

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

  /** Clears everything without events. */
  close(): void {
    this.#isClosed = true;
    this.#entries.clear();
    this.#stopSweeping();
  }

  /** The entries by key, most recently used first. */
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

  /** Starts one background timer while there are entries. */
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
      // A listener of an earlier one may have stored it again.
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
