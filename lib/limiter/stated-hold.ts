import type { Clock } from '../core/clock';
import { everydayWindow } from './wall';

/** The provider says that it serves nothing until some time. */
export interface Closure {
  readonly until: number;
  /** The refusal that said so. */
  readonly cause: unknown;
}

/** The most holds that are remembered: a quarter of an hour with one per second. */
const mostHolds = 1000;

/** The holds that the provider asked for. They do not count towards a request's time for retries. */
export class StatedHold {
  /** The last holds, oldest first. */
  readonly #holds: { readonly from: number; until: number }[] = [];
  /** The total length of all holds in milliseconds. */
  #total = 0;
  #closure: Closure | undefined;

  /** The provider asked all requests to wait for some milliseconds. */
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

  /** Milliseconds of stated holds before a time, which may be in the future. */
  before(time: number): number {
    let after = 0;
    for (let index = this.#holds.length - 1; index >= 0 && this.#holds[index]!.until > time; index--) {
      const { from, until } = this.#holds[index]!;
      after += until - Math.max(from, time);
    }
    return this.#total - after;
  }

  /** The stated closure, while it holds and is longer than everyday limits take. */
  closure(clock: Clock): Closure | undefined {
    if (this.#closure && this.#closure.until <= clock.now()) {
      this.#closure = undefined;
    }
    return this.#closure;
  }
}
