import type { CallOutcome, TokenUsage } from '../core/call';
import type {
  CallEvent,
  CallEventListener,
  FinishedEvent,
  ReceivedEvent,
  SettledEvent,
} from '../core/events';
import { prioritiesByRank, type CallPriority, type PriorityRank } from '../core/priority';
import { reportUnhandled } from '../core/scheduler-clock';
import { counterOf, type StepCounter } from '../core/steps';

/** Tells a listener of an event; what it throws is reported as RxJS reports unhandled errors, and harms nothing. */
export function tell(listener: CallEventListener, event: CallEvent): void {
  try {
    listener.next(event);
  } catch (error) {
    reportUnhandled(error);
  }
}

export function tellReceived(
  listener: CallEventListener,
  id: number,
  rank: PriorityRank,
  lane: string | undefined,
  at: number,
): void {
  const counter = counterOf(listener);
  if (counter) {
    counter.received();
  } else {
    tell(listener, receivedEvent(at, id, prioritiesByRank[rank], lane));
  }
}

function receivedEvent(
  at: number,
  id: number,
  priority: CallPriority,
  lane: string | undefined,
): ReceivedEvent {
  return lane === undefined
    ? { type: 'received', at, id, priority }
    : { type: 'received', at, id, priority, lane };
}

/** @param usage what the stored answer had cost */
export function countHit(counter: StepCounter, savedLatency: number, usage: TokenUsage | undefined): void {
  try {
    counter.hit(savedLatency, usage);
  } catch (error) {
    reportUnhandled(error);
  }
}

export function tellMissed(
  listener: CallEventListener,
  id: number,
  key: string,
  joined: boolean,
  at: number,
): void {
  const counter = counterOf(listener);
  if (counter) {
    counter.missed(joined);
  } else {
    tell(listener, { type: 'cache-miss', at, id, key, joined });
  }
}

export function tellStarted(
  listener: CallEventListener,
  id: number,
  rank: PriorityRank,
  attempt: number,
  at: number,
): void {
  const counter = counterOf(listener);
  if (counter) {
    counter.started();
  } else {
    tell(listener, { type: 'started', at, id, attempt, priority: prioritiesByRank[rank] });
  }
}

export function tellFinished(
  listener: CallEventListener,
  call: FinishedCall,
  result: FinishedEvent['result'],
  at: number,
  error?: unknown,
): void {
  const counter = counterOf(listener);
  if (counter) {
    counter.finished(result, at - call.startedAt);
  } else {
    tell(listener, finishedEvent(call, result, at, error));
  }
}

interface FinishedCall {
  readonly id: number;
  readonly attempt: number;
  readonly startedAt: number;
}

function finishedEvent(
  { id, attempt, startedAt }: FinishedCall,
  result: FinishedEvent['result'],
  at: number,
  error: unknown,
): FinishedEvent {
  const latency = at - startedAt;
  return result === 'failed'
    ? { type: 'finished', at, id, attempt, result, latency, startedAt, error }
    : { type: 'finished', at, id, attempt, result, latency, startedAt };
}

/**
 * @param sharedUsage what the call had used up that the request shared
 * @param failure what the call had failed with, where an expired answer stands in for it
 */
export function tellSettled(
  listener: CallEventListener,
  id: number,
  outcome: CallOutcome<unknown, unknown>,
  at: number,
  sharedUsage?: TokenUsage,
  failure?: unknown,
): void {
  const counter = counterOf(listener);
  if (!counter) {
    tell(listener, settledEvent(outcome, at, id, sharedUsage, failure));
  } else if (sharedUsage) {
    countShared(counter, outcome, sharedUsage);
  } else {
    counter.settled(outcome.ok ? outcome.source : undefined, undefined);
  }
}

function countShared(
  counter: StepCounter,
  outcome: CallOutcome<unknown, unknown>,
  sharedUsage: TokenUsage,
): void {
  const source = outcome.ok ? outcome.source : undefined;
  try {
    counter.settled(source, source === 'stale' ? undefined : sharedUsage);
  } catch (error) {
    // What a call reports may be anything, a getter that throws too.
    reportUnhandled(error);
  }
}

function settledEvent(
  outcome: CallOutcome<unknown, unknown>,
  at: number,
  id: number,
  sharedUsage: TokenUsage | undefined,
  failure: unknown,
): SettledEvent {
  const { ok, latency, waited, attempts } = outcome;
  if (!ok) {
    return { type: 'settled', at, id, ok, error: outcome.error, latency, waited, attempts };
  }
  const { source } = outcome;
  const answered: SettledEvent = { type: 'settled', at, id, ok, source, latency, waited, attempts };
  if (source === 'stale') {
    return failure === undefined ? answered : { ...answered, error: failure };
  }
  return sharedUsage ? { ...answered, usage: sharedUsage } : answered;
}

/** Runs a callback of the user's; what it throws is reported as RxJS reports unhandled errors, and harms nothing. */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    reportUnhandled(error);
  }
}
