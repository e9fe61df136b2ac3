import type { LimitedResource } from './provider-config';
import type { LimitChange, LimitSettings } from './provider-settings';
import type { RequestTokens } from './request-tokens';

/** Differences below this share of a limit are floating-point noise. */
const noise = 1e-9;

/** The cost of a call in each resource. */
export type CallCost = Readonly<Record<LimitedResource, number>>;

export function costOf({ input, output }: RequestTokens): CallCost {
  return { requests: 1, tokens: input + output, 'input-tokens': input, 'output-tokens': output };
}

/**
 * The accounting of one limit. Its level is computed from the elapsed time, so it needs no timers. Times are
 * milliseconds since the provider was made and never go back.
 */
export abstract class SimulatedLimit {
  readonly of: LimitedResource;
  readonly window: number;
  readonly hidden: boolean;
  /** Requests or tokens per window, now. */
  limit: number;
  /** The most that it holds, now. */
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

  /** When the limit changes next; `Infinity` if it stays. */
  get changesAt(): number {
    return this.#nextChange?.at ?? Infinity;
  }

  /** What can be spent; negative while the debt of a cost above the depth is paid off. */
  abstract get level(): number;

  /** Milliseconds until it is full if nothing more is taken. */
  abstract get untilFull(): number;

  /** The `remaining` of the headers: whole units, never below 0. */
  get remaining(): number {
    return Math.max(0, Math.floor(this.level + noise * this.depth));
  }

  advance(now: number): void {
    for (let change = this.#nextChange; change && change.at <= now; change = this.#nextChange) {
      this.moveTo(change.at);
      this.#changesMade++;
      this.limit = change.limit;
      this.depth = change.depth;
    }
    this.moveTo(now);
  }

  /** Whether `cost` can be paid: there is enough, or the limit is full. */
  admits(cost: number): boolean {
    return Math.min(cost, this.depth) - this.level <= noise * this.depth;
  }

  /** Milliseconds until it admits `cost` if the limit does not change; 0 means now. */
  waitFor(cost: number): number {
    return this.admits(cost) ? 0 : this.waitForMissing(Math.min(cost, this.depth) - this.level);
  }

  /** Takes `cost`, even if there is less. */
  abstract take(cost: number): void;

  /** Takes `cost`, or what is left of it. */
  drain(cost: number): void {
    this.take(Math.min(cost, Math.max(0, this.level)));
  }

  /** A copy with the same state, to look ahead. */
  copy(): SimulatedLimit {
    const copy = this.fresh();
    copy.limit = this.limit;
    copy.depth = this.depth;
    copy.#changesMade = this.#changesMade;
    return copy;
  }

  /** Advances the time while the limit stays the same. */
  protected abstract moveTo(now: number): void;
  protected abstract waitForMissing(missing: number): number;
  protected abstract fresh(): SimulatedLimit;

  get #nextChange(): LimitChange | undefined {
    return this.settings.changes[this.#changesMade];
  }
}

/** Refills continuously and is full at first. A change of the limit keeps the level, up to the new depth. */
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

/** Is full again at each multiple of the window, without debts. A change of the limit keeps what was used. */
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

export function limitFrom(settings: LimitSettings): SimulatedLimit {
  return settings.kind === 'bucket' ? new BucketLimit(settings) : new FixedWindowLimit(settings);
}
