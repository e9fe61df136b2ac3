import { from, map, mergeMap, NEVER, of, range, throwError, timer, type Observable } from 'rxjs';
import type { CallContext } from '../../lib/core/call';
import type { CallTraits } from '../../lib/core/traits';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { knownLimitsOf, type KnownLimits } from '../../lib/limiter/known-limits';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, rethrow } from '../test-scheduler';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

function failure(status: number, headers: Record<string, string> = {}): Error {
  return Object.assign(new Error(`status ${status}`), { status, headers });
}

describe('limits that the user gives', () => {
  it.each<[KnownLimits, number, number]>([
    [{ requestsPerMinute: 250 }, 250, minute],
    [{ tokensPerMinute: 1000 }, 10, minute],
    [{ inputTokensPerMinute: 2000 }, 20, minute],
    [{ outputTokensPerMinute: 3050 }, 30, minute],
    [{ requestsPerDay: 100 }, 100, day],
    [{ requestsPerMinute: 0.5 }, 1, 2 * minute],
  ])('%j let %i calls of 100 tokens start at once, and as many after each window', (limits, most, window) => {
    const startedAt: number[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, limits, scheduler });
      range(0, 3 * most)
        .pipe(
          mergeWithConcurrency(
            (request) => {
              startedAt.push(scheduler.now());
              return of(request);
            },
            { limiter, traits: () => ({ tokens: 100 }) },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
    });
    const expected = [0, window, 2 * window].flatMap((at) => Array.from({ length: most }, () => at));
    expect(startedAt).toEqual(expected);
  });

  it('are half a request a minute as one in two minutes', () => {
    expect(knownLimitsOf({ requestsPerMinute: 0.5, tokensPerMinute: 0.5 })).toEqual([
      { name: 'limits.requestsPerMinute', dimension: 'requests', limit: 1, window: 2 * minute },
      { name: 'limits.tokensPerMinute', dimension: 'tokens', limit: 0.5, window: minute },
    ]);
  });

  it('count a request that has paid and waits longer than the window from its start', () => {
    const startedAt: number[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        baseInterval: 0,
        limits: { requestsPerMinute: 10 },
        scheduler,
      });
      const maxConcurrent$ = timer(150_000).pipe(map(() => 100));
      range(0, 30)
        .pipe(
          adaptiveThrottle(limiter),
          mergeWithConcurrency(
            (request) => {
              startedAt.push(scheduler.now());
              return request < 3 ? timer(149_000).pipe(map(() => request)) : of(request);
            },
            { limiter, maxConcurrent: maxConcurrent$ },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
    });
    expect(startedAt).toHaveLength(30);
    for (const at of startedAt) {
      expect(startedAt.filter((other) => other >= at && other < at + minute).length).toBeLessThanOrEqual(10);
    }
  });
});

describe('what a call reserved and did not use', () => {
  /** Makes calls of so many tokens that end so; tells how many tokens of 60,000 are left then. */
  function leftAfter(
    tokens: number[],
    call: (context: CallContext) => Observable<unknown>,
    millisecondsLater = 1000,
  ): number {
    return inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        baseInterval: 0,
        limits: { tokensPerMinute: 60_000, requestsPerMinute: 100 },
        scheduler,
      });
      const subscription = from(tokens)
        .pipe(
          mergeWithConcurrency((_request: number, context) => call(context), {
            limiter,
            traits: (request) => ({ tokens: request }),
          }),
        )
        .subscribe({ error: rethrow });
      let left = NaN;
      scheduler.schedule(() => {
        subscription.unsubscribe();
        left = limiter.state.tokens!.remaining;
        // Each call has started, and a start is a start.
        expect(limiter.state.requests!.remaining).toBe(100 - tokens.length);
      }, millisecondsLater);
      scheduler.flush();
      return left;
    });
  }
  const failed = (error: Error) => () => timer(50).pipe(mergeMap(() => throwError(() => error)));

  it.each([
    ['one that announced nonsense', [1e9]],
    ['three honest ones', [20_000, 20_000, 20_000]],
  ])('is given back where it fails: %s', (_name, tokens) => {
    expect(leftAfter(tokens, failed(failure(400)))).toBe(60_000);
  });

  it('is given back where it is refused', () => {
    expect(leftAfter([20_000], failed(failure(429)))).toBe(60_000);
  });

  it('is given back where it is abandoned', () => {
    expect(leftAfter([20_000], () => NEVER)).toBe(60_000);
  });

  it('is what remains where it fails after it has reported usage', () => {
    const call = ({ report }: CallContext) => {
      report({ usage: { inputTokens: 300, outputTokens: 200 } });
      return failed(failure(500))();
    };
    expect(leftAfter([20_000], call)).toBe(59_500);
  });

  it('is kept where it succeeds in silence: nothing better is known', () => {
    expect(leftAfter([20_000], () => of(1))).toBe(40_000);
  });

  it('lets the next request start at once: R1', () => {
    const answeredAt: number[] = [];
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({
        baseInterval: 0,
        retry: false,
        limits: { tokensPerMinute: 60_000 },
        scheduler,
      });
      of({ name: 'bad', tokens: 1e9 }, { name: 'good', tokens: 60_000 })
        .pipe(optimizer.optimize(({ name }) => (name === 'bad' ? failed(failure(400))() : of(name))))
        .subscribe({ next: () => answeredAt.push(scheduler.now()), error: rethrow });
      scheduler.flush();
    });
    expect(answeredAt).toEqual([50, 50]);
  });

  it('is given back with its request where it has paid and never starts', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        baseInterval: 0,
        limits: { tokensPerMinute: 1000, requestsPerMinute: 100 },
        scheduler,
      });
      const subscription = range(0, 5)
        .pipe(
          adaptiveThrottle(limiter, { traits: () => ({ tokens: 100 }) }),
          mergeWithConcurrency(() => NEVER, { limiter, maxConcurrent: 2, maxWait: 5000 }),
        )
        .subscribe({ error: rethrow });
      expect([limiter.state.tokens!.remaining, limiter.state.requests!.remaining]).toEqual([500, 95]);
      scheduler.schedule(() => {
        expect([limiter.state.tokens!.remaining, limiter.state.requests!.remaining]).toEqual([800, 98]);
        subscription.unsubscribe();
      }, 5001);
      scheduler.flush();
    });
    expect.assertions(2);
  });

  describe('by a permit', () => {
    /** When a second permit for all there is comes, after a first that is held for so long. */
    function secondAfter(first: CallTraits, heldFor: number | undefined): number {
      return inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({
          baseInterval: 0,
          limits: { tokensPerMinute: 1000 },
          scheduler,
        });
        limiter.acquire(first).subscribe({
          next: (permit) => {
            if (heldFor === 0) {
              permit.release();
            } else if (heldFor !== undefined) {
              scheduler.schedule(() => permit.release(), heldFor);
            }
          },
          error: rethrow,
        });
        let at = NaN;
        limiter.acquire({ tokens: 1000 }).subscribe({ next: () => (at = scheduler.now()), error: rethrow });
        scheduler.flush();
        return at;
      });
    }

    it('is given back where the permit is released at once: no call was made', () => {
      expect(secondAfter({ tokens: 1e12 }, 0)).toBe(0);
    });

    it('counts for its minute where the permit is released later, or never', () => {
      expect(secondAfter({ tokens: 1e12 }, 2000)).toBe(minute);
      expect(secondAfter({ tokens: 500 }, undefined)).toBe(minute);
    });
  });
});

describe('a limit that the provider stated', () => {
  it('holds until the reset that was stated with it, however long nobody speaks: R7', () => {
    const startedAt: number[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, scheduler });
      const headers = () => ({
        'x-ratelimit-limit-requests-day': '5',
        'x-ratelimit-remaining-requests-day': '0',
        'x-ratelimit-reset-requests-day': `${(day - scheduler.now()) / 1000}s`,
      });
      of('the last of five')
        .pipe(
          mergeWithConcurrency(
            (request, { report }) => {
              report({ headers: headers() });
              return of(request);
            },
            { limiter },
          ),
        )
        .subscribe({ error: rethrow });
      range(0, 5)
        .pipe(
          mergeWithConcurrency(
            (request) => {
              const now = scheduler.now();
              startedAt.push(now);
              const stated = headers();
              return timer(50).pipe(
                map(() => {
                  if (now < day) {
                    throw failure(429, stated);
                  }
                  return request;
                }),
              );
            },
            { limiter, maxConcurrent: 100, retry: { maxElapsed: Infinity, random: () => 0.5 } },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
    });
    expect(startedAt.filter((at) => at < day).length).toBeLessThanOrEqual(1);
    expect(startedAt.filter((at) => at >= day && at < day + 1000)).toHaveLength(5);
  });
});
