/** How far apart the sizes must be, in standard deviations: by chance alone one in some thousands is. */
const farApart = 3.5;

/** How much larger the refused must be, on the logarithmic scale: a fifth more is what a wait costs, if anything. */
const larger = 0.2;

/** Calls without which sizes are not compared: fewer have no deviation to speak of. */
const fewest = 8;

/** Calls of one kind after which older ones count half: a few minutes of a slow stream. */
const most = 200;

/** The sizes of some calls, on the logarithmic scale: most requests are small, and a few are very large. */
class Sizes {
  count = 0;
  #sum = 0;
  #squares = 0;

  add(size: number): void {
    const logarithm = Math.log(size);
    this.count++;
    this.#sum += logarithm;
    this.#squares += logarithm * logarithm;
    if (this.count > most) {
      this.count /= 2;
      this.#sum /= 2;
      this.#squares /= 2;
    }
  }

  get mean(): number {
    return this.#sum / this.count;
  }

  /** The variance of the mean. */
  get doubt(): number {
    return Math.max(0, this.#squares / this.count - this.mean ** 2) / this.count;
  }
}

/** Compares the sizes of calls that were refused with those that were let through: a limit on tokens refuses the larger. */
export class SizeEvidence {
  readonly #refused = new Sizes();
  readonly #letThrough = new Sizes();

  count(isRefused: boolean, size: number): void {
    // Before anything is refused, all sizes are let through.
    if (size > 0 && (isRefused || this.#refused.count > 0)) {
      (isRefused ? this.#refused : this.#letThrough).add(size);
    }
  }

  /** Whether the larger calls are refused. */
  get isBySize(): boolean {
    const { count, mean, doubt } = this.#refused;
    const { count: countThrough, mean: meanThrough, doubt: doubtThrough } = this.#letThrough;
    const deviation = Math.sqrt(doubt + doubtThrough);
    return (
      count >= fewest && countThrough >= fewest && mean - meanThrough > Math.max(larger, farApart * deviation)
    );
  }
}
