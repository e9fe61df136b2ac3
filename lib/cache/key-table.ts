import { KeptEntry, type Listed } from './cache-entry';

/** What stands in a {@link KeyTable} for a call that runs. */
export interface ListedFlight extends Listed {
  /** Nobody finds it any more. */
  unlisted(): void;
}

/** A power of two; and how much larger the table gets where there are more things than buckets. */
const fewestBuckets = 16;
const growth = 4;

/**
 * What a cache knows of each key: its entry, and the flight that may be joined.
 *
 * A hash table whose buckets are chains of what stands in it. A `Map` would do, but finding its places took a fifth of
 * what a miss costs among thousands: each call is looked up, added, replaced by its answer, and that is taken out when
 * it leaves. Here what is added after it was looked up is hashed once, and what is replaced or taken out not at all, nor
 * are keys touched that only share a bucket. That pays for keys as short as those that are made here, of 67 letters: each
 * letter of a key takes about 3 ns, also of one that was hashed before.
 *
 * The hash is FNV-1a (Fowler, Noll and Vo) from a random start, which makes it hard to choose keys beforehand that all
 * fall into one bucket, with the last mixing of MurmurHash3 (Appleby).
 */
export class KeyTable<F extends ListedFlight> {
  #buckets: (KeptEntry | F | undefined)[] = emptyBuckets(fewestBuckets);
  #size = 0;
  /** With fewer things than that the table gets smaller. */
  #least = 0;
  /** Keys that have both an entry and a flight: it has expired, or somebody wants a new answer. */
  #pairs = 0;
  readonly #start = Math.floor(Math.random() * 2 ** 32);
  /** The key that was hashed last, as what is looked up in vain is added next. */
  #lastKey = '';
  #lastHash = this.#hash('');

  /** The entry of a key, else its flight. */
  of(key: string): KeptEntry | F | undefined {
    return this.#of(key, this.#hashOf(key));
  }

  entryOf(key: string): KeptEntry | undefined {
    return this.#entryOf(key, this.#hashOf(key));
  }

  flightOf(key: string): F | undefined {
    return this.#flightOf(key, this.#hashOf(key));
  }

  /** Adds an entry to a key that has none, or a flight to one that has none; it may have the other. */
  add(listed: KeptEntry | F): void {
    if (this.of(listed.key!)) {
      this.#pairs++;
    }
    this.addNew(listed);
  }

  /** The same without a look at what the key has: for one of which nothing is known. */
  addNew(listed: KeptEntry | F): void {
    if (this.#size === this.#buckets.length) {
      this.#resize(growth * this.#size);
    }
    this.#size++;
    listed.hash = this.#hashOf(listed.key!);
    this.#putFirst(listed);
  }

  /** Puts something of its kind in the place of what stands under the same key. */
  replace(listed: KeptEntry | F, other: KeptEntry | F): void {
    this.#unlink(listed);
    other.hash = listed.hash;
    this.#putFirst(other);
  }

  /** Puts an entry in the place of the flight that has brought it, and of an older entry, which it returns. */
  land(flight: ListedFlight, entry: KeptEntry): KeptEntry | undefined {
    const older = this.#pairs > 0 ? this.#entryOf(entry.key, flight.hash) : undefined;
    if (older) {
      this.remove(older);
    }
    // What is listed here is of this kind.
    this.replace(flight as F, entry);
    flight.unlisted();
    return older;
  }

  remove(listed: KeptEntry | F): void {
    this.#unlink(listed);
    if (this.#pairs > 0 && this.#of(listed.key!, listed.hash)) {
      this.#pairs--;
    }
    if (--this.#size < this.#least) {
      this.#resize(this.#buckets.length / growth);
    }
  }

  /** In no order. */
  flights(): F[] {
    const flights: F[] = [];
    for (const first of this.#buckets) {
      for (let one = first; one; one = next(one)) {
        if (!(one instanceof KeptEntry)) {
          flights.push(one);
        }
      }
    }
    return flights;
  }

  #of(key: string, hash: number): KeptEntry | F | undefined {
    if (this.#pairs > 0) {
      return this.#entryOf(key, hash) ?? this.#flightOf(key, hash);
    }
    for (let one = this.#firstOf(hash); one; one = next(one)) {
      if (one.hash === hash && one.key === key) {
        return one;
      }
    }
    return undefined;
  }

  #entryOf(key: string, hash: number): KeptEntry | undefined {
    for (let one = this.#firstOf(hash); one; one = next(one)) {
      if (one.hash === hash && one instanceof KeptEntry && one.key === key) {
        return one;
      }
    }
    return undefined;
  }

  #flightOf(key: string, hash: number): F | undefined {
    for (let one = this.#firstOf(hash); one; one = next(one)) {
      if (one.hash === hash && !(one instanceof KeptEntry) && one.key === key) {
        return one;
      }
    }
    return undefined;
  }

  #firstOf(hash: number): KeptEntry | F | undefined {
    return this.#buckets[hash & (this.#buckets.length - 1)];
  }

  #putFirst(listed: KeptEntry | F): void {
    const bucket = listed.hash & (this.#buckets.length - 1);
    listed.nextInBucket = this.#buckets[bucket];
    this.#buckets[bucket] = listed;
  }

  #unlink(listed: KeptEntry | F): void {
    const bucket = listed.hash & (this.#buckets.length - 1);
    const after = next(listed);
    listed.nextInBucket = undefined;
    let one = this.#buckets[bucket]!;
    if (one === listed) {
      this.#buckets[bucket] = after;
      return;
    }
    while (one.nextInBucket !== listed) {
      one = next(one)!;
    }
    one.nextInBucket = after;
  }

  #resize(buckets: number): void {
    const before = this.#buckets;
    this.#buckets = emptyBuckets(buckets);
    this.#least = buckets > fewestBuckets ? buckets / growth ** 2 : 0;
    for (const first of before) {
      for (let one = first; one;) {
        const after: KeptEntry | F | undefined = next(one);
        this.#putFirst(one);
        one = after;
      }
    }
  }

  #hashOf(key: string): number {
    if (key !== this.#lastKey) {
      this.#lastHash = this.#hash(key);
      this.#lastKey = key;
    }
    return this.#lastHash;
  }

  #hash(key: string): number {
    let hash = this.#start;
    for (let index = 0; index < key.length; index++) {
      hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    // As a small whole number it takes no room of its own, wherever it runs.
    return (hash ^ (hash >>> 13)) & 0x3fffffff;
  }
}

/** What stands in a bucket is of the table's kinds, as only the table links it. */
function next<F extends ListedFlight>(listed: KeptEntry | F): KeptEntry | F | undefined {
  return listed.nextInBucket as KeptEntry | F | undefined;
}

function emptyBuckets<T>(count: number): (T | undefined)[] {
  // Not filled, which would take up to twice as long: none is there either way.
  return new Array<T | undefined>(count);
}
