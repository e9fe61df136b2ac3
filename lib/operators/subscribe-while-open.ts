import { Observable, Subscription, type Subscriber } from 'rxjs';
import { Consumer } from '../core/hand-over';
import { holdStarts } from '../core/held-starts';

/** One subscription of an operator. */
export interface OperatorRun<T> {
  readonly consumer: Consumer;
  /** The subscription to its source, if the run may have to end it itself. */
  readonly upstream?: Subscription;
  open?(): void;
  next(value: T): void;
  complete(): void;
  close(): void;
}

/**
 * Subscribes to `source` and stops as soon as `destination` is closed, even during synchronous emissions. A plain inner
 * `subscribe` under `take(1)` would pull all values, because there is no subscription to end before it returns.
 */
export function subscribeWhileOpen<T>(
  source: Observable<T>,
  destination: Subscriber<unknown>,
  run: OperatorRun<T>,
): void {
  const { upstream = new Subscription() } = run;
  const ownWork = new Subscription(() => run.close());
  // Operators in front leave too. Until all have left, no call may start.
  destination.add(() => holdStarts(() => inTurn(upstream, ownWork)));
  const fail = (error: unknown) =>
    holdStarts(() => {
      // Before the subscriber is notified, because it may subscribe again: nothing may start here any more.
      ownWork.unsubscribe();
      destination.error(error);
    });
  const next = (value: T) => {
    if (destination.closed) {
      return;
    }
    const outer = Consumer.suspend();
    try {
      run.next(value);
    } catch (error) {
      // User code (traits) threw, so the stream fails, as in RxJS's own operators.
      holdStarts(() => {
        try {
          upstream.unsubscribe();
        } finally {
          fail(error);
        }
      });
    } finally {
      Consumer.resume(outer);
    }
  };
  run.open?.();
  run.consumer.subscribe(() =>
    subscribeUnder<T>(upstream, (subscriber) => source.subscribe(subscriber)).subscribe({
      next,
      error: fail,
      complete: () => {
        if (!destination.closed) {
          run.complete();
        }
      },
    }),
  );
}

/** An Observable that stops with `parent`, even if it emits all its values synchronously. */
export function subscribeUnder<T>(
  parent: Subscription,
  subscribe: (subscriber: Subscriber<T>) => void,
): Observable<T> {
  return new Observable<T>((subscriber) => {
    parent.add(subscriber);
    subscribe(subscriber);
  });
}

function inTurn(first: Subscription, second: Subscription): void {
  try {
    first.unsubscribe();
  } finally {
    second.unsubscribe();
  }
}
