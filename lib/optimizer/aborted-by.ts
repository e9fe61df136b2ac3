import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

/** Errors with the signal's reason, and so leaves, as soon as a signal is aborted. */
export function abortedBy<T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> {
  return (source) =>
    signal
      ? new Observable((subscriber) => {
          const abort = () => subscriber.error(signal.reason);
          if (signal.aborted) {
            abort();
            return;
          }
          signal.addEventListener('abort', abort);
          subscriber.add(() => signal.removeEventListener('abort', abort));
          subscriber.add(source.subscribe(subscriber));
        })
      : source;
}
