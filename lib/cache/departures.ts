import type { EvictionReason, NotKeptReason } from '../core/events';

/** What became of an answer that is not kept. */
export type DepartureReason = EvictionReason | NotKeptReason | 'failed';

/** When and why an answer left, or was not kept at all. */
export interface Departure {
  readonly reason: DepartureReason;
  /** Milliseconds on the clock of the cache. */
  readonly at: number;
}

/** Remembers the latest departures, a bounded number of them, so that a miss can be explained. */
export class Departures {
  readonly #byKey = new Map<string, Departure>();

  constructor(private readonly limit: number) {}

  note(key: string, reason: DepartureReason, at: number): void {
    // Taken off first, so that the newest stand last and the oldest are forgotten.
    this.#byKey.delete(key);
    this.#byKey.set(key, { reason, at });
    if (this.#byKey.size > this.limit) {
      const [oldest] = this.#byKey.keys();
      this.#byKey.delete(oldest!);
    }
  }

  /** It is kept now: why it had left once explains nothing any more. */
  forget(key: string): void {
    this.#byKey.delete(key);
  }

  get(key: string): Departure | undefined {
    return this.#byKey.get(key);
  }
}
