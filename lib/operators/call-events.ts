import { KeptFailure, type CacheEntry } from '../cache/cache-entry';
import type { CallOutcome, TokenUsage } from '../core/call';
import type {
  CacheHitEvent,
  CallEventListener,
  FinishedEvent,
  LeftEvent,
  ReceivedEvent,
  SettledEvent,
  StartedEvent,
} from '../core/events';
import { prioritiesByRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import { ignoredOf, type CallTraits } from '../core/traits';

/** The ignored traits that were reported to each listener. */
const toldOf = new WeakMap<CallEventListener, Set<string>>();

/**
 * Reports a request that enters its first operator, and its fields that have the name of a trait but no valid value.
 */
export function reportReceived(
  ticket: Ticket,
  traits: CallTraits,
  events: CallEventListener | undefined,
  at: number,
): void {
  if (!events || ticket.receivedReportedTo === events) {
    return;
  }
  ticket.receivedReportedTo = events;
  events.next(received(ticket, at));
  for (const field of ignoredOf(traits) ?? []) {
    const told = toldOf.get(events) ?? new Set();
    if (!told.has(field)) {
      toldOf.set(events, told.add(field));
      events.next({ type: 'trait-ignored', at, id: ticket.id, field });
    }
  }
}

function received({ id, rank, lane }: Ticket, at: number): ReceivedEvent {
  const priority = prioritiesByRank[rank];
  return lane === undefined
    ? { type: 'received', at, id, priority }
    : { type: 'received', at, id, priority, lane };
}

/**
 * The event of a cache hit.
 *
 * @param date the date on the clock of the cache
 */
export function hit(
  { id }: Ticket,
  key: string,
  { storedAt, freshUntil, latency: savedLatency, usage, value }: CacheEntry,
  tier: 'memory' | 'store',
  at: number,
  date: number,
): CacheHitEvent {
  return {
    type: 'cache-hit',
    at,
    id,
    key,
    age: date - storedAt,
    tier,
    ...(date >= freshUntil && { stale: true }),
    ...(value instanceof KeptFailure && { failed: true }),
    savedLatency,
    ...(usage && { usage }),
  };
}

export function started({ id, rank, attempts, arrivedAt, queuedAt }: Ticket, at: number): StartedEvent {
  const waited = at - (attempts > 1 ? queuedAt : arrivedAt);
  return { type: 'started', at, id, attempt: attempts, priority: prioritiesByRank[rank], waited };
}

interface EndedAttempt {
  readonly ticket: Ticket;
  readonly attempt: number;
  readonly startedAt: number;
}

export function finished(
  { ticket: { id, usage }, attempt, startedAt }: EndedAttempt,
  result: FinishedEvent['result'],
  at: number,
  error?: unknown,
): FinishedEvent {
  const event: FinishedEvent = {
    type: 'finished',
    at,
    id,
    attempt,
    result,
    latency: at - startedAt,
    startedAt,
    ...(usage && { usage }),
  };
  return result === 'failed' ? { ...event, error } : event;
}

/**
 * The event of a known outcome.
 *
 * @param sharedUsage the tokens of the call that the request shared
 * @param failure the error of the call if an expired answer replaces it
 */
export function settled(
  id: number,
  outcome: CallOutcome<unknown, unknown>,
  at: number,
  sharedUsage?: TokenUsage,
  failure?: unknown,
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

export function left({ id }: Ticket, at: number): LeftEvent {
  return { type: 'left', at, id };
}
