import { from, map, mergeMap, NEVER, of, range, Subject, take, type Observable } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import { CallPriority } from '../../lib/core/priority';
import {
  AdaptiveRateLimiter,
  type Permit,
  type RateLimiterConfig,
} from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, runUntil, rethrow } from '../test-scheduler';

function refusal(headers: Record<string, string> = {}): Error {
  return Object.assign(new Error('refused'), { status: 429, headers });
}

/** A call that ended, as another limiter's pipeline would tell it. */
function finished(result: 'succeeded' | 'failed', startedAt: number, error?: unknown): CallEvent {
  return { type: 'finished', at: startedAt, id: -1, attempt: 1, result, latency: 0, startedAt, error };
}

describe('AdaptiveRateLimiter', () => {
  describe('shared by pipelines', () => {
    it('paces all of them together, in the order of arrival', () => {
      const started: string[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 100, adaptive: false, scheduler });
        const pipeline = (name: string) =>
          range(1, 2)
            .pipe(
              mergeWithConcurrency(
                (number) => {
                  started.push(`${name}${number} at ${scheduler.now()}`);
                  return of(number);
                },
                { limiter },
              ),
            )
            .subscribe();
        pipeline('a');
        pipeline('b');
        scheduler.flush();
      });
      expect(started).toEqual(['a1 at 0', 'a2 at 100', 'b1 at 200', 'b2 at 300']);
    });

    it('passes over the head of a pipeline that has no free slot', () => {
      const started: string[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 10, adaptive: false, scheduler });
        const call = (request: string) => {
          started.push(`${request} at ${scheduler.now()}`);
          return NEVER;
        };
        from(['a1', 'a2'])
          .pipe(mergeWithConcurrency(call, { limiter, maxConcurrent: 1 }))
          .subscribe();
        from(['b1', 'b2'])
          .pipe(mergeWithConcurrency(call, { limiter, maxConcurrent: 2 }))
          .subscribe();
        scheduler.flush();
      });
      expect(started).toEqual(['a1 at 0', 'b1 at 10', 'b2 at 20']);
    });

    it('holds everybody after a 429 until its Retry-After has passed', () => {
      const startedAt: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 10, adaptive: false, scheduler });
        const requests$ = new Subject<number>();
        const call = (request: number) => {
          startedAt.push(scheduler.now());
          if (request === 0) {
            throw refusal({ 'retry-after': '3' });
          }
          return of(request);
        };
        requests$.pipe(mergeWithConcurrency(call, { limiter })).subscribe();
        from([{ priority: CallPriority.CRITICAL }])
          .pipe(
            mergeMap((request) => of(request)),
            take(1),
          )
          .subscribe({ next: () => requests$.next(0), error: rethrow });
        expect(limiter.state).toMatchObject({ heldUntil: 3000, holdReason: 'rate-limited' });
        of({ priority: CallPriority.CRITICAL, number: 1 })
          .pipe(mergeWithConcurrency(({ number }) => call(number), { limiter }))
          .subscribe();
        requests$.next(2);
        scheduler.flush();
        expect(limiter.state).not.toHaveProperty('heldUntil');
      });
      expect(startedAt).toEqual([0, 3000, 3010]);
    });
  });

  describe('adapts', () => {
    const observed = (config: RateLimiterConfig = {}) =>
      inVirtualTime((scheduler) => ({
        scheduler,
        limiter: new AdaptiveRateLimiter({ ...config, scheduler }),
      }));

    it('keeps the interval after one refusal, which tells nothing of the pace', () => {
      const { limiter } = observed({ baseInterval: 1000 });
      limiter.observe(finished('failed', 0, refusal()));
      expect(limiter.state.currentInterval).toBe(1000);
      expect(limiter.state.heldUntil).toBeGreaterThan(0);
    });

    it('lengthens the interval when more are refused the faster it goes, up to maxInterval', () => {
      const intervals: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 20, maxInterval: 300, scheduler });
        let room = 5;
        let filledAt = 0;
        range(0, 400)
          .pipe(
            mergeWithConcurrency(
              () => {
                intervals.push(limiter.state.currentInterval);
                room = Math.min(5, room + (scheduler.now() - filledAt) / 1000);
                filledAt = scheduler.now();
                if (room < 1) {
                  throw refusal();
                }
                room--;
                return of(1);
              },
              { limiter, retry: { random: () => 0.5 } },
            ),
          )
          .subscribe({ error: rethrow });
        scheduler.flush();
      });
      expect(intervals[0]).toBe(20);
      expect(Math.max(...intervals)).toBe(300);
    });

    it('changes nothing for errors that are no refusals', () => {
      const { limiter } = observed({ baseInterval: 1000 });
      limiter.observe(finished('failed', 0, new Error('unknown')));
      limiter.observe(finished('failed', 0, Object.assign(new Error('failed'), { status: 500 })));
      expect(limiter.state.currentInterval).toBe(1000);
    });

    it('takes the rate of the first header that states one, at once', () => {
      const { limiter } = observed();
      limiter.observe({
        type: 'feedback',
        at: 0,
        id: 1,
        startedAt: 0,
        feedback: { headers: { 'x-ratelimit-limit-requests': '600' } },
      });
      expect(limiter.state.currentInterval).toBe(100);
      expect(limiter.state.requests).toMatchObject({ perMinute: 600 });
    });

    it('shrinks the interval while calls succeed and others wait, not below minInterval', () => {
      const intervals: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 1000, minInterval: 500, scheduler });
        range(0, 30)
          .pipe(mergeWithConcurrency((request) => of(request), { limiter }))
          .subscribe({ next: () => intervals.push(limiter.state.currentInterval), error: rethrow });
        scheduler.flush();
      });
      expect(intervals[0]).toBe(1000);
      for (let index = 1; index < intervals.length; index++) {
        expect(intervals[index]).toBeLessThanOrEqual(intervals[index - 1]!);
      }
      expect(Math.min(...intervals)).toBe(500);
    });

    it('does not shrink the interval where nobody waits', () => {
      const { limiter } = observed({ baseInterval: 1000 });
      for (let index = 0; index < 10; index++) {
        limiter.observe(finished('succeeded', 0));
      }
      expect(limiter.state.currentInterval).toBe(1000);
    });

    it('returns to base after a minute of quiet', () => {
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 1000, minInterval: 100, scheduler });
        range(0, 20)
          .pipe(mergeWithConcurrency((request) => of(request), { limiter }))
          .subscribe();
        scheduler.schedule(() => expect(limiter.state.currentInterval).toBeLessThan(500), 20_000);
        scheduler.schedule(() => expect(limiter.state.currentInterval).toBe(1000), 90_000);
        scheduler.flush();
      });
      expect.assertions(2);
    });

    it('keeps the interval at base with adaptive: false', () => {
      const { limiter } = observed({ baseInterval: 1000, adaptive: false });
      limiter.observe(finished('failed', 0, refusal()));
      limiter.observe({
        type: 'feedback',
        at: 0,
        id: 1,
        startedAt: 0,
        feedback: { headers: { 'x-ratelimit-limit-requests': '600' } },
      });
      expect(limiter.state.currentInterval).toBe(1000);
    });
  });

  describe('limits', () => {
    it.each([30, 60, 90])(
      'are never passed with %i requests a minute, not even by CRITICAL',
      (requestsPerMinute) => {
        const startedAt: number[] = [];
        inVirtualTime((scheduler) => {
          const limiter = new AdaptiveRateLimiter({
            baseInterval: 0,
            limits: { requestsPerMinute },
            scheduler,
          });
          range(0, 300)
            .pipe(
              map((number) => ({ number, priority: CallPriority.CRITICAL })),
              mergeWithConcurrency(
                () => {
                  startedAt.push(scheduler.now());
                  return of(1);
                },
                { limiter },
              ),
            )
            .subscribe();
          scheduler.flush();
        });
        expect(startedAt).toHaveLength(300);
        for (const start of startedAt) {
          const inTheMinute = startedAt.filter((other) => other >= start && other < start + 60_000).length;
          expect(inTheMinute).toBeLessThanOrEqual(requestsPerMinute);
        }
      },
    );

    it('never let more tokens start in any minute', () => {
      const starts: { at: number; tokens: number }[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({
          baseInterval: 0,
          limits: { tokensPerMinute: 6000 },
          scheduler,
        });
        range(1, 100)
          .pipe(
            map((number) => ({ tokens: (number * 37) % 1000, priority: CallPriority.CRITICAL })),
            mergeWithConcurrency(
              ({ tokens }) => {
                starts.push({ at: scheduler.now(), tokens });
                return of(1);
              },
              { limiter },
            ),
          )
          .subscribe();
        scheduler.flush();
      });
      for (const { at } of starts) {
        const inTheMinute = starts.filter((other) => other.at >= at && other.at < at + 60_000);
        expect(inTheMinute.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(6000);
      }
      expect(starts).toHaveLength(100);
    });
  });

  describe('acquire', () => {
    const interval = { baseInterval: 10, adaptive: false };
    const named = (permit$: Observable<Permit>, name: string) => permit$.pipe(map(() => name));

    it('emits one permit when its turn has come, and completes', () => {
      runUntil(10, ({ scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ ...interval, scheduler });
        expectObservable(named(limiter.acquire(), 'p')).toBe('(p|)');
        expectObservable(named(limiter.acquire(), 'p')).toBe('10ms (p|)');
      });
    });

    it('lets the more urgent go first', () => {
      runUntil(10 + 3, ({ scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ ...interval, scheduler });
        expectObservable(named(limiter.acquire(), 'a')).toBe('(a|)');
        expectObservable(named(limiter.acquire(), 'b')).toBe('13ms (b|)');
        expectObservable(named(limiter.acquire(CallPriority.CRITICAL), 'c')).toBe('3ms (c|)');
      });
    });

    it('gives the place up when its subscriber leaves', () => {
      runUntil(10, ({ scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ ...interval, scheduler });
        expectObservable(limiter.acquire().pipe(map(() => 'a'))).toBe('(a|)');
        expectObservable(limiter.acquire(), '^----!').toBe('-');
        expectObservable(named(limiter.acquire(), 'c')).toBe('10ms (c|)');
      });
    });

    it('fails with DeadlineExceededError after maxWait', () => {
      runUntil(4, ({ scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ ...interval, scheduler });
        expectObservable(named(limiter.acquire(), 'a')).toBe('(a|)');
        expectObservable(limiter.acquire({ maxWait: 4 })).toBe(
          '----#',
          undefined,
          expect.objectContaining({ code: 'deadline-exceeded', waited: 4 }),
        );
      });
    });

    it.each([
      ['reject', ['a'], 'c'],
      ['drop-oldest', ['a'], 'b'],
    ] as const)(
      'fails with QueueOverflowError where the queue is full, with %s',
      (overflow, _got, refused) => {
        inVirtualTime((scheduler) => {
          const limiter = new AdaptiveRateLimiter({ ...interval, maxQueue: 1, overflow, scheduler });
          const failed: string[] = [];
          for (const name of ['a', 'b', 'c']) {
            limiter.acquire().subscribe({ error: () => failed.push(name) });
          }
          expect(failed).toEqual([refused]);
        });
      },
    );

    it('fails with ClosedError when the limiter is closed, and later too', () => {
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ ...interval, scheduler });
        const codes: unknown[] = [];
        const error = ({ code }: { code: unknown }) => codes.push(code);
        limiter.acquire().subscribe();
        limiter.acquire().subscribe({ error });
        limiter.close();
        limiter.acquire().subscribe({ error });
        expect(codes).toEqual(['closed', 'closed']);
      });
    });

    it('learns from what the permit reports, and nothing from silence', () => {
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 1000, scheduler });
        const permits: Permit[] = [];
        limiter.acquire().subscribe({ next: (permit) => permits.push(permit), error: rethrow });
        limiter.acquire().subscribe();
        permits[0]!.release();
        expect(limiter.state.currentInterval).toBe(1000);
        limiter.acquire().subscribe({ next: (permit) => permits.push(permit), error: rethrow });
        scheduler.flush();
        permits[1]!.report({ error: refusal({ 'retry-after': '7' }) });
        expect(limiter.state.heldUntil).toBe(scheduler.now() + 7000);
      });
    });

    it('refuses what is neither a priority nor traits', () => {
      expect(() => new AdaptiveRateLimiter().acquire('urgent' as never)).toThrow("'urgent'");
    });
  });

  it('starts nothing while it is paused, not even CRITICAL, and goes on when it is resumed', () => {
    runUntil(50, ({ cold, scheduler, expectObservable }) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, scheduler });
      limiter.pause();
      expect(limiter.state.isPaused).toBe(true);
      scheduler.schedule(() => limiter.resume(), 50);
      const request = { priority: CallPriority.CRITICAL };
      expectObservable(cold('(r|)', { r: request }).pipe(adaptiveThrottle(limiter))).toBe('50ms (r|)', {
        r: request,
      });
    });
  });

  it('tells in its state what waits, by priority', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 1000, scheduler });
      const subscription = from(['low', 'low', 'high', 'critical', 'medium'] as const)
        .pipe(
          map((priority) => ({ priority })),
          mergeWithConcurrency(() => NEVER, { limiter }),
        )
        .subscribe();
      expect(limiter.state).toMatchObject({
        queued: 4,
        queuedByPriority: { low: 1, medium: 1, high: 1, critical: 1 },
        isPaused: false,
      });
      subscription.unsubscribe();
      expect(limiter.state.queued).toBe(0);
    });
  });

  it.each<[string, RateLimiterConfig]>([
    ['baseInterval', { baseInterval: -1 }],
    ['baseInterval', { baseInterval: NaN }],
    ['minInterval', { baseInterval: 10, minInterval: 20 }],
    ['maxInterval', { baseInterval: 10, maxInterval: 5 }],
    ['maxInterval', { minInterval: 10, maxInterval: 5 }],
    ['adaptive', { adaptive: 1 as never }],
    ['limits.requestsPerMinute', { limits: { requestsPerMinute: 0 } }],
    ['limits.tokensPerMinute', { limits: { tokensPerMinute: -5 } }],
    ['maxQueue', { maxQueue: 1.5 }],
    ['overflow', { overflow: 'drop' as never }],
    ['classifyError', { classifyError: {} as never }],
  ])('names %s when it is wrong: %p', (field, config) => {
    expect(() => new AdaptiveRateLimiter(config)).toThrow(field);
  });

  it.each<[RateLimiterConfig, number]>([
    [{}, 50],
    [{ minInterval: 5000 }, 5000],
    [{ maxInterval: 20 }, 20],
    [{ baseInterval: 60_000 }, 60_000],
    [{ baseInterval: 0 }, 0],
  ])('lets what is given widen what is omitted: %p', (config, expected) => {
    expect(new AdaptiveRateLimiter(config).state.currentInterval).toBe(expected);
  });
});
