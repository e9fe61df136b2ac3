import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type * as Lmdb from 'lmdb';
import { accessError, damageError, DiskStoreError, messageOf, openingError } from './disk-store-error';
import {
  expiryOf,
  idOf,
  idOfFirstPart,
  keyOfRow,
  markBefore,
  partKey,
  partLengthOf,
  rowLengthOf,
  versionOf,
} from './rows';

/** How what is in a directory is laid out; another number is another layout. */
const schema = '1';
const schemaKey = Buffer.from('schema');

const databases = { about: 'about', texts: 'texts', keys: 'keys', expiries: 'expiries' } as const;

/** One entry to take out: its text, and, where a key still leads to it, that key. */
export interface Removal {
  readonly id: Buffer;
  readonly mark: Buffer | undefined;
  readonly key: Buffer | undefined;
  /** Bytes of its row; 0 where it is gone. */
  readonly length: number;
}

type Table = Lmdb.Database<Buffer, Buffer>;

interface TableStatistics {
  readonly entryCount: number;
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

const lastPart = 0xffff;

/** Stands for nothing: all that an expiry says is its key. */
const nothing = Buffer.of(0);

/** Those that are open in this process, by what tells their file from all others. */
const environments = new Map<string, Environment>();

/**
 * A database of LMDB with the tables of a disk store: texts by id, the oldest first; what each key leads to; and what
 * expires when. All stores over one directory in one process share it, as LMDB wants it.
 */
export class Environment {
  readonly pageSize: number;
  readonly #partLength: number;
  /** Why it is of no use any more. */
  broken: DiskStoreError | undefined;
  readonly #root: Lmdb.RootDatabase<Buffer, Buffer>;
  readonly #texts: Table;
  readonly #keys: Table;
  readonly #expiries: Table;
  readonly #directory: string;
  readonly #identity: string;
  #users = 1;
  #isReading = false;

  /** @throws DiskStoreError for a directory that cannot hold a store, or holds another one, or a damaged one */
  static open(directory: string): Environment {
    const lmdb = loadLmdb(directory);
    const path = resolve(directory);
    const file = join(path, 'data.mdb');
    prepare(directory, path, file);
    const known = environments.get(identityOf(file));
    if (known) {
      known.#users++;
      return known;
    }
    const environment = new Environment(lmdb, directory, path, file);
    environments.set(environment.#identity, environment);
    return environment;
  }

  private constructor(lmdb: typeof Lmdb, directory: string, path: string, file: string) {
    this.#directory = directory;
    let root: Lmdb.RootDatabase<Buffer, Buffer>;
    try {
      const options: Lmdb.RootDatabaseOptions & { readonly permissionsMode: number } = {
        encoding: 'binary',
        noSubdir: false,
        // The commit of one process must not wait for the event loop of another, so batches are closed at once.
        eventTurnBatching: false,
        // What is acknowledged is on the disk, in the two meta pages that every LMDB has.
        overlappingSync: false,
        permissionsMode: 0o600,
      };
      root = lmdb.open<Buffer, Buffer>(path, options);
    } catch (error) {
      throw openingError(directory, error);
    }
    this.#root = root;
    try {
      fillUp(root, file);
      this.#checkSchema();
      this.#texts = this.#table(databases.texts);
      this.#keys = this.#table(databases.keys, true);
      this.#expiries = this.#table(databases.expiries);
      this.#identity = identityOf(file);
      this.pageSize = statisticsOf(this.#texts).pageSize;
      this.#partLength = partLengthOf(this.pageSize);
      this.#touchEnds();
      root.resetReadTxn();
    } catch (error) {
      void root.close().catch(ignore);
      throw error instanceof DiskStoreError ? error : openingError(directory, error);
    }
  }

  /** Entries that a key leads to. */
  get size(): number {
    return statisticsOf(this.#keys).entryCount;
  }

  /** Bytes of disk that hold entries. */
  get bytes(): number {
    let pages = 0;
    for (const table of [this.#texts, this.#keys, this.#expiries]) {
      const { treeBranchPageCount, treeLeafPageCount, overflowPages } = statisticsOf(table);
      pages += treeBranchPageCount + treeLeafPageCount + overflowPages;
    }
    return pages * this.pageSize;
  }

  /** When the first entry expires; undefined where none ever does. */
  get firstExpiry(): number | undefined {
    const [first] = this.#expiries.getKeys({ limit: 1 });
    return first && expiryOf(first);
  }

  /**
   * Before any read: the first one until the code that runs now ends sees all that any process has committed, and those
   * after it the same. Then it is let go of, as what others free meanwhile cannot be used and the file grows instead.
   */
  beginReading(): void {
    if (!this.#isReading) {
      this.#isReading = true;
      void Promise.resolve().then(() => {
        this.#isReading = false;
        this.#root.resetReadTxn();
      });
    }
  }

  /** What a key leads to. */
  markOf(key: Buffer): Buffer | undefined {
    return this.#keys.getBinary(key);
  }

  /** The row of an id; undefined where it is gone. */
  rowOf(id: Buffer): Buffer | undefined {
    const first = this.#texts.getBinary(partKey(id, 0));
    if (!first || first.length === rowLengthOf(first)) {
      return first;
    }
    const parts = [first];
    for (let part = 1, length = first.length; length < rowLengthOf(first); part++) {
      const next = this.#texts.getBinary(partKey(id, part));
      if (!next) {
        return undefined;
      }
      parts.push(next);
      length += next.length;
    }
    return Buffer.concat(parts);
  }

  /** The ids of all rows, the oldest first. */
  *ids(after?: Buffer): Generator<Buffer, void> {
    const range = after ? { start: partKey(after, lastPart), exclusiveStart: true } : {};
    for (const key of this.#texts.getKeys(range)) {
      const id = idOfFirstPart(key);
      if (id) {
        yield id;
      }
    }
  }

  /** The marks of what expires at `time` or before. */
  expired(time: number, limit: number): Iterable<Buffer> {
    return this.#expiries.getKeys({ end: markBefore(nextAfter(time)), limit });
  }

  /** How to take out what a key leads to, where something else, or nothing, takes its place. */
  replacementOf(key: Buffer): Removal[] {
    const mark = this.markOf(key);
    return mark ? [{ ...this.removalOf(idOf(mark), mark), key: undefined }] : [];
  }

  /** How to take out the row of an id, its mark, and the key that leads to it. */
  removalOf(id: Buffer, mark?: Buffer): Removal {
    const first = this.#texts.getBinary(partKey(id, 0));
    const key = first && keyOfRow(first);
    const found = key && this.markOf(key);
    const isLedTo = found && idOf(found).equals(id);
    return {
      id,
      mark: mark ?? (isLedTo ? found : undefined),
      key: isLedTo ? key : undefined,
      length: first ? rowLengthOf(first) : 0,
    };
  }

  /** Commits what `operations` does, all or nothing; resolves when it is on the disk. */
  async write(operations: () => void): Promise<void> {
    if (this.broken) {
      throw this.broken;
    }
    try {
      await this.#root.batch(operations);
    } catch (error) {
      throw await this.#failure(error);
    }
  }

  /** Only within `write`. */
  put(key: Buffer, mark: Buffer, row: Buffer): void {
    const id = idOf(mark);
    for (let part = 0, at = 0; at < row.length; part++, at += this.#partLength) {
      this.#settles(this.#texts.put(partKey(id, part), row.subarray(at, at + this.#partLength)));
    }
    this.#settles(this.#keys.put(key, mark, versionOf(id)));
    if (expiryOf(mark) !== Infinity) {
      this.#settles(this.#expiries.put(mark, nothing));
    }
  }

  /** Only within `write`. A key that leads elsewhere by now stays. */
  remove({ id, key, mark, length }: Removal): void {
    if (key) {
      this.#settles(this.#keys.remove(key, versionOf(id)));
    }
    if (mark && expiryOf(mark) !== Infinity) {
      this.#settles(this.#expiries.remove(mark));
    }
    for (let part = 0; part * this.#partLength < length; part++) {
      this.#settles(this.#texts.remove(partKey(id, part)));
    }
  }

  /** Only within `write`. */
  forget(key: Buffer): void {
    this.#settles(this.#keys.remove(key));
  }

  /** Only within `write`. */
  clear(): void {
    for (const table of [this.#texts, this.#keys, this.#expiries]) {
      this.#settles(table.clearAsync());
    }
  }

  /** One store less uses it; the last one closes it. */
  async release(): Promise<void> {
    this.#users--;
    if (this.#users === 0) {
      if (environments.get(this.#identity) === this) {
        environments.delete(this.#identity);
      }
      await this.#root.close();
    }
  }

  #table(name: string, useVersions = false): Table {
    return this.#root.openDB<Buffer, Buffer>(name, {
      keyEncoding: 'binary',
      encoding: 'binary',
      useVersions,
    });
  }

  #checkSchema(): void {
    const names = [...this.#root.getKeys()].map(String);
    if (names.length > 0 && !names.includes(databases.about)) {
      throw foreign(this.#directory);
    }
    const about = this.#table(databases.about);
    const found = about.getBinary(schemaKey)?.toString();
    if (found === undefined) {
      about.putSync(schemaKey, Buffer.from(schema));
    } else if (found !== schema) {
      throw new DiskStoreError(
        'schema-mismatch',
        this.#directory,
        `The store in ${this.#directory} has schema ${found}, and this release of rxllm reads schema ${schema}. Delete the directory, or give this release another one.`,
      );
    }
  }

  /** A file that was cut off lacks the last pages; what is there is noticed now rather than in the middle of the work. */
  #touchEnds(): void {
    for (const table of [this.#texts, this.#keys, this.#expiries]) {
      for (const reverse of [false, true]) {
        Array.from(table.getRange({ limit: 1, reverse }));
      }
    }
  }

  /** That a commit fails is told once, by the batch. */
  #settles(promise: Promise<unknown>): void {
    promise.catch(ignore);
  }

  async #failure(error: unknown): Promise<DiskStoreError> {
    const failure = accessError('write-failed', this.#directory, await reasonOf(error));
    try {
      this.#root.resetReadTxn();
      this.#texts.getBinary(schemaKey);
    } catch {
      // LMDB gives up a database of which it could not write the last page; another write would wait for ever.
      this.broken = new DiskStoreError(
        failure.code,
        this.#directory,
        `${failure.message} Then close the store and open it anew, as LMDB has given it up.`,
        failure.cause,
      );
      environments.delete(this.#identity);
    }
    return this.broken ?? failure;
  }
}

function statisticsOf(table: Table): TableStatistics {
  return table.getStats() as TableStatistics;
}

/** The smallest number above a time that is not negative, so that what expires at that time is included. */
function nextAfter(time: number): number {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(Math.max(0, time));
  bytes.writeBigUInt64BE(bytes.readBigUInt64BE() + 1n);
  return bytes.readDoubleBE();
}

function loadLmdb(directory: string): typeof Lmdb {
  try {
    // Not an import, so that what is missing can be said. Run from source as an ES module, there is no `require`.
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

function identityOf(file: string): string {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : '';
}

/** Makes the directory, and refuses what LMDB would crash the process on rather than throw. */
function prepare(directory: string, path: string, file: string): void {
  const lock = join(path, 'lock.mdb');
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (![file, lock].every((one) => existsSync(one))) {
      tryOut(path);
    }
    for (const one of [file, lock].filter((name) => existsSync(name))) {
      // Not by opening it: to close the lock again would let go of what this process has locked.
      accessSync(one, constants.R_OK | constants.W_OK);
      if (!statSync(one).isFile()) {
        throw new Error(`${one} is not a file`);
      }
    }
  } catch (error) {
    throw openingError(directory, error);
  }
  // Another process may be in the middle of making it.
  let state = stateOf(file);
  for (let attempt = 0; state === 'cut off' && attempt < 5; attempt++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    state = stateOf(file);
  }
  if (state === 'foreign') {
    throw foreign(directory);
  }
  if (state === 'cut off') {
    throw damageError(directory, 'its file data.mdb is cut off');
  }
}

/** Whether there is room for a new database, and leave to write it. */
function tryOut(path: string): void {
  const trial = join(path, `trial-${process.pid}`);
  try {
    writeFileSync(trial, Buffer.alloc(2 ** 18));
  } finally {
    rmSync(trial, { force: true });
  }
}

const magicNumber = 0xbeefc0de;
const dataVersion = 2;
const smallestDatabase = 8192;

function stateOf(file: string): 'new' | 'in order' | 'cut off' | 'foreign' {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) {
    return 'new';
  }
  const words = new Uint32Array(16);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, words);
  } finally {
    closeSync(descriptor);
  }
  const at = words.indexOf(magicNumber);
  if (size >= 32 && (at < 0 || (words[at + 1]! & 0xffff) !== dataVersion)) {
    return 'foreign';
  }
  return size < smallestDatabase ? 'cut off' : 'in order';
}

/** Reading a page that lies beyond the end of a file crashes the process; reading an empty one is an error. */
function fillUp(root: Lmdb.RootDatabase<Buffer, Buffer>, file: string): void {
  // While nobody writes, as the file may not be made shorter than another process has just made it.
  root.transactionSync(() => {
    const { lastPageNumber, pageSize } = root.getStats() as TableStatistics;
    const needed = (lastPageNumber + 1) * pageSize;
    if (statSync(file).size < needed) {
      truncateSync(file, needed);
    }
  });
}

function foreign(directory: string): DiskStoreError {
  return new DiskStoreError(
    'directory-foreign',
    directory,
    `The directory ${directory} holds a file data.mdb that is no store of rxllm. Give another directory, or delete that file where nobody needs it.`,
  );
}

/** LMDB rejects with an error that promises the reason, and breaks that promise right after. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (!commitError) {
    return error;
  }
  const soon = Promise.resolve().then(ignore).then(ignore);
  return Promise.race([commitError.catch((reason: unknown) => reason), soon.then(() => error)]);
}

function ignore(): void {
  // What there is to say is said elsewhere.
}
