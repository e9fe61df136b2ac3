import type { Flight, Waiter } from '../cache/flights';
import type { CallOutcome, FailedOutcome } from '../core/call';
import type { Clock } from '../core/clock';
import {
  CallTimeoutError,
  ClosedError,
  DeadlineExceededError,
  MissingOutcomeError,
  QueueOverflowError,
} from '../core/errors';
import type { Ticket } from '../core/ticket';
import { classifyError, type ErrorClassifier } from '../provider/classify-error';
import { engineOf, type CacheRunSettings } from './cache-run-settings';
import { tell } from './tell';

/** Flights whose starter was refused or overdue, in wait of another waiter to start them; drained by a loop. */
const grounded: Flight[] = [];
let isRestarting = false;

/** Settles all who wait for a flight; or, where only its starter's own limits ended it, the starter alone. */
export function land<R, V>(
  flight: Flight<R, V>,
  outcome: CallOutcome<R, V>,
  settings: CacheRunSettings<R, V>,
): void {
  const { starter } = flight;
  flight.ticket.isOver = true;
  const standsIn = outcome.ok ? undefined : standIn(flight, outcome, settings);
  if (!outcome.ok) {
    flight.failure = outcome.error;
  }
  const landed = standsIn ?? outcome;
  const landedFor = (waiter: Waiter<R, V>) => (waiter.skipsLookUp ? outcome : landed);
  const isStarterWaiting = starter !== undefined && flight.has(starter);
  if (isOwnEnd(outcome) && flight.waiting > (isStarterWaiting ? 1 : 0)) {
    if (starter && flight.remove(starter)) {
      starter.settle(landedFor(starter), flight);
    }
    if (flight.waiting > 0) {
      grounded.push(flight);
      restartGrounded();
    }
    return;
  }
  flight.cancelTimeout?.();
  flight.cancelTimeout = undefined;
  keep(flight, outcome, settings);
  const engine = engineOf(settings);
  engine?.flights.remove(flight);
  const waiters = flight.waiters();
  flight.removeAll();
  // Before anyone has the answer in hand and changes it.
  const toShare =
    engine && landed.ok && waiters.length > 1 ? { ...landed, value: engine.share(landed.value) } : landed;
  for (const waiter of waiters) {
    const isOwn = waiter === flight.starter || (standsIn && waiter.skipsLookUp);
    waiter.settle(isOwn ? landedFor(waiter) : toShare, flight);
  }
}

/** What a request gets that is given up, or whose call never comes about. */
export function failed<R>(ticket: Ticket, request: R, error: unknown, clock: Clock): FailedOutcome<R> {
  const { attempts, lastLatency, lastStartAt, arrivedAt } = ticket;
  const waited = (attempts > 0 && lastStartAt > 0 ? lastStartAt : clock.now()) - arrivedAt;
  return { ok: false, request, error, latency: attempts > 0 ? lastLatency : 0, waited, attempts };
}

/** The expired answer that a failed outcome may be replaced with (`staleIfError`). */
export function standIn<R, V>(
  flight: Flight<R, V>,
  outcome: FailedOutcome<R>,
  settings: CacheRunSettings<R, V>,
): CallOutcome<R, V> | undefined {
  const { request, error, latency, waited, attempts } = outcome;
  const engine = engineOf(settings);
  if (!engine || flight.key === undefined || flight.isFenced) {
    return undefined;
  }
  const entry = error instanceof ClosedError ? undefined : engine.fallback(flight.key, engine.clock.now());
  return entry && { ok: true, request, value: entry.value as V, source: 'stale', latency, waited, attempts };
}

function isOwnEnd(outcome: CallOutcome<unknown, unknown>): boolean {
  return (
    !outcome.ok &&
    (outcome.error instanceof DeadlineExceededError || outcome.error instanceof QueueOverflowError)
  );
}

function restartGrounded(): void {
  if (isRestarting) {
    return;
  }
  isRestarting = true;
  try {
    for (let flight = grounded.shift(); flight; flight = grounded.shift()) {
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
): void {
  const engine = engineOf(settings);
  if (!engine || flight.key === undefined) {
    return;
  }
  if (!outcome.ok) {
    engine.keepFailure(flight, outcome.error, isOfTheCall(outcome.error, settings.classify));
    return;
  }
  if (!flight.writes) {
    return;
  }
  const { ticket } = flight;
  const reason = engine.keep(flight, outcome.value, {
    ttl: flight.ttl,
    usage: ticket.used,
    latency: outcome.latency,
    tags: flight.tags,
  });
  if (reason !== undefined && settings.events) {
    const { key } = flight;
    tell(settings.events, { type: 'cache-not-kept', at: settings.clock.now(), id: ticket.id, key, reason });
  }
}

/** Whether a failure says something of the request: not our own limits, and not that the provider was busy. */
function isOfTheCall(error: unknown, classify: ErrorClassifier = classifyError): boolean {
  if (
    error instanceof CallTimeoutError ||
    error instanceof DeadlineExceededError ||
    error instanceof QueueOverflowError ||
    error instanceof ClosedError ||
    error instanceof MissingOutcomeError
  ) {
    return false;
  }
  try {
    const { kind } = classify(error);
    return kind !== 'wait' && kind !== 'overloaded';
  } catch {
    return false;
  }
}
