import type { BudgetState, LimitedDimension } from '../core/budget-state';

/** The books of one limit. Costs are requests or tokens, and each start has a number that grows from start to start. */
export interface LimitBudget {
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Per window. */
  readonly limit: number;
  /** The most that may be spent at once. */
  readonly depth: number;
  /** Whether what was spent comes back all at once, not by and by. */
  readonly countsByWindows: boolean;
  /** Whether it was stated so long ago that it holds nobody any more. */
  isForgotten(now: number): boolean;
  /** When a start of this cost has room: now or earlier means at once. */
  opensAt(cost: number, now: number): number;
  /** The same for a start that was paid under this number. */
  paidOpensAt(cost: number, startNumber: number, now: number): number;
  /** Reserves the cost of a start. */
  take(cost: number, now: number, startNumber: number): void;
  /** Puts what a start has used in place of what was reserved for it. */
  settle(reserved: number, used: number, startedAt: number, startNumber: number): void;
  remaining(now: number): number;
  /** @param inFlight what running calls have reserved of it, which its books do not tell apart */
  state(now: number, inFlight?: number): BudgetState;
}
