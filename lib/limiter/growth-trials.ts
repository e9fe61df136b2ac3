/** The most refusals that growth may cost at once, and what each attempt earns: three refusals in two hundred. */
const most = 5;
const earned = 0.015;

/** The refusals that must be affordable before the rate grows beyond the known limit. */
const needed = 2;

/** Milliseconds after which a limit may have risen, so growth is tried again. */
const limitIsOld = 30_000;

/**
 * Decides when a learned rate may grow, by the time in which it held requests and by the refusals that growth costs.
 */
export class GrowthTrials {
  #left = most;
  #limitedAt = 0;
  #held = 0;
  #wasLetThrough = false;

  /** Records the result of a call, beside the share that is refused at any pace. */
  count(isRefused: boolean, share: number): void {
    const change = isRefused ? share - 1 : share + earned;
    this.#left = Math.max(0, Math.min(most, this.#left + change));
  }

  letThrough(): void {
    this.#wasLetThrough = true;
  }

  limited(now: number): void {
    this.#limitedAt = now;
  }

  /** Adds time in which the rate held requests. Returns the time to grow by; 0 until a call is let through. */
  held(time: number): number {
    this.#held += time;
    if (!this.#wasLetThrough) {
      return 0;
    }
    const held = this.#held;
    this.#held = 0;
    this.#wasLetThrough = false;
    return held;
  }

  /** Whether the rate may grow beyond the rate at which refusals began. */
  mayTry(now: number): boolean {
    return this.#left >= needed || now > this.#limitedAt + limitIsOld;
  }
}
