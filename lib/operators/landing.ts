import type { CacheEngine } from '../cache/cache-engine';
import type { Flight } from '../cache/flights';
import type { CallOutcome, FailedOutcome } from '../core/call';
import {
  ClosedError,
  DeadlineExceededError,
  QueueOverflowError,
  QuotaSpentError,
  RxllmError,
} from '../core/errors';
import { refusePromise } from '../core/settings';
import { classifyError, type ErrorClassifier } from '../provider/classify-error';
import { engineOf, type CacheRunSettings } from './cache-run-settings';

/** Flights whose starter was refused or overdue, until another waiter starts them: in a loop, without recursion. */
const grounded = new Set<Flight>();
let isRestarting = false;

/** Settles all waiters of a flight, or only the starter if its own limits ended the flight. */
export function land<R, V>(
  flight: Flight<R, V>,
  outcome: CallOutcome<R, V>,
  settings: CacheRunSettings<R, V>,
): void {
  const now = settings.clock.now();
  flight.state = 'grounded';
  let landed = outcome;
  if (!outcome.ok) {
    flight.failure = outcome.error;
    // After the first chunk, no waiter wants another answer.
    const hasAnswered = flight.chunks !== undefined && flight.chunks.length > 0;
    landed = (hasAnswered ? undefined : standIn(flight, outcome, settings)) ?? outcome;
    if (!hasAnswered && isOwnEnd(outcome) && isWantedByOthers(flight)) {
      settleStarter(flight, outcome, landed, now);
      grounded.add(flight);
      restartGrounded();
      return;
    }
  }
  flight.state = 'landed';
  flight.cancelTimeout?.();
  flight.cancelTimeout = undefined;
  keep(flight, outcome, settings, now);
  // Waiting processes fail too, unless this process's own limits ended the call.
  flight.lease?.end(outcome.ok || outcome.error instanceof RxllmError ? undefined : outcome);
  const engine = engineOf(settings);
  engine?.flights.remove(flight);
  if (flight.waiting > 1) {
    settleAll(flight, outcome, landed, engine, now);
  } else {
    const { firstWaiter } = flight;
    flight.removeAll();
    firstWaiter?.settle(firstWaiter.skipsLookUp ? outcome : landed, flight, now);
  }
}

/** Whether a flight has waiters besides its starter. */
function isWantedByOthers<R, V>(flight: Flight<R, V>): boolean {
  const { starter, waiting } = flight;
  return waiting > (starter && flight.has(starter) ? 1 : 0);
}

function settleStarter<R, V>(
  flight: Flight<R, V>,
  outcome: CallOutcome<R, V>,
  landed: CallOutcome<R, V>,
  now: number,
): void {
  const { starter } = flight;
  if (starter && flight.remove(starter)) {
    starter.settle(starter.skipsLookUp ? outcome : landed, flight, now);
  }
}

function settleAll<R, V>(
  flight: Flight<R, V>,
  outcome: CallOutcome<R, V>,
  landed: CallOutcome<R, V>,
  engine: CacheEngine | undefined,
  now: number,
): void {
  const waiters = flight.waiters();
  flight.removeAll();
  // Copy before a subscriber has the outcome and may change it.
  const toShare = {
    ...landed,
    ...(engine && landed.ok && { value: engine.share(landed.value, flight.request) }),
  };
  for (const waiter of waiters) {
    const isOfTheCall = waiter.skipsLookUp && landed !== outcome;
    const own = waiter === flight.starter ? landed : toShare;
    waiter.settle(isOfTheCall ? outcome : own, flight, now);
  }
}

/** The expired answer that replaces a failed outcome (`staleIfError`). */
export function standIn<R, V>(
  flight: Flight<R, V>,
  outcome: FailedOutcome<R, V>,
  settings: CacheRunSettings<R, V>,
): CallOutcome<R, V> | undefined {
  const { request, error, latency, waited, attempts } = outcome;
  const engine = engineOf(settings);
  if (!engine || flight.key === undefined || flight.isFenced) {
    return undefined;
  }
  const entry = error instanceof ClosedError ? undefined : engine.fallback(flight.key, engine.clock.date());
  return entry && { ok: true, request, value: entry.value as V, source: 'stale', latency, waited, attempts };
}

function isOwnEnd(outcome: CallOutcome<unknown, unknown>): boolean {
  return (
    !outcome.ok &&
    (outcome.error instanceof DeadlineExceededError ||
      outcome.error instanceof QueueOverflowError ||
      outcome.error instanceof QuotaSpentError)
  );
}

function restartGrounded(): void {
  if (isRestarting) {
    return;
  }
  isRestarting = true;
  try {
    for (const flight of grounded) {
      grounded.delete(flight);
      flight.firstWaiter?.startAnew(flight);
    }
  } finally {
    isRestarting = false;
  }
}

function keep<R, V>(
  flight: Flight<R, V>,
  outcome: CallOutcome<R, V>,
  settings: CacheRunSettings<R, V>,
  now: number,
): void {
  const engine = engineOf(settings);
  if (!engine || flight.key === undefined) {
    return;
  }
  if (!outcome.ok) {
    engine.keepFailure(
      flight,
      outcome.error,
      isOfTheCall(outcome.error, settings.classify, engine.clock.date()),
      engine.clock.date(),
    );
    return;
  }
  if (!flight.writes) {
    return;
  }
  const { value, latency } = outcome;
  const reason = engine.keep(flight, { value, latency, now: engine.clock.date() });
  if (reason !== undefined) {
    const { ticket, key } = flight;
    settings.events?.next({ type: 'cache-not-kept', at: now, id: ticket.id, key, reason });
  }
}

/** Whether a failure says something about the request, not about own limits or a busy provider. */
function isOfTheCall(error: unknown, classify: ErrorClassifier = classifyError, date: number): boolean {
  if (error instanceof RxllmError) {
    return false;
  }
  try {
    const classification = classify(error, date);
    refusePromise('classifyError', classification);
    const { kind } = classification;
    return kind !== 'wait' && kind !== 'overloaded';
  } catch {
    return false;
  }
}
