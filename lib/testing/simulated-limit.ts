import type { LimitedResource } from './provider-config';
import type { LimitChange, LimitSettings } from './provider-settings';
import type { RequestTokens } from './request-tokens';

/** A difference of floating-point sums below this share of a limit is noise, not budget. */
const noise = 1e-9;

/** What a call costs in each resource that can be limited. */
export type CallCost = Readonly<Record<LimitedResource, number>>;

/** One request of so many tokens. */
export function costOf({ input, output }: RequestTokens): CallCost {
  return { requests: 1, tokens: input + output, 'input-tokens': input, 'output-tokens': output };
}

/**
 * The books of one limit. They are brought up to date from the time that went by, so nothing is ever scheduled.
 * Times are milliseconds since the provider was made, and never step back.
 */
export abstract class SimulatedLimit {
  readonly of: LimitedResource;
  readonly window: number;
  readonly hidden: boolean;
  /** Requests or tokens per window, as of now. */
  limit: number;
  /** The most that can be there, as of now. */
  depth: number;
  protected readonly settings: LimitSettings;
  #changesMade = 0;

  constructor(settings: LimitSettings) {
    this.settings = settings;
    this.of = settings.of;
    this.window = settings.window;
    this.hidden = settings.hidden;
    this.limit = settings.limit;
    this.depth = settings.depth;
  }

  /** When the limit will be another; `Infinity` if it stays. */
  get changesAt(): number {
    return this.#nextChange?.at ?? Infinity;
  }

  /** What can be spent; below 0 while a cost above the depth is being paid off. */
  abstract get level(): number;

  /** Milliseconds until all of it is there again, if nobody takes any more. */
  abstract get untilFull(): number;

  /** What `remaining` tells: whole units, never below 0. */
  get remaining(): number {
    return Math.max(0, Math.floor(this.level + noise * this.depth));
  }

  /** Brings the books up to date. */
  advance(now: number): void {
    for (let change = this.#nextChange; change && change.at <= now; change = this.#nextChange) {
      this.moveTo(change.at);
      this.#changesMade++;
      this.limit = change.limit;
      this.depth = change.depth;
    }
    this.moveTo(now);
  }

  /** Whether `cost` can be paid: there is as much, or all that can be there is there. */
  admits(cost: number): boolean {
    return Math.min(cost, this.depth) - this.level <= noise * this.depth;
  }

  /** Milliseconds until it admits `cost` as long as the limit stays as it is; 0 means now. */
  waitFor(cost: number): number {
    return this.admits(cost) ? 0 : this.waitForMissing(Math.min(cost, this.depth) - this.level);
  }

  /** Takes `cost`, whatever there is. */
  abstract take(cost: number): void;

  /** Takes `cost` or what is left of it. */
  drain(cost: number): void {
    this.take(Math.min(cost, Math.max(0, this.level)));
  }

  /** Books of their own that stand as these do, to look ahead with. */
  copy(): SimulatedLimit {
    const copy = this.fresh();
    copy.limit = this.limit;
    copy.depth = this.depth;
    copy.#changesMade = this.#changesMade;
    return copy;
  }

  /** Lets time pass in which the limit is the same. */
  protected abstract moveTo(now: number): void;
  protected abstract waitForMissing(missing: number): number;
  protected abstract fresh(): SimulatedLimit;

  get #nextChange(): LimitChange | undefined {
    return this.settings.changes[this.#changesMade];
  }
}

/** Refills continuously; full at first. A change of the limit keeps the level, as far as the new depth holds it. */
class BucketLimit extends SimulatedLimit {
  #level = this.depth;
  #at = 0;

  override get level(): number {
    return this.#level;
  }

  override get untilFull(): number {
    return ((this.depth - this.#level) * this.window) / this.limit;
  }

  override take(cost: number): void {
    this.#level -= cost;
  }

  protected override moveTo(now: number): void {
    this.#level = Math.min(this.depth, this.#level + ((now - this.#at) * this.limit) / this.window);
    this.#at = now;
  }

  protected override waitForMissing(missing: number): number {
    return (missing * this.window) / this.limit;
  }

  protected override fresh(): SimulatedLimit {
    const copy = new BucketLimit(this.settings);
    copy.#level = this.#level;
    copy.#at = this.#at;
    return copy;
  }
}

/** Is full again at each multiple of the window, debts forgotten. A change of the limit keeps what was used. */
class FixedWindowLimit extends SimulatedLimit {
  #used = 0;
  #at = 0;

  override get level(): number {
    return this.limit - this.#used;
  }

  override get untilFull(): number {
    return this.window - (this.#at % this.window);
  }

  override take(cost: number): void {
    this.#used += cost;
  }

  protected override moveTo(now: number): void {
    if (Math.floor(now / this.window) > Math.floor(this.#at / this.window)) {
      this.#used = 0;
    }
    this.#at = now;
  }

  protected override waitForMissing(): number {
    return this.untilFull;
  }

  protected override fresh(): SimulatedLimit {
    const copy = new FixedWindowLimit(this.settings);
    copy.#used = this.#used;
    copy.#at = this.#at;
    return copy;
  }
}

/** Opens the books of a limit, full. */
export function limitFrom(settings: LimitSettings): SimulatedLimit {
  return settings.kind === 'bucket' ? new BucketLimit(settings) : new FixedWindowLimit(settings);
}
