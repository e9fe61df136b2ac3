import { Observable, Subscription, type Subscriber } from 'rxjs';
import { Consumer } from '../core/hand-over';

/** One subscription of an operator, as the one that its source is asked for. */
export interface OperatorRun<T> {
  readonly consumer: Consumer;
  /** The subscription to its source, where it may have to end that itself. */
  readonly upstream?: Subscription;
  /** Called before the source is subscribed to. */
  open?(): void;
  next(value: T): void;
  complete(): void;
  /** Lets go of everything. */
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
  // The source first: what waits in operators in front must not start while those behind them let go.
  const { upstream = new Subscription() } = run;
  const ownWork = new Subscription(() => run.close());
  destination.add(upstream);
  destination.add(ownWork);
  const fail = (error: unknown) => {
    // Before anyone hears of it, who may subscribe anew: nothing is to start here any more.
    ownWork.unsubscribe();
    destination.error(error);
  };
  const next = (value: T) => {
    if (!destination.closed) {
      const outer = Consumer.suspend();
      try {
        run.next(value);
      } catch (error) {
        // A callback of the user's threw (traits): the stream fails with it, as RxJS's own operators do.
        try {
          upstream.unsubscribe();
        } finally {
          fail(error);
        }
      } finally {
        Consumer.resume(outer);
      }
    }
  };
  run.open?.();
  run.consumer.subscribe(() => {
    new Observable<T>((subscriber) => {
      // Before it is subscribed to anything, so that it closes with the destination from the first value on.
      upstream.add(subscriber);
      source.subscribe(subscriber);
    }).subscribe({
      next,
      error: fail,
      complete: () => {
        if (!destination.closed) {
          run.complete();
        }
      },
    });
  });
}
