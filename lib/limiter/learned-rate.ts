/** Calls a millisecond: no timer spaces them. */
const unfelt = 10;

/** Milliseconds of starts that a late timer may catch up. */
const lateness = 20;

/** An excess over where refusals began, as a share: beyond it the limit has risen, so that the rate grows much faster. */
const near = 0.15;

/** A shortfall, as a share, up to which the rate counts as near to where refusals begin. */
const close = 0.03;

/** A rate that was measured with so few calls is as much in doubt as one over their square root, a tenth of it a second. */
const doubtfulGrowth = 0.1;

/** A rate that has grown by a thousandth is still the one that was set. */
const above = 1.001;

/** Growth a second up to which the rate is known too well to be tried for nothing. */
const certain = 0.02;

/** The most that it grows by at once, on the logarithmic scale: after a long time of nothing heard it must not leap. */
const leap = 0.2;

/** Share of the rate by which it grows in a second near where refusals began: a hundredth, so that few are refused. */
const slowestGrowth = 0.01;

/**
 * The rate at which the provider was found to let calls through if it does not state one: no priority passes it. It
 * feels its way: slowly about the rate at which refusals began, faster and faster beyond, as the limit has risen then.
 */
export class LearnedRate {
  /** Calls let through per millisecond; 0 while nothing was learned. */
  #rate = 0;
  /** Attempts for each call let through. */
  #tries = 1;
  #level = 0;
  #at = 0;
  /** Where refusals began. */
  #knee = 0;
  /** As it was set. */
  #set = 0;
  #growth = slowestGrowth;
  readonly #slowest: number;

  constructor(slowestRate: number) {
    this.#slowest = slowestRate;
  }

  get isKnown(): boolean {
    return this.#rate > 0;
  }

  /** Calls let through per second; 0 while nothing was learned. */
  get perSecond(): number {
    return this.#rate * 1000;
  }

  /** Milliseconds between starts; 0 while nothing was learned. */
  get spacing(): number {
    return this.#rate > 0 ? 1 / this.#attempts : 0;
  }

  /** Whether it is beyond what was measured, so that refusals may come from that. */
  get hasGrown(): boolean {
    return this.#rate > above * this.#set;
  }

  /** The share of attempts that is refused whatever the pace. */
  expect(share: number, now: number): void {
    this.#refill(now);
    this.#tries = 1 / (1 - share);
  }

  /** @param weight what the next call takes, next to the usual one */
  opensAt(now: number, weight = 1): number {
    if (this.#rate === 0) {
      return -Infinity;
    }
    const missing = weight - this.#levelAt(now, weight);
    // Rounding must not leave a start a hair's breadth short of its own time.
    return missing <= 1e-9 ? now : now + missing / this.#attempts;
  }

  take(now: number, weight = 1): void {
    if (this.#rate > 0) {
      this.#refill(now, weight);
      this.#level -= weight;
    }
  }

  /**
   * @param perSecond calls let through per second
   * @param knee the rate at which refusals probably begin
   * @param count calls that it was measured with: the fewer, the faster it grows at first
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

  /** A time without refusals in which it was this rate that held requests back. */
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
