/** Milliseconds over which answers are counted, older ones less and less: the window of everyday limits. */
const memory = 60_000;

/** Tries for each answer; a little more than two, so that half of all calls may be refused for ever. */
const tries = 2.1;

/** Refusals beyond that which a minute of asking once a second makes good, and how deep in debt it may be. */
const most = 60;
const deepest = -10;

/**
 * Keeps a limiter from hammering a provider that refuses most calls, whatever it believes of the reason: for long, it
 * makes about twice as many tries as calls are let through, and one a second besides.
 */
export class RefusalAllowance {
  #credit = most;
  /** Calls let through, and the seconds in which they were, both forgotten by and by. */
  #through = 0;
  #seconds = 0;
  #countedAt = 0;
  #startedAt = -Infinity;

  started(now: number): void {
    this.#startedAt = now;
  }

  /** Takes note of what became of a call. */
  count(isRefused: boolean, now: number): void {
    const change = isRefused ? -1 : tries - 1;
    this.#credit = Math.max(deepest, Math.min(most, this.#creditAt(now) + change));
    const passed = now - this.#countedAt;
    const rest = Math.exp(-passed / memory);
    this.#through = this.#through * rest + (isRefused ? 0 : 1);
    this.#seconds = this.#seconds * rest + passed / 1000;
    this.#countedAt = now;
  }

  /** When the next call may start: now or earlier means at once. */
  opensAt(now: number): number {
    if (this.#creditAt(now) > 0) {
      return -Infinity;
    }
    // As of the last verdict: a time that moved with the clock would be waited for again and again.
    return this.#startedAt + 1000 / (1 + (tries * this.#through) / Math.max(1, this.#seconds));
  }

  #creditAt(now: number): number {
    return this.#credit + (now - this.#countedAt) / 1000;
  }
}
