import { Observable, Subscription, type Subscriber } from 'rxjs';
import { Consumer } from '../core/hand-over';
import { holdStarts } from '../core/held-starts';

/** One subscription of an operator, as the one that its source is asked for. */
export interface OperatorRun<T> {
  readonly consumer: Consumer;
  /** The subscription to its source, if the run may have to end that itself. */
  readonly upstream?: Subscription;
  /** Called before the source is subscribed to. */
  open?(): void;
  next(value: T): void;
  complete(): void;
  /** Cancels all waiting requests and running calls. */
  close(): void;
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
  const { upstream = new Subscription() } = run;
  const ownWork = new Subscription(() => run.close());
  // Operators in front leave as well: until all have left, nothing starts in their place.
  destination.add(() => holdStarts(() => inTurn(upstream, ownWork)));
  const fail = (error: unknown) =>
    holdStarts(() => {
      // Before the subscriber hears of it, who may subscribe anew: nothing is to start here any more.
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
      // A callback of the user's threw (traits): the stream fails with it, as RxJS's own operators do.
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

/** An Observable that stops with `parent` from its first value on, even if it emits all it has while it is subscribed to. */
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
