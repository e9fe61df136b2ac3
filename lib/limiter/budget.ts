import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { StatedLimit } from '../provider/stated-limit';
import type { LimitBudget } from './limit-budget';
import { replayed, type Spending } from './start-log';

/** Milliseconds of refill that are never spent: what the books cannot know is paid from them. */
const reserveTime = 500;

/** Milliseconds over which the consumption of others is averaged; what tokens our own calls cost is known less well. */
const foreignSmoothing = 5000;
const foreignTokenSmoothing = 30_000;

/** Milliseconds without a statement, and shares of the rate, beyond which others are not reckoned with. */
const foreignMemory = 5000;
const leastForeign = 0.05;
const mostForeign = 0.95;

/** Milliseconds for which a statement is believed at least: a pause between two batches does not make it old. */
const believedFor = 120_000;

/** Milliseconds by which a stated time may be off: some are whole seconds. */
const rounding = 1000;

/**
 * What a bucket would have been refilled by in between at least, for whole numbers to show it. In a long time, which the
 * rounding of times cannot hide, one call shows it that a bucket would have let through; a tenth is left to doubt.
 */
const leastRefill = 2;
const longTime = 10 * rounding;
const leastRefillInLongTime = 0.9;

/** Milliseconds that two statements must be apart to tell a bucket from a fixed window by them. */
const longestDoubt = 3 * rounding;

/** What was left just after a call started. */
interface Told {
  readonly at: number;
  readonly left: number;
}

/**
 * What may be spent of a limit that the provider stated: a bucket of `depth` that refills continuously, by the generic
 * cell rate algorithm (GCRA), so that one number tells both how much is left and when enough will be; or, if the
 * provider's statements show that it counts so, a window that is full again all at once. A cost above the depth is let
 * through once the bucket is full, and the debt is paid by those who come later.
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
  /** The start that the last statement answers: when it was, and its number. */
  #syncedTo = -Infinity;
  #syncedNumber = 0;
  #syncedAt = -Infinity;
  /** What was left after that start; undefined where nothing can be worked out from it. */
  #toldLeft: number | undefined;
  /** How deep the bucket is at least: it may be full then, and lose what others do not take. */
  #leastDepth = 0;
  /** What others seem to spend per millisecond. */
  #noticed = 0;
  /** What is kept for what the books do not know; nothing where only we keep books. */
  #reserve = 0;
  /** When the window ends and the next begins, once it is known that the limit counts by windows. */
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

  /** Requests or tokens a minute. */
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
   * What was stated once and not again, as in the message of a single refusal, does not hold for ever. But the silence
   * may be our own: so a whole limit has been spent since, or all is there again and nobody waits for it.
   */
  isForgotten(now: number): boolean {
    return (
      now >= this.#believedUntil && (this.#takenSince >= this.limit || this.remaining(now) >= this.depth)
    );
  }

  opensAt(cost: number, now: number): number {
    const spendable = Math.min(cost, this.depth);
    // What is not spent of a window is lost, and its books are exact.
    const reserve = this.#windowEnd === undefined ? Math.min(this.#reserve, this.depth - spendable) : 0;
    const missing = spendable + reserve - this.remaining(now);
    // Rounding must not leave a start a hair's breadth short of its own time.
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

  /** The next statement corrects what a start that comes long after it was paid takes of the limit. */
  paidOpensAt(_cost: number, _startNumber: number, now: number): number {
    return now;
  }

  take(cost: number, now: number): void {
    this.#refill(now);
    this.#level -= cost;
    this.#takenSince += cost;
  }

  /**
   * Gives back what a call had reserved and not used, or takes what it used beyond that; where the provider has told
   * what is left since the call started, it has been counted.
   */
  settle(reserved: number, used: number, startedAt: number, startNumber = 0): void {
    const isCounted =
      startedAt < this.#syncedTo || (startedAt === this.#syncedTo && startNumber <= this.#syncedNumber);
    if (!isCounted) {
      this.#level = Math.min(this.depth, this.#level + reserved - used);
    }
  }

  /**
   * Takes over what the provider stated in answer to a call that started at `startedAt`: what is left now is what it
   * stated, with what was refilled since, less what calls that started later have taken. Statements about earlier
   * calls than the last one are old.
   *
   * @param starts what our own calls took that started after the call of the last statement ({@link syncedNumber})
   * @param startNumber tells calls of one millisecond apart; undefined for a call whose place among the starts is lost
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
    // A window later all of it is there again, whatever was spent; at the reset it is.
    this.#believedUntil = now + Math.max(believedFor, stated.window, stated.reset ?? 0);
    const isOther = stated.limit !== this.limit || stated.window !== this.window;
    if (isOther) {
      // What was noticed of others was a share of the old limit.
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

  /** What others spend per millisecond; a small share is chance, as the costs of our own calls are estimates. */
  get #foreign(): number {
    return this.#noticed < leastForeign * this.#rate ? 0 : this.#noticed;
  }

  /** What is left is stated in whole numbers; the time until all is there again tells it more precisely. */
  #leftBy(remaining: number, reset: number): number {
    const depth = Math.max(1, Math.min(this.limit, remaining + reset * this.#rate));
    const isDebt = remaining === 0 && this.#isDepthKnown;
    if (!isDebt && (depth > this.depth || depth < this.depth - 1)) {
      this.depth = depth;
    }
    if (!isDebt) {
      // A whole number of seconds may be rounded up; what remains is rounded down by less than one.
      const doubt = reset % rounding === 0 ? Math.min(reset, rounding) * this.#rate : 0;
      this.#leastDepth = Math.min(depth + 1, Math.max(this.#leastDepth, depth - doubt));
    }
    this.#isDepthKnown ||= remaining > 0;
    const left = this.depth - reset * this.#rate;
    // Nothing is the least that is stated, even where more than all was spent.
    return Math.min(remaining + 1, isDebt ? left : Math.max(remaining, left));
  }

  /**
   * Others take what is missing at a statement of what would be there without them since the last one. What is believed
   * of them before has no part in that: if we are so slow that the bucket fills up, nothing is missing, and a belief
   * that only chance can change then would grow for ever and make us slower still.
   */
  #noticeOthers(from: Told, own: readonly Spending[], to: Told): void {
    const passed = to.at - from.at;
    if (passed > 0) {
      const depth = Math.min(this.depth, this.#leastDepth);
      const alone = replayed(from.left, from.at, own, to.at, this.#rate, depth);
      const smoothing = this.dimension === 'requests' ? foreignSmoothing : foreignTokenSmoothing;
      const weight = 1 - Math.exp(-passed / smoothing);
      const noticed = this.#noticed + weight * ((alone - to.left) / passed - this.#noticed);
      // Refused calls that cost nothing make it seem less than nothing, which must not hide others for long.
      const most = mostForeign * this.#rate;
      this.#noticed = Math.max(-most, Math.min(most, noticed));
    }
  }

  /**
   * The time at which a bucket will be full moves on with every call, or else more and more is left of it; the end of
   * a window stands still while less and less is left, until the next one begins.
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
        // Another window, or after all a bucket.
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
    // What was noticed of others says nothing any more when nothing was heard for a time.
    const noticedFor = Math.max(0, Math.min(now, this.#syncedAt + foreignMemory) - this.#at);
    const refill = (now - this.#at) * this.#rate - noticedFor * this.#foreign;
    return Math.min(this.depth, this.#level + refill);
  }

  #windowEndAt(now: number): number {
    const passed = Math.max(0, 1 + Math.floor((now - this.#windowEnd!) / this.window));
    return this.#windowEnd! + passed * this.window;
  }
}
