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
 * Remembers the latest departures, so that a miss can be explained. In a ring, which is searched only when somebody asks:
 * a full cache notes one for each answer that it keeps.
 */
export class Departures {
  readonly #keys: string[] = [];
  readonly #reasons: DepartureReason[] = [];
  readonly #times: number[] = [];
  #next = 0;

  /** @param most so many are remembered */
  constructor(private readonly most: number) {}

  note(key: string, reason: DepartureReason, at: number): void {
    const place = this.#next;
    this.#keys[place] = key;
    this.#reasons[place] = reason;
    this.#times[place] = at;
    this.#next = place + 1 === this.most ? 0 : place + 1;
  }

  /** The latest one of a key, which has not been kept since if it is not kept now. */
  get(key: string): Departure | undefined {
    const place = this.#latestPlace(key);
    return place < 0 ? undefined : { reason: this.#reasons[place]!, at: this.#times[place]! };
  }

  #latestPlace(key: string): number {
    // What stands from `next` on is older than all before it.
    const place = this.#next === 0 ? -1 : this.#keys.lastIndexOf(key, this.#next - 1);
    if (place >= 0) {
      return place;
    }
    const older = this.#keys.lastIndexOf(key);
    return older >= this.#next ? older : -1;
  }
}
