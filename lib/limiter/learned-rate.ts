/** Milliseconds of starts that a late timer may catch up. */
const lateness = 20;

/** By how much the rate has grown where it is no longer the one that was set. */
const grown = 1.02;

/** How much more often a second may see starts, by how far the rate is from where refusals began. */
const growthBelowKnee = 0.1;
const growthAtKnee = 0.01;
const nearKnee = 1.1;
const growthAboveKnee = 0.08;
const growthFarAboveKnee = 0.25;

/**
 * The rate at which the provider was found to take calls where it does not state one: no priority passes it. It stays
 * for a while as it was set, then feels its way: slowly about the rate at which refusals began (the knee), faster where
 * that lies behind, because then the limit has risen.
 */
export class LearnedRate {
  /** Starts per millisecond; 0 while nothing was learned. */
  #rate = 0;
  #level = 1;
  #at = 0;
  #knee = 0;
  #steadyUntil = 0;
  #growthAtKnee = growthAtKnee;
  #steadyRate = 0;

  get isKnown(): boolean {
    return this.#rate > 0;
  }

  /** Starts per second; 0 while nothing was learned. */
  get perSecond(): number {
    return this.#rate * 1000;
  }

  /** Milliseconds between starts; 0 while nothing was learned. */
  get spacing(): number {
    return this.#rate > 0 ? 1 / this.#rate : 0;
  }

  /** Whether the rate has grown since it was set. */
  get hasGrown(): boolean {
    return this.#rate > grown * this.#steadyRate;
  }

  opensAt(now: number): number {
    if (this.#rate === 0) {
      return -Infinity;
    }
    this.#refill(now);
    // Rounding must not leave a start a hair's breadth short of its own time.
    return this.#level >= 1 - 1e-9 ? now : now + (1 - this.#level) / this.#rate;
  }

  take(now: number): void {
    if (this.#rate > 0) {
      this.#refill(now);
      this.#level--;
    }
  }

  /**
   * @param perSecond starts per second from now on
   * @param knee starts per second at which refusals probably begin
   * @param steadyFor milliseconds before it grows
   * @param pace how fast it grows near the knee, as a multiple of the usual
   */
  set(perSecond: number, knee: number, steadyFor: number, now: number, pace = 1): void {
    if (this.#rate === 0) {
      this.#level = 0;
      this.#at = now;
    }
    this.#refill(now);
    this.#rate = perSecond / 1000;
    this.#steadyRate = this.#rate;
    this.#knee = knee / 1000;
    this.#steadyUntil = now + steadyFor;
    this.#growthAtKnee = growthAtKnee * pace;
  }

  forget(): void {
    this.#rate = 0;
  }

  /** A time without refusals in which it was this rate that held requests back. */
  grow(duration: number, now: number): void {
    if (this.#rate > 0 && now >= this.#steadyUntil) {
      this.#refill(now);
      this.#rate *= Math.exp((this.#growth * duration) / 1000);
    }
  }

  get #growth(): number {
    const ratio = this.#rate / this.#knee;
    if (ratio < 0.95) {
      return growthBelowKnee;
    }
    if (ratio < nearKnee) {
      return this.#growthAtKnee;
    }
    return ratio < 1.5 ? growthAboveKnee : growthFarAboveKnee;
  }

  #refill(now: number): void {
    const depth = 1 + this.#rate * lateness;
    this.#level = Math.min(depth, this.#level + (now - this.#at) * this.#rate);
    this.#at = now;
  }
}
