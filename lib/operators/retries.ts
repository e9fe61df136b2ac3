import { QuotaSpentError } from '../core/errors';
import type { FailedAttempt } from '../core/ticket';
import type { FailureVerdict } from '../limiter/limiter-engine';
import type { SlotPool } from '../limiter/slot-pool';
import { endOf, hopelessError, type Failure, type Walls } from '../limiter/walls';
import type { RunSettings } from './run-settings';
import type { RunningCall } from './running-call';

interface RetrySettings extends Pick<RunSettings<never>, 'clock' | 'retry' | 'events' | 'unknownErrors'> {
  readonly pool: SlotPool;
  readonly walls: Walls | undefined;
}

interface Retry {
  /** Milliseconds until the request is in the queue again. */
  readonly delay: number;
  readonly failedAttempt: FailedAttempt;
}

/**
 * Decides whether a failed call is retried, and when, or with which error its request fails. Reports an unknown error.
 */
export function judge(
  { ticket, attempt, startedAt, hasAnswered }: RunningCall,
  error: unknown,
  verdict: FailureVerdict | undefined,
  { clock, pool, walls, retry, events, unknownErrors }: RetrySettings,
): Retry | Failure {
  const meaning = retry?.classify(error);
  if ((meaning ?? verdict)?.kind === 'unknown') {
    unknownErrors.tell(error, clock.now(), events);
  }
  if (!retry || !meaning || hasAnswered) {
    return { error };
  }
  const isRefused = meaning.kind === 'wait' || meaning.kind === 'overloaded';
  const { spendGate } = pool;
  const hopeless =
    isRefused && !spendGate?.isReached && hopelessError(walls, pool, ticket, ticket.arrivedAt, clock.now());
  if (hopeless) {
    return hopeless.error instanceof QuotaSpentError ? hopeless : { error };
  }
  const isUncharged = isRefused || verdict?.wasProbe;
  const refusals = (ticket.lastFailure?.refusals ?? 0) + (isUncharged ? 1 : 0);
  const elapsedFrom = ticket.lastFailure?.elapsedFrom ?? startedAt - (walls?.statedHold(startedAt) ?? 0);
  const since = elapsedFrom + (walls?.statedHold(Infinity) ?? 0);
  const decision = retry.decide(meaning, attempt, refusals, since, verdict);
  if (!decision.retry) {
    return { error };
  }
  if (spendGate?.isReached) {
    return { error: spendGate.error(error) };
  }
  const now = clock.now();
  const failed = {
    startedAt,
    latency: now - startedAt,
    error,
    refusals,
    elapsedFrom,
    behindUntil: -Infinity,
  };
  const end = endOf({ deadline: ticket.deadline, elapsedFrom }, pool, walls);
  return {
    delay: decision.delay,
    failedAttempt: isRefused ? { ...failed, behindUntil: (now + end) / 2 } : failed,
  };
}
