import type { CallOutcome } from '../core/call';
import type { StreamChunk, StreamEnd, StreamItem } from '../core/stream';
import type { Ticket } from '../core/ticket';

/** What a run emits: outcomes, or items of stream calls. */
export type Emitted<R, V> = CallOutcome<R, V> | StreamItem<R, unknown, V>;

export function chunkOf<R>(
  { id, request }: Ticket<R>,
  index: number,
  chunk: unknown,
): StreamChunk<R, unknown> {
  return { type: 'chunk', id, request, index, chunk };
}

export function itemOf<R, V>({ id }: Ticket<R>, outcome: CallOutcome<R, V>): StreamEnd<R, V> {
  return { type: 'outcome', id, request: outcome.request, outcome };
}
