import { setTimeout as pause } from 'node:timers/promises';
import { Observable } from 'rxjs';
import type { InputItem, NewsEvent } from './news-event';
import type { LookAhead } from './look-ahead';

/** How a recorded input becomes a live one. */
export interface ReplayOptions {
  /** How many times faster than they came; `Infinity`: as fast as there is room. */
  readonly speed: number;
  /** The most events taken. */
  readonly limit: number;
  /** Where an event waits until there is room for it. */
  readonly lookAhead: LookAhead;
  /** Ends the replay, as the end of the input does. */
  readonly signal: AbortSignal;
  /** Hears of every piece that was read, before its event is passed on. */
  readonly onItem: (item: InputItem) => void;
  /** Hears that nothing more will be read. */
  readonly onEnd: () => void;
}

/** Emits events at the times they came at, counted from the first; one that came out of order comes at once. */
export function replay(
  items: AsyncIterable<InputItem> | Iterable<InputItem>,
  { speed, limit, lookAhead, signal, onItem, onEnd }: ReplayOptions,
): Observable<NewsEvent> {
  return new Observable((subscriber) => {
    const left = new AbortController();
    const ended = AbortSignal.any([left.signal, signal]);
    const play = async (): Promise<void> => {
      const startedAt = performance.now();
      let firstTime: number | undefined;
      let taken = 0;
      for await (const item of items) {
        if (item.kind === 'event' && item.event.time !== undefined && speed !== Infinity) {
          firstTime ??= item.event.time;
          const due = startedAt + (item.event.time - firstTime) / speed;
          await pauseUntil(due, ended);
        }
        await lookAhead.enter(ended);
        if (ended.aborted) break;
        onItem(item);
        if (item.kind === 'event') {
          subscriber.next(item.event);
          taken += 1;
        } else {
          lookAhead.leave();
        }
        if (taken >= limit) break;
      }
      onEnd();
    };
    play().then(
      () => subscriber.complete(),
      (error: unknown) => (ended.aborted ? subscriber.complete() : subscriber.error(error)),
    );
    return () => left.abort();
  });
}

/** The longest delay that a timer takes. */
const longestPause = 2 ** 31 - 1;

async function pauseUntil(moment: number, signal: AbortSignal): Promise<void> {
  for (let rest = moment - performance.now(); rest > 0; rest = moment - performance.now()) {
    await pause(Math.min(rest, longestPause), undefined, { signal });
  }
}
