import { LRUCache } from 'lru-cache';
import type { EvictionReason, NotKeptReason } from '../core/events';

/** Why an answer is no longer in the cache, or was not kept. */
export type DepartureReason = EvictionReason | NotKeptReason | 'failed';

export interface Departure {
  readonly reason: DepartureReason;
  /** Milliseconds on the clock of the cache. */
  readonly at: number;
}

/** Remembers the latest departure of each key, so that a miss can be explained. */
export class Departures {
  readonly #latest: LRUCache<string, Departure>;

  constructor(most: number) {
    // With `max`, an LRUCache allocates room for all departures in advance.
    this.#latest = new LRUCache({ maxSize: most, sizeCalculation: () => 1 });
  }

  note(key: string, reason: DepartureReason, at: number): void {
    this.#latest.set(key, { reason, at });
  }

  get(key: string): Departure | undefined {
    return this.#latest.peek(key);
  }
}
