/** A rate above this many calls per millisecond has no effect, as timers cannot space the calls. */
const unfelt = 10;

/** Milliseconds of starts that may be caught up after a late timer. */
const lateness = 20;

/** If the rate exceeds the known limit by more than this share, the limit has risen, so the rate grows much faster. */
const near = 0.15;

/** If the rate is below the known limit by up to this share, it counts as near. */
const close = 0.03;

/**
 * Growth per second from doubt: a rate measured with n calls is off by 1/√n, and a tenth of that is tried per second.
 */
const doubtfulGrowth = 0.1;

/** A rate that has grown by less than a thousandth counts as unchanged. */
const above = 1.001;

/** Growth per second up to which the rate is known too well to be tested for nothing. */
const certain = 0.02;

/** The most growth at once on the logarithmic scale, so that the rate does not jump after a long silence. */
const leap = 0.2;

/** Growth per second near the known limit: a hundredth, so that few calls are refused. */
const slowestGrowth = 0.01;

/**
 * The rate at which the provider was found to let calls through, if it states none. No priority passes it. It grows
 * slowly near the rate at which refusals began, and ever faster beyond it, as the limit has risen then.
 */
export class LearnedRate {
  /** Accepted calls per millisecond; 0 while nothing was learned. */
  #rate = 0;
  /** Attempts for each accepted call. */
  #tries = 1;
  #level = 0;
  #at = 0;
  /** The rate at which refusals began. */
  #knee = 0;
  /** The rate as it was set. */
  #set = 0;
  #growth = slowestGrowth;
  readonly #slowest: number;

  constructor(slowestRate: number) {
    this.#slowest = slowestRate;
  }

  get isKnown(): boolean {
    return this.#rate > 0;
  }

  /** Accepted calls per second; 0 while nothing was learned. */
  get perSecond(): number {
    return this.#rate * 1000;
  }

  /** Milliseconds between starts; 0 while nothing was learned. */
  get spacing(): number {
    return this.#rate > 0 ? 1 / this.#attempts : 0;
  }

  /** Whether it exceeds the measured rate, so that its growth may cause refusals. */
  get hasGrown(): boolean {
    return this.#rate > above * this.#set;
  }

  /** Sets the share of attempts that is refused at any pace. */
  expect(share: number, now: number): void {
    this.#refill(now);
    this.#tries = 1 / (1 - share);
  }

  /** @param weight what the next call takes, relative to the usual one */
  opensAt(now: number, weight = 1): number {
    if (this.#rate === 0) {
      return -Infinity;
    }
    const missing = weight - this.#levelAt(now, weight);
    // Rounding must not delay a start by a fraction.
    return missing <= 1e-9 ? now : now + missing / this.#attempts;
  }

  take(now: number, weight = 1): void {
    if (this.#rate > 0) {
      this.#refill(now, weight);
      this.#level -= weight;
    }
  }

  /**
   * @param perSecond accepted calls per second
   * @param knee the rate at which refusals probably begin
   * @param count calls that it was measured with: with fewer, it grows faster at first
   */
  set(perSecond: number, knee: number, now: number, count = 100): void {
    this.#growth = Math.max(slowestGrowth, doubtfulGrowth / Math.sqrt(Math.max(1, count)));
    this.#refill(now);
    if (this.#rate === 0) {
      this.#level = 0;
    }
    this.#rate = Math.max(this.#slowest, perSecond / 1000);
    this.#set = this.#rate;
    this.#knee = Math.max(this.#rate, knee / 1000);
  }

  forget(): void {
    this.#rate = 0;
  }

  /** Grows after a time without refusals in which this rate held requests. */
  grow(duration: number, mayTry: boolean, now: number): void {
    if (this.#rate > 0) {
      const excess = this.#rate / this.#knee - 1;
      if (excess > -close && !mayTry && this.#growth < certain) {
        return;
      }
      this.#refill(now);
      const growth = excess < 0 ? this.#growth - excess / 2 : this.#growth * (1 + (excess / near) ** 2);
      this.#rate *= Math.exp(Math.min(leap, (growth * duration) / 1000));
      if (this.#rate > unfelt) {
        this.forget();
      }
    }
  }

  get #attempts(): number {
    return this.#rate * this.#tries;
  }

  #refill(now: number, weight = 1): void {
    this.#level = this.#levelAt(now, weight);
    this.#at = now;
  }

  #levelAt(now: number, weight: number): number {
    const depth = weight + this.#attempts * lateness;
    return Math.min(depth, this.#level + (now - this.#at) * this.#attempts);
  }
}
