/** Refusals that growing may cost at once, and what each attempt earns: three refused in two hundred are hardly felt. */
const most = 5;
const earned = 0.015;

/** What must be left for growing beyond the rate at which refusals begin. */
const needed = 2;

/** Milliseconds after which a limit may have risen, so that growing is tried however much was refused. */
const limitIsOld = 30_000;

/** Decides when a learned rate may grow: time in which it held requests counts, and refusals that growing costs. */
export class GrowthTrials {
  #left = most;
  #limitedAt = 0;
  #held = 0;
  #wasLetThrough = false;

  /** Takes note of what became of a call, beside the share that is refused anyway. */
  count(isRefused: boolean, share: number): void {
    const change = isRefused ? share - 1 : share + earned;
    this.#left = Math.max(0, Math.min(most, this.#left + change));
  }

  letThrough(): void {
    this.#wasLetThrough = true;
  }

  /** A limit was found. */
  limited(now: number): void {
    this.#limitedAt = now;
  }

  /** Adds time in which the rate held requests; returns the time to grow by, which is 0 until a call is let through. */
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

  /** Whether it may grow beyond the rate at which refusals began. */
  mayTry(now: number): boolean {
    return this.#left >= needed || now > this.#limitedAt + limitIsOld;
  }
}
