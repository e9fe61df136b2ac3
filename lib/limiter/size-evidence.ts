/** The required difference of the sizes in standard deviations; by chance it occurs once in some thousands. */
const farApart = 3.5;

/** The required difference on the logarithmic scale: a fifth. */
const larger = 0.2;

/** The least calls for a comparison. Fewer have no useful deviation. */
const fewest = 8;

/** Calls of a kind after which older ones count half. */
const most = 200;

/** The sizes of calls on the logarithmic scale, as most requests are small and a few are very large. */
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

/** Compares the sizes of refused and accepted calls. A limit on tokens refuses the larger ones. */
export class SizeEvidence {
  readonly #refused = new Sizes();
  readonly #letThrough = new Sizes();

  count(isRefused: boolean, size: number): void {
    // Sizes matter only after the first refusal.
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
