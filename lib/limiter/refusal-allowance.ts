/** Milliseconds over which calls are counted, older ones less and less: the window of everyday limits. */
const minute = 60_000;

/** Tries a minute, whatever becomes of them: somebody must always ask whether it is over. */
const fewest = 60;

/**
 * Keeps a limiter from hammering a provider that refuses most calls, whatever it believes of the reason: for long, it
 * makes no more than twice as many tries as calls are let through, and one a second besides.
 */
export class RefusalAllowance {
  #through = 0;
  #refused = 0;
  #countedAt = 0;
  #startedAt = -Infinity;

  started(now: number): void {
    this.#startedAt = now;
  }

  /** Takes note of what became of a call. */
  count(isRefused: boolean, now: number): void {
    const rest = this.#restAt(now);
    this.#through *= rest;
    this.#refused *= rest;
    this.#countedAt = now;
    if (isRefused) {
      this.#refused++;
    } else {
      this.#through++;
    }
  }

  /** When the next call may start: now or earlier means at once. */
  opensAt(now: number): number {
    const isTooMuch = (this.#refused - this.#through) * this.#restAt(now) > fewest;
    // As of the last verdict: a time that moved with the clock would be waited for again and again.
    return isTooMuch ? this.#startedAt + minute / (2 * this.#through + fewest) : -Infinity;
  }

  /** The weight that the counts still have. */
  #restAt(now: number): number {
    return Math.exp((this.#countedAt - now) / minute);
  }
}
