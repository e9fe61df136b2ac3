import type { BudgetState, LimitedDimension } from '../core/budget-state';

/** The accounting of one limit. Costs are requests or tokens. Start numbers grow. */
export interface LimitBudget {
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Requests or tokens per window. */
  readonly limit: number;
  readonly depth: number;
  /** Whether spent amounts come back all at once, not gradually. */
  readonly countsByWindows: boolean;
  /** Whether the statement is too old to hold. */
  isForgotten(now: number): boolean;
  /** When a start of this cost has room. A past time means at once. */
  opensAt(cost: number, now: number): number;
  /** The same for a start that was paid under this number. */
  paidOpensAt(cost: number, startNumber: number, now: number): number;
  take(cost: number, now: number, startNumber: number): void;
  /** Replaces the reservation of a start by its usage. */
  settle(reserved: number, used: number, startedAt: number, startNumber: number): void;
  remaining(now: number): number;
  /** @param inFlight what running calls have reserved */
  state(now: number, inFlight?: number): BudgetState;
}
