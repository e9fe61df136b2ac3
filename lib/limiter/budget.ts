import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { StatedLimit } from '../provider/stated-limit';
import type { LimitBudget } from './limit-budget';
import { replayed, type Spending } from './start-log';

/** Milliseconds of refill that are kept back for costs that are not known here. */
const reserveTime = 500;

/** Milliseconds over which the consumption of others is averaged, longer for tokens, as their costs are estimates. */
const foreignSmoothing = 5000;
const foreignTokenSmoothing = 30_000;

/** Milliseconds without a statement after which others are ignored, and bounds on their share of the rate. */
const foreignMemory = 5000;
const leastForeign = 0.05;
const mostForeign = 0.95;

/** Milliseconds for which a statement is trusted at least, so that a pause between two batches does not age it. */
const believedFor = 120_000;

/** Milliseconds by which a stated time may be off, because some are whole seconds. */
const rounding = 1000;

/**
 * The least refill between two statements that whole numbers can show. After a longer time, one call that a bucket
 * would have let through shows it; a tenth is allowed for doubt.
 */
const leastRefill = 2;
const longTime = 10 * rounding;
const leastRefillInLongTime = 0.9;

/** Milliseconds that two statements must be apart to tell a bucket from a fixed window. */
const longestDoubt = 3 * rounding;

/** What was left just after a call started. */
interface Told {
  readonly at: number;
  readonly left: number;
}

/**
 * A limit that the provider stated: a bucket of `depth` that refills continuously, by the generic cell rate algorithm
 * (GCRA), so that one number tells how much is left and when enough will be. If the statements show that the provider
 * counts by windows, it is full again all at once. A cost above the depth is let through when the bucket is full; later
 * calls wait for the debt.
 */
export class Budget implements LimitBudget {
  readonly name: string;
  readonly dimension: LimitedDimension;
  window: number;
  limit: number;
  depth: number;
  #level: number;
  #at: number;
  #isDepthKnown = false;
  /** The time and number of the start that the last statement answers. */
  #syncedTo = -Infinity;
  #syncedNumber = 0;
  #syncedAt = -Infinity;
  /** What was left after that start; undefined if it cannot be computed. */
  #toldLeft: number | undefined;
  /** The least depth of the bucket. A full bucket loses its refill. */
  #leastDepth = 0;
  /** What others seem to spend per millisecond. */
  #noticed = 0;
  /** Kept back for unknown costs; 0 if only this process spends. */
  #reserve = 0;
  /** The end of the current window, if the provider counts by windows. */
  #windowEnd: number | undefined;
  /** The statement that later ones are compared with, to tell a bucket from a window. */
  #anchor: { readonly at: number; readonly resetAt: number; readonly remaining: number } | undefined;
  #believedUntil = Infinity;
  /** What was taken since the last statement. */
  #takenSince = 0;

  constructor(
    stated: { name: string; dimension: LimitedDimension; limit: number; window: number },
    depth: number,
    now: number,
  ) {
    this.name = stated.name;
    this.dimension = stated.dimension;
    this.window = stated.window;
    this.limit = stated.limit;
    this.depth = depth;
    this.#level = depth;
    this.#at = now;
  }

  /** Requests or tokens per minute. */
  get perMinute(): number {
    return this.#rate * 60_000;
  }

  /** The number of the start that the last statement answers. */
  get syncedNumber(): number {
    return this.#syncedNumber;
  }

  get countsByWindows(): boolean {
    return this.#windowEnd !== undefined;
  }

  state(now: number, inFlight = 0): BudgetState {
    const { name, dimension, limit, window } = this;
    const remaining = this.remaining(now);
    const refilledAt = now + Math.max(0, this.depth - remaining) / this.#rate;
    const fullAt = this.#windowEnd === undefined ? refilledAt : this.#windowEndAt(now);
    const foreignPerMinute = this.#foreign * 60_000;
    const source = 'stated';
    return { name, dimension, source, limit, window, remaining, inFlight, fullAt, foreignPerMinute };
  }

  /**
   * Whether the statement is too old to hold. A limit that was stated once, as in the message of a refusal, must not
   * hold for ever. But a statement may also be missing because nothing was sent: so it counts as old only after a whole
   * limit was spent, or when the budget is full and no request waits for it.
   */
  isForgotten(now: number): boolean {
    return (
      now >= this.#believedUntil && (this.#takenSince >= this.limit || this.remaining(now) >= this.depth)
    );
  }

  opensAt(cost: number, now: number): number {
    const spendable = Math.min(cost, this.depth);
    // Unspent parts of a window are lost, and its accounting is exact, so nothing is kept back.
    const reserve = this.#windowEnd === undefined ? Math.min(this.#reserve, this.depth - spendable) : 0;
    const missing = spendable + reserve - this.remaining(now);
    // Rounding must not delay a start by a fraction.
    if (missing <= 1e-9 * this.depth) {
      return now;
    }
    if (this.#windowEnd !== undefined) {
      return this.#windowEndAt(now);
    }
    const doubtUntil = Math.max(now, this.#syncedAt + foreignMemory);
    const refilledThen = (doubtUntil - now) * (this.#rate - this.#foreign);
    const wait =
      missing <= refilledThen
        ? missing / (this.#rate - this.#foreign)
        : doubtUntil - now + (missing - refilledThen) / this.#rate;
    return now + Math.ceil(wait);
  }

  /** A start that comes long after it was paid is corrected by the next statement. */
  paidOpensAt(_cost: number, _startNumber: number, now: number): number {
    return now;
  }

  take(cost: number, now: number): void {
    this.#refill(now);
    this.#level -= cost;
    this.#takenSince += cost;
  }

  /**
   * Gives back what a call reserved and did not use, or takes what it used beyond that. Does nothing if the provider
   * has stated the remaining budget since the call started.
   */
  settle(reserved: number, used: number, startedAt: number, startNumber = 0): void {
    const isCounted =
      startedAt < this.#syncedTo || (startedAt === this.#syncedTo && startNumber <= this.#syncedNumber);
    if (!isCounted) {
      this.#level = Math.min(this.depth, this.#level + reserved - used);
    }
  }

  /**
   * Applies what the provider stated in answer to a call that started at `startedAt`: what is left now is the stated
   * amount plus the refill since, minus what later calls have taken. Statements about earlier calls than the last one
   * are ignored.
   *
   * @param starts what own calls took that started after the call of the last statement ({@link syncedNumber})
   * @param startNumber tells calls of one millisecond apart; undefined if the order of the call is unknown
   */
  sync(
    stated: StatedLimit,
    startedAt: number,
    starts: readonly Spending[],
    now: number,
    startNumber?: number,
  ): void {
    const number = startNumber ?? 0;
    if (startedAt < this.#syncedTo || (startedAt === this.#syncedTo && number < this.#syncedNumber)) {
      return;
    }
    this.#refill(now);
    const lastTo = this.#syncedTo;
    const lastLeft = startNumber === undefined ? undefined : this.#toldLeft;
    this.#toldLeft = undefined;
    // The budget is full again at the reset, or at the latest a window later.
    this.#believedUntil = now + Math.max(believedFor, stated.window, stated.reset ?? 0);
    const isOther = stated.limit !== this.limit || stated.window !== this.window;
    if (isOther) {
      // The consumption of others was measured as a share of the old limit.
      this.#noticed *= Math.min(1, stated.limit / stated.window / this.#rate);
      this.depth *= stated.limit / this.limit;
      this.limit = stated.limit;
      this.window = stated.window;
      this.#level = Math.min(this.#level, this.depth);
      this.#anchor = undefined;
      this.#leastDepth = 0;
    }
    this.#reserve = this.#rate * reserveTime;
    this.#syncedTo = startedAt;
    this.#syncedNumber = number;
    this.#takenSince = 0;
    const { remaining, reset } = stated;
    if (remaining === undefined) {
      return;
    }
    if (reset !== undefined && reset > 0) {
      this.#tellKind({ at: startedAt, resetAt: startedAt + reset, remaining });
    }
    const since = starts.filter((start) => start.number > number);
    if (this.#windowEnd !== undefined) {
      if (startedAt >= this.#windowEnd - this.window) {
        this.#level = since.reduce((left, { cost }) => left - cost, remaining);
      }
      return;
    }
    const left = reset === undefined ? remaining : this.#leftBy(remaining, reset);
    this.#leastDepth = Math.max(this.#leastDepth, remaining);
    if (lastLeft !== undefined && !isOther) {
      const own = starts.filter((start) => start.number <= number && start.at >= lastTo);
      this.#noticeOthers({ at: lastTo, left: lastLeft }, own, { at: startedAt, left });
    }
    this.#toldLeft = left;
    this.#syncedAt = now;
    this.#level = replayed(left, startedAt, since, now, this.#rate - this.#foreign, this.depth);
  }

  /** Requests or tokens per millisecond. */
  get #rate(): number {
    return this.limit / this.window;
  }

  /** What others spend per millisecond. A small share is ignored, as the costs of own calls are estimates. */
  get #foreign(): number {
    return this.#noticed < leastForeign * this.#rate ? 0 : this.#noticed;
  }

  /** What is left, from the stated whole number and the more precise reset time. */
  #leftBy(remaining: number, reset: number): number {
    const depth = Math.max(1, Math.min(this.limit, remaining + reset * this.#rate));
    const isDebt = remaining === 0 && this.#isDepthKnown;
    if (!isDebt && (depth > this.depth || depth < this.depth - 1)) {
      this.depth = depth;
    }
    if (!isDebt) {
      // A reset in whole seconds may be rounded up; the remaining amount is rounded down by less than one.
      const doubt = reset % rounding === 0 ? Math.min(reset, rounding) * this.#rate : 0;
      this.#leastDepth = Math.min(depth + 1, Math.max(this.#leastDepth, depth - doubt));
    }
    this.#isDepthKnown ||= remaining > 0;
    const left = this.depth - reset * this.#rate;
    // A provider states 0 even if more than everything was spent.
    return Math.min(remaining + 1, isDebt ? left : Math.max(remaining, left));
  }

  /**
   * Estimates what others spend: the difference between a statement and what would be left without them since the last
   * one. The earlier estimate is not used. Otherwise, if this process is so slow that the bucket fills up, nothing
   * would correct a wrong estimate, and it would slow the process further.
   */
  #noticeOthers(from: Told, own: readonly Spending[], to: Told): void {
    const passed = to.at - from.at;
    if (passed > 0) {
      const depth = Math.min(this.depth, this.#leastDepth);
      const alone = replayed(from.left, from.at, own, to.at, this.#rate, depth);
      const smoothing = this.dimension === 'requests' ? foreignSmoothing : foreignTokenSmoothing;
      const weight = 1 - Math.exp(-passed / smoothing);
      const noticed = this.#noticed + weight * ((alone - to.left) / passed - this.#noticed);
      // Refused calls that cost nothing would make the estimate negative and hide others.
      const most = mostForeign * this.#rate;
      this.#noticed = Math.max(-most, Math.min(most, noticed));
    }
  }

  /**
   * Tells a bucket from a window. The time at which a bucket is full moves on with every call. The end of a window
   * stays the same while less and less is left.
   */
  #tellKind(statement: { readonly at: number; readonly resetAt: number; readonly remaining: number }): void {
    const anchor = this.#anchor;
    if (!anchor) {
      this.#anchor = statement;
      return;
    }
    const passed = statement.at - anchor.at;
    const moved = statement.resetAt - anchor.resetAt;
    if (this.#windowEnd !== undefined) {
      if (Math.abs(moved) > rounding) {
        this.#anchor = statement;
        // It is either the next window or a bucket.
        this.#windowEnd = Math.abs(moved - this.window) <= rounding ? statement.resetAt : undefined;
      }
    } else if (
      passed >= longestDoubt &&
      passed * this.#rate >= (passed > longTime ? leastRefillInLongTime : leastRefill)
    ) {
      this.#anchor = statement;
      if (Math.abs(moved) <= 0.4 * passed && statement.remaining <= anchor.remaining) {
        this.#windowEnd = statement.resetAt;
        this.depth = this.limit;
        this.#noticed = 0;
      }
    }
  }

  #refill(now: number): void {
    this.#level = this.remaining(now);
    this.#at = now;
    if (this.#windowEnd !== undefined) {
      this.#windowEnd = this.#windowEndAt(now);
    }
  }

  remaining(now: number): number {
    if (this.#windowEnd !== undefined) {
      return now >= this.#windowEnd ? this.depth : this.#level;
    }
    // The consumption of others is unknown after some time without a statement.
    const noticedFor = Math.max(0, Math.min(now, this.#syncedAt + foreignMemory) - this.#at);
    const refill = (now - this.#at) * this.#rate - noticedFor * this.#foreign;
    return Math.min(this.depth, this.#level + refill);
  }

  #windowEndAt(now: number): number {
    const passed = Math.max(0, 1 + Math.floor((now - this.#windowEnd!) / this.window));
    return this.#windowEnd! + passed * this.window;
  }
}
