import { KeptFailure, type CacheEntry } from '../cache/cache-entry';
import type { CallOutcome, FailedOutcome } from '../core/call';
import type { Clock } from '../core/clock';
import { shown } from '../core/settings';
import type { AnyStreamCall, StreamedAnswer } from '../core/stream';
import type { Ticket } from '../core/ticket';

/** The outcome of a cache hit. */
export function cachedOutcome<R, V>(
  request: R,
  { value, freshUntil }: CacheEntry,
  date: number,
  waited: number,
): CallOutcome<R, V> {
  const times = { latency: 0, waited, attempts: 0 };
  if (value instanceof KeptFailure) {
    return { ok: false, request, error: value.error, ...times };
  }
  return { ok: true, request, value: value as V, source: date >= freshUntil ? 'stale' : 'cache', ...times };
}

/** An outcome whose value is kept with its chunks, if there are any. */
export function withChunks<R, V>(
  outcome: CallOutcome<R, V>,
  chunks: readonly unknown[] | undefined,
): CallOutcome<R, V> {
  if (!chunks || !outcome.ok) {
    return outcome;
  }
  const value: StreamedAnswer = { value: outcome.value, chunks };
  return { ...outcome, value: value as V };
}

/** The outcome for the subscriber, if its value is kept with chunks. */
export function withoutChunks<R, V>(outcome: CallOutcome<R, V>): CallOutcome<R, V> {
  return outcome.ok ? { ...outcome, value: (outcome.value as StreamedAnswer<V>).value } : outcome;
}

/** A failure of a stream call that was ended from outside, with the value of its chunks if any came. */
export function withPartial<R, V>(
  failure: FailedOutcome<R, V>,
  chunks: readonly unknown[] | undefined,
  stream: Pick<AnyStreamCall, 'collect'> | undefined,
): FailedOutcome<R, V> {
  if (!stream || !chunks || chunks.length === 0) {
    return failure;
  }
  try {
    return { ...failure, partial: stream.collect(chunks as never[]) as V };
  } catch {
    return failure;
  }
}

/** The outcome of a request that is given up or never called. */
export function failed<R>(ticket: Ticket, request: R, error: unknown, clock: Clock): FailedOutcome<R, never> {
  const { attempts, lastFailure, arrivedAt } = ticket;
  const waited = (lastFailure?.startedAt ?? clock.now()) - arrivedAt;
  return { ok: false, request, error, latency: lastFailure?.latency ?? 0, waited, attempts };
}

/** The error of an abandoned request, for the promise of its caller. */
export function unwanted(): DOMException {
  return new DOMException('Nobody waits for the answer of this request any more.', 'AbortError');
}

export function sharedOutcome<R, V>(
  outcome: CallOutcome<R, V>,
  { arrivedAt }: Ticket,
  starter: Ticket,
  share: (value: V) => V,
): CallOutcome<R, V> {
  const waited = Math.max(0, starter.arrivedAt + outcome.waited - arrivedAt);
  if (!outcome.ok) {
    return { ...outcome, waited };
  }
  const source = outcome.source === 'stale' ? 'stale' : 'shared';
  return { ...outcome, value: share(outcome.value), source, waited };
}

/**
 * Lets outcomes pass.
 *
 * @param advice what is wrong with any other value
 * @throws TypeError for any other value
 */
export function outcomeOr<R, V>(outcome: CallOutcome<R, V>, advice: string): CallOutcome<R, V> {
  if (typeof (outcome as Partial<CallOutcome<R, V>> | null | undefined)?.ok !== 'boolean') {
    throw new TypeError(`${advice}, but was given ${shown(outcome)}.`);
  }
  return outcome;
}
