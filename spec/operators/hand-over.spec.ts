import { concat, delay, of, type Observable } from 'rxjs';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, rethrow } from '../test-scheduler';

/** How long each request of a source that emits at once waited, in all, for a permit every 10 ms. */
function waits(
  source: (limiter: AdaptiveRateLimiter) => Observable<string>,
  answer: (request: string, limiter: AdaptiveRateLimiter) => void = () => undefined,
): string[] {
  const told: string[] = [];
  inVirtualTime((scheduler) => {
    const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 10, adaptive: false });
    const call = (request: string) => {
      answer(request, limiter);
      return of(request);
    };
    source(limiter)
      .pipe(mergeWithConcurrency(call, { limiter }))
      .subscribe({ next: ({ request, waited }) => told.push(`${request}: ${waited}`), error: rethrow });
    scheduler.flush();
  });
  return told;
}

describe('what is known of a request', () => {
  it('reaches an operator that has been sent others before, by a source that emits at once', () => {
    // From its arrival at the throttle: a permit after 10 ms, which is not paid for again, and 5 ms on the way.
    expect(waits((limiter) => concat(of('x'), of('a').pipe(adaptiveThrottle(limiter), delay(5))))).toEqual([
      'x: 0',
      'a: 15',
    ]);
  });

  it('does not reach an operator whose source emits while a pipeline of another is made', () => {
    const told = waits(
      () => concat(of('x'), of('a').pipe(delay(100))),
      (request, limiter) => {
        if (request === 'x') {
          of('a').pipe(adaptiveThrottle(limiter)).subscribe({ error: rethrow });
        }
      },
    );
    expect(told).toEqual(['x: 0', 'a: 0']);
  });
});
