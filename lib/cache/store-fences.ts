import type { CacheEntry } from './cache-entry';
import type { EntryStamp, StoredEntry } from './entry-text';

/** An invalidation: what matches and is older than it is not served any more. */
export interface StoreFilter {
  /** What this writer wrote with a lower number is older. */
  readonly number: number;
  /** What others wrote until then, in milliseconds, is older; `Infinity` while the store is being gone through. */
  readonly othersUntil: number;
  readonly matches: (entry: CacheEntry, key: string) => boolean;
}

/**
 * What must not be served although a store may still hold it. Writes and purges of this writer are ordered by a number
 * of their own, so that clocks and equal milliseconds do not matter; those of others only by the time they state.
 */
export class StoreFences {
  readonly writer = nameByChance();
  /** Replaced, never changed: a read keeps those that were there when it was asked. */
  filters: readonly StoreFilter[] = [];
  #number = 0;
  #ownUntil = 0;
  #othersUntil = -Infinity;

  /** The number of a write or purge that happens now. */
  next(): number {
    return ++this.#number;
  }

  /**
   * Nothing written before is served any more.
   *
   * @param othersUntil until when that is so for what others wrote; by default that is served
   */
  raise(othersUntil = -Infinity): void {
    this.#ownUntil = this.next();
    this.#othersUntil = Math.max(this.#othersUntil, othersUntil);
  }

  drop(filters: readonly StoreFilter[]): void {
    this.filters = this.filters.filter((filter) => !filters.includes(filter));
  }

  /** Whether an entry may be served to a read that these filters apply to. */
  lets(stored: StoredEntry, filters: readonly StoreFilter[]): boolean {
    const isOlder =
      stored.writer === this.writer ? stored.number <= this.#ownUntil : stored.writtenAt <= this.#othersUntil;
    return !isOlder && !filters.some((filter) => this.stops(stored, filter));
  }

  /** Whether an entry is one that an invalidation is about. */
  stops(stored: StoredEntry, filter: StoreFilter): boolean {
    return this.#isBefore(stored, filter) && applies(filter, stored.entry, stored.key);
  }

  #isBefore(stamp: EntryStamp, { number, othersUntil }: StoreFilter): boolean {
    return stamp.writer === this.writer ? stamp.number < number : stamp.writtenAt <= othersUntil;
  }
}

/** Whether an invalidation matches; where it cannot tell, forgetting too much is harmless. */
export function applies({ matches }: StoreFilter, entry: CacheEntry, key: string): boolean {
  try {
    return matches(entry, key);
  } catch {
    return true;
  }
}

/** Sets this writer apart from all others that may share its store. */
function nameByChance(): string {
  const part = () => Math.random().toString(36).slice(2);
  return part() + part();
}
