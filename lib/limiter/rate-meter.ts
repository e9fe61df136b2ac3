import { SlidingCounts } from '../core/sliding-counts';

const seconds = 10;

/** Measures starts per second over the last ten seconds. */
export class RateMeter {
  readonly #starts = new SlidingCounts(seconds);
  #firstAt: number | undefined;

  add(now: number): void {
    this.#starts.add(now);
    this.#firstAt ??= now;
  }

  rate(now: number): number {
    const total = this.#starts.total(now);
    if (total === 0) {
      this.#firstAt = undefined;
      return 0;
    }
    const covered = Math.min(now - this.#firstAt!, seconds * 1000);
    return (total * 1000) / Math.max(covered, 1000);
  }
}
