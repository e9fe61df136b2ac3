/** A rate, and the number of calls that it was measured with. */
export interface MeasuredRate {
  /** Accepted calls per second. */
  readonly rate: number;
  readonly count: number;
}

/** Counts accepted calls between two times at which a limit is reached. Their mean is the rate of the limit. */
export class LetThrough {
  #count = 0;
  #from: number | undefined;
  #before = 0;
  #hasRunDry = false;

  /** Whether a limit was ever reached, so that the rate is one of a limit. */
  get hasRunDry(): boolean {
    return this.#hasRunDry;
  }

  started(now: number): void {
    this.#from ??= now;
  }

  add(weight: number): void {
    this.#count += weight;
  }

  /**
   * The limit was reached.
   * @param since how many calls were let through since then
   */
  ranDry(at: number, since: number): void {
    this.#hasRunDry = true;
    this.#from = at;
    this.#before = this.#count - since;
  }

  /** The rate until a time; `later` of the counted calls were let through after it. */
  rateUntil(at: number, later: number): MeasuredRate {
    const count = this.#count - later - this.#before;
    return { rate: (1000 * count) / Math.max(1, at - (this.#from ?? at)), count };
  }
}
