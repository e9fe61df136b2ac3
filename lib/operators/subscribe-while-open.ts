import { Subject, takeUntil, type Observable, type Observer, type Subscriber } from 'rxjs';
import { Consumer } from '../core/hand-over';

/**
 * Subscribes to `source` so that it stops as soon as `destination` is closed, even in the middle of a synchronous
 * run of values: a plain inner `subscribe` under `take(1)` would pull all of them, because there is nothing to
 * unsubscribe from before it returns.
 */
export function subscribeWhileOpen<T>(
  source: Observable<T>,
  destination: Subscriber<unknown>,
  observer: Observer<T> & { readonly consumer: Consumer },
): void {
  const closed$ = new Subject<void>();
  destination.add(() => closed$.next());
  const next = (value: T) => {
    if (!destination.closed) {
      try {
        observer.next(value);
      } catch (error) {
        // A callback of the user's threw (traits): the stream fails with it, as RxJS's own operators do.
        destination.error(error);
      }
    }
  };
  observer.consumer.subscribe(() => {
    source.pipe(takeUntil(closed$)).subscribe({
      next: (value) => (Consumer.current() ? Consumer.apart(() => next(value)) : next(value)),
      error: (error: unknown) => observer.error(error),
      complete: () => {
        if (!destination.closed) {
          observer.complete();
        }
      },
    });
  });
}
