import type { SchedulerLike } from 'rxjs';
import type { CacheStore } from '../cache/cache-store';
import type { Cancel, Clock } from '../core/clock';
import { ClosedError } from '../core/errors';
import { clockFrom } from '../core/scheduler-clock';
import { configObject, numberSetting } from '../core/settings';
import { accessError } from './disk-store-error';
import { Environment } from './environment';
import { leaving, type Bounds } from './leaving';
import {
  diskBytesOf,
  EntryIds,
  expiryOf,
  idOf,
  keyBytes,
  longestKey,
  markOf,
  readRow,
  rowOf,
  textOfRow,
} from './rows';
import { WriteBatch, type Write } from './write-batch';

/** The config of {@link diskStore}. */
export interface DiskStoreConfig {
  /** Entries kept; those stored first leave first, and expired ones before them. Default 100,000; `Infinity` is allowed. */
  readonly maxEntries?: number;
  /**
   * Bytes that the file of the database is kept to, at least 1,048,576. Default 1,073,741,824. Entries take three
   * quarters of it at most; the rest is room for what changes, and processes that write at full speed side by side may
   * need some more. A text may take a quarter, up to 16,000,000 bytes.
   */
  readonly maxBytes?: number;
  /** Milliseconds between looks for expired entries, in the background. Default 60,000; `Infinity` for none. */
  readonly sweepInterval?: number;
  /** The scheduler whose time entries expire by. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** Texts on the disk of this machine: see {@link diskStore}. */
export interface DiskStore extends CacheStore {
  /** Entries on the disk, those included that have expired and were not swept yet. */
  readonly size: number;
  /** Bytes of disk that hold entries; the file of the database is longer by the room for what changes. */
  readonly bytes: number;
  /** The text under a key, at once; undefined where there is none or it has expired. */
  get(key: string): string | undefined;
  /**
   * Keeps a text under a key of at most 1,978 bytes, for `ttl` milliseconds or without an end. Resolves when it is on
   * the disk; rejects with `DiskStoreError` where that fails, and then what was there before still is.
   */
  set(key: string, text: string, ttl?: number): Promise<void>;
  /** Forgets a key; resolves, when that is on the disk, to whether it led to anything. */
  delete(key: string): Promise<boolean>;
  /** Forgets everything, for all processes that share the directory; resolves when that is on the disk. */
  clear(): Promise<void>;
  /** Lists keys and texts. What is written meanwhile may come or not. */
  iterator(): Generator<[key: string, text: string], void>;
  /** Resolves when what was written is on the disk and the directory is let go of; later use fails with `ClosedError`. */
  close(): Promise<void>;
}

/** How much one commit takes, so that neither the event loop nor another process waits long. */
const mostWritesPerCommit = 100;
const mostBytesPerCommit = 2 ** 20;

/** How much a listing reads at once. */
const bytesPerPage = 2 ** 18;

/** The milliseconds that a commit leaves others where a store must become smaller. */
const pauseBetweenRemovals = 5;

/** Longer texts would hold up the event loop. */
const longestText = 16_000_000;

/**
 * Keeps texts in a directory on a disk of this machine, so that answers survive a restart; any number of processes may
 * share the directory. Made on LMDB, an optional peer: `npm install lmdb`.
 *
 * Reads answer at once, from memory that is mapped to the file. Writes are committed in the background, those of one
 * moment together, and a read sees those of its own store at once. A write whose promise has resolved is on the disk: it
 * survives a `kill -9` of any process at any moment, and a power cut as far as the disk keeps what it said it has. A
 * write whose promise has not resolved is there whole or not at all. A text that a disk gives back wrong reads as
 * absent. Not for network file systems, on which LMDB does not work. New files can be read by their owner alone.
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
 * @param directory is made where it does not exist
 * @throws DiskStoreError where lmdb is not installed, or the directory cannot be written, holds something else, is of
 * another schema or damaged
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export function diskStore(directory: string, config?: DiskStoreConfig): DiskStore {
  return new LmdbStore(directory, config);
}

class LmdbStore implements DiskStore {
  readonly #environment: Environment;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #bounds: Bounds;
  readonly #writesPerCommit: number;
  readonly #bytesPerCommit: number;
  readonly #longestText: number;
  readonly #sweepInterval: number;
  readonly #ids = new EntryIds();
  readonly #waiting = new WriteBatch();
  #committing: WriteBatch | undefined;
  #isDraining = false;
  #drained = Promise.resolve();
  #isSweepDue = false;
  #hasFailed = false;
  #cancelSweep: Cancel | undefined;
  #closed: Promise<void> | undefined;

  constructor(directory: string, config?: DiskStoreConfig) {
    if (typeof directory !== 'string' || directory === '') {
      throw new TypeError('The directory of diskStore must be a path.');
    }
    const settings: DiskStoreConfig = configObject('diskStore', config);
    const maxBytes = numberSetting('maxBytes', settings.maxBytes, 2 ** 30, { min: 2 ** 20 });
    this.#bounds = {
      entries: numberSetting('maxEntries', settings.maxEntries, 100_000, {
        min: 1,
        whole: true,
        infinite: true,
      }),
      bytes: 0.75 * maxBytes,
    };
    this.#writesPerCommit = Math.min(mostWritesPerCommit, this.#bounds.entries);
    this.#bytesPerCommit = Math.min(mostBytesPerCommit, maxBytes / 16);
    this.#longestText = Math.min(longestText, Math.floor(maxBytes / 4));
    this.#sweepInterval = numberSetting('sweepInterval', settings.sweepInterval, 60_000, {
      above: true,
      infinite: true,
    });
    this.#clock = clockFrom(settings.scheduler);
    this.#directory = directory;
    this.#environment = Environment.open(directory);
    this.#sweepLater();
  }

  get size(): number {
    this.#refuseIfClosed();
    return this.#read((environment) => environment.size);
  }

  get bytes(): number {
    this.#refuseIfClosed();
    return this.#read((environment) => environment.bytes);
  }

  get(key: string): string | undefined {
    this.#refuseIfClosed();
    const now = this.#clock.now();
    const own = this.#ownWrite(key);
    if (own) {
      return own.expiresAt > now ? own.text : undefined;
    }
    const bytes = keyBytes(key);
    if (bytes.length > longestKey) {
      return undefined;
    }
    return this.#read((environment) => {
      const mark = environment.markOf(bytes);
      const row = mark && expiryOf(mark) > now ? environment.rowOf(idOf(mark)) : undefined;
      return row && textOfRow(row, bytes);
    });
  }

  async set(key: string, text: string, ttl?: number): Promise<void> {
    this.#refuseIfClosed();
    if (typeof text !== 'string') {
      throw new TypeError(`A disk store keeps texts, but was given a value of type ${typeof text}.`);
    }
    const duration = numberSetting('ttl', ttl, Infinity, { infinite: true });
    const keyLength = keyBytes(key).length;
    if (keyLength > longestKey) {
      throw new RangeError(
        `A key of a disk store may be ${longestKey} bytes long, but one has ${keyLength}.`,
      );
    }
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#longestText) {
      throw new RangeError(
        `A text of a disk store may be ${this.#longestText} bytes long, a quarter of maxBytes up to ${longestText}, but one has ${bytes}.`,
      );
    }
    const expiresAt = this.#clock.now() + duration;
    const committed = this.#waiting.add(key, { text, expiresAt, bytes: keyLength + bytes });
    this.#drain();
    await committed;
  }

  async delete(key: string): Promise<boolean> {
    const wasThere = this.get(key) !== undefined;
    if (wasThere || this.#ownWrite(key) || this.#isOnDisk(key)) {
      const committed = this.#waiting.add(key, { text: undefined, expiresAt: Infinity, bytes: 0 });
      this.#drain();
      await committed;
    }
    return wasThere;
  }

  async clear(): Promise<void> {
    this.#refuseIfClosed();
    const committed = this.#waiting.clear();
    this.#drain();
    await committed;
  }

  *iterator(): Generator<[key: string, text: string], void> {
    this.#refuseIfClosed();
    const own = new Map([...(this.#committing?.writes ?? []), ...this.#waiting.writes]);
    for (const key of own.keys()) {
      const text = this.get(key);
      if (text !== undefined) {
        yield [key, text];
      }
    }
    let last: Buffer | undefined;
    do {
      this.#refuseIfClosed();
      const page = this.#read((environment) => this.#pageAfter(last, environment));
      last = page.last;
      for (const entry of page.entries) {
        if (!own.has(entry[0]) && !this.#ownWrite(entry[0])) {
          yield entry;
        }
      }
    } while (last);
  }

  close(): Promise<void> {
    this.#closed ??= this.#drained.then(() => this.#environment.release());
    this.#cancelSweep?.();
    return this.#closed;
  }

  #refuseIfClosed(): void {
    if (this.#closed) {
      throw new ClosedError('The disk store');
    }
  }

  /** What this store has written to a key and not committed yet. */
  #ownWrite(key: string): Write | undefined {
    return this.#waiting.find(key) ?? this.#committing?.find(key);
  }

  /** Whether the disk has a key, with a text that may have expired or be broken. */
  #isOnDisk(key: string): boolean {
    const bytes = keyBytes(key);
    return bytes.length <= longestKey && this.#read((environment) => environment.markOf(bytes)) !== undefined;
  }

  #read<T>(read: (environment: Environment) => T): T {
    if (this.#environment.broken) {
      throw this.#environment.broken;
    }
    try {
      this.#environment.beginReading();
      return read(this.#environment);
    } catch (error) {
      throw accessError('read-failed', this.#directory, error);
    }
  }

  /** Some entries that come after an id, read without holding on to the database while the reader thinks. */
  #pageAfter(
    after: Buffer | undefined,
    environment: Environment,
  ): { entries: [string, string][]; last: Buffer | undefined } {
    const now = this.#clock.now();
    const entries: [string, string][] = [];
    let bytes = 0;
    for (const id of environment.ids(after)) {
      const row = environment.rowOf(id);
      const entry = row && readRow(row);
      const mark = entry && environment.markOf(keyBytes(entry.key));
      if (mark && idOf(mark).equals(id) && expiryOf(mark) > now) {
        entries.push([entry.key, entry.text]);
      }
      bytes += (row?.length ?? 0) + 100;
      if (bytes > bytesPerPage) {
        return { entries, last: id };
      }
    }
    return { entries, last: undefined };
  }

  #drain(): void {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#drained = this.#commitAll();
    }
  }

  async #commitAll(): Promise<void> {
    // What is written in one go is committed at once.
    await Promise.resolve();
    while (!this.#waiting.isEmpty || this.#isSweepDue) {
      this.#isSweepDue = false;
      const batch = this.#waiting.take(this.#writesPerCommit, this.#bytesPerCommit);
      this.#committing = batch;
      let failure: Error | undefined;
      try {
        await this.#commit(batch);
      } catch (error) {
        failure = error as Error;
      }
      this.#hasFailed = failure !== undefined;
      this.#committing = undefined;
      batch.settle(failure);
    }
    this.#isDraining = false;
    this.#sweepLater();
  }

  async #commit(batch: WriteBatch): Promise<void> {
    const environment = this.#environment;
    const now = this.#clock.now();
    const puts: { key: Buffer; mark: Buffer; row: Buffer }[] = [];
    const forgotten: Buffer[] = [];
    let bytes = 0;
    for (const [key, { text, expiresAt }] of batch.writes) {
      const inBytes = keyBytes(key);
      if (text === undefined) {
        forgotten.push(inBytes);
      } else {
        const row = rowOf(inBytes, text);
        puts.push({ key: inBytes, mark: markOf(expiresAt, this.#ids.next(now)), row });
        bytes += diskBytesOf(row.length, environment.pageSize);
      }
    }
    const removals = batch.clears
      ? []
      : this.#read(() => {
          const replaced = [...puts.map(({ key }) => key), ...forgotten].flatMap((key) =>
            environment.replacementOf(key),
          );
          const arrivals = { entries: puts.length - replaced.length, bytes };
          return [...replaced, ...leaving(environment, this.#bounds, arrivals, replaced, now)];
        });
    if (batch.isEmpty && removals.length === 0) {
      return;
    }
    await environment.write(() => {
      if (batch.clears) {
        environment.clear();
      }
      for (const removal of removals) {
        environment.remove(removal);
      }
      for (const key of forgotten) {
        environment.forget(key);
      }
      for (const { key, mark, row } of puts) {
        environment.put(key, mark, row);
      }
    });
  }

  #sweepLater(): void {
    this.#cancelSweep?.();
    const delay = this.#closed ? Infinity : this.#untilSweep();
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

  /** Milliseconds until there is something to take out; `Infinity` where there never will be. */
  #untilSweep(): number {
    try {
      return this.#read((environment) => {
        const { size, bytes, firstExpiry } = environment;
        const isOver = size > this.#bounds.entries || bytes > this.#bounds.bytes;
        if (isOver && size > 0 && !this.#hasFailed) {
          return pauseBetweenRemovals;
        }
        return firstExpiry === undefined
          ? Infinity
          : Math.max(this.#sweepInterval, firstExpiry - this.#clock.now());
      });
    } catch {
      // Whoever reads or writes next is told.
      return Infinity;
    }
  }
}
