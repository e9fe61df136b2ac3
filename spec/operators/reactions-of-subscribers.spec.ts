/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-unsafe-takeuntil -- a source that ends in reaction is what is tested, and an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  concat,
  delay,
  from,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  share,
  Subject,
  take,
  takeUntil,
  tap,
  throwError,
  timer,
  type OperatorFunction,
} from 'rxjs';
import type { CacheStore } from '../../lib/cache/cache-store';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { unwrapOutcomes } from '../../lib/operators/unwrap-outcomes';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { CallStats } from '../../lib/stats/call-stats';
import { inVirtualTime, rethrow } from '../test-scheduler';

type Operator = OperatorFunction<string, CallOutcome<string, string>>;

const answer = (request: string) => timer(1).pipe(map(() => request));
const shown = (outcome: CallOutcome<unknown, unknown>) =>
  `${String(outcome.request)} ${outcome.ok ? 'ok' : (outcome.error as Error).name}`;

describe('a source that completes in reaction to the last value', () => {
  it.each<[string, () => OperatorFunction<string, unknown>]>([
    ['mergeWithConcurrency', () => mergeWithConcurrency(answer)],
    ['mergeWithConcurrency, ordered', () => mergeWithConcurrency(answer, { ordered: true })],
    ['cacheLLM', () => cacheLLM<string, string>((misses$) => misses$.pipe(mergeWithConcurrency(answer)))],
    ['adaptiveThrottle', () => adaptiveThrottle({ baseInterval: 0 })],
    ['optimize', () => new LLMCallOptimizer({ baseInterval: 0 }).optimize(answer)],
    [
      'optimize, ordered',
      () => new LLMCallOptimizer({ baseInterval: 0 }).optimize(answer, { ordered: true }),
    ],
  ])('has every subscriber of %s see that value', (_name, operator) => {
    inVirtualTime((scheduler) => {
      const source = new Subject<string>();
      const shared$ = source.pipe(operator(), share());
      const seen: unknown[] = [];
      let pending = 2;
      shared$.subscribe(() => {
        if (--pending === 0) {
          source.complete();
        }
      });
      shared$.subscribe({ next: (value) => seen.push(value), complete: () => seen.push('complete') });
      source.next('a');
      source.next('b');
      scheduler.flush();
      expect(seen).toHaveLength(3);
      expect(seen[2]).toBe('complete');
    });
  });
});

describe('a request that makes room for a newer one', () => {
  it('does not complete the stream before the newer one is in the queue', () => {
    inVirtualTime((scheduler) => {
      const config = { baseInterval: 100, adaptive: false, maxQueue: 1, overflow: 'drop-oldest' } as const;
      const limiter = new AdaptiveRateLimiter(config);
      const stop$ = new Subject<void>();
      const told: string[] = [];
      from('abcde')
        .pipe(
          takeUntil(stop$),
          adaptiveThrottle(limiter, { refused: 'pass' }),
          mergeWithConcurrency((request: string) => of(request), { limiter }),
        )
        .subscribe({
          next: (outcome) => {
            told.push(shown(outcome));
            if (!outcome.ok) {
              stop$.next();
            }
          },
          complete: () => told.push('complete'),
        });
      scheduler.flush();
      expect(told).toEqual(['a ok', 'b QueueOverflowError', 'c ok', 'complete']);
    });
  });

  it('has its outcome come through a cache whose store answers all at once', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, maxQueue: 1, overflow: 'drop-oldest' });
      limiter.pause();
      timer(50).subscribe(() => limiter.resume());
      const later = {
        then: (done: (text: undefined) => void) => void timer(2).subscribe(() => done(undefined)),
      };
      const store = { get: () => later, set: () => true, delete: () => true } as unknown as CacheStore;
      const told: string[] = [];
      from(['a', 'b', 'c'])
        .pipe(
          cacheLLM<string, string>(
            (misses$) =>
              misses$.pipe(
                adaptiveThrottle(limiter, { refused: 'pass' }),
                mergeWithConcurrency((request: string) => of(request), { limiter }),
              ),
            { cache: new LLMResultCache({ store }) },
          ),
        )
        .subscribe({ next: (outcome) => told.push(shown(outcome)), complete: () => told.push('complete') });
      scheduler.flush();
      expect(told).toEqual(['a QueueOverflowError', 'b QueueOverflowError', 'c ok', 'complete']);
    });
  });
});

describe('a subscriber that leaves in reaction to an outcome', () => {
  const calls = (takes: (request: string) => number = () => 40) => {
    const started: string[] = [];
    const call = (request: string) => {
      started.push(request);
      return timer(takes(request)).pipe(map(() => request));
    };
    return { started, call };
  };

  it.each<
    [string, (limiter: AdaptiveRateLimiter, call: (request: string) => Observable<string>) => Operator]
  >([
    [
      'adaptiveThrottle in front',
      (limiter, call) => (source) =>
        source.pipe(adaptiveThrottle(limiter), mergeWithConcurrency(call, { maxConcurrent: 1, limiter })),
    ],
    [
      'cacheLLM between the two',
      (limiter, call) => (source) =>
        source.pipe(
          adaptiveThrottle(limiter),
          cacheLLM<string, string>((misses$) =>
            misses$.pipe(mergeWithConcurrency(call, { maxConcurrent: 1, limiter })),
          ),
        ),
    ],
    [
      'cacheLLM in front of the two',
      (limiter, call) =>
        cacheLLM<string, string>((misses$) =>
          misses$.pipe(adaptiveThrottle(limiter), mergeWithConcurrency(call, { maxConcurrent: 1, limiter })),
        ),
    ],
  ])('has no further call start: %s', (_name, operator) => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 5, adaptive: false });
      const { started, call } = calls();
      concat(from(['a', 'b', 'c']), NEVER)
        .pipe(operator(limiter, call), take(1))
        .subscribe();
      scheduler.flush();
      expect(started).toEqual(['a']);
    });
  });

  it('has no further call start if it leaves because of a failure', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 5, adaptive: false });
      const { started, call } = calls();
      const failing = (request: string) =>
        call(request).pipe(mergeMap(() => throwError(() => new Error('no'))));
      const errors: unknown[] = [];
      concat(from(['a', 'b', 'c']), NEVER)
        .pipe(
          adaptiveThrottle(limiter),
          mergeWithConcurrency(failing, { maxConcurrent: 1, limiter }),
          unwrapOutcomes(),
        )
        .subscribe({ error: (error: unknown) => errors.push(error) });
      scheduler.flush();
      expect(started).toEqual(['a']);
      expect(errors).toHaveLength(1);
    });
  });

  it('has no further call start from outside of an outcome either', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 5, adaptive: false });
      const { started, call } = calls();
      concat(from(['a', 'b', 'c']), NEVER)
        .pipe(
          adaptiveThrottle(limiter),
          mergeWithConcurrency(call, { maxConcurrent: 1, limiter }),
          takeUntil(timer(20)),
        )
        .subscribe();
      scheduler.flush();
      expect(started).toEqual(['a']);
    });
  });

  it('starts nothing of its own in a slot that another stream waits for', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ maxConcurrent: 1, baseInterval: 0 });
      const { started, call } = calls();
      from('abcd').pipe(optimizer.optimize(call), take(1)).subscribe();
      of('d').pipe(optimizer.optimize(call)).subscribe();
      scheduler.flush();
      expect(started).toEqual(['a', 'd']);
    });
  });

  it('starts nothing while its running call goes on for the cache', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({
        maxConcurrent: 2,
        baseInterval: 0,
        cache: { keepAlive: true },
      });
      const { started, call } = calls((request) => (request === 'b' ? 50 : 10));
      from('abcd').pipe(optimizer.optimize(call), take(1)).subscribe();
      scheduler.flush();
      expect(started).toEqual(['a', 'b']);
    });
  });
});

describe('requests that give up after the source has completed', () => {
  it('do not have more calls run at once than maxConcurrent', () => {
    inVirtualTime((scheduler) => {
      let running = 0;
      let most = 0;
      const call = () =>
        new Observable<number>((subscriber) => {
          most = Math.max(most, ++running);
          subscriber.add(() => running--);
          subscriber.add(timer(10).subscribe(subscriber));
        });
      const requests = Array.from({ length: 50 }, (_, k) => [{ k, maxWait: 2 }, { k }]).flat();
      let answered = 0;
      from<{ k: number }[]>([{ k: -1 }, ...requests])
        .pipe(cacheLLM<{ k: number }, number>((misses$) => misses$.pipe(mergeWithConcurrency(call, 1))))
        .subscribe(({ ok }) => (answered += Number(ok)));
      scheduler.flush();
      expect(most).toBe(1);
      expect(answered).toBe(51);
    });
  });
});

describe('a shared call whose time is over while its request is in an operator of the user', () => {
  it('is not made', () => {
    inVirtualTime((scheduler) => {
      const stats = new CallStats();
      const told: string[] = [];
      concat(from(['a', 'b']), NEVER)
        .pipe(
          cacheLLM<string, number>(
            (misses$) =>
              misses$.pipe(
                delay(5),
                mergeWithConcurrency(
                  (request: string) => {
                    told.push(`start ${request}`);
                    return timer(10);
                  },
                  { events: stats },
                ),
              ),
            { sharedCallTimeout: 3, events: stats },
          ),
        )
        .subscribe((outcome) => told.push(shown(outcome)));
      scheduler.flush();
      expect(told).toEqual(['a CallTimeoutError', 'b CallTimeoutError']);
      expect(stats.snapshot().metrics).toMatchObject({ totalCalls: 2, failedCalls: 2, answeredCalls: 0 });
    });
  });
});

describe('a pipeline for misses without an operator of rxllm', () => {
  it('is asked again and again for a key whose calls time out, and lets go of each', () => {
    inVirtualTime((scheduler) => {
      let open = 0;
      const call = () =>
        new Observable<never>(() => {
          open++;
          return () => open--;
        });
      let pipelines = 0;
      const requests = new Subject<string>();
      const told: string[] = [];
      requests
        .pipe(
          cacheLLM<string, never>(
            (misses$) => {
              pipelines++;
              return misses$.pipe(mergeMap(call));
            },
            { cache: new LLMResultCache({ sharedCallTimeout: 10 }) },
          ),
        )
        .subscribe((outcome) => told.push(shown(outcome)));
      for (let at = 0; at < 20; at++) {
        timer(20 * at).subscribe(() => requests.next('a'));
      }
      scheduler.flush();
      expect(told).toEqual(Array(20).fill('a CallTimeoutError'));
      expect(pipelines).toBe(20);
      // The call of the first one, which cannot be told to stop.
      expect(open).toBe(1);
    });
  });
});

describe('a call that works synchronously', () => {
  const work = function* (steps: unknown[], stop$: Subject<void>) {
    try {
      for (let step = 0; step < 8; step++) {
        steps.push(step);
        if (step === 2) {
          stop$.next();
        }
        yield step;
      }
    } finally {
      steps.push('closed');
    }
  };

  it.each<[string, (call: () => Observable<number>) => OperatorFunction<string, unknown>]>([
    ['mergeWithConcurrency', (call) => mergeWithConcurrency(call)],
    [
      'cacheLLM',
      (call) => cacheLLM((misses$: Observable<string>) => misses$.pipe(mergeWithConcurrency(call))),
    ],
    ['optimize', (call) => new LLMCallOptimizer({ baseInterval: 0 }).optimize(call)],
  ])('is stopped when its subscriber leaves meanwhile: %s', (_name, operator) => {
    inVirtualTime(() => {
      const steps: unknown[] = [];
      const stop$ = new Subject<void>();
      concat(of('r'), NEVER)
        .pipe(
          operator(() => from(work(steps, stop$))),
          takeUntil(stop$),
        )
        .subscribe();
      expect(steps).toEqual([0, 1, 2, 'closed']);
    });
  });
});

describe('an optimizer that is closed in the handler of an outcome', () => {
  it.each<[string, OptimizerConfig]>([
    ['with cache and limiter', {}],
    ['without cache', { enableCache: false }],
    ['without limiter', { enableRateLimit: false }],
  ])('loses no outcome: %s', (_name, config) => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ baseInterval: 0, maxConcurrent: 1, ...config });
      const refused = Object.assign(new Error('bad key'), { status: 401, name: 'BadKey' });
      const call = (request: string) =>
        timer(1).pipe(mergeMap(() => (request === 'a' ? throwError(() => refused) : of(request))));
      const told: string[] = [];
      from(['a', 'b', 'c'])
        .pipe(
          optimizer.optimize(call),
          tap((outcome) => {
            if (!outcome.ok) {
              optimizer.close();
            }
          }),
        )
        .subscribe({
          next: (outcome) => told.push(shown(outcome)),
          error: rethrow,
          complete: () => told.push('complete'),
        });
      scheduler.flush();
      expect(told).toEqual(['a BadKey', 'b ClosedError', 'c ClosedError', 'complete']);
    });
  });
});
