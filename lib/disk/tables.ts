import { closeSync, mkdirSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type * as Lmdb from 'lmdb';
import { accessError, DiskStoreError, messageOf, openingError } from './disk-store-error';

/** The layout of the tables. Change it with the layout. */
const schema = '2';

/** When an entry was stored, and what distinguishes it from others of that millisecond and of other processes. */
export type EntryId = readonly [storedAt: number, count: number, writer: number];

export interface Entry {
  readonly id: EntryId;
  /** In milliseconds; may be `Infinity`. */
  readonly expiresAt: number;
  readonly text: string;
}

interface TableStatistics {
  readonly entryCount: number;
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/**
 * The tables of a disk store in an LMDB database: entries by key, and keys by age and by expiry. They change only
 * within `change`, atomically.
 */
export class Tables {
  readonly #root: Lmdb.RootDatabase<unknown, string>;
  readonly #entries: Lmdb.Database<Entry, string>;
  readonly #ages: Lmdb.Database<string, Lmdb.Key[]>;
  readonly #expiries: Lmdb.Database<string, Lmdb.Key[]>;
  readonly #directory: string;
  readonly #abort: symbol;
  #isReading = false;
  #broken: DiskStoreError | undefined;

  /** @throws DiskStoreError if the directory cannot hold a store, holds something else, or is damaged */
  constructor(directory: string) {
    this.#directory = directory;
    const lmdb = loadLmdb(directory);
    const path = resolve(directory);
    const file = join(path, 'data.mdb');
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      for (const one of [file, join(path, 'lock.mdb')]) {
        // LMDB would end the process instead of throwing.
        if (statSync(one, { throwIfNoEntry: false })?.isFile() === false) {
          throw new Error(`${one} is not a file`);
        }
      }
      if (isForeign(file)) {
        throw foreign(directory);
      }
      const options: Lmdb.RootDatabaseOptions & { readonly permissionsMode: number } = {
        noSubdir: false,
        // A confirmed write is on the disk, in the two meta pages of every LMDB file.
        overlappingSync: false,
        permissionsMode: 0o600,
      };
      this.#root = lmdb.open<unknown, string>(path, options);
    } catch (error) {
      throw error instanceof DiskStoreError ? error : openingError(directory, error);
    }
    this.#abort = (lmdb as unknown as { readonly ABORT: symbol }).ABORT;
    try {
      this.#fillUp(file);
      this.#checkSchema();
      this.#entries = this.#root.openDB<Entry, string>('entries', {});
      this.#ages = this.#root.openDB<string, Lmdb.Key[]>('ages', {});
      this.#expiries = this.#root.openDB<string, Lmdb.Key[]>('expiries', {});
      this.#touchEnds();
      this.#root.resetReadTxn();
    } catch (error) {
      void this.#root.close().catch(ignore);
      throw error instanceof DiskStoreError ? error : openingError(directory, error);
    }
  }

  get size(): number {
    return this.read(() => statisticsOf(this.#entries).entryCount);
  }

  get bytes(): number {
    return this.read(() => {
      let bytes = 0;
      for (const table of [this.#entries, this.#ages, this.#expiries]) {
        const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = statisticsOf(table);
        bytes += pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages);
      }
      return bytes;
    });
  }

  /** When the first entry expires; undefined if none ever does. */
  get firstExpiry(): number | undefined {
    return this.read(() => {
      const [first] = this.#expiries.getKeys({ limit: 1 });
      return first?.[0] as number | undefined;
    });
  }

  entry(key: string): Entry | undefined {
    return this.read(() => this.#entries.get(key));
  }

  /** The keys of the entries after one, oldest first, each with its age. */
  keysByAge(limit: number, after?: Lmdb.Key[]): { age: Lmdb.Key[]; key: string }[] {
    const range = after ? { start: after, exclusiveStart: true, limit } : { limit };
    return this.read(() =>
      Array.from(this.#ages.getRange(range), ({ key, value }) => ({ age: key, key: value })),
    );
  }

  /** The keys of entries that expire at `time` or before. */
  expiredKeys(time: number, limit: number): string[] {
    const range = { end: [time, Infinity], limit };
    return this.read(() => Array.from(this.#expiries.getRange(range), ({ value }) => value));
  }

  /**
   * Reads. The first read takes a snapshot of all commits of all processes, which later reads of the same synchronous
   * run share. Then it is released, so that LMDB can reuse its pages.
   */
  read<T>(read: () => T): T {
    if (this.#broken) {
      throw this.#broken;
    }
    if (!this.#isReading) {
      this.#isReading = true;
      queueMicrotask(() => {
        this.#isReading = false;
        this.#root.resetReadTxn();
      });
    }
    try {
      return read();
    } catch (error) {
      throw accessError('read-failed', this.#directory, error);
    }
  }

  /** Commits what `operations` changes, and resolves when it is on the disk. Reads within it see the changes. */
  async change(operations: () => void): Promise<void> {
    if (this.#broken) {
      throw this.#broken;
    }
    let failure: unknown;
    try {
      await this.#root.transaction(() => {
        try {
          operations();
        } catch (error) {
          failure = error;
          return this.#abort;
        }
        return undefined;
      });
    } catch (error) {
      failure = await reasonOf(error);
    }
    if (failure !== undefined) {
      throw this.#failed(failure);
    }
  }

  /** Only within `change`. */
  put(key: string, entry: Entry): void {
    this.remove(key);
    void this.#entries.put(key, entry);
    void this.#ages.put([...entry.id], key);
    if (entry.expiresAt !== Infinity) {
      void this.#expiries.put([entry.expiresAt, ...entry.id], key);
    }
  }

  /** Only within `change`. */
  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry) {
      void this.#entries.remove(key);
      void this.#ages.remove([...entry.id]);
      void this.#expiries.remove([entry.expiresAt, ...entry.id]);
    }
  }

  /** Only within `change`. */
  clear(): void {
    for (const table of [this.#entries, this.#ages, this.#expiries]) {
      table.clearSync();
    }
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #checkSchema(): void {
    const names = [...this.#root.getKeys()].map(String);
    if (names.length > 0 && !names.includes('about')) {
      throw foreign(this.#directory);
    }
    const about = this.#root.openDB<string, string>('about', { encoding: 'string' });
    const found = names.includes('about') ? about.get('schema') : undefined;
    if (found === undefined) {
      about.putSync('schema', schema);
    } else if (found !== schema) {
      throw new DiskStoreError(
        'schema-mismatch',
        this.#directory,
        `The store in ${this.#directory} has schema ${found}, and this release of rxllm reads schema ${schema}. Delete the directory, or give this release another one.`,
      );
    }
  }

  /** Fills up a short file: reading beyond its end crashes the process, while reading an empty page is an error. */
  #fillUp(file: string): void {
    // In a write transaction, so that it does not shorten a file that another process has just made longer.
    this.#root.transactionSync(() => {
      const { lastPageNumber, pageSize } = statisticsOf(this.#root);
      const needed = (lastPageNumber + 1) * pageSize;
      if (statSync(file).size < needed) {
        truncateSync(file, needed);
      }
    });
  }

  /** Reads the ends of the file, so that a cut-off file is detected now. */
  #touchEnds(): void {
    for (const table of [this.#entries, this.#ages, this.#expiries]) {
      for (const reverse of [false, true]) {
        Array.from<unknown>(table.getRange({ limit: 1, reverse }));
      }
    }
  }

  #failed(error: unknown): DiskStoreError {
    const failure =
      error instanceof DiskStoreError ? error : accessError('write-failed', this.#directory, error);
    try {
      this.#root.resetReadTxn();
      this.#entries.get('');
    } catch {
      // LMDB gives up a database whose last page it could not write. Another write would never resolve.
      this.#broken = new DiskStoreError(
        failure.code,
        this.#directory,
        `${failure.message} Then close the store and open it again, because LMDB has closed it.`,
        failure.cause,
      );
    }
    return this.#broken ?? failure;
  }
}

function statisticsOf(table: { getStats(): object }): TableStatistics {
  return table.getStats() as TableStatistics;
}

/** Near the beginning of every LMDB file. LMDB crashes the process on other files. */
const magicNumber = 0xbeefc0de;

function isForeign(file: string): boolean {
  if (!statSync(file, { throwIfNoEntry: false })?.size) {
    return false;
  }
  const words = new Uint32Array(16);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, words);
  } finally {
    closeSync(descriptor);
  }
  return !words.includes(magicNumber);
}

function foreign(directory: string): DiskStoreError {
  return new DiskStoreError(
    'directory-foreign',
    directory,
    `The directory ${directory} holds a file data.mdb that is no store of rxllm. Give another directory, or delete that file if you do not need it.`,
  );
}

function loadLmdb(directory: string): typeof Lmdb {
  try {
    // Not an import, so that a missing package has its own error. In an ES module from source there is no `require`.
    const load = typeof require === 'function' ? require : createRequire(`${process.cwd()}/`);
    return load('lmdb') as typeof Lmdb;
  } catch (error) {
    const isThere = (error as { code?: unknown }).code !== 'MODULE_NOT_FOUND';
    throw new DiskStoreError(
      'lmdb-missing',
      directory,
      isThere
        ? `diskStore cannot load the package lmdb on this machine: ${messageOf(error)}. Install it here: npm install lmdb`
        : 'diskStore needs the package lmdb, which is not installed: npm install lmdb',
      error,
    );
  }
}

/** Rejections of LMDB hold a promise of the reason, which may reject. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (!commitError) {
    return error;
  }
  const soon = Promise.resolve().then(ignore).then(ignore);
  return Promise.race([commitError.catch((reason: unknown) => reason), soon.then(() => error)]);
}

function ignore(): void {
  // The error is reported elsewhere.
}
