const seconds = 10;

/** Counts starts over the last ten seconds, second by second. */
export class RateMeter {
  /** The count of each of the last seconds, at the second modulo ten. */
  readonly #counts = new Float64Array(seconds);
  #second = 0;
  #firstAt: number | undefined;

  add(now: number): void {
    this.#advance(now);
    this.#firstAt ??= now;
    this.#counts[this.#second % seconds]!++;
  }

  /** Starts per second. */
  rate(now: number): number {
    this.#advance(now);
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) {
      this.#firstAt = undefined;
      return 0;
    }
    const covered = Math.min(now - this.#firstAt!, seconds * 1000);
    return (total * 1000) / Math.max(covered, 1000);
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    const oldest = Math.max(this.#second + 1, second - seconds + 1);
    for (let next = oldest; next <= second; next++) {
      this.#counts[next % seconds] = 0;
    }
    this.#second = Math.max(this.#second, second);
  }
}
