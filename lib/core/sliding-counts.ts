/** Milliseconds. */
const second = 1000;

/** Counts what happens within the last so many seconds. */
export class SlidingCounts {
  /** The count of each of the last seconds, at its number modulo their count. */
  readonly #counts: number[];
  #latest = 0;

  /** @param seconds the length of the window, the second that has begun included */
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
    // A clock may be set back: then time stands still here.
    const latest = Math.max(this.#latest, Math.floor(now / second));
    for (let next = Math.max(this.#latest + 1, latest - length + 1); next <= latest; next++) {
      this.#counts[next % length] = 0;
    }
    this.#latest = latest;
  }
}
