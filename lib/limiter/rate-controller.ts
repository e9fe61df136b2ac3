/** Milliseconds of quiet after which what was learned about the provider is forgotten. */
const idleAfter = 60_000;

/** How much the interval shrinks per success under demand, and near the interval at which refusals began. */
const shrinkBefore = 0.9;
const shrinkAfter = 0.97;

/** How much it grows on a refusal. */
const growth = 2;

/**
 * Keeps the interval between starts: multiplicative decrease of the rate once per episode of refusals, gentle
 * increase while calls succeed and others wait, and back to base after a minute of quiet. A limit that the provider
 * stated sets the interval at once and is its lower bound from then on.
 */
export class RateController {
  readonly #base: number;
  readonly #min: number;
  readonly #max: number;
  readonly #adaptive: boolean;
  #interval: number;
  #stated = 0;
  #lastCutAt = -Infinity;
  #lastShrinkAt = -Infinity;
  #lastActiveAt = -Infinity;
  #wasRefused = false;
  /** The interval at which the last refusals began. */
  #knee = 0;
  #refusalsInARow = 0;

  constructor(settings: { base: number; min: number; max: number; adaptive: boolean }) {
    this.#base = settings.base;
    this.#min = settings.min;
    this.#max = settings.max;
    this.#adaptive = settings.adaptive;
    this.#interval = settings.base;
  }

  /** The current interval in milliseconds. */
  interval(now: number): number {
    if (this.#adaptive && now - this.#lastActiveAt > idleAfter && this.#lastActiveAt !== -Infinity) {
      this.#interval = this.#resting;
      this.#wasRefused = false;
      this.#refusalsInARow = 0;
    }
    return this.#interval;
  }

  /** Something started or waits: not idle. */
  active(now: number): void {
    this.interval(now);
    this.activeUntil(now);
  }

  /** Somebody waits until then: not idle before. */
  activeUntil(time: number): void {
    this.#lastActiveAt = Math.max(this.#lastActiveAt, time);
  }

  succeeded(startedAt: number, underDemand: boolean, now: number): void {
    if (startedAt >= this.#lastCutAt) {
      this.#refusalsInARow = 0;
    }
    const isRoundOver = now - this.#lastShrinkAt >= this.#interval;
    if (!this.#adaptive || !underDemand || startedAt < this.#lastCutAt || !isRoundOver) {
      return;
    }
    this.#lastShrinkAt = now;
    // Far above where the refusals began there is nothing to feel one's way for.
    const isNearKnee = this.#wasRefused && this.#interval <= 2 * this.#knee;
    const shrunk = this.#interval * (isNearKnee ? shrinkAfter : shrinkBefore);
    // Below a millisecond timers cannot tell intervals apart.
    this.#interval = this.#clamp(shrunk < 1 ? 0 : shrunk);
  }

  /**
   * The provider refused a call that began at `startedAt`. Refusals of calls that began before the last cut belong to
   * its episode and change nothing. Returns how many episodes in a row this makes, 0 for one that is no new episode.
   */
  refused(startedAt: number, callRate: number, now: number): number {
    if (startedAt < this.#lastCutAt) {
      return 0;
    }
    this.#lastCutAt = now;
    if (this.#refusalsInARow === 0) {
      this.#knee = this.#interval;
    }
    this.#wasRefused = true;
    this.#refusalsInARow++;
    if (this.#adaptive) {
      const measured = callRate > 0 ? 1000 / callRate : 0;
      this.#interval = this.#clamp(Math.max(this.#interval * growth, measured));
    }
    return this.#refusalsInARow;
  }

  /** The provider stated how many requests a minute it takes. */
  stated(requestsPerMinute: number): void {
    const interval = 60_000 / requestsPerMinute;
    if (this.#adaptive && interval !== this.#stated) {
      this.#stated = interval;
      this.#interval = this.#clamp(interval);
    }
  }

  get #resting(): number {
    return this.#clamp(this.#stated || this.#base);
  }

  #clamp(interval: number): number {
    return Math.min(this.#max, Math.max(this.#min, this.#stated, interval));
  }
}
