import {
  concat,
  delay,
  map,
  NEVER,
  of,
  range,
  Subject,
  Subscription,
  throwError,
  timer,
  type SchedulerLike,
} from 'rxjs';
import {
  AdaptiveRateLimiter,
  adaptiveThrottle,
  mergeWithConcurrency,
  QueueOverflowError,
  type CallEvent,
  type CallOutcome,
} from '../../lib';
import { inVirtualTime, rethrow } from '../test-scheduler';

const errorsOf = (outcomes: readonly CallOutcome<unknown, unknown>[]) =>
  outcomes.map((outcome) => [outcome.request, outcome.ok ? 'ok' : (outcome.error as Error).name]);

describe('the queue bound of a limiter', () => {
  it("refuses by the limiter's own policy", () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        scheduler,
        adaptive: false,
        maxQueue: 1,
        overflow: 'drop-oldest',
      });
      const outcomes: CallOutcome<number, number>[] = [];
      of(0, 1, 2)
        .pipe(mergeWithConcurrency((request) => of(request), { limiter }))
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      expect(errorsOf(outcomes)).toEqual([
        [0, 'ok'],
        [1, 'QueueOverflowError'],
        [2, 'ok'],
      ]);
      expect(outcomes[1]).toMatchObject({ error: new QueueOverflowError(1) });
    });
  });

  it('is not for a request that has paid already', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, adaptive: false, maxQueue: 1 });
      const outcomes: CallOutcome<string, string>[] = [];
      // While b arrives behind the throttle, c waits for its permit.
      concat(of('a', 'b'), timer(1005).pipe(map(() => 'c')))
        .pipe(
          adaptiveThrottle(limiter),
          delay(10),
          mergeWithConcurrency((request) => of(request).pipe(delay(5000)), { limiter, maxConcurrent: 1 }),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      expect(errorsOf(outcomes)).toEqual([
        ['a', 'ok'],
        ['b', 'ok'],
        ['c', 'ok'],
      ]);
    });
  });

  it('counts nobody who could have started long since, if only the timer were not late', () => {
    let time = 0;
    const lateScheduler: SchedulerLike = { now: () => time, schedule: () => new Subscription() };
    const limiter = new AdaptiveRateLimiter({
      scheduler: lateScheduler,
      adaptive: false,
      baseInterval: 20,
      maxQueue: 2,
    });
    const full$ = new Subject<string>();
    const free$ = new Subject<string>();
    const started: string[] = [];
    const outcomes: CallOutcome<string, never>[] = [];
    const call = (request: string) => {
      started.push(request);
      return NEVER;
    };
    const subscription = new Subscription();
    for (const [requests$, maxConcurrent] of [
      [full$, 1],
      [free$, 3],
    ] as const) {
      subscription.add(
        requests$
          .pipe(mergeWithConcurrency(call, { limiter, maxConcurrent }))
          .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow }),
      );
    }
    full$.next('a');
    free$.next('b');
    expect(started).toEqual(['a']);
    time = 40;
    full$.next('c');
    expect(started).toEqual(['a', 'b']);
    full$.next('d');
    expect(outcomes).toEqual([]);
    full$.next('e');
    expect(errorsOf(outcomes)).toEqual([['e', 'QueueOverflowError']]);
    subscription.unsubscribe();
  });
});

describe('a request that has paid behind a throttle', () => {
  it('is told once to have been throttled, though the pace holds its start as well', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, adaptive: false, baseInterval: 100 });
      const throttled: [number, number][] = [];
      const starts: number[] = [];
      const events = {
        next(event: CallEvent) {
          if (event.type === 'throttled') {
            throttled.push([event.id, event.waited]);
          }
        },
      };
      // Two slots are freed at once when a request has paid in each hundred milliseconds: the second start is held.
      const lasts: Readonly<Record<string, number>> = { a: 300, b: 200, c: 10, d: 10 };
      of('a', 'b', 'c', 'd')
        .pipe(
          adaptiveThrottle(limiter, { events }),
          mergeWithConcurrency(
            (request) => {
              starts.push(scheduler.now());
              return timer(lasts[request]!);
            },
            { limiter, maxConcurrent: 2, events },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(starts).toEqual([0, 100, 300, 400]);
      const [first] = throttled[0]!;
      expect(throttled).toEqual([
        [first, 100],
        [first + 1, 200],
        [first + 2, 300],
      ]);
    });
  });
});

describe('a hold', () => {
  it('is no quiet, however long it is: what was learned stays', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 1000, minInterval: 10 });
      const refusal = Object.assign(new Error('429'), { status: 429, headers: { 'retry-after': '90' } });
      const intervals: number[] = [];
      range(1, 30)
        .pipe(
          mergeWithConcurrency(
            (request, { attempt }) => {
              intervals.push(limiter.state.currentInterval);
              return request === 10 && attempt === 1 ? throwError(() => refusal) : of(request);
            },
            { limiter, maxConcurrent: 1, retry: true },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
      const [before, after] = intervals.slice(9, 11);
      expect(before).toBeLessThan(500);
      expect(after).toBeLessThanOrEqual(before!);
    });
  });
});

describe('a learned bound on the calls that run', () => {
  it('stops nobody for ever when permits are not given back', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 100 });
      let running = 0;
      const startedAt: number[] = [];
      const ask = () =>
        limiter.acquire().subscribe({
          next: (permit) => {
            startedAt.push(scheduler.now());
            const isRefused = running >= 3;
            const error = Object.assign(new Error('429'), { status: 429 });
            scheduler.schedule(() => isRefused && permit.report({ error }), 50);
            if (!isRefused) {
              running++;
              scheduler.schedule(() => running--, 5000);
            }
          },
          error: rethrow,
        });
      for (let index = 0; index < 60; index++) {
        ask();
      }
      scheduler.flush();
      expect(startedAt).toHaveLength(60);
    });
  });
});

describe('a token budget', () => {
  it.each([
    [
      'one report beside headers that state no limit',
      [{ headers: { 'content-type': 'x' }, usage: { inputTokens: 10 } }],
    ],
    ['two reports', [{ usage: { inputTokens: 4 } }, { usage: { outputTokens: 6 } }]],
  ])('is settled with what was used, by %s', (_name, reports) => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        scheduler,
        baseInterval: 0,
        limits: { tokensPerMinute: 1000 },
      });
      of({ tokens: 900 })
        .pipe(
          mergeWithConcurrency(
            (request, { report }) => {
              for (const feedback of reports) {
                report(feedback);
              }
              return of(request);
            },
            { limiter },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(limiter.state.tokens?.remaining).toBe(990);
    });
  });
});
