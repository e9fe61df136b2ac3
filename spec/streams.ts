import { map, type Observable, type OperatorFunction } from 'rxjs';
import type { CallContext } from '../lib/core/call';
import type { StreamCall, StreamItem } from '../lib/core/stream';

/** A call that streams texts and joins them. */
export function joining<R>(
  open: (request: R, context: CallContext) => Observable<string>,
  others: Partial<StreamCall<R, string, string>> = {},
): StreamCall<R, string, string> {
  return { open, collect: (texts) => texts.join(''), ...others };
}

/** An item in a word: a chunk as it is, `=abc` for the outcome abc, `!Error` for a failed one, with what had come. */
export function shownItem<R>(item: StreamItem<R, string, string>): string {
  if (item.type === 'chunk') {
    return item.chunk;
  }
  const { outcome } = item;
  if (outcome.ok) {
    return `=${outcome.value}`;
  }
  const { error, partial } = outcome;
  const name = error instanceof Error ? error.name : String(error);
  return `!${name}${partial === undefined ? '' : ` after ${partial}`}`;
}

export function showItems<R>(): OperatorFunction<StreamItem<R, string, string>, string> {
  return map(shownItem);
}
