/** Milliseconds over which answers are counted, with a decaying weight: the window of everyday limits. */
const memory = 60_000;

/** Attempts allowed for each answer: a little more than two, so that half of all calls may be refused for ever. */
const tries = 2.1;

/** The allowance: refusals that a minute of one attempt per second makes up for, and the largest debt. */
const most = 60;
const deepest = -10;

/**
 * Bounds the attempts on a provider that refuses most calls, whatever the cause. In the long run it allows about two
 * attempts for each accepted call, and one per second besides.
 */
export class RefusalAllowance {
  #credit = most;
  /** Accepted calls and seconds, both with a decaying weight. */
  #through = 0;
  #seconds = 0;
  #countedAt = 0;
  #startedAt = -Infinity;

  started(now: number): void {
    this.#startedAt = now;
  }

  count(isRefused: boolean, now: number): void {
    const change = isRefused ? -1 : tries - 1;
    this.#credit = Math.max(deepest, Math.min(most, this.#creditAt(now) + change));
    const passed = now - this.#countedAt;
    const rest = Math.exp(-passed / memory);
    this.#through = this.#through * rest + (isRefused ? 0 : 1);
    this.#seconds = this.#seconds * rest + passed / 1000;
    this.#countedAt = now;
  }

  /** When the next call may start. A past time means at once. */
  opensAt(now: number): number {
    if (this.#creditAt(now) > 0) {
      return -Infinity;
    }
    // Counted from the last verdict: a time that moved with the clock would never come.
    return this.#startedAt + 1000 / (1 + (tries * this.#through) / Math.max(1, this.#seconds));
  }

  #creditAt(now: number): number {
    return this.#credit + (now - this.#countedAt) / 1000;
  }
}
