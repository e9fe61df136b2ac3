import { KeptEntry } from '../../lib/cache/cache-entry';
import { KeyTable, type ListedFlight } from '../../lib/cache/key-table';

/** A flight that may stand in for its entry, as a plain miss does. */
class StandIn implements ListedFlight {
  entry: KeptEntry | undefined;
  constructor(private readonly standsIn: boolean) {}

  replacedBy(entry: KeptEntry): boolean {
    if (this.standsIn) {
      this.entry = entry;
    }
    return this.standsIn;
  }
}

const entryOf = (key: string) => new KeptEntry(key, 'value', 0, 1000, undefined, 0, [], 0);

describe('KeyTable', () => {
  it.each([true, false])('has an entry in the place of the flight that brought it (a stand-in: %s)', (is) => {
    const table = new KeyTable<StandIn>();
    const flight = new StandIn(is);
    const entry = entryOf('a');
    table.addFlight('a', flight);
    expect([table.of('a'), table.flightOf('a'), table.entryOf('a')]).toEqual([flight, flight, undefined]);
    expect(table.flights()).toEqual([flight]);
    table.setEntryOfFlight(entry, flight);
    expect(table.flights()).toEqual([]);
    expect([table.of('a'), table.flightOf('a'), table.entryOf('a')]).toEqual([entry, undefined, entry]);
    table.removeEntry(entry);
    expect(table.of('a')).toBeUndefined();
  });

  it('lets go of what stands in for an entry when that is asked for, or all are settled', () => {
    const ways: ((table: KeyTable<StandIn>) => unknown)[] = [
      (table) => table.of('a'),
      (table) => table.settle(),
    ];
    for (const settle of ways) {
      const table = new KeyTable<StandIn>();
      const flight = new StandIn(true);
      const entry = entryOf('a');
      table.addFlight('a', flight);
      table.setEntryOfFlight(entry, flight);
      settle(table);
      // What it says from now on is not asked any more.
      flight.entry = undefined;
      expect(table.of('a')).toBe(entry);
    }
  });

  it('removes an entry that something still stands in for', () => {
    const table = new KeyTable<StandIn>();
    const flight = new StandIn(true);
    const entry = entryOf('a');
    table.addFlight('a', flight);
    table.setEntryOfFlight(entry, flight);
    table.removeEntry(entry);
    expect(table.of('a')).toBeUndefined();
    expect(table.flights()).toEqual([]);
  });

  it('holds a flight beside the entry of its key, and in its place once that has left', () => {
    const table = new KeyTable<StandIn>();
    const entry = entryOf('a');
    const flight = new StandIn(false);
    table.setEntry(entry);
    expect(table.hasBoth).toBe(false);
    table.setFlight('a', flight);
    expect([table.hasBoth, table.of('a'), table.flightOf('a')]).toEqual([true, entry, flight]);
    expect(table.flights()).toEqual([flight]);
    table.removeEntry(entry);
    expect([table.hasBoth, table.of('a'), table.entryOf('a')]).toEqual([false, flight, undefined]);
    table.removeFlight('a');
    expect(table.of('a')).toBeUndefined();
  });

  it('puts a flight beside an entry that a user sets, and takes off only that', () => {
    const table = new KeyTable<StandIn>();
    const flight = new StandIn(false);
    const entry = entryOf('a');
    table.addFlight('a', flight);
    table.setEntry(entry);
    expect([table.of('a'), table.flightOf('a')]).toEqual([entry, flight]);
    table.removeFlight('a');
    expect([table.of('a'), table.flightOf('a')]).toEqual([entry, undefined]);
  });
});
