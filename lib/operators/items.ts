import type { CallOutcome } from '../core/call';
import type { StreamChunk, StreamEnd, StreamItem } from '../core/stream';
import type { Ticket } from '../core/ticket';

/** What a run emits: outcomes, or those of stream calls among their chunks. */
export type Emitted<R, V> = CallOutcome<R, V> | StreamItem<R, unknown, V>;

/** The item of a chunk. */
export function chunkOf<R>(
  { id, request }: Ticket<R>,
  index: number,
  chunk: unknown,
): StreamChunk<R, unknown> {
  return { type: 'chunk', id, request, index, chunk };
}

/** The item of an outcome. */
export function itemOf<R, V>({ id }: Ticket<R>, outcome: CallOutcome<R, V>): StreamEnd<R, V> {
  return { type: 'outcome', id, request: outcome.request, outcome };
}
