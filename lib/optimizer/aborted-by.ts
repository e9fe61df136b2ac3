import { Observable, type MonoTypeOperatorFunction } from 'rxjs';
import { holdStarts } from '../core/held-starts';

/** The callbacks for each signal. A signal gets one listener, because platforms warn of more than ten. */
const hearers = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back once when a signal is aborted, or at once if it already is. Returns a function that removes the callback.
 */
export function onAbort(signal: AbortSignal | undefined, aborted: () => void): () => void {
  if (!signal) {
    return () => undefined;
  }
  if (typeof (signal as Partial<AbortSignal>).addEventListener !== 'function') {
    throw new TypeError('signal must be an AbortSignal.');
  }
  if (signal.aborted) {
    aborted();
    return () => undefined;
  }
  const heard = () => aborted();
  const all = hearers.get(signal) ?? hear(signal);
  all.add(heard);
  return () => {
    all.delete(heard);
    if (all.size === 0 && hearers.delete(signal)) {
      signal.removeEventListener('abort', tellAll);
    }
  };
}

/** Fails with the reason of a signal when it is aborted, and unsubscribes from the source. */
export function abortedBy<T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable((subscriber) => {
      subscriber.add(onAbort(signal, () => subscriber.error(signal?.reason)));
      if (!subscriber.closed) {
        subscriber.add(source.subscribe(subscriber));
      }
    });
}

function hear(signal: AbortSignal): Set<() => void> {
  const all = new Set<() => void>();
  hearers.set(signal, all);
  signal.addEventListener('abort', tellAll, { once: true });
  return all;
}

function tellAll(this: AbortSignal): void {
  const all = hearers.get(this);
  hearers.delete(this);
  // No call may start in place of one that is given up for the same reason.
  holdStarts(() => {
    for (const aborted of all ?? []) {
      aborted();
    }
  });
}
