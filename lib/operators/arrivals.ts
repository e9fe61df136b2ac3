import type { Clock } from '../core/clock';

/** How many arrivals share a reading of the clock with an earlier one where they may. */
const sharesOfReading = 7;

/**
 * Tells when requests arrive. Reading the clock costs more than all else that an arrival does, so those that come at
 * once, out of an array say, and have to wait anyway share a reading with a few others; not where the source is found
 * to take its time.
 */
export class Arrivals {
  /** Whether the last time was that of an earlier arrival. */
  isShared = false;
  readonly #clock: Clock;
  #lastAt = -Infinity;
  /** Arrivals to come for which the clock is not read again. */
  #shares = 0;
  /** Whether the source is being subscribed to: what it emits meanwhile comes at once. */
  #isSubscribing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Subscribes to the source, which may emit all it has meanwhile. */
  during(subscribe: () => void): void {
    this.#isSubscribing = true;
    try {
      subscribe();
    } finally {
      this.#isSubscribing = false;
      this.#shares = 0;
    }
  }

  /** The time of an arrival. */
  now(mustWait: boolean): number {
    this.isShared = this.#shares > 0 && mustWait;
    if (this.isShared) {
      this.#shares--;
      return this.#lastAt;
    }
    const now = this.#clock.now();
    const isQuick = this.#isSubscribing && now - this.#lastAt < 1;
    this.#shares = isQuick ? sharesOfReading : 0;
    this.#lastAt = now;
    return now;
  }
}
