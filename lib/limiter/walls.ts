import { DeadlineExceededError, QuotaSpentError } from '../core/errors';
import type { Ticket } from '../core/ticket';
import type { SlotPool } from './slot-pool';
import type { Closure } from './stated-hold';

/** What is known of the times in which the provider lets nothing through. */
export interface Walls {
  /** Milliseconds before a time, which may be to come, for which everybody was held because the provider asked for it. */
  statedHold(time: number): number;
  /** Set while the provider says that it serves nothing for long. */
  readonly closure: Closure | undefined;
  /** The wall that stands: nothing was let through since then, and this is what the last call was refused with. */
  readonly wall: { readonly since: number; readonly cause: unknown } | undefined;
}

/** Why a request fails; apart from it, as the error may be anything, undefined too. */
export interface Failure {
  readonly error: unknown;
}

/** When a ticket is given up: at its deadline, or when it is tried no more. Holds that the provider asked for move that. */
export function endOf(
  ticket: Pick<Ticket, 'deadline' | 'elapsedFrom'>,
  { patience }: SlotPool,
  walls: Walls | undefined,
): number {
  const held = walls?.statedHold(Infinity) ?? 0;
  return Math.min(ticket.deadline, ticket.elapsedFrom + patience + held);
}

/** Why a ticket is given up at its end. */
export function overdueError(ticket: Ticket, now: number): unknown {
  const { arrivedAt, deadline, lastFailure } = ticket;
  return lastFailure && deadline > now
    ? lastFailure.error
    : new DeadlineExceededError(now - arrivedAt, lastFailure?.error);
}

/** Why a request need not wait any longer; undefined if it may be served yet. */
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
