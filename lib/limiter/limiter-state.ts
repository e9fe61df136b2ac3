import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { RefusalCause } from '../core/events';
import type { FleetState } from '../core/fleet';
import type { NextStart } from '../core/gates';
import type { CallPriority } from '../core/priority';

/** Why nothing may start at the moment. */
export type HoldReason = 'rate-limited' | 'overloaded';

/** What a limiter is doing. */
export interface RateLimiterState {
  /** Milliseconds between starts of MEDIUM requests. */
  readonly currentInterval: number;
  /** Starts per second, over the last ten seconds. */
  readonly callRate: number;
  /** Requests that wait, those in back-off included. */
  readonly queued: number;
  /** The same by priority, those in back-off not included. */
  readonly queuedByPriority: Readonly<Record<CallPriority, number>>;
  readonly isPaused: boolean;
  /** When the hold that a refusal caused ends, in milliseconds on the limiter's clock. */
  readonly heldUntil?: number;
  readonly holdReason?: HoldReason;
  /** Which gate holds the next request, until when, and why; absent where nothing waits. */
  readonly next?: NextStart;
  /** Share of calls, 0 to 1, that is refused whatever the pace, as far as the last hundred calls tell. */
  readonly refusedShare: number;
  /** What the last refusals were put down to; absent while there were too few of them. */
  readonly refusalCause?: RefusalCause;
  /** Calls per second that refusals taught the provider lets through, if it refuses by pace. */
  readonly learnedRate?: number;
  /** Calls that refusals taught the provider takes at once, if it refuses by their number. */
  readonly maxRunning?: number;
  /** Every limit that is known or was stated, by the provider's name for it. */
  readonly budgets: readonly BudgetState[];
  /** What is left of the tightest known or stated limit by the minute. */
  readonly requests?: { readonly perMinute: number; readonly remaining: number };
  readonly tokens?: { readonly perMinute: number; readonly remaining: number };
  /** How this process stands in its fleet; absent without one. */
  readonly fleet?: FleetState;
}

/** The tightest limits by the minute, of requests and of tokens. */
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
