/** Milliseconds of quiet after which the learned interval is forgotten. */
const idleAfter = 60_000;

/** The factor by which the interval shrinks in a second of demand. */
const quickening = 2;
const carefulQuickening = 1.35;

/** Starts that a fresh limiter lets through at once. */
export const burst = 4;

/** The settings of a pace, in milliseconds. */
export interface PaceSettings {
  readonly base: number;
  readonly min: number;
  readonly max: number;
  readonly adaptive: boolean;
  /** Whether a few calls may start at once after a quiet time. */
  readonly hasBurst?: boolean;
}

/** The interval between starts. It shrinks under demand and returns to its base when idle. */
export class Pace {
  readonly #base: number;
  readonly #min: number;
  readonly #max: number;
  readonly #adaptive: boolean;
  readonly #hasBurst: boolean;
  #interval: number;
  #stated = 0;
  #lastActiveAt = -Infinity;
  #burstLeft: number;

  constructor(settings: PaceSettings) {
    this.#base = settings.base;
    this.#min = settings.min;
    this.#max = settings.max;
    this.#adaptive = settings.adaptive;
    this.#hasBurst = settings.hasBurst ?? false;
    this.#burstLeft = settings.hasBurst ? burst : 0;
    this.#interval = settings.base;
  }

  interval(now: number): number {
    if (now - this.#lastActiveAt > idleAfter && this.#adaptive && this.#lastActiveAt !== -Infinity) {
      this.#interval = this.#clamp(this.#stated || this.#base);
      this.#burstLeft = this.#hasBurst && !this.#stated ? burst : 0;
    }
    return this.#interval;
  }

  /** Whether the next start may happen at once. */
  hasBurst(now: number): boolean {
    this.interval(now);
    return this.#burstLeft > 0;
  }

  /** Records activity. After a quiet time, it starts from the base again. */
  wake(now: number): void {
    this.interval(now);
    this.activeUntil(now);
  }

  activeUntil(time: number): void {
    this.#lastActiveAt = Math.max(this.#lastActiveAt, time);
  }

  started(): void {
    if (this.#burstLeft > 0) this.#burstLeft--;
  }

  /** Shrinks the interval after it held a request without evidence against a faster pace. */
  quicken(passed: number, isCareful: boolean): void {
    if (!this.#adaptive) return;
    const rate = isCareful || this.#stated > 0 ? carefulQuickening : quickening;
    const shrunk = this.#interval * rate ** (-passed / 1000);
    // Timers cannot tell intervals below a millisecond apart.
    this.#interval = this.#clamp(shrunk < 1 ? 0 : shrunk);
  }

  relax(spacing: number, passed: number): void {
    if (!this.#adaptive) return;
    const relaxed = Math.max(1, this.#interval) * carefulQuickening ** (passed / 1000);
    this.#interval = this.#clamp(Math.max(this.#interval, Math.min(spacing, relaxed)));
  }

  /** The provider stated the milliseconds between requests. Returns whether that is new. */
  stated(spacing: number): boolean {
    if (!this.#adaptive || spacing <= 0 || spacing === this.#stated) {
      return false;
    }
    this.#stated = spacing;
    this.#interval = this.#clamp(spacing);
    this.#burstLeft = 0;
    return true;
  }

  #clamp(interval: number): number {
    return Math.min(this.#max, Math.max(this.#min, interval));
  }
}
