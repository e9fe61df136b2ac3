import { DeadlineExceededError, QuotaSpentError } from '../core/errors';
import type { Ticket } from '../core/ticket';
import type { SlotPool } from './slot-pool';
import type { Closure } from './stated-hold';

/** The times in which the provider lets nothing through. */
export interface Walls {
  /** Milliseconds of stated holds before a time, which may be in the future. */
  statedHold(time: number): number;
  /** Set while the provider says that it serves nothing for long. */
  readonly closure: Closure | undefined;
  /** The current wall: since when nothing is let through, and the error of the last refused call. */
  readonly wall: { readonly since: number; readonly cause: unknown } | undefined;
}

/** Why a request fails. It is an object of its own, because the error may be any value, also undefined. */
export interface Failure {
  readonly error: unknown;
}

/** When a ticket fails: at its deadline, or at the end of its time for retries. Stated holds move the latter. */
export function endOf(
  ticket: Pick<Ticket, 'deadline' | 'elapsedFrom'>,
  { patience }: SlotPool,
  walls: Walls | undefined,
): number {
  const held = walls?.statedHold(Infinity) ?? 0;
  return Math.min(ticket.deadline, ticket.elapsedFrom + patience + held);
}

/** The error of a ticket at its end. */
export function overdueError(ticket: Ticket, now: number): unknown {
  const { arrivedAt, deadline, lastFailure } = ticket;
  return lastFailure && deadline > now
    ? lastFailure.error
    : new DeadlineExceededError(now - arrivedAt, lastFailure?.error);
}

/** The error of a request that can no longer succeed; undefined for others. */
export function hopelessError(
  walls: Walls | undefined,
  { patience, spendGate }: SlotPool,
  ticket: Ticket | undefined,
  arrivedAt: number,
  now: number,
): Failure | undefined {
  if (spendGate?.isReached) {
    return { error: spendGate.error(ticket?.lastFailure?.error) };
  }
  if (!walls) {
    return undefined;
  }
  const { closure, wall } = walls;
  if (closure && (closure.until > (ticket?.deadline ?? Infinity) || closure.until - now > patience)) {
    return { error: new QuotaSpentError(closure.until, now, closure.cause) };
  }
  if (wall) {
    const from = Math.max(arrivedAt, wall.since);
    const held = walls.statedHold(now) - walls.statedHold(from);
    if (now - from - held > patience) {
      const { lastFailure } = ticket ?? {};
      const error = lastFailure
        ? lastFailure.error
        : new DeadlineExceededError(now - arrivedAt, wall.cause, 'retry.maxElapsed');
      return { error };
    }
  }
  return undefined;
}
