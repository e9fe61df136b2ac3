import type { Clock } from '../core/clock';
import { everydayWindow } from './wall';

/** The provider says that it serves nothing until some time. */
export interface Closure {
  readonly until: number;
  /** The refusal that said so. */
  readonly cause: unknown;
}

/** Holds that are remembered: enough for a quarter of an hour in which each second has one. */
const mostHolds = 1000;

/** The holds that the provider asked for itself: nobody is to run out of time because of them without being told. */
export class StatedHold {
  /** The last ones, the oldest first. */
  readonly #holds: { readonly from: number; until: number }[] = [];
  /** Milliseconds of all that were. */
  #total = 0;
  #closure: Closure | undefined;

  /** The provider asked everybody to wait so many milliseconds. */
  asked(now: number, wait: number, cause: unknown): void {
    const until = now + wait;
    const last = this.#holds.at(-1);
    if (!last || now > last.until) {
      this.#holds.push({ from: now, until });
      this.#total += wait;
      if (this.#holds.length > mostHolds) {
        this.#holds.shift();
      }
    } else if (until > last.until) {
      this.#total += until - last.until;
      last.until = until;
    } else {
      return;
    }
    if (wait > everydayWindow) {
      this.#closure = { until, cause };
    }
  }

  /** Milliseconds of stated holds before a time, which may be to come. */
  before(time: number): number {
    let after = 0;
    for (let index = this.#holds.length - 1; index >= 0 && this.#holds[index]!.until > time; index--) {
      const { from, until } = this.#holds[index]!;
      after += until - Math.max(from, time);
    }
    return this.#total - after;
  }

  /** What was said, as long as it holds and is for longer than everyday limits take. */
  closure(clock: Clock): Closure | undefined {
    if (this.#closure && this.#closure.until <= clock.now()) {
      this.#closure = undefined;
    }
    return this.#closure;
  }
}
