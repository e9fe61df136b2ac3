const second = 1000;

/** Counts events within the last so many seconds. */
export class SlidingCounts {
  /** The count of each of the last seconds, at index second modulo length. */
  readonly #counts: number[];
  #latest = 0;

  /** @param seconds the length of the window, including the current second */
  constructor(seconds: number) {
    this.#counts = new Array<number>(seconds).fill(0);
  }

  add(now: number): void {
    this.#advance(now);
    this.#counts[this.#latest % this.#counts.length]!++;
  }

  total(now: number): number {
    this.#advance(now);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #advance(now: number): void {
    const { length } = this.#counts;
    // If the clock was set back, stay at the latest second.
    const latest = Math.max(this.#latest, Math.floor(now / second));
    for (let next = Math.max(this.#latest + 1, latest - length + 1); next <= latest; next++) {
      this.#counts[next % length] = 0;
    }
    this.#latest = latest;
  }
}
