import { seededRandom, type Random } from '../../../demos/model-server/random';

/** Draws of all kinds, which depend on a seed and an index alone. */
export class Chance {
  readonly #random: Random;

  constructor(seed: number, index: number) {
    // Two odd constants (of the golden ratio, and of MurmurHash3) keep neighbouring seeds and indices apart.
    this.#random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
    this.#random();
  }

  /** True in this share of draws. */
  isIn(share: number): boolean {
    return this.#random() < share;
  }

  /** Evenly between two numbers. */
  between(low: number, high: number): number {
    return low + (high - low) * this.#random();
  }

  /** Between two numbers, so that half as much is as likely as twice as much. */
  logBetween(low: number, high: number): number {
    return low * (high / low) ** this.#random();
  }

  /** One of some things. */
  oneOf<T>(things: readonly T[]): T {
    return things[Math.floor(this.#random() * things.length)]!;
  }

  /** The time to the next of events that come by chance, `mean` apart. */
  gap(mean: number): number {
    return -Math.log(1 - this.#random()) * mean;
  }

  /** A seed for something else. */
  seed(): number {
    return Math.floor(this.#random() * 2 ** 31);
  }
}
