/** Failures one after the other that show that a store is out of order. */
const tooMany = 3;

/** Milliseconds until the first probe, and between probes at most. */
export const firstPause = 1000;
export const longestPause = 60_000;

/** A circuit breaker for a store: says when it is out of order, and how long to leave it alone. */
export class StoreBreaker {
  #isBypassed = false;
  #failures = 0;
  #pause = 0;
  #restoredAt = -Infinity;

  get isBypassed(): boolean {
    return this.#isBypassed;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Returns whether that was one too many. */
  failed(): boolean {
    return !this.#isBypassed && ++this.#failures >= tooMany;
  }

  /** The store is bypassed from now on; returns the milliseconds until it is probed. */
  bypass(now: number): number {
    this.#isBypassed = true;
    // One that hangs again soon after it came back is not asked every second.
    this.#pause = now - this.#restoredAt < longestPause ? longer(this.#pause) : firstPause;
    return this.#pause;
  }

  /** A probe failed; returns the milliseconds until the next. */
  probeFailed(): number {
    this.#pause = longer(this.#pause);
    return this.#pause;
  }

  restore(now: number): void {
    this.#isBypassed = false;
    this.#failures = 0;
    this.#restoredAt = now;
  }
}

/** The pause that comes after one. */
export function longer(pause: number): number {
  return Math.min(longestPause, Math.max(firstPause, pause * 2));
}
