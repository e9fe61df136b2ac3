import { asyncScheduler, catchError, map, mergeMap, of, retry, throwError, timer } from 'rxjs';
import { streamClient } from '../client';

/** As many as a service without any thought of limits has at once. */
const concurrent = 10;
const retryDelay = 250;
/** Milliseconds; a request that is always refused would else hold its place for ever. */
const longestTry = 600_000;

// What people write first, and what many stay with: nothing is learned, and nothing is asked of the answers.
export const plain = streamClient({
  name: 'plain',
  title: 'mergeMap + retry',
  setUp: `\`mergeMap(…, ${concurrent})\`, each refused call again after ${retryDelay} ms, for at most ten minutes; stopped after an hour`,
  readsAnswers: false,
  hasPriorities: false,
  // Where refused calls count it hammers on for hours without an answer; an hour shows that as well.
  patience: 3_600_000,
  stream(requests$, provider, { scheduler = asyncScheduler } = {}) {
    return requests$.pipe(
      mergeMap((request) => {
        const start = scheduler.now();
        return provider.call(request).pipe(
          retry({
            delay: (error: unknown) =>
              scheduler.now() - start < longestTry
                ? timer(retryDelay, scheduler)
                : throwError(() => error as Error),
          }),
          map(() => true),
          catchError(() => of(false)),
        );
      }, concurrent),
    );
  },
});
