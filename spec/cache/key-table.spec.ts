import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { KeptEntry, type Listed } from '../../lib/cache/cache-entry';
import { KeyTable, type ListedFlight } from '../../lib/cache/key-table';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

class ListedCall implements ListedFlight {
  hash = 0;
  nextInBucket: Listed | undefined;
  isListed = true;

  constructor(readonly key: string) {}

  unlisted(): void {
    this.isListed = false;
  }
}

const entryOf = (key: string) => new KeptEntry(key, 'value', 0, 1000, undefined, 0, [], 0);

const steps = fc.array(
  fc.record({
    do: fc.constantFrom('entry', 'flight', 'new', 'land', 'replace', 'remove-entry', 'remove-flight', 'many'),
    key: fc.nat({ max: 30 }),
  }),
  { maxLength: 150, size: 'max' },
);

const keys = Array.from({ length: 31 }, (_, index) => String(index));

describe('KeyTable', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each(['as they are', 'all one'])('knows of each key what two Maps would, with hashes %s', (hashes) => {
    if (hashes === 'all one') {
      // Then only the keys themselves tell what stands under one of them.
      jest.spyOn(Math, 'imul').mockReturnValue(7);
    }
    fc.assert(
      fc.property(steps, (given) => {
        const table = new KeyTable<ListedCall>();
        const entries = new Map<string, KeptEntry>();
        const flights = new Map<string, ListedCall>();
        const crowd: KeptEntry[] = [];
        /** What must keep nothing alive that stood beside it. */
        const gone: Listed[] = [];
        for (const step of given) {
          const key = keys[step.key]!;
          const entry = entries.get(key);
          const flight = flights.get(key);
          if (step.do === 'many' && crowd.length > 0) {
            for (const one of crowd.splice(0)) {
              table.remove(one);
              gone.push(one);
            }
          } else if (step.do === 'many') {
            // So many that it grows, and shrinks again once they are gone.
            crowd.push(...Array.from({ length: 300 }, (_, index) => entryOf(`one of many ${index}`)));
            for (const one of crowd) {
              table.addNew(one);
            }
          } else if (step.do === 'entry' && !entry) {
            entries.set(key, entryOf(key));
            table.add(entries.get(key)!);
          } else if (step.do === 'flight' && !flight) {
            flights.set(key, new ListedCall(key));
            table.add(flights.get(key)!);
          } else if (step.do === 'new' && !entry && !flight) {
            flights.set(key, new ListedCall(key));
            table.addNew(flights.get(key)!);
          } else if (step.do === 'land' && flight) {
            const landed = entryOf(key);
            expect(table.land(flight, landed)).toBe(entry);
            expect(flight.isListed).toBe(false);
            flights.delete(key);
            entries.set(key, landed);
            gone.push(flight, ...(entry ? [entry] : []));
          } else if (step.do === 'replace' && entry) {
            entries.set(key, entryOf(key));
            table.replace(entry, entries.get(key)!);
            gone.push(entry);
          } else if (step.do === 'replace' && flight) {
            flights.set(key, new ListedCall(key));
            table.replace(flight, flights.get(key)!);
            gone.push(flight);
          } else if (step.do === 'remove-entry' && entry) {
            entries.delete(key);
            table.remove(entry);
            gone.push(entry);
          } else if (step.do === 'remove-flight' && flight) {
            flights.delete(key);
            table.remove(flight);
            gone.push(flight);
          }
          const linked = gone.filter(({ nextInBucket }) => nextInBucket).map(({ key: one }) => one);
          const mistaken = keys.filter(
            (one) =>
              table.entryOf(one) !== entries.get(one) ||
              table.flightOf(one) !== flights.get(one) ||
              table.of(one) !== (entries.get(one) ?? flights.get(one)),
          );
          const lost = crowd.filter((one) => table.of(one.key) !== one).map(({ key: one }) => one);
          const listed = new Set(table.flights());
          const grounded = [...flights.values()].filter((one) => !listed.has(one)).map(({ key: one }) => one);
          // Only keys, as what is linked takes long to compare and to print.
          expect({ linked, mistaken, lost, grounded, listed: listed.size }).toEqual({
            linked: [],
            mistaken: [],
            lost: [],
            grounded: [],
            listed: flights.size,
          });
        }
      }),
      { numRuns: hashes === 'all one' ? 20 : 60 },
    );
  });

  it('tells keys apart that have one hash, wherever they stand in their bucket', () => {
    const table = new KeyTable<ListedCall>();
    const [first, second, third] = ['a', 'b', 'c'].map((key) => new ListedCall(key)) as [
      ListedCall,
      ListedCall,
      ListedCall,
    ];
    table.addNew(first);
    for (const one of [second, third]) {
      // What takes the place of another has the hash of that.
      const other = new ListedCall(first.key);
      table.addNew(other);
      table.replace(other, one);
    }
    expect([second.hash, third.hash]).toEqual([first.hash, first.hash]);
    expect(new Set(table.flights())).toEqual(new Set([first, second, third]));
    expect(table.of('a')).toBe(first);
    table.remove(second);
    expect(new Set(table.flights())).toEqual(new Set([first, third]));
    table.remove(third);
    expect(table.flights()).toEqual([first]);
    table.remove(first);
    expect(table.flights()).toEqual([]);
  });

  it('takes any text for a key', () => {
    const table = new KeyTable<ListedCall>();
    const odd = ['', '__proto__', '\u0000', '\ud800', 'é', 'e\u0301', 'x'.repeat(100_000)];
    const flights = odd.map((key) => new ListedCall(key));
    for (const flight of flights) {
      table.add(flight);
    }
    expect(odd.map((key) => table.of(key))).toEqual(flights);
  });

  it('has its keys in other buckets each time', () => {
    const hashes = Array.from({ length: 20 }, () => {
      const flight = new ListedCall('a');
      new KeyTable<ListedCall>().addNew(flight);
      return flight.hash;
    });
    expect(new Set(hashes).size).toBeGreaterThan(10);
  });

  it('spreads keys that differ by little', () => {
    const table = new KeyTable<ListedCall>();
    const flights = Array.from({ length: 4096 }, (_, index) => new ListedCall(`question ${index}`));
    for (const flight of flights) {
      table.addNew(flight);
    }
    const buckets = new Set(flights.map(({ hash }) => hash & 4095));
    // Thrown at random, 63 % of the buckets get at least one.
    expect(buckets.size).toBeGreaterThan(0.55 * 4096);
  });

  it('finds a key in a few steps among many, also while it grows', () => {
    let steps = 0;
    class CountedCall implements ListedFlight {
      nextInBucket: Listed | undefined;
      #hash = 0;

      constructor(readonly key: string) {}

      get hash(): number {
        steps++;
        return this.#hash;
      }

      set hash(hash: number) {
        this.#hash = hash;
      }

      unlisted(): void {
        throw new Error('Nothing lands here.');
      }
    }
    const table = new KeyTable<CountedCall>();
    for (let index = 0; index < 20_000; index++) {
      table.addNew(new CountedCall(`question ${index}`));
    }
    steps = 0;
    for (let index = 0; index < 20_000; index++) {
      expect(table.of(`question ${index}`)?.key).toBe(`question ${index}`);
    }
    // There are at least as many buckets as keys: half of those in a bucket, and the one that is looked for.
    expect(steps).toBeLessThan(20_000 * 2);
  });

  it('gives the room back of what has left it', () => {
    const tables = Array.from({ length: 20 }, () => new KeyTable<ListedCall>());
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (const table of tables) {
      const flights = Array.from({ length: 5000 }, (_, index) => new ListedCall(`question ${index}`));
      for (const flight of flights) {
        table.addNew(flight);
      }
      for (const flight of flights) {
        table.remove(flight);
      }
    }
    collectGarbage();
    // Its largest array had 128 KB.
    expect((process.memoryUsage().heapUsed - before) / tables.length).toBeLessThan(4000);
  });
});
