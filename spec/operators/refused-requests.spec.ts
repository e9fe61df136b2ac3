import {
  catchError,
  concat,
  from,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  take,
  throwError,
  timer,
} from 'rxjs';
import {
  AdaptiveRateLimiter,
  adaptiveThrottle,
  DeadlineExceededError,
  LLMCallOptimizer,
  mergeWithConcurrency,
  QuotaSpentError,
  type CallEvent,
  type CallOutcome,
  type OptimizerConfig,
} from '../../lib';
import { inVirtualTime, rethrow, type WatchedTestScheduler } from '../test-scheduler';

const minute = 60_000;
const hour = 60 * minute;

const refusal = (fields: object = {}) => ({ status: 429, ...fields });
const spentFor = (seconds: number) => refusal({ headers: { 'retry-after': String(seconds) } });

/** Fails after a time. */
const failing = (after: number, error: object) =>
  timer(after).pipe(mergeMap(() => throwError(() => Object.assign(new Error('failed'), error))));

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

interface Ended {
  readonly at: number;
  readonly request: unknown;
  readonly ok: boolean;
  readonly attempts: number;
  readonly error: unknown;
}

/** What comes out of an optimizer, and when. */
function outcomesOf(
  config: OptimizerConfig,
  requests: Iterable<unknown>,
  call: (request: unknown, now: () => number) => Observable<unknown>,
): Ended[] {
  return inVirtualTime((scheduler) => {
    const optimizer = new LLMCallOptimizer({ enableCache: false, scheduler, ...config });
    const ended: Ended[] = [];
    from(requests)
      .pipe(optimizer.optimize((request: unknown) => call(request, () => scheduler.now())))
      .subscribe({ next: (outcome) => ended.push(endedAt(scheduler, outcome)), error: rethrow });
    scheduler.flush();
    return ended;
  });
}

function endedAt(scheduler: WatchedTestScheduler, outcome: CallOutcome<unknown, unknown>): Ended {
  const { ok, request, attempts } = outcome;
  return { at: scheduler.now(), request, ok, attempts, error: ok ? undefined : outcome.error };
}

describe('a request that is refused', () => {
  it('stands behind all of its class that were not, also behind those that come later', () => {
    const started: string[] = [];
    inVirtualTime((scheduler) => {
      const later = timer(1000).pipe(mergeMap(() => ['d', 'e']));
      concat(of('bad', 'a', 'b', 'c'), later)
        .pipe(
          mergeWithConcurrency(
            (request) => {
              started.push(request);
              const isFirst = started.length === 1;
              return isFirst ? failing(10, refusal()) : timer(600).pipe(map(() => request));
            },
            { maxConcurrent: 1, retry: { random: () => 0.5 }, scheduler },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
    });
    expect(started).toEqual(['bad', 'a', 'b', 'c', 'd', 'e', 'bad']);
  });

  it('stands at the front when it failed for another reason', () => {
    const started: string[] = [];
    inVirtualTime((scheduler) => {
      from(['bad', 'a', 'b', 'c'])
        .pipe(
          mergeWithConcurrency(
            (request) => {
              started.push(request);
              const isFirst = started.length === 1;
              return isFirst ? failing(10, { status: 500 }) : timer(600).pipe(map(() => request));
            },
            { maxConcurrent: 1, retry: { random: () => 0.5 }, scheduler },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
    });
    expect(started).toEqual(['bad', 'a', 'bad', 'b', 'c']);
  });

  it.each<[string, { maxWait?: number; retry: object }, number]>([
    ['maxWait', { maxWait: 20_000, retry: {} }, 10_000],
    ['retry.maxElapsed', { retry: { maxElapsed: 12_000 } }, 6000],
  ])('stands at the front when half of its time until %s is over', (_name, config, half) => {
    const starts: [number, string][] = [];
    inVirtualTime((scheduler) => {
      const requests$ = new Subject<string>();
      requests$
        .pipe(
          mergeWithConcurrency(
            (request) => {
              starts.push([scheduler.now(), request]);
              // One takes the place of the other, so that there is always one that was not refused.
              requests$.next('other');
              return starts.length === 1 ? failing(0, refusal()) : timer(1000);
            },
            {
              maxConcurrent: 1,
              scheduler,
              ...config,
              retry: { random: () => 0.5, ...config.retry },
              traits: (request) => (request === 'other' ? { maxWait: Infinity } : {}),
            },
          ),
          take(30),
        )
        .subscribe({ error: rethrow });
      requests$.next('bad');
      scheduler.flush();
    });
    const again = starts.slice(1).find(([, request]) => request === 'bad')?.[0];
    expect(again).toBeGreaterThanOrEqual(half);
    expect(again).toBeLessThanOrEqual(half + 1000);
  });

  it('keeps others from starting no longer than the limiter holds them, however often it is refused', () => {
    const ended = outcomesOf(
      { maxConcurrent: 10, baseInterval: 100 },
      ['bad', 'a', 'b', 'c', 'd', 'e'],
      (request) =>
        request === 'bad' ? failing(200, refusal()) : timer(500).pipe(map((): unknown => request)),
    );
    expect(ended.map(({ request, ok }) => [request, ok])).toEqual([
      ...['a', 'b', 'c', 'd', 'e'].map((request) => [request, true]),
      ['bad', false],
    ]);
    expect(ended[4]!.at).toBeLessThan(minute);
    expect(ended[5]).toMatchObject({ error: refusal() });
    expect(ended[5]!.at).toBeLessThanOrEqual(600_000);
  });

  it('backs off by itself, also where the limiter holds everybody', () => {
    const delays: number[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 0 });
      const hints = [undefined, '7', undefined];
      let calls = 0;
      of('a')
        .pipe(
          mergeWithConcurrency(
            (request) => {
              const hint = hints[calls++];
              return calls > 3
                ? of(request)
                : failing(0, refusal({ headers: hint === undefined ? {} : { 'retry-after': hint } }));
            },
            {
              limiter,
              retry: { random: () => 0.5, baseDelay: 400 },
              events: { next: (event) => event.type === 'retrying' && delays.push(event.delay) },
            },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
    });
    expect(delays).toEqual([200, 7000, 800]);
  });
});

describe('retry.maxElapsed', () => {
  it('rings by itself: all that are refused from the start fail after it (R6)', () => {
    const ended = outcomesOf({ maxConcurrent: 100, baseInterval: 0 }, numbers(100), () =>
      failing(20, refusal()),
    );
    expect(ended).toHaveLength(100);
    expect(ended.every(({ error }) => (error as { status: number }).status === 429)).toBe(true);
    expect(Math.min(...ended.map(({ at }) => at))).toBeGreaterThan(540_000);
    expect(Math.max(...ended.map(({ at }) => at))).toBeLessThan(660_000);
  });

  it('is the time of those, too, that never started while the provider refused all calls', () => {
    const ended = outcomesOf({ maxConcurrent: 2, baseInterval: 1000 }, numbers(300), () =>
      failing(20, refusal()),
    );
    expect(ended).toHaveLength(300);
    expect(Math.min(...ended.map(({ at }) => at))).toBeGreaterThan(540_000);
    expect(Math.max(...ended.map(({ at }) => at))).toBeLessThan(670_000);
    const unstarted = ended.filter(({ attempts }) => attempts === 0).map(({ error }) => error);
    expect(unstarted.length).toBeGreaterThan(100);
    for (const error of unstarted) {
      expect(error).toBeInstanceOf(DeadlineExceededError);
      expect(error).toMatchObject({ cause: refusal() });
      expect((error as Error).message).toContain('retry.maxElapsed');
    }
  });

  it('does not run on while everybody waits because the provider asked for it', () => {
    const ended = outcomesOf(
      { maxConcurrent: 3, baseInterval: 0, retry: { maxElapsed: 60_000 } },
      numbers(6),
      (request, now) => (now() < 150_000 ? failing(10, spentFor(50)) : of(request)),
    );
    expect(ended.map(({ ok }) => ok)).toEqual(Array(6).fill(true));
    expect(ended.some(({ attempts }) => attempts > 1)).toBe(true);
  });
});

describe('a quota that is spent until a time', () => {
  const day = 24 * hour;

  it('fails at once where the refusal does not say until when (L3)', () => {
    const body = {
      type: 'budget_exceeded',
      code: '429',
      message: 'Budget has been exceeded! Current cost: 12.5, Max budget: 10.0',
    };
    let calls = 0;
    const ended = outcomesOf({}, numbers(20), () => {
      calls++;
      return failing(100, { status: 429, error: body });
    });
    expect(ended).toHaveLength(20);
    expect(calls).toBe(20);
    expect(Math.max(...ended.map(({ at }) => at))).toBeLessThan(30_000);
  });

  it('fails all who cannot wait so long, together and at once, and those who come later', () => {
    const ended: Ended[] = [];
    let calls = 0;
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, enableCache: false, baseInterval: 0 });
      const call = () => {
        calls++;
        return failing(100, spentFor(3600));
      };
      concat(from(numbers(50)), timer(30 * minute))
        .pipe(optimizer.optimize(call))
        .subscribe({ next: (outcome) => ended.push(endedAt(scheduler, outcome)), error: rethrow });
      scheduler.flush();
    });
    // Those that run when it is heard are refused themselves.
    expect(calls).toBe(3);
    expect(ended.map(({ at }) => at)).toEqual([...Array<number>(50).fill(100), 30 * minute]);
    for (const { error } of ended) {
      expect(error).toBeInstanceOf(QuotaSpentError);
      expect(error).toMatchObject({ code: 'quota-spent', until: hour + 100, cause: spentFor(3600) });
    }
    expect((ended[0]!.error as Error).message).toContain('1970-01-01T01:00:00.100Z, for another 1 h');
  });

  it('serves those who can wait when it is over', () => {
    const ended = outcomesOf(
      { retry: { maxElapsed: 2 * hour }, baseInterval: 0 },
      [1, 2, 3, 4, 5].map((id) => ({ id, ...(id % 2 === 0 && { maxWait: 30 * minute }) })),
      (request, now) => (now() < hour ? failing(100, spentFor(3600)) : of(request)),
    );
    const told = ended.map(({ at, request, ok }) => [at < hour, (request as { id: number }).id, ok]);
    expect(told.slice(0, 2)).toEqual([
      [true, 4, false],
      [true, 2, false],
    ]);
    expect(told.slice(2).sort()).toEqual([1, 3, 5].map((id) => [false, id, true]));
    expect(ended.slice(0, 2).map(({ at }) => at)).toEqual([100, 100]);
  });

  it('reaches promises, and requests that share a call', async () => {
    const ended: [number, string, unknown][] = [];
    await inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, baseInterval: 0, maxConcurrent: 1 });
      const call = () => failing(100, spentFor(3600));
      const results = ['a', 'b', 'b', 'c'].map((request) =>
        optimizer.call(call, { request }, { namespace: 'x' }).catch((error: unknown) => {
          ended.push([scheduler.now(), request, (error as Error).name]);
        }),
      );
      scheduler.flush();
      return Promise.all(results);
    });
    expect(ended.map(([at, request, name]) => [at, request, name]).sort()).toEqual(
      ['a', 'b', 'b', 'c'].map((request) => [100, request, 'QuotaSpentError']),
    );
  });

  it('reaches every pipeline that shares the limiter, a throttle and acquire()', () => {
    const told: [number, string, string][] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 1000, adaptive: false });
      const tell = (who: string) => (error: unknown) => {
        told.push([scheduler.now(), who, (error as Error).name]);
        return of(undefined);
      };
      const call = () => failing(100, spentFor(86_400));
      const pipeline = (who: string, config: object, requests$ = of(1, 2)) =>
        requests$
          .pipe(
            mergeWithConcurrency(call, { limiter, ...config }),
            mergeMap((outcome) => (outcome.ok ? NEVER : tell(who)(outcome.error))),
          )
          .subscribe({ error: rethrow });
      const permit = (who: string) => limiter.acquire({ maxWait: hour }).pipe(catchError(tell(who)));
      pipeline('first', { retry: true });
      pipeline('second', { retry: true });
      pipeline('short of time', { maxWait: hour });
      pipeline('patient', {});
      permit('permit').subscribe({ error: rethrow });
      of('a')
        .pipe(adaptiveThrottle(limiter, { maxWait: hour }), catchError(tell('throttle')))
        .subscribe({ error: rethrow });
      timer(5000)
        .pipe(mergeMap(() => permit('late permit')))
        .subscribe({ error: rethrow });
      pipeline('late', { retry: true }, timer(5000).pipe(mergeMap(() => [1, 2])));
      timer(day + 2000).subscribe({
        next: () => told.push([scheduler.now(), 'a day later', '']),
        error: rethrow,
      });
      scheduler.flush();
    });
    const soon = told.slice(
      0,
      told.findIndex(([, who]) => who === 'a day later'),
    );
    const spent = 'QuotaSpentError';
    expect(soon.filter(([at]) => at === 100).sort()).toEqual(
      [...['first', 'first', 'second', 'second', 'short of time', 'short of time', 'permit', 'throttle']]
        .map((who) => [100, who, spent])
        .sort(),
    );
    expect(soon.filter(([at]) => at === 5000)).toEqual([
      [5000, 'late permit', spent],
      [5000, 'late', spent],
      [5000, 'late', spent],
    ]);
    expect(told.filter(([, who]) => who === 'patient').every(([at]) => at > day)).toBe(true);
  });

  it('tells each request once, whatever those do who hear of it', () => {
    const ended: unknown[] = [];
    const steps: CallEvent['type'][] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 0 });
      const events = { next: ({ type }: CallEvent) => steps.push(type) };
      const requests$ = new Subject<number>();
      requests$
        .pipe(
          mergeWithConcurrency((request) => (request === 0 ? failing(10, spentFor(3600)) : NEVER), {
            limiter,
            maxConcurrent: 1,
            retry: true,
            events,
          }),
          take(3),
        )
        .subscribe({
          next: ({ request }) => {
            ended.push(request);
            requests$.next(request + 10);
          },
          error: rethrow,
        });
      numbers(6).forEach((request) => requests$.next(request));
      scheduler.flush();
    });
    expect(ended).toHaveLength(3);
    const count = (type: CallEvent['type']) => steps.filter((one) => one === type).length;
    expect(count('received')).toBe(count('settled') + count('left'));
    expect(count('started')).toBe(count('finished'));
    expect(count('retrying')).toBe(0);
  });
});

describe('an outage', () => {
  it.each<[string, object]>([
    ['refused connections', { code: 'ECONNREFUSED' }],
    ['a burst of 503', { status: 503 }],
  ])('of ten minutes loses none but those that failed before it was noticed: %s (R17)', (_name, error) => {
    const begin = 2 * minute;
    const ended = outcomesOf({ maxConcurrent: 10, baseInterval: 100 }, numbers(2000), (request, now) =>
      now() >= begin && now() < begin + 10 * minute
        ? failing(50, error)
        : timer(500).pipe(map(() => request)),
    );
    expect(ended).toHaveLength(2000);
    expect(ended.filter(({ ok }) => !ok)).toEqual([]);
  });
});
