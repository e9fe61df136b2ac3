import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { RefusalCause } from '../core/events';
import type { FleetState } from '../core/fleet';
import type { NextStart } from '../core/gates';
import type { CallPriority } from '../core/priority';

/** Why no request may start now. */
export type HoldReason = 'rate-limited' | 'overloaded';

/** The state of a limiter. */
export interface RateLimiterState {
  /** Milliseconds between starts of MEDIUM requests. */
  readonly currentInterval: number;
  /** Starts per second over the last ten seconds. */
  readonly callRate: number;
  /** Waiting requests, including those in back-off. */
  readonly queued: number;
  /** Waiting requests by priority, without those in back-off. */
  readonly queuedByPriority: Readonly<Record<CallPriority, number>>;
  /** Whether `pause()` stops all starts. */
  readonly isPaused: boolean;
  /** When a hold after a refusal ends, in milliseconds on the limiter's clock. */
  readonly heldUntil?: number;
  /** Why all requests are held; absent without a hold. */
  readonly holdReason?: HoldReason;
  /** The gate that holds the next request, when it opens, and why; absent if no request waits. */
  readonly next?: NextStart;
  /** Share of calls, 0 to 1, that is refused at any pace, from the last hundred calls. */
  readonly refusedShare: number;
  /** The probable cause of the last refusals; absent if there were too few. */
  readonly refusalCause?: RefusalCause;
  /** Calls per second that the provider accepts, learned from refusals; absent if pace is not their cause. */
  readonly learnedRate?: number;
  /** Calls that the provider accepts at once, learned from refusals; absent if their number is not the cause. */
  readonly maxRunning?: number;
  /** All given and stated limits. */
  readonly budgets: readonly BudgetState[];
  /** The tightest limit of requests per minute, and what is left of it. */
  readonly requests?: { readonly perMinute: number; readonly remaining: number };
  /** The tightest limit of tokens per minute, and what is left of it. */
  readonly tokens?: { readonly perMinute: number; readonly remaining: number };
  /** The state of this process in its fleet; absent without one. */
  readonly fleet?: FleetState;
}

/** The tightest limits per minute, of requests and of tokens. */
export function tightest(budgets: readonly BudgetState[]): Pick<RateLimiterState, 'requests' | 'tokens'> {
  const requests = tightestOf(budgets, 'requests');
  const tokens = tightestOf(budgets, 'tokens');
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

function tightestOf(
  budgets: readonly BudgetState[],
  counted: LimitedDimension,
): { perMinute: number; remaining: number } | undefined {
  const [first] = budgets
    .filter(({ dimension, window }) => dimension === counted && window <= 60_000)
    .map(({ limit, window, remaining }) => ({ perMinute: (limit * 60_000) / window, remaining }))
    .sort((one, other) => one.perMinute - other.perMinute);
  return first;
}
