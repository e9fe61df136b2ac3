/**
 * The largest expected share. Twenty refusals in twenty calls must still be surprising: 0.7 to the power of 20 is below
 * a thousandth.
 */
const mostExpected = 0.7;

/** Attempts over which the share is averaged, and the weight of its first value. */
const memory = 100;
const trust = 50;

/** The chance of as many refusals in a row as lengthen no back-off: one in a thousand requests. */
const rare = 0.001;

/** The share of calls that is expected to be refused at any pace. */
export class ExpectedShare {
  #share = 0;
  #believed = 0;
  #seen = 0;

  get value(): number {
    return this.#share;
  }

  /** The highest recent share. Shedding that has stopped may come back. */
  get highest(): number {
    return Math.max(this.#share, this.#believed);
  }

  /** The number of refusals in a row that the share explains. */
  get refusalsInARow(): number {
    return this.#share > 0 ? Math.floor(Math.log(rare) / Math.log(this.#share)) : 0;
  }

  /** Records one more attempt while no refusal is surprising. */
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
