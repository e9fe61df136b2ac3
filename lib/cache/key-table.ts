import { KeptEntry } from './cache-entry';

/** What stands in a {@link KeyTable} for a call that runs. */
export interface ListedFlight {
  /** What its answer is kept as, where it stands in for that from now on. */
  readonly entry: KeptEntry | undefined;
  /** Its answer is kept; returns whether it stands in for the entry itself. */
  replacedBy(entry: KeptEntry): boolean;
}

/**
 * What a cache knows of each key: its entry, and the flight that may be joined. Most keys have only the one or the other,
 * so that they share one Map: a miss is one look-up, and an answer takes the place of its flight. That a Map finds its
 * place costs more than all else that is done to keep an answer, so a flight may stand in for its entry until somebody
 * asks for the key. By key in a Map, as a key may be any string, `__proto__` too.
 */
export class KeyTable<F extends ListedFlight> {
  readonly #byKey = new Map<string, KeptEntry | F>();
  /** The flights of keys that have an entry, too: it has expired, or somebody wants a new answer. */
  readonly #beside = new Map<string, F>();

  /** The entry of a key, else its flight. */
  of(key: string): KeptEntry | F | undefined {
    const listed = this.#byKey.get(key);
    return listed === undefined || listed instanceof KeptEntry ? listed : this.#settled(key, listed);
  }

  entryOf(key: string): KeptEntry | undefined {
    const listed = this.of(key);
    return listed instanceof KeptEntry ? listed : undefined;
  }

  flightOf(key: string): F | undefined {
    const listed = this.of(key);
    return listed instanceof KeptEntry ? this.#beside.get(key) : listed;
  }

  /** Lists an entry in the place of an older one. */
  setEntry(entry: KeptEntry): void {
    const { key } = entry;
    const listed = this.of(key);
    if (listed !== undefined && !(listed instanceof KeptEntry)) {
      this.#beside.set(key, listed);
    }
    this.#byKey.set(key, entry);
  }

  /** Lists an entry in the place of the flight that has brought it, where the key has no other entry. */
  setEntryOfFlight(entry: KeptEntry, flight: ListedFlight): void {
    if (!flight.replacedBy(entry)) {
      this.#byKey.set(entry.key, entry);
    }
  }

  removeEntry({ key }: KeptEntry): void {
    const flight = this.#beside.size > 0 ? this.#beside.get(key) : undefined;
    if (flight === undefined) {
      this.#byKey.delete(key);
    } else {
      this.#beside.delete(key);
      this.#byKey.set(key, flight);
    }
  }

  /** Lists a flight in the place of an older one. */
  setFlight(key: string, flight: F): void {
    if (this.entryOf(key)) {
      this.#beside.set(key, flight);
    } else {
      this.#byKey.set(key, flight);
    }
  }

  /** Lists a flight of a key of which nothing is known. */
  addFlight(key: string, flight: F): void {
    this.#byKey.set(key, flight);
  }

  removeFlight(key: string): void {
    if (!this.#beside.delete(key)) {
      this.#byKey.delete(key);
    }
  }

  /** Whether a key may have an entry and a flight. */
  get hasBoth(): boolean {
    return this.#beside.size > 0;
  }

  flights(): F[] {
    const flights = [...this.#beside.values()];
    for (const listed of this.#byKey.values()) {
      if (!(listed instanceof KeptEntry) && !listed.entry) {
        flights.push(listed);
      }
    }
    return flights;
  }

  /** Lets nothing stand in for an entry any more. */
  settle(): void {
    for (const [key, listed] of this.#byKey) {
      if (!(listed instanceof KeptEntry)) {
        this.#settled(key, listed);
      }
    }
  }

  #settled(key: string, flight: F): KeptEntry | F {
    const { entry } = flight;
    if (!entry) {
      return flight;
    }
    this.#byKey.set(key, entry);
    return entry;
  }
}
