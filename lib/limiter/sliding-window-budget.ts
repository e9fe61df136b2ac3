import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { LimitBudget } from './limit-budget';

/**
 * Starts that are remembered one by one. If a window has more, starts within a thousandth of it count as one and leave
 * with the last of them. So a limit of a million a day needs no more memory, is never passed, and loses at most a
 * thousandth.
 */
const mostExact = 1000;

/** A limit that the user gave. */
export interface KnownLimit {
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Requests or tokens per window. */
  readonly limit: number;
  /** Length of the window in milliseconds. */
  readonly window: number;
}

/** One start, or several that leave the window together. */
interface SpentEntry {
  readonly firstAt: number;
  lastAt: number;
  /** The number of the last start. */
  lastNumber: number;
  cost: number;
}

/**
 * A limit that holds in every window of its length. What was spent comes back a window later. All of it may be spent at
 * once.
 */
export class SlidingWindowBudget implements LimitBudget {
  readonly name: string;
  readonly dimension: LimitedDimension;
  readonly limit: number;
  readonly window: number;
  readonly countsByWindows = true;
  /** What was spent in this window, oldest first. */
  readonly #entries: SpentEntry[] = [];
  #spent = 0;
  /** The number of the last start that has left the window. */
  #lastLeft = 0;

  constructor({ name, dimension, limit, window }: KnownLimit) {
    this.name = name;
    this.dimension = dimension;
    this.limit = limit;
    this.window = window;
  }

  get depth(): number {
    return this.limit;
  }

  isForgotten(): boolean {
    return false;
  }

  opensAt(cost: number, now: number): number {
    this.#forgetUntil(now);
    let missing = this.#spent + Math.min(cost, this.limit) - this.limit;
    let opensAt = now;
    for (const entry of this.#entries) {
      // Sums of fractions are slightly off.
      if (missing <= 1e-9 * this.limit) {
        break;
      }
      missing -= entry.cost;
      opensAt = this.#leavesAt(entry);
    }
    return opensAt;
  }

  paidOpensAt(cost: number, startNumber: number, now: number): number {
    this.#forgetUntil(now);
    return startNumber > this.#lastLeft ? now : this.opensAt(cost, now);
  }

  take(cost: number, now: number, startNumber: number): void {
    this.#forgetUntil(now);
    const last = this.#entries.at(-1);
    const resolution = this.#entries.length < mostExact ? 0 : this.window / mostExact;
    if (last && now - last.firstAt <= resolution) {
      last.lastAt = Math.max(last.lastAt, now);
      last.lastNumber = startNumber;
      last.cost += cost;
    } else {
      this.#entries.push({ firstAt: now, lastAt: now, lastNumber: startNumber, cost });
    }
    this.#spent += cost;
  }

  settle(reserved: number, used: number, _startedAt: number, startNumber: number): void {
    const entry = this.#entries.find(({ lastNumber }) => lastNumber >= startNumber);
    if (entry && startNumber > this.#lastLeft) {
      entry.cost += used - reserved;
      this.#spent += used - reserved;
    }
  }

  remaining(now: number): number {
    this.#forgetUntil(now);
    return this.limit - this.#spent;
  }

  state(now: number, inFlight = 0): BudgetState {
    const { name, dimension, limit, window } = this;
    const remaining = this.remaining(now);
    const last = this.#entries.at(-1);
    const fullAt = last ? this.#leavesAt(last) : now;
    const source = 'given';
    return { name, dimension, source, limit, window, remaining, inFlight, fullAt, foreignPerMinute: 0 };
  }

  #forgetUntil(now: number): void {
    for (let oldest = this.#entries[0]; oldest && this.#leavesAt(oldest) <= now; oldest = this.#entries[0]) {
      this.#entries.shift();
      this.#lastLeft = oldest.lastNumber;
      // An empty window also clears the rounding errors.
      this.#spent = this.#entries.length === 0 ? 0 : this.#spent - oldest.cost;
    }
  }

  /** In whole milliseconds, as timers have no finer ones. */
  #leavesAt({ lastAt }: SpentEntry): number {
    return Math.ceil(lastAt + this.window);
  }
}
