import { Subject, takeUntil, type Observable, type Observer, type Subscriber } from 'rxjs';

/**
 * Subscribes to `source` so that it stops as soon as `destination` is closed, even in the middle of a synchronous
 * run of values: a plain inner `subscribe` under `take(1)` would pull all of them, because there is nothing to
 * unsubscribe from before it returns. What `observer.next` throws (a function of the user's, such as `traits`) is the
 * stream's error, as with every operator of RxJS.
 */
export function subscribeWhileOpen<T>(
  source: Observable<T>,
  destination: Subscriber<unknown>,
  observer: Observer<T>,
): void {
  const closed$ = new Subject<void>();
  destination.add(() => closed$.next());
  source.pipe(takeUntil(closed$)).subscribe({
    next: (value) => {
      if (!destination.closed) {
        try {
          observer.next(value);
        } catch (error) {
          destination.error(error);
        }
      }
    },
    error: (error: unknown) => observer.error(error),
    complete: () => {
      if (!destination.closed) {
        observer.complete();
      }
    },
  });
}
