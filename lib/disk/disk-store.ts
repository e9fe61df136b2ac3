import type { SchedulerLike } from 'rxjs';
import type { CacheStore } from '../cache/cache-store';
import type { Cancel, Clock } from '../core/clock';
import { ClosedError } from '../core/errors';
import { clockFrom } from '../core/scheduler-clock';
import { configObject, numberSetting, type FieldsOf } from '../core/settings';
import { Tables, type Entry } from './tables';
import { WriteBatch, type Write } from './write-batch';

const fields: FieldsOf<DiskStoreConfig> = {
  maxEntries: true,
  maxBytes: true,
  sweepInterval: true,
  scheduler: true,
};

/** The config of {@link diskStore}. */
export interface DiskStoreConfig {
  /** The most entries; expired ones leave first, then the oldest. May be `Infinity`. @defaultValue 100,000 */
  readonly maxEntries?: number | undefined;
  /**
   * The most bytes of the database file, at least 1,048,576. Entries take at most half of it; the rest is room for
   * changes. Processes that write at full speed at the same time may need some more. A text may take a quarter, up to
   * 16,000,000 bytes.
   *
   * @defaultValue 1,073,741,824
   */
  readonly maxBytes?: number | undefined;
  /** Milliseconds between background sweeps of expired entries; may be `Infinity`. @defaultValue 60,000 */
  readonly sweepInterval?: number | undefined;
  /** The scheduler whose time is used for expiry. @defaultValue `asyncScheduler` */
  readonly scheduler?: SchedulerLike | undefined;
}

/** Texts on the disk of this machine: see {@link diskStore}. */
export interface DiskStore extends CacheStore {
  /** Entries on the disk, including expired ones that were not swept yet. */
  readonly size: number;
  /** Bytes of disk that hold entries. The database file is larger by the room for changes. */
  readonly bytes: number;
  /** Returns the text under a key synchronously; undefined if there is none or it has expired. */
  get(key: string): string | undefined;
  /**
   * Keeps a text under a key of 1 to 1,900 bytes, for `ttl` milliseconds or for ever. Resolves when it is on the disk.
   * Rejects with `DiskStoreError` if that fails; then the older text is still there. Rejects with `RangeError` if the
   * key or the text is too long.
   */
  set(key: string, text: string, ttl?: number): Promise<void>;
  /** Deletes a key. Resolves, when that is on the disk, to whether there was a text. */
  delete(key: string): Promise<boolean>;
  /** Deletes everything, for all processes that share the directory. Resolves when that is on the disk. */
  clear(): Promise<void>;
  /** Lists keys and texts. Concurrent writes may or may not be included. */
  iterator(): Generator<[key: string, text: string], void>;
  /** Writes everything and closes the directory. Later use fails with `ClosedError`. */
  close(): Promise<void>;
}

/** The most entries that a commit removes beyond the number that it adds, and that a listing reads at once. */
const mostAtOnce = 100;

/** Milliseconds between commits that make a store smaller. */
const pauseBetweenRemovals = 5;

/** Longer texts would block the process for too long. */
const longestText = 16_000_000;

/** LMDB accepts keys of 1,978 bytes; the rest is room for the encoding. */
const longestKey = 1900;

/**
 * Keeps texts in a directory on a disk of this machine, so that answers survive a restart. Several processes may share
 * the directory. It needs LMDB, an optional peer: `npm install lmdb`.
 *
 * Reads are synchronous, from mapped memory. Writes are committed in the background, and a store sees its own writes at
 * once. A write whose promise has resolved survives a `kill -9` of any process, and a power cut if the disk keeps what
 * it has confirmed. Any other write is there whole or not at all. LMDB does not work on network file systems. It trusts
 * its file: a damaged page may end the process, so delete a directory whose disk had errors. Only their owner can read
 * new files.
 *
 * @example
 * const cache = new LLMResultCache({ store: diskStore('./answers') });
 *
 * @example
 * const store = diskStore('/var/cache/answers', { maxEntries: 1_000_000, maxBytes: 8 * 2 ** 30 });
 * await store.set('v1:4f2a', JSON.stringify(answer), 24 * 3_600_000);
 * store.get('v1:4f2a');
 * await store.close();
 *
 * @param directory the path of the directory; it is made if it does not exist
 * @throws DiskStoreError if lmdb is not installed, or if the directory cannot be written, holds something else, has
 * another schema or is damaged
 * @throws TypeError or RangeError if the config has a wrong value
 */
export function diskStore(directory: string, config?: DiskStoreConfig): DiskStore {
  return new LmdbStore(directory, config);
}

class LmdbStore implements DiskStore {
  readonly #tables: Tables;
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #longestText: number;
  readonly #sweepInterval: number;
  /** Identifies the entries of this store among those of others. */
  readonly #writer = Math.floor(Math.random() * 2 ** 32);
  #count = 0;
  #waiting: WriteBatch | undefined;
  #committing: WriteBatch | undefined;
  #isDraining = false;
  #drained = Promise.resolve();
  #isSweepDue = false;
  #cancelSweep: Cancel | undefined;
  #closed: Promise<void> | undefined;

  constructor(directory: string, config?: DiskStoreConfig) {
    if (typeof directory !== 'string' || directory === '') {
      throw new TypeError('The directory of diskStore must be a path.');
    }
    const settings: DiskStoreConfig = configObject('diskStore', config, fields);
    const maxBytes = numberSetting('maxBytes', settings.maxBytes, 2 ** 30, { min: 2 ** 20 });
    this.#maxBytes = maxBytes / 2;
    this.#longestText = Math.min(longestText, Math.floor(maxBytes / 4));
    this.#maxEntries = numberSetting('maxEntries', settings.maxEntries, 100_000, {
      min: 1,
      whole: true,
      infinite: true,
    });
    this.#sweepInterval = numberSetting('sweepInterval', settings.sweepInterval, 60_000, {
      above: true,
      infinite: true,
    });
    this.#clock = clockFrom(settings.scheduler);
    this.#tables = new Tables(directory);
    this.#sweepLater();
  }

  get size(): number {
    this.#refuseIfClosed();
    return this.#tables.size;
  }

  get bytes(): number {
    this.#refuseIfClosed();
    return this.#tables.bytes;
  }

  get(key: string): string | undefined {
    this.#refuseIfClosed();
    const found = this.#ownWrite(key) ?? this.#entry(key);
    return found && found.expiresAt > this.#clock.date() ? found.text : undefined;
  }

  async set(key: string, text: string, ttl?: number): Promise<void> {
    this.#refuseIfClosed();
    if (typeof text !== 'string') {
      throw new TypeError(`A disk store keeps texts, but was given a value of type ${typeof text}.`);
    }
    const duration = numberSetting('ttl', ttl, Infinity, { infinite: true });
    if (!isKey(key)) {
      throw new RangeError(
        `A key of a disk store has 1 to ${longestKey} bytes, but one has ${Buffer.byteLength(key)}.`,
      );
    }
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#longestText) {
      throw new RangeError(
        `A text of a disk store may be ${this.#longestText} bytes long, a quarter of maxBytes up to ${longestText}, but one has ${bytes}.`,
      );
    }
    const batch = this.#batch();
    batch.add(key, { text, expiresAt: this.#clock.date() + duration });
    await batch.committed;
  }

  async delete(key: string): Promise<boolean> {
    const wasThere = this.get(key) !== undefined;
    if (wasThere || this.#ownWrite(key) || this.#entry(key)) {
      const batch = this.#batch();
      batch.add(key, { text: undefined, expiresAt: Infinity });
      await batch.committed;
    }
    return wasThere;
  }

  async clear(): Promise<void> {
    this.#refuseIfClosed();
    const batch = this.#batch();
    batch.clear();
    await batch.committed;
  }

  *iterator(): Generator<[key: string, text: string], void> {
    this.#refuseIfClosed();
    const own = new Set([
      ...(this.#committing?.writes.keys() ?? []),
      ...(this.#waiting?.writes.keys() ?? []),
    ]);
    for (const key of own) {
      const text = this.get(key);
      if (text !== undefined) {
        yield [key, text];
      }
    }
    // Page by page, so that LMDB can reuse old pages while the reader is busy.
    let page = this.#tables.keysByAge(mostAtOnce);
    while (page.length > 0) {
      for (const { key } of page) {
        const text = own.has(key) || this.#ownWrite(key) ? undefined : this.get(key);
        if (text !== undefined) {
          yield [key, text];
        }
      }
      this.#refuseIfClosed();
      page = this.#tables.keysByAge(mostAtOnce, page.at(-1)!.age);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#drained.then(() => this.#tables.close());
    this.#cancelSweep?.();
    return this.#closed;
  }

  #refuseIfClosed(): void {
    if (this.#closed) {
      throw new ClosedError('The disk store');
    }
  }

  /** This store's own write to a key that was not committed yet. */
  #ownWrite(key: string): Write | undefined {
    return this.#waiting?.find(key) ?? this.#committing?.find(key);
  }

  #entry(key: string): Entry | undefined {
    return isKey(key) ? this.#tables.entry(key) : undefined;
  }

  #batch(): WriteBatch {
    this.#waiting ??= new WriteBatch();
    this.#drain();
    return this.#waiting;
  }

  #drain(): void {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#drained = this.#commitAll();
    }
  }

  async #commitAll(): Promise<void> {
    // Writes of one synchronous run are committed together.
    await Promise.resolve();
    let hasFailed = false;
    while (this.#waiting || this.#isSweepDue) {
      this.#isSweepDue = false;
      const batch = this.#waiting ?? new WriteBatch();
      this.#waiting = undefined;
      this.#committing = batch;
      try {
        await this.#tables.change(() => this.#apply(batch));
        hasFailed = false;
        this.#committing = undefined;
        batch.resolve();
      } catch (error) {
        hasFailed = true;
        this.#committing = undefined;
        batch.reject(error as Error);
      }
    }
    this.#isDraining = false;
    this.#sweepLater(hasFailed);
  }

  #apply({ clears, writes }: WriteBatch): void {
    const tables = this.#tables;
    if (clears) {
      tables.clear();
    }
    const now = this.#clock.date();
    for (const [key, { text, expiresAt }] of writes) {
      if (text === undefined) {
        tables.remove(key);
      } else {
        this.#count++;
        tables.put(key, { id: [Math.floor(now), this.#count, this.#writer], expiresAt, text });
      }
    }
    this.#makeRoom(now, mostAtOnce + writes.size);
  }

  /** Removes expired entries, then the oldest ones if there are too many. */
  #makeRoom(now: number, most: number): void {
    const tables = this.#tables;
    const expired = tables.expiredKeys(now, most);
    for (const key of expired) {
      tables.remove(key);
    }
    let rest = most - expired.length;
    while (rest > 0 && this.#isFull) {
      // With few entries, each may be large.
      const keys = tables.keysByAge(Math.min(rest, Math.max(1, tables.size - this.#maxEntries)));
      keys.forEach(({ key }) => tables.remove(key));
      rest = keys.length === 0 ? 0 : rest - keys.length;
    }
  }

  get #isFull(): boolean {
    return this.#tables.size > this.#maxEntries || this.#tables.bytes > this.#maxBytes;
  }

  #sweepLater(hasFailed = false): void {
    this.#cancelSweep?.();
    const delay = this.#closed ? Infinity : this.#untilSweep(hasFailed);
    if (delay !== Infinity) {
      this.#cancelSweep = this.#clock.schedule(
        delay,
        () => {
          this.#isSweepDue = true;
          this.#drain();
        },
        { background: true },
      );
    }
  }

  /** Milliseconds until an entry can be removed; `Infinity` if none ever can. */
  #untilSweep(hasFailed: boolean): number {
    try {
      if (this.#isFull && !hasFailed) {
        return pauseBetweenRemovals;
      }
      const { firstExpiry } = this.#tables;
      return firstExpiry === undefined
        ? Infinity
        : Math.max(this.#sweepInterval, firstExpiry - this.#clock.date());
    } catch {
      // The next read or write fails too and reports it.
      return Infinity;
    }
  }
}

/** Whether a disk store can hold a text under this key. */
function isKey(key: string): boolean {
  return key !== '' && Buffer.byteLength(key) <= longestKey;
}
