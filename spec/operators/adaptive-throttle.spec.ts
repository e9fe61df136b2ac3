import { delay, EMPTY, from, mergeMap, of, range, Subject, take, tap } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import { CallPriority } from '../../lib/core/priority';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle, type ThrottleConfig } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { showOutcomes } from '../outcomes';
import { inVirtualTime, runUntil, rethrow } from '../test-scheduler';

/** A limiter whose interval stays three frames. */
const everyThree = { baseInterval: 3, adaptive: false };

describe('adaptiveThrottle', () => {
  describe('paces and loses nothing', () => {
    it('never ends while the source does not', () => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('-');
        expectObservable(source.pipe(adaptiveThrottle(everyThree))).toBe('-');
        expectSubscriptions(source.subscriptions).toBe('^');
      });
    });

    it('completes with an empty source', () => {
      runUntil(2, ({ cold, expectObservable }) => {
        expectObservable(cold('--|').pipe(adaptiveThrottle(everyThree))).toBe('--|');
      });
    });

    it('passes the first request at once, the others an interval apart, and completes with the last', () => {
      runUntil(6, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       abc|     ');
        const expected = '          a--b--(c|)';
        expectObservable(source.pipe(adaptiveThrottle(everyThree))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^--!');
      });
    });

    it('adds no wait to requests that come slowly enough', () => {
      runUntil(10, ({ cold, expectObservable }) => {
        const source = cold('       a---b----c|');
        const expected = '          a---b----c|';
        expectObservable(source.pipe(adaptiveThrottle(everyThree))).toBe(expected);
      });
    });

    it('passes an error of the source on at once and gives the waiting up', () => {
      runUntil(2, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       ab#');
        const expected = '          a-#';
        expectObservable(source.pipe(adaptiveThrottle(everyThree))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-!');
      });
    });

    it('leaves no timer when the subscriber leaves', () => {
      runUntil(4, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       abcd   ');
        const unsubscription = '    ^---!  ';
        const expected = '          a--b-  ';
        expectObservable(source.pipe(adaptiveThrottle(everyThree)), unsubscription).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^---!');
      });
    });

    it('runs anew, with a limiter of its own, for every subscription', () => {
      runUntil(3, ({ cold, expectObservable }) => {
        const throttled$ = cold('ab|').pipe(adaptiveThrottle(everyThree));
        expectObservable(throttled$).toBe('a--(b|)');
        expectObservable(throttled$).toBe('a--(b|)');
      });
    });

    it('loses nothing of 100,000 synchronous requests', () => {
      let count = 0;
      range(0, 100_000)
        .pipe(adaptiveThrottle({ baseInterval: 0, adaptive: false }))
        .subscribe({ next: () => count++, error: rethrow });
      expect(count).toBe(100_000);
    });

    it('pulls the source no further than take(n) needs', () => {
      let pulled = 0;
      range(0, 1000)
        .pipe(
          tap(() => pulled++),
          adaptiveThrottle({ baseInterval: 0, adaptive: false }),
          take(5),
        )
        .subscribe();
      expect(pulled).toBe(5);
    });

    it('takes requests that are made in reaction to those it passes on', () => {
      inVirtualTime((scheduler) => {
        const requests$ = new Subject<number>();
        const passed: [number, number][] = [];
        requests$.pipe(adaptiveThrottle({ ...everyThree, scheduler })).subscribe({
          next: (request) => {
            passed.push([request, scheduler.now()]);
            if (request < 3) {
              requests$.next(request + 1);
            }
          },
          error: rethrow,
        });
        requests$.next(1);
        scheduler.flush();
        expect(passed).toEqual([
          [1, 0],
          [2, 3],
          [3, 6],
        ]);
      });
    });
  });

  describe('priorities', () => {
    it.each([
      [CallPriority.LOW, 1500],
      [CallPriority.MEDIUM, 1000],
      [CallPriority.HIGH, 700],
      [CallPriority.CRITICAL, 300],
    ])('lets %s start %i ms after an earlier start, at an interval of 1000', (priority, wait) => {
      runUntil(wait, ({ cold, expectObservable }) => {
        const requests = { a: { name: 'first' }, b: { name: 'second', priority } };
        const throttled$ = cold('(ab|)', requests).pipe(
          adaptiveThrottle({ baseInterval: 1000, adaptive: false }),
        );
        expectObservable(throttled$).toBe(`a ${wait - 1}ms (b|)`, requests);
      });
    });

    it('lets CRITICAL overtake what waits', () => {
      runUntil(1500, ({ cold, expectObservable }) => {
        const requests = { a: { name: 'a' }, b: { name: 'b' }, c: { priority: CallPriority.CRITICAL } };
        const throttled$ = cold('ab 498ms (c|)', requests).pipe(
          adaptiveThrottle({ baseInterval: 1000, adaptive: false }),
        );
        expectObservable(throttled$).toBe('a 499ms c 999ms (b|)', requests);
      });
    });
  });

  describe('in front of mergeWithConcurrency with the same limiter', () => {
    const objects = { a: { name: 'a' }, b: { name: 'b' }, c: { name: 'c' } };
    const strings = { a: 'same', b: 'same', c: 'other' };

    it.each<[string, Record<string, unknown>]>([
      ['objects', objects],
      ['strings, equal ones too', strings],
    ])('pays once, for %s', (_name, requests) => {
      runUntil(2000, ({ cold, scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({
          baseInterval: 1000,
          adaptive: false,
          limits: { requestsPerMinute: 60 },
          scheduler,
        });
        const outcomes$ = cold('(abc|)', requests).pipe(
          adaptiveThrottle(limiter),
          mergeWithConcurrency((request) => of(request), { limiter }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('a 999ms b 999ms (c|)', requests);
      });
    });

    it.each<[string, Record<string, unknown>]>([
      ['objects', objects],
      ['strings, equal ones too', strings],
    ])('pays once with a delay() between, for %s', (_name, requests) => {
      runUntil(2050, ({ cold, scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 1000, adaptive: false, scheduler });
        const outcomes$ = cold('(abc|)', requests).pipe(
          adaptiveThrottle(limiter),
          delay(50),
          mergeWithConcurrency((request) => of(request), { limiter }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('50ms a 999ms b 999ms (c|)', requests);
      });
    });

    it('asks the pace once more at the start, so that what waited for a slot does not start in a burst', () => {
      const startedAt: number[] = [];
      runUntil(1500, ({ cold, scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 100, adaptive: false, scheduler });
        const outcomes$ = cold('(abcd|)').pipe(
          adaptiveThrottle(limiter),
          mergeWithConcurrency(
            (request) => {
              startedAt.push(scheduler.now());
              return cold(request === 'a' || request === 'b' ? '1s (x|)' : '400ms (x|)');
            },
            { limiter, maxConcurrent: 2 },
          ),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('1s x 99ms x 299ms x 99ms (x|)');
      });
      expect(startedAt).toEqual([0, 100, 1000, 1100]);
    });

    it('holds what has paid while the provider refuses', () => {
      const startedAt: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 10, adaptive: false, scheduler });
        from(['a', 'b', 'c'])
          .pipe(
            adaptiveThrottle(limiter),
            mergeWithConcurrency(
              (request) => {
                startedAt.push(scheduler.now());
                if (request === 'a') {
                  throw Object.assign(new Error('refused'), { status: 429, headers: { 'retry-after': '2' } });
                }
                return of(request);
              },
              { limiter },
            ),
          )
          .subscribe();
        scheduler.flush();
      });
      expect(startedAt).toEqual([0, 2000, 2010]);
    });

    it('lets each retry pay anew', () => {
      const startedAt: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 1000, adaptive: false, scheduler });
        from(['a', 'b'])
          .pipe(
            adaptiveThrottle(limiter),
            mergeWithConcurrency(
              (request, { attempt }) => {
                startedAt.push(scheduler.now());
                if (request === 'a' && attempt === 1) {
                  throw Object.assign(new Error('failed'), { status: 500 });
                }
                return of(request);
              },
              { limiter, retry: { baseDelay: 20, random: () => 0.5 } },
            ),
          )
          .subscribe();
        scheduler.flush();
      });
      expect(startedAt).toEqual([0, 1000, 2000]);
    });

    it('pays each of two different limiters', () => {
      const startedAt: number[] = [];
      inVirtualTime((scheduler) => {
        const own = new AdaptiveRateLimiter({ baseInterval: 100, adaptive: false, scheduler });
        const common = new AdaptiveRateLimiter({ baseInterval: 300, adaptive: false, scheduler });
        range(0, 3)
          .pipe(
            adaptiveThrottle(own),
            mergeWithConcurrency(
              () => {
                startedAt.push(scheduler.now());
                return of(1);
              },
              { limiter: common },
            ),
          )
          .subscribe();
        scheduler.flush();
      });
      expect(startedAt).toEqual([0, 300, 600]);
    });

    it('tells of each request once where both operators have the same listener', () => {
      const told: CallEvent['type'][] = [];
      const events = { next: ({ type }: CallEvent) => told.push(type) };
      const limiter = new AdaptiveRateLimiter();
      of('a')
        .pipe(
          adaptiveThrottle(limiter, { events }),
          mergeWithConcurrency((request) => of(request), { limiter, events }),
        )
        .subscribe();
      expect(told).toEqual(['received', 'started', 'finished', 'settled']);
    });
  });

  describe('refusals', () => {
    it('are the error of the stream when the queue is full', () => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('(abc|)');
        const throttled$ = source.pipe(adaptiveThrottle({ ...everyThree, maxQueue: 1 }));
        expectObservable(throttled$).toBe(
          '(a#)',
          undefined,
          expect.objectContaining({ code: 'queue-overflow' }),
        );
        expectSubscriptions(source.subscriptions).toBe('(^!)');
      });
    });

    it('are the error of the stream when a request has waited maxWait', () => {
      runUntil(2, ({ cold, expectObservable }) => {
        const throttled$ = cold('(ab|)').pipe(adaptiveThrottle(everyThree, { maxWait: 2 }));
        expectObservable(throttled$).toBe(
          'a-#',
          undefined,
          expect.objectContaining({ code: 'deadline-exceeded' }),
        );
      });
    });

    it.each(['reject', 'drop-oldest'] as const)(
      'pass through to be failed without a call, with %s',
      (overflow) => {
        const called: string[] = [];
        runUntil(10, ({ cold, scheduler, expectObservable }) => {
          const pace = { baseInterval: 10, adaptive: false };
          const limiter = new AdaptiveRateLimiter({ ...pace, maxQueue: 1, overflow, scheduler });
          const outcomes$ = cold('(abc|)').pipe(
            adaptiveThrottle(limiter, { refused: 'pass' }),
            mergeWithConcurrency(
              (request) => {
                called.push(request);
                return of(request);
              },
              { limiter },
            ),
            showOutcomes(),
          );
          const answered = overflow === 'reject' ? 'b' : 'c';
          expectObservable(outcomes$).toBe(`(aQ)------(${answered}|)`, {
            a: 'a',
            b: 'b',
            c: 'c',
            Q: 'QueueOverflowError',
          });
        });
        expect(called).toHaveLength(2);
      },
    );

    it('leave nothing waiting when dropping the oldest ended the stream', () => {
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({
          ...everyThree,
          maxQueue: 1,
          overflow: 'drop-oldest',
          scheduler,
        });
        from(['a', 'b', 'c'])
          .pipe(adaptiveThrottle(limiter))
          .subscribe({ error: () => undefined });
        expect(limiter.state.queued).toBe(0);
      });
    });
  });

  describe('without an operator of ours behind it', () => {
    it('counts the wait of an equal request from its own arrival', () => {
      runUntil(5001, ({ cold, expectObservable }) => {
        const throttled$ = cold('a 4999ms a|').pipe(
          adaptiveThrottle(everyThree, { maxWait: 1000 }),
          mergeMap((request) => of(request)),
        );
        expectObservable(throttled$).toBe('a 4999ms a|');
      });
    });

    it('tells of the arrival of every one of many equal requests', () => {
      const told: CallEvent['type'][] = [];
      const request = { name: 'a' };
      from([request, request, request])
        .pipe(
          adaptiveThrottle({ baseInterval: 0 }, { events: { next: ({ type }) => told.push(type) } }),
          mergeMap(() => EMPTY),
        )
        .subscribe();
      expect(told).toEqual(['received', 'received', 'received']);
    });
  });

  describe('configs', () => {
    it.each<[string, () => unknown]>([
      ['baseInterval', () => adaptiveThrottle({ baseInterval: -1 })],
      ['maxWait', () => adaptiveThrottle({}, { maxWait: -1 })],
      ['refused', () => adaptiveThrottle({}, { refused: 'drop' } as unknown as ThrottleConfig<unknown>)],
      ['traits', () => adaptiveThrottle({}, { traits: 1 } as unknown as ThrottleConfig<unknown>)],
      ['events', () => adaptiveThrottle({}, { events: {} } as unknown as ThrottleConfig<unknown>)],
    ])('name %s when it is wrong', (field, make) => {
      expect(make).toThrow(field);
    });
  });

  it('makes an error of the traits reader the error of the stream', () => {
    runUntil(0, ({ cold, expectObservable }) => {
      const traits = () => {
        throw new Error('no traits');
      };
      expectObservable(cold('a').pipe(adaptiveThrottle({}, { traits }))).toBe(
        '#',
        undefined,
        new Error('no traits'),
      );
    });
  });

  it('tells how long a request waited for its permit, and of those who left', () => {
    const told: Partial<CallEvent>[] = [];
    runUntil(4, ({ cold, expectObservable }) => {
      const events = { next: (event: CallEvent) => told.push(event) };
      expectObservable(cold('(abc)').pipe(adaptiveThrottle(everyThree, { events })), '^---!').toBe('a--b-');
    });
    expect(told).toMatchObject([
      { type: 'received', at: 0 },
      { type: 'received', at: 0 },
      { type: 'received', at: 0 },
      { type: 'throttled', at: 3, waited: 3 },
      { type: 'left', at: 4 },
    ]);
  });
});
