import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import * as lmdb from 'lmdb';
import { ClosedError } from '../../lib/core/errors';
import type * as Disk from '../../lib/disk';
import { diskStore, DiskStoreError, type DiskStore, type DiskStoreConfig } from '../../lib/disk';
import { WatchedTestScheduler } from '../test-scheduler';

const home = mkdtempSync(join(tmpdir(), 'rxllm-disk-store-'));
const opened: DiskStore[] = [];
let directories = 0;

afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

const newDirectory = () => join(home, `store-${++directories}`);

function open(directory = newDirectory(), config?: DiskStoreConfig): DiskStore {
  const store = diskStore(directory, config);
  opened.push(store);
  return store;
}

/** A scheduler of which the spec tells the time. */
function watch() {
  const scheduler = new WatchedTestScheduler();
  let time = 1_000_000;
  scheduler.now = () => time;
  return { scheduler, advance: (duration: number) => (time += duration) };
}

const errorOf = (action: () => unknown): DiskStoreError => {
  try {
    action();
  } catch (error) {
    return error as DiskStoreError;
  }
  throw new Error('nothing was thrown');
};

/** The database of a store, without the store. */
async function inDatabase<T>(directory: string, use: (root: lmdb.RootDatabase) => T): Promise<Awaited<T>> {
  const root = lmdb.open({ path: directory, noSubdir: false, overlappingSync: false });
  const result = await use(root);
  await root.close();
  return result;
}

describe('diskStore', () => {
  it('keeps texts, overwrites them, and forgets them', async () => {
    const store = open();
    expect(store.get('a')).toBeUndefined();
    await store.set('a', 'one');
    await store.set('b', '');
    expect([store.get('a'), store.get('b'), store.size]).toEqual(['one', '', 2]);
    await store.set('a', 'two');
    expect([store.get('a'), store.size]).toEqual(['two', 2]);
    await expect(store.delete('a')).resolves.toBe(true);
    await expect(store.delete('a')).resolves.toBe(false);
    expect([store.get('a'), store.size]).toEqual([undefined, 1]);
  });

  it('sees its own writes before they are on the disk', async () => {
    const store = open();
    await store.set('kept', 'old');
    const written = [store.set('a', 'one'), store.set('kept', 'new'), store.set('a', 'two')];
    expect([store.get('a'), store.get('kept'), store.size]).toEqual(['two', 'new', 1]);
    const gone = store.delete('kept');
    expect(store.get('kept')).toBeUndefined();
    await Promise.all(written);
    await expect(gone).resolves.toBe(true);
    expect([store.get('a'), store.get('kept'), store.size]).toEqual(['two', undefined, 1]);
  });

  it('takes any key of 1 to 1,900 bytes, and refuses others', async () => {
    const store = open();
    const keys = [
      ' ',
      '__proto__',
      '\ufffd',
      'é',
      'e\u0301',
      '\0',
      'a\0b',
      'a',
      'k'.repeat(1900),
      'é'.repeat(950),
    ];
    await Promise.all(keys.map((key, index) => store.set(key, String(index))));
    expect(keys.map((key) => store.get(key))).toEqual(keys.map((_, index) => String(index)));
    expect(new Map(store.iterator())).toEqual(new Map(keys.map((key, index) => [key, String(index)])));
    for (const key of ['', 'k'.repeat(1901), 'é'.repeat(951)]) {
      await expect(store.set(key, 'text')).rejects.toThrow(RangeError);
      expect(store.get(key)).toBeUndefined();
      await expect(store.delete(key)).resolves.toBe(false);
    }
  });

  it('keeps any text, of many pages too, and refuses those longer than a quarter of maxBytes', async () => {
    const store = open(undefined, { maxBytes: 2 ** 22 });
    const texts = ['naïve €', '😀'.repeat(5000), 'x'.repeat(4060), 'x'.repeat(2 ** 20), '\0'];
    for (const [index, text] of texts.entries()) {
      await store.set(`k${index}`, text);
    }
    expect(texts.map((_, index) => store.get(`k${index}`) === texts[index])).not.toContain(false);
    await expect(store.set('k', 'x'.repeat(2 ** 20 + 1))).rejects.toThrow(RangeError);
    await expect(store.set('k', 5 as never)).rejects.toThrow(TypeError);
    await store.set('k3', 'short');
    expect([store.get('k3'), store.size]).toEqual(['short', texts.length]);
  });

  it('reads an entry as absent from the moment it expires, and takes it out with later writes', async () => {
    const { scheduler, advance } = watch();
    const store = open(undefined, { scheduler });
    const shortly = store.set('short', '1', 10);
    await Promise.all([
      shortly,
      store.set('long', '2', 100),
      store.set('ever', '3'),
      store.set('now', '4', 0),
    ]);
    const own = store.set('own', '5', 10);
    const kept = () => ['now', 'short', 'own', 'long', 'ever'].filter((key) => store.get(key) !== undefined);
    expect(kept()).toEqual(['short', 'own', 'long', 'ever']);
    advance(9.5);
    expect(kept()).toEqual(['short', 'own', 'long', 'ever']);
    advance(0.5);
    expect(kept()).toEqual(['long', 'ever']);
    expect(new Map(store.iterator()).size).toBe(2);
    await own;
    await store.set('another', '6');
    expect(store.size).toBe(3);
    advance(1e9);
    expect(kept()).toEqual(['ever']);
    await expect(store.set('wrong', '', -1)).rejects.toThrow(/ttl/);
    await expect(store.set('wrong', '', NaN)).rejects.toThrow(/ttl/);
    expect(scheduler.actions).toHaveLength(0);
  });

  it('lets those leave that were stored first when there are too many, and expired ones before', async () => {
    const { scheduler, advance } = watch();
    const store = open(undefined, { scheduler, maxEntries: 3 });
    await store.set('a', '1');
    await store.set('b', '2');
    await store.set('expired', '3', 5);
    advance(5);
    await store.set('c', '4');
    expect([...store.iterator()].map(([key]) => key)).toEqual(['a', 'b', 'c']);
    await store.set('a', '5');
    await store.set('d', '6');
    expect([...store.iterator()].map(([key]) => key)).toEqual(['c', 'a', 'd']);
    await Promise.all(Array.from({ length: 1000 }, (_, index) => store.set(`k${index}`, 'text')));
    expect(new Map(store.iterator())).toEqual(new Map([997, 998, 999].map((index) => [`k${index}`, 'text'])));
  });

  it('stays within its bytes, keeps the newest, and does not let the file grow on', async () => {
    const directory = newDirectory();
    const maxBytes = 2 ** 21;
    const store = open(directory, { maxBytes });
    const lengths = [500, 100_000, 3000, 45_000, 1500, 200_000, 9000, 20_000, 4100];
    let written = 0;
    for (let index = 0; written < 6 * maxBytes; index += 5) {
      const texts = Array.from({ length: 5 }, (_, at) => 'x'.repeat(lengths[(index + at) % lengths.length]!));
      await Promise.all(texts.map((text, at) => store.set(`k${index + at}`, text)));
      written += texts.join('').length;
      expect(store.bytes).toBeLessThanOrEqual(0.5 * maxBytes);
      expect(texts.map((text, at) => store.get(`k${index + at}`) === text)).not.toContain(false);
    }
    expect(store.bytes).toBeGreaterThan(0.3 * maxBytes);
    expect(statSync(join(directory, 'data.mdb')).size).toBeLessThan(0.95 * maxBytes);
  }, 20_000);

  it('becomes smaller step by step when it may hold less than before', async () => {
    const directory = newDirectory();
    const many = open(directory);
    await Promise.all(Array.from({ length: 1500 }, (_, index) => many.set(`k${index}`, 'text')));
    const { scheduler } = watch();
    const few = open(directory, { maxEntries: 100, scheduler });
    const sizes = [few.size];
    for (let index = 0; few.size > 100; index++) {
      await few.set(`n${index}`, 'text');
      sizes.push(few.size);
    }
    expect(sizes).toEqual([1500, 1400, 1300, 1200, 1100, 1000, 900, 800, 700, 600, 500, 400, 300, 200, 100]);
    expect(few.get('k1499')).toBe('text');
  });

  it('forgets everything at once, also what is on its way, but not what comes after', async () => {
    const store = open();
    await store.set('old', '1');
    const on = store.set('on its way', '2');
    await Promise.resolve();
    const waiting = store.set('waiting', '3');
    const cleared = store.clear();
    const after = store.set('after', '4');
    const keys = ['old', 'on its way', 'waiting', 'after'];
    const kept = () => keys.filter((key) => store.get(key) !== undefined);
    expect(kept()).toEqual(['after']);
    await Promise.all([on, waiting, cleared, after]);
    expect(kept()).toEqual(['after']);
    expect(store.size).toBe(1);
    await store.clear();
    await store.clear();
    expect([...store.iterator(), store.size]).toEqual([0]);
  });

  it('lists what there is, what is not on the disk yet included, once each', async () => {
    const store = open();
    const keys = Array.from({ length: 700 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => store.set(key, `${key} `.repeat(200))));
    const changes = [store.set('k5', 'changed'), store.delete('k6'), store.set('new', 'text')];
    const listed = [...store.iterator()];
    expect(listed).toHaveLength(700);
    const found = new Map(listed);
    expect([found.get('k5'), found.has('k6'), found.get('new')]).toEqual(['changed', false, 'text']);
    expect(found.get('k7')).toBe('k7 '.repeat(200));
    await Promise.all(changes);
  });

  it('can be changed while it is listed', async () => {
    const store = open();
    await Promise.all(Array.from({ length: 700 }, (_, index) => store.set(`k${index}`, 'x'.repeat(2000))));
    const deleted: Promise<boolean>[] = [];
    for (const [key] of store.iterator()) {
      deleted.push(store.delete(key));
      if (deleted.length % 50 === 0) {
        await Promise.all(deleted);
      }
    }
    await Promise.all(deleted);
    expect([deleted.length, store.size]).toEqual([700, 0]);
  });

  it('sees what another process has committed as soon as the code that runs now has ended', async () => {
    const directory = newDirectory();
    const store = open(directory);
    await store.set('a', 'text');
    await inDatabase(directory, async (root) => {
      expect(store.get('a')).toBe('text');
      root.openDB('entries', {}).removeSync('a');
      await Promise.resolve();
      expect(store.get('a')).toBeUndefined();
    });
  });

  it('is as a Map is, whatever is done to it and by whichever of two stores', async () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ set: key, ttl: fc.constantFrom(undefined, 5, 50) }) },
      { weight: 2, arbitrary: fc.record({ delete: key }) },
      { weight: 1, arbitrary: fc.constant({ clear: true }) },
      { weight: 2, arbitrary: fc.record({ advance: fc.constantFrom(1, 5, 30) }) },
      { weight: 3, arbitrary: fc.record({ settle: fc.boolean() }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { scheduler, advance } = watch();
        const directory = newDirectory();
        const stores = [open(directory, { scheduler }), open(directory, { scheduler })];
        const model = new Map<string, { text: string; until: number }>();
        const live = () =>
          new Map(
            [...model].filter(([, { until }]) => until > scheduler.now()).map(([k, { text }]) => [k, text]),
          );
        let store = stores[0]!;
        let count = 0;
        let unsettled: Promise<unknown>[] = [];
        for (const one of steps) {
          if ('set' in one) {
            const text = `text ${++count}`;
            unsettled.push(store.set(one.set, text, one.ttl));
            model.delete(one.set);
            model.set(one.set, { text, until: scheduler.now() + (one.ttl ?? Infinity) });
          } else if ('delete' in one) {
            unsettled.push(store.delete(one.delete));
            model.delete(one.delete);
          } else if ('clear' in one) {
            unsettled.push(store.clear());
            model.clear();
          } else if ('advance' in one) {
            advance(one.advance);
          } else {
            await Promise.all(unsettled);
            unsettled = [];
            store = stores[Number(one.settle)]!;
          }
          for (const name of ['a', 'b', 'c', 'd']) {
            expect(store.get(name)).toBe(live().get(name));
          }
          expect(new Map(store.iterator())).toEqual(live());
        }
        await Promise.all(unsettled);
        await stores[0]!.close();
        expect(new Map(stores[1]!.iterator())).toEqual(live());
        await stores[1]!.close();
      }),
      { numRuns: 25 },
    );
  }, 30_000);
});

describe('the directory of a disk store', () => {
  it('can be opened twice in one process, and each closes for itself', async () => {
    const directory = newDirectory();
    const one = open(directory);
    await one.set('a', 'one');
    const other = open(`${directory}/../${directory.split('/').at(-1)!}/`);
    expect(other.get('a')).toBe('one');
    await other.set('a', 'two');
    expect(one.get('a')).toBe('two');
    await one.close();
    await other.set('b', 'three');
    expect(other.get('b')).toBe('three');
    await other.close();
    expect(open(directory).size).toBe(2);
  });

  it('can be opened again while it is being closed', async () => {
    const directory = newDirectory();
    const one = open(directory);
    const written = one.set('a', 'one');
    const closed = one.close();
    const other = open(directory);
    await Promise.all([written, closed, other.set('b', 'two')]);
    expect([other.get('a'), other.get('b')]).toEqual(['one', 'two']);
  });

  it('is let go of when all that was written is on the disk', async () => {
    const directory = newDirectory();
    const store = open(directory);
    const written = Array.from({ length: 600 }, (_, index) => store.set(`k${index}`, 'text'));
    await store.close();
    await Promise.all(written);
    expect(store.close()).toBe(store.close());
    expect(() => store.get('k1')).toThrow(ClosedError);
    expect(() => store.size).toThrow(ClosedError);
    expect(() => [...store.iterator()]).toThrow(ClosedError);
    await expect(store.set('k', 'text')).rejects.toThrow(ClosedError);
    await expect(store.delete('k')).rejects.toThrow(ClosedError);
    await expect(store.clear()).rejects.toThrow(ClosedError);
    expect(open(directory).size).toBe(600);
  });

  it('is made, for its owner alone', async () => {
    const directory = join(newDirectory(), 'in', 'another');
    await open(directory).set('a', 'text');
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect([mode(directory), mode(join(directory, 'data.mdb'))]).toEqual([0o700, 0o600]);
  });

  it.each<[what: string, code: string, make: (directory: string) => void]>([
    ['a file in its place', 'directory-unusable', (directory) => writeFileSync(directory, 'text')],
    [
      'a directory in place of its file',
      'directory-unusable',
      (directory) => mkdirSync(join(directory, 'data.mdb'), { recursive: true }),
    ],
    [
      'a directory in place of its lock',
      'directory-unusable',
      (directory) => mkdirSync(join(directory, 'lock.mdb'), { recursive: true }),
    ],
    [
      'a data.mdb of something else',
      'directory-foreign',
      (directory) => {
        mkdirSync(directory);
        writeFileSync(join(directory, 'data.mdb'), 'some text '.repeat(2000));
      },
    ],
    [
      'a data.mdb of nothing but zeros',
      'directory-foreign',
      (directory) => {
        mkdirSync(directory);
        writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(100_000));
      },
    ],
  ])('is refused with %s', (_what, code, make) => {
    const directory = newDirectory();
    make(directory);
    const error = errorOf(() => diskStore(directory));
    expect(error).toBeInstanceOf(DiskStoreError);
    expect(error).toMatchObject({ name: 'DiskStoreError', code, directory });
    expect(error.message).toContain(directory);
  });

  it('is refused with a database of somebody else', async () => {
    const directory = newDirectory();
    const root = lmdb.open({ path: directory, noSubdir: false });
    await root.put('theirs', 'text');
    await root.close();
    expect(errorOf(() => diskStore(directory))).toMatchObject({ code: 'directory-foreign' });
  });

  it('is refused with a schema of another release, and is not changed', async () => {
    const directory = newDirectory();
    const store = open(directory);
    await store.set('a', 'text');
    await store.close();
    await inDatabase(directory, (root) => root.openDB('about', { encoding: 'string' }).put('schema', '7'));
    const error = errorOf(() => diskStore(directory));
    expect(error).toMatchObject({ code: 'schema-mismatch', directory });
    expect(error.message).toMatch(/schema 7.*schema 2.*[Dd]elete/);
    await inDatabase(directory, (root) => root.openDB('about', { encoding: 'string' }).put('schema', '2'));
    expect(open(directory).get('a')).toBe('text');
  });

  it.each([5000, 8192, 100_000])('is refused with a file cut off after %d bytes', async (length) => {
    const directory = newDirectory();
    const store = open(directory);
    await Promise.all(Array.from({ length: 500 }, (_, index) => store.set(`k${index}`, 'x'.repeat(1000))));
    await store.close();
    const file = join(directory, 'data.mdb');
    expect(readFileSync(file).length).toBeGreaterThan(length);
    truncateSync(file, length);
    const error = errorOf(() => diskStore(directory));
    expect(error).toMatchObject({ code: 'directory-damaged', directory });
    expect(error.message).toMatch(/damaged.*Delete the directory/);
  });

  it.each<[field: string, config: DiskStoreConfig, kind: typeof RangeError | typeof TypeError]>([
    ['maxEntries', { maxEntries: 0 }, RangeError],
    ['maxEntries', { maxEntries: 1.5 }, RangeError],
    ['maxBytes', { maxBytes: 1000 }, RangeError],
    ['maxBytes', { maxBytes: Infinity }, RangeError],
    ['sweepInterval', { sweepInterval: 0 }, RangeError],
    ['maxEntries', { maxEntries: '5' as never }, TypeError],
  ])('is not made for a wrong %s', (field, config, kind) => {
    const directory = newDirectory();
    const error = errorOf(() => diskStore(directory, config));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(field);
    expect(statSync(directory, { throwIfNoEntry: false })).toBeUndefined();
  });

  it.each(['', undefined, 5])('is not %p', (directory) => {
    expect(() => diskStore(directory as never)).toThrow(TypeError);
  });

  it.each([
    ['is not installed', Object.assign(new Error("Cannot find module 'lmdb'"), { code: 'MODULE_NOT_FOUND' })],
    ['cannot be loaded', new Error('No native build was found')],
  ])('asks for lmdb where that %s', (what, reason) => {
    jest.isolateModules(() => {
      jest.doMock('lmdb', () => {
        throw reason;
      });
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- anew, without lmdb
      const disk = require('../../lib/disk') as typeof Disk;
      const directory = newDirectory();
      const error = errorOf(() => disk.diskStore(directory));
      expect(error).toMatchObject({ name: 'DiskStoreError', code: 'lmdb-missing', directory });
      expect(error.message).toMatch(/npm install lmdb$/);
      expect(error.message.includes('not installed')).toBe(what === 'is not installed');
      expect(error.cause).toBe(reason);
    });
    jest.dontMock('lmdb');
  });
});

describe('a disk store that cannot be written', () => {
  /** A store on an lmdb whose commits fail, and afterwards its reads, when they are told to. */
  function withFaults() {
    const faults = { commits: false, readsAfterwards: false, reads: false, tried: 0 };
    const directory = newDirectory();
    const faulty = (root: lmdb.RootDatabase) => {
      const transaction = root.transaction.bind(root);
      const openDB = root.openDB.bind(root) as (...args: unknown[]) => lmdb.Database;
      return Object.assign(root, {
        transaction: (operations: () => unknown) => {
          faults.tried++;
          if (!faults.commits) {
            return transaction(operations);
          }
          faults.reads = faults.readsAfterwards;
          const commitError = Promise.reject(new Error('Input/output error.'));
          commitError.catch(() => undefined);
          return Promise.reject(Object.assign(new Error('Commit failed'), { commitError }));
        },
        openDB: (...args: unknown[]) => {
          const table = openDB(...args);
          const get = table.get.bind(table);
          table.get = (key: lmdb.Key) => {
            if (faults.reads) {
              throw new Error('MDB_PANIC');
            }
            return get(key) as unknown;
          };
          return table;
        },
      });
    };
    let store: DiskStore | undefined;
    jest.isolateModules(() => {
      jest.doMock('lmdb', () => ({
        ABORT: lmdb.ABORT,
        open: (path: string, options: lmdb.RootDatabaseOptions) => faulty(lmdb.open(path, options)),
      }));
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- anew, on that lmdb
      const disk = require('../../lib/disk') as typeof Disk;
      store = disk.diskStore(directory);
      opened.push(store);
    });
    jest.dontMock('lmdb');
    return { faults, store: store!, directory };
  }

  it('says so, is as before, and writes again when it can', async () => {
    const { faults, store, directory } = withFaults();
    await store.set('a', 'old');
    faults.commits = true;
    const written = [store.set('a', 'new'), store.delete('a'), store.set('b', 'new')];
    const failures = await Promise.allSettled(written);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        status: 'rejected',
        reason: { name: 'DiskStoreError', code: 'write-failed', directory },
      });
    }
    await expect(store.clear()).rejects.toThrow(
      `Writing to the store in ${directory} failed: Input/output error. Check whether the disk is full.`,
    );
    expect([store.get('a'), store.get('b'), store.size]).toEqual(['old', undefined, 1]);
    faults.commits = false;
    await store.set('b', 'new');
    expect([...store.iterator()]).toEqual([
      ['a', 'old'],
      ['b', 'new'],
    ]);
  });

  it('is not tried again when LMDB has given the database up, until it is opened anew', async () => {
    const { faults, store, directory } = withFaults();
    await store.set('a', 'old');
    Object.assign(faults, { commits: true, readsAfterwards: true });
    await expect(store.set('a', 'new')).rejects.toThrow(/open it again/);
    Object.assign(faults, { commits: false, readsAfterwards: false, reads: false, tried: 0 });
    await expect(store.set('a', 'new')).rejects.toThrow(/open it again/);
    expect(() => store.get('a')).toThrow(/open it again/);
    expect(faults.tried).toBe(0);
    await store.close();
    const anew = open(directory);
    await anew.set('b', 'new');
    expect([anew.get('a'), anew.get('b')]).toEqual(['old', 'new']);
  });
});
