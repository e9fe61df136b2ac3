import type { EvictionReason, NotKeptReason } from '../core/events';

/** What became of an answer that is not kept. */
export type DepartureReason = EvictionReason | NotKeptReason | 'failed';

/** When and why an answer left, or was not kept at all. */
export interface Departure {
  readonly reason: DepartureReason;
  /** Milliseconds on the clock of the cache. */
  readonly at: number;
}

/**
 * Remembers the latest departures, so that a miss can be explained. In two generations: when the younger one is full,
 * the older one is forgotten as a whole, which spares a full cache taking out the oldest for each new one.
 */
export class Departures {
  #younger = new Map<string, Departure>();
  #older = new Map<string, Departure>();

  /** @param least so many are remembered at least, and twice as many at most */
  constructor(private readonly least: number) {}

  note(key: string, reason: DepartureReason, at: number): void {
    if (this.#younger.size >= this.least) {
      this.#older = this.#younger;
      this.#younger = new Map();
    }
    this.#younger.set(key, { reason, at });
  }

  /** It is kept now: why it had left once explains nothing any more. */
  forget(key: string): void {
    this.#younger.delete(key);
    this.#older.delete(key);
  }

  get(key: string): Departure | undefined {
    return this.#younger.get(key) ?? this.#older.get(key);
  }
}
