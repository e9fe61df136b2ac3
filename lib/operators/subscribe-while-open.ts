import { Observable, type Subscriber } from 'rxjs';
import { Consumer } from '../core/hand-over';

/** One subscription of an operator, as the one that its source is asked for. */
export interface OperatorRun<T> {
  readonly consumer: Consumer;
  next(value: T): void;
  complete(): void;
}

/**
 * Subscribes to `source` so that it stops as soon as `destination` is closed, even in the middle of a synchronous
 * run of values: a plain inner `subscribe` under `take(1)` would pull all of them, because there is nothing to
 * unsubscribe from before it returns.
 */
export function subscribeWhileOpen<T>(
  source: Observable<T>,
  destination: Subscriber<unknown>,
  run: OperatorRun<T>,
): void {
  const next = (value: T) => {
    if (!destination.closed) {
      try {
        if (Consumer.current()) {
          Consumer.passApart(value, run);
        } else {
          run.next(value);
        }
      } catch (error) {
        // A callback of the user's threw (traits): the stream fails with it, as RxJS's own operators do.
        destination.error(error);
      }
    }
  };
  run.consumer.subscribe(() => {
    new Observable<T>((subscriber) => {
      // Before it is subscribed to anything, so that it closes with the destination from the first value on.
      destination.add(subscriber);
      source.subscribe(subscriber);
    }).subscribe({
      next,
      error: (error: unknown) => destination.error(error),
      complete: () => {
        if (!destination.closed) {
          run.complete();
        }
      },
    });
  });
}
