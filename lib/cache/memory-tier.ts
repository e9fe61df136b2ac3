import type { Cancel, Clock } from '../core/clock';
import type { EvictionReason, NotKeptReason } from '../core/events';
import { sizeOfAnswer } from './answer-size';
import { KeptFailure, type CacheEntry, type KeptEntry } from './cache-entry';
import type { Landing, PlainFlight } from './flights';
import type { KeyTable } from './key-table';

/** What a {@link MemoryTier} works with. */
export interface MemoryTierSettings {
  readonly clock: Clock;
  /** Where the entries stand by their keys. */
  readonly table: KeyTable<PlainFlight>;
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

/** The entries in memory: the least recently used leave first, by count or by bytes, expired ones when they are swept. */
export class MemoryTier {
  readonly #settings: MemoryTierSettings;
  /** The most and the least recently used one; each knows its neighbours. */
  #newest: KeptEntry | undefined;
  #oldest: KeptEntry | undefined;
  #size = 0;
  #bytes = 0;
  /** Who left during an operation and why, told only after it: the listener may use the cache itself. */
  #gone: { readonly key: string; readonly reason: EvictionReason }[] = [];
  #cancelSweep: Cancel | undefined;
  #isClosed = false;

  constructor(settings: MemoryTierSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#size;
  }

  get maxSize(): number {
    return this.#settings.maxSize;
  }

  get maxBytes(): number {
    return this.#settings.maxBytes;
  }

  /** Bytes of keys, values and entries; 0 where they are not counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The entry of a key, which is now the most recently used one; an expired one for as long as it is of use. */
  get(key: string, now: number): KeptEntry | undefined {
    const entry = this.#settings.table.entryOf(key);
    return entry && this.use(entry, now);
  }

  /** The entry, which is now the most recently used one; undefined, and it leaves, if it has expired and is of no use. */
  use(entry: KeptEntry, now: number): KeptEntry | undefined {
    if (now >= entry.freshUntil && this.#isDead(entry, now)) {
      this.#unlist(entry);
      this.#tellOf(entry.key, 'expired', now);
      return undefined;
    }
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#link(entry);
    }
    return entry;
  }

  /** The entry of a key as it is, expired or not, without any effect. */
  peek(key: string): KeptEntry | undefined {
    return this.#settings.table.entryOf(key);
  }

  /**
   * Why it is not kept, if so: the entry alone is larger than all may be, or cannot be measured. Then what stood under
   * its key has left.
   *
   * @param landing the call that brought it
   */
  set(entry: KeptEntry, now: number, landing?: Landing): NotKeptReason | undefined {
    const { maxBytes, maxSize } = this.#settings;
    const { bytes } = entry;
    if (!(bytes <= maxBytes)) {
      this.delete(entry.key, 'bytes', now);
      return Number.isNaN(bytes) ? 'unusable' : 'bytes';
    }
    const replaced = this.#list(entry, landing);
    if (replaced) {
      this.#unlink(replaced);
      this.#size--;
      this.#bytes -= replaced.bytes;
    }
    // At most one, as none is added to a full cache without this.
    const leaving = this.#size >= maxSize ? this.#oldest : undefined;
    if (leaving) {
      this.#unlist(leaving);
    }
    while (this.#bytes + bytes > maxBytes) {
      this.#leave(this.#oldest!, 'bytes');
    }
    this.#link(entry);
    this.#size++;
    this.#bytes += bytes;
    this.#sweepLater();
    if (leaving) {
      this.#tellOf(leaving.key, 'size', now);
    }
    this.#tellGone(now);
    return undefined;
  }

  delete(key: string, reason: EvictionReason, now: number): boolean {
    const entry = this.#settings.table.entryOf(key);
    if (!entry) {
      return false;
    }
    this.#unlist(entry);
    this.#tellOf(key, reason, now);
    return true;
  }

  clear(now: number): void {
    while (this.#oldest) {
      this.#leave(this.#oldest, 'deleted');
    }
    this.#stopSweeping();
    this.#tellGone(now);
  }

  /** Lets go of everything without a word. */
  close(): void {
    this.#isClosed = true;
    while (this.#oldest) {
      this.#unlist(this.#oldest);
    }
    this.#stopSweeping();
  }

  /** Those of now, the most recently used one first. */
  entries(): KeptEntry[] {
    const entries: KeptEntry[] = [];
    for (let entry = this.#newest; entry; entry = entry.older) {
      entries.push(entry);
    }
    return entries;
  }

  /** Lists an entry in the place of the flight that has brought it, and of an older one, which it returns. */
  #list(entry: KeptEntry, landing: Landing | undefined): KeptEntry | undefined {
    const { table } = this.#settings;
    if (landing?.isListed) {
      return table.land(landing, entry);
    }
    const older = table.entryOf(entry.key);
    if (older) {
      table.replace(older, entry);
    } else {
      table.add(entry);
    }
    return older;
  }

  #leave(entry: KeptEntry, reason: EvictionReason): void {
    this.#unlist(entry);
    this.#gone.push({ key: entry.key, reason });
  }

  #unlist(entry: KeptEntry): void {
    this.#settings.table.remove(entry);
    this.#unlink(entry);
    this.#size--;
    this.#bytes -= entry.bytes;
  }

  #link(entry: KeptEntry): void {
    const older = this.#newest;
    entry.older = older;
    if (older) {
      older.newer = entry;
    } else {
      this.#oldest = entry;
    }
    this.#newest = entry;
  }

  #unlink(entry: KeptEntry): void {
    const { newer, older } = entry;
    if (newer) {
      newer.older = older;
    } else {
      this.#newest = older;
    }
    if (older) {
      older.newer = newer;
    } else {
      this.#oldest = newer;
    }
    entry.newer = undefined;
    entry.older = undefined;
  }

  #tellGone(now: number): void {
    if (this.#gone.length > 0) {
      const gone = this.#gone;
      this.#gone = [];
      for (const { key, reason } of gone) {
        this.#tellOf(key, reason, now);
      }
    }
  }

  #tellOf(key: string, reason: EvictionReason, now: number): void {
    if (!this.#isClosed) {
      this.#settings.left(key, reason, now);
    }
  }

  /** Bytes of an entry; NaN where they cannot be told, as what a user's function says must not fail a request. */
  measure(key: string, value: unknown): number {
    return this.#settings.maxBytes === Infinity ? 0 : this.#measured(key, value);
  }

  #measured(key: string, value: unknown): number {
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
    if (!this.#cancelSweep && this.#settings.sweepInterval !== Infinity && !this.#isClosed) {
      this.#cancelSweep = this.#scheduleSweep();
    }
  }

  #scheduleSweep(): Cancel {
    const { clock, sweepInterval } = this.#settings;
    return clock.schedule(
      sweepInterval,
      () => {
        this.#cancelSweep = undefined;
        this.#sweep(clock.now());
      },
      { background: true },
    );
  }

  #sweep(now: number): void {
    for (const entry of this.entries()) {
      // Whoever heard of an earlier one may have stored this one anew.
      if (this.#isDead(entry, now) && this.peek(entry.key) === entry) {
        this.delete(entry.key, 'expired', now);
      }
    }
    if (this.#size > 0) {
      this.#sweepLater();
    }
  }
}
