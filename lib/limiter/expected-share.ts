/** A share of twenty refusals in twenty calls that is still surprising: 0.7 to the twentieth is below a thousandth. */
const mostExpected = 0.7;

/** Attempts over which the share is averaged, and those that its first value is worth. */
const memory = 100;
const trust = 50;

/** The chance of so many refusals in a row that they lengthen no back-off: an unlucky one of a thousand requests. */
const rare = 0.001;

/** The share of calls that is expected to be refused whatever the pace. */
export class ExpectedShare {
  #share = 0;
  #believed = 0;
  #seen = 0;

  get value(): number {
    return this.#share;
  }

  /** The highest that was lately believed in: shedding that is over may come back. */
  get highest(): number {
    return Math.max(this.#share, this.#believed);
  }

  /** How many refusals in a row it explains. */
  get refusalsInARow(): number {
    return this.#share > 0 ? Math.floor(Math.log(rare) / Math.log(this.#share)) : 0;
  }

  /** Takes note of one attempt more, while nothing surprises. */
  observe(isRefused: boolean): void {
    this.#seen++;
    const weight = 1 / Math.min(memory, this.#seen + trust);
    this.expect(this.#share + weight * ((isRefused ? 1 : 0) - this.#share));
  }

  expect(share: number): void {
    this.#share = Math.min(share, mostExpected);
  }

  /** Shedding was found to be the cause. */
  believe(share: number): void {
    this.expect(share);
    this.#believed = share;
  }
}
