/** Differences smaller than this are floating-point noise of refilling, not budget. */
const noise = 1e-6;

/**
 * A budget that refills continuously. Times are milliseconds on any one clock that never runs backwards.
 */
export class Bucket {
  /** What fits in: the most that can be spent at once. */
  readonly depth: number;
  readonly #perMillisecond: number;
  #level: number;
  #at: number;

  /**
   * @param perMinute what flows in each minute
   * @param burstSeconds the depth, in seconds of inflow; the bucket holds at least 1
   * @param now the time at which it is full
   */
  constructor(
    readonly perMinute: number,
    burstSeconds: number,
    now: number,
  ) {
    this.depth = Math.max(1, (perMinute * burstSeconds) / 60);
    this.#perMillisecond = perMinute / 60_000;
    this.#level = this.depth;
    this.#at = now;
  }

  /** What can be spent now; negative while a call larger than the depth is being paid off. */
  level(now: number): number {
    if (now > this.#at) {
      this.#level = Math.min(this.depth, this.#level + (now - this.#at) * this.#perMillisecond);
      this.#at = now;
    }
    return this.#level;
  }

  /** The level in whole units, never negative: what `x-ratelimit-remaining-*` tells. */
  remaining(now: number): number {
    return Math.max(0, Math.floor(this.level(now) + noise));
  }

  /** Milliseconds until the bucket is full again. */
  untilFull(now: number): number {
    return (this.depth - this.level(now)) / this.#perMillisecond;
  }

  /**
   * Milliseconds until `amount` may be taken; 0 means now. An amount larger than the depth may be taken from a
   * full bucket, which then owes the rest: otherwise it could never be taken at all.
   */
  waitFor(amount: number, now: number): number {
    const missing = Math.min(amount, this.depth) - this.level(now);
    return missing <= noise ? 0 : missing / this.#perMillisecond;
  }

  /** Takes `amount`, whatever the level. */
  take(amount: number, now: number): void {
    this.#level = this.level(now) - amount;
  }

  /** Takes `amount` or what is left of it, without owing anything. */
  drain(amount: number, now: number): void {
    const level = this.level(now);
    this.#level = Math.max(Math.min(level, 0), level - amount);
  }
}
