import { filter, map, of, Subject, takeUntil, throwError, timer } from 'rxjs';
import { internalsOf, LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import type { CallPriority } from '../../lib/core/priority';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { inVirtualTime, rethrow, type WatchedTestScheduler } from '../test-scheduler';

interface Asked {
  readonly cacheKey: string;
}

const a: Asked = { cacheKey: 'a' };
const b: Asked = { cacheKey: 'b' };
const c: Asked = { cacheKey: 'c' };

/** An optimizer whose calls take 5 ms, a stream of it, and a reaction to the first event of a type. */
function reacting(
  scheduler: WatchedTestScheduler,
  config: OptimizerConfig,
  type: CallEvent['type'],
  react: (made: { optimizer: LLMCallOptimizer; requests: Subject<Asked>; leave: () => void }) => void,
) {
  const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false, ...config });
  const requests = new Subject<Asked>();
  const told: (string | undefined)[] = [];
  const events: CallEvent[] = [];
  const calls: string[] = [];
  const subscription = requests
    .pipe(
      optimizer.optimize(({ cacheKey }: Asked) => {
        calls.push(cacheKey);
        return timer(5).pipe(map(() => cacheKey.toUpperCase()));
      }),
    )
    .subscribe({
      next: (outcome) => told.push(outcome.ok ? outcome.value : String(outcome.error)),
      error: rethrow,
      complete: () => told.push('complete'),
    });
  let hasReacted = false;
  optimizer.events$.subscribe({
    next: (event) => {
      events.push(event);
      if (event.type === type && !hasReacted) {
        hasReacted = true;
        react({ optimizer, requests, leave: () => subscription.unsubscribe() });
      }
    },
    error: rethrow,
  });
  return { optimizer, requests, told, events, calls };
}

const typesOf = (events: readonly CallEvent[]) => events.map(({ type }) => type);

describe('a miss, in reaction to whose events the user acts', () => {
  it.each(['received', 'cache-miss'] as const)(
    'is answered, and gives its slot back, though the source completes when it is told of (%s)',
    (type) => {
      inVirtualTime((scheduler) => {
        const { optimizer, requests, told } = reacting(scheduler, { maxConcurrent: 1 }, type, (made) =>
          made.requests.complete(),
        );
        requests.next(a);
        scheduler.flush();
        expect(told).toEqual(['A', 'complete']);
        const others: unknown[] = [];
        of(b)
          .pipe(optimizer.optimize(({ cacheKey }: Asked) => of(cacheKey)))
          .subscribe({ next: (outcome) => others.push(outcome.ok && outcome.value), error: rethrow });
        expect(others).toEqual(['b']);
        expect(optimizer.getStats().executor).toMatchObject({ active: 0, queued: 0 });
      });
    },
  );

  it.each(['completes its source', 'closes', 'drains'])(
    'has its outcome told, although who hears of that %s',
    (what) => {
      inVirtualTime((scheduler) => {
        const { requests, told } = reacting(scheduler, {}, 'settled', (made) => {
          if (what === 'closes') {
            made.optimizer.close();
          } else if (what === 'drains') {
            void made.optimizer.drain();
          } else {
            made.requests.complete();
          }
        });
        requests.next(a);
        scheduler.flush();
        expect(told).toEqual(['A', 'complete']);
      });
    },
  );

  it('is not told to have missed if whoever hears of its arrival leaves', () => {
    inVirtualTime((scheduler) => {
      const { requests, events, optimizer } = reacting(scheduler, {}, 'received', ({ leave }) => leave());
      requests.next(a);
      expect(typesOf(events)).toEqual(['received', 'left']);
      expect(optimizer.getStats().metrics.cacheMisses).toBe(0);
      expect(optimizer.cache!.stats.totalAccesses).toBe(0);
    });
  });

  it('is answered by a call that begins after its key was deleted, and the answer is kept', () => {
    inVirtualTime((scheduler) => {
      const { requests, told, calls } = reacting(scheduler, {}, 'received', ({ optimizer }) =>
        optimizer.cache!.invalidate({ prefix: 'a' }),
      );
      requests.next(a);
      requests.next(a);
      scheduler.flush();
      requests.next(a);
      expect(told).toEqual(['A', 'A', 'A']);
      expect(calls).toEqual(['a']);
    });
  });

  it('is left once if that happens while its answer is kept', () => {
    inVirtualTime((scheduler) => {
      const { requests, told, events, optimizer } = reacting(
        scheduler,
        { cacheMaxSize: 1 },
        'cache-evicted',
        ({ leave }) => leave(),
      );
      requests.next(a);
      scheduler.flush();
      requests.next(b);
      scheduler.flush();
      expect(told).toEqual(['A']);
      expect(typesOf(events).filter((type) => type === 'left' || type === 'settled')).toEqual([
        'settled',
        'left',
      ]);
      expect(optimizer.cache!.invalidate({ predicate: ({ value }) => value === 'B' })).toBe(1);
      expect(optimizer.getStats().executor).toMatchObject({ active: 0, queued: 0 });
    });
  });

  it('that starts on arrival was not throttled, though somebody joins it when it starts', () => {
    inVirtualTime((scheduler) => {
      const config = { enableRateLimit: true, baseInterval: 10, adaptive: false, maxConcurrent: 5 };
      const { requests, events, optimizer } = reacting(scheduler, config, 'feedback', () => undefined);
      let joins = true;
      optimizer.events$.pipe(filter((event) => event.type === 'started' && event.at === 50)).subscribe({
        next: () => {
          if (joins) {
            joins = false;
            requests.next(c);
          }
        },
        error: rethrow,
      });
      requests.next(a);
      requests.next(b);
      scheduler.schedule(() => requests.next(c), 50);
      scheduler.flush();
      expect(events.filter(({ type }) => type === 'throttled')).toEqual([
        { type: 'throttled', at: 10, id: expect.any(Number) as number, waited: 10 },
      ]);
    });
  });

  it('saves the same whether or not somebody hears of it, also where a stale answer stands in', () => {
    const savedTokens = [true, false].map((isHeard) =>
      inVirtualTime((scheduler) => {
        const cache = { defaultTtl: 10, staleIfError: 1000 };
        const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false, retry: false, cache });
        if (isHeard) {
          optimizer.events$.subscribe({ error: rethrow });
        }
        const requests = new Subject<Asked>();
        let made = 0;
        const sources: unknown[] = [];
        const call = (_asked: Asked, { report }: CallContext) =>
          made++ === 0
            ? of('A')
            : timer(5).pipe(
                map(() => {
                  report({ usage: { inputTokens: 7, outputTokens: 3 } });
                  throw new Error('failed');
                }),
              );
        requests.pipe(optimizer.optimize(call)).subscribe({
          next: (outcome) => sources.push(outcome.ok && outcome.source),
          error: rethrow,
        });
        requests.next(a);
        scheduler.schedule(() => {
          requests.next(a);
          requests.next(a);
        }, 50);
        scheduler.flush();
        expect(sources).toEqual(['call', 'stale', 'stale']);
        return optimizer.getStats().metrics.savedTokens;
      }),
    );
    expect(savedTokens).toEqual([0, 0]);
  });

  it('is sent even if reading its traits has the source complete, and so the pipeline that its calls came from', () => {
    inVirtualTime((scheduler) => {
      const requests = new Subject<Asked>();
      const optimizer = new LLMCallOptimizer({
        scheduler,
        enableRateLimit: false,
        traits: (request: unknown) => {
          if (request === c) {
            requests.complete();
          }
          return request as Asked;
        },
      });
      const answers = optimizer.optimize(({ cacheKey }: Asked) =>
        timer(cacheKey === 'a' ? 50 : 5).pipe(map(() => cacheKey.toUpperCase())),
      );
      const told: unknown[] = [];
      of(a).pipe(answers).subscribe({ error: rethrow });
      requests.pipe(answers).subscribe({
        next: (outcome) => told.push(outcome.ok ? outcome.value : String(outcome.error)),
        error: rethrow,
        complete: () => told.push('complete'),
      });
      requests.next(b);
      timer(10).subscribe({
        next: () => {
          // The first shares a call of the other stream, so that no call of this one runs.
          requests.next(a);
          requests.next(c);
        },
        error: rethrow,
      });
      scheduler.flush();
      expect(told).toEqual(['B', 'C', 'A', 'complete']);
    });
  });

  it('is tried again like any other', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, retry: { random: () => 0.5, baseDelay: 10 } });
      const outcomes: CallOutcome<Asked, string>[] = [];
      of(a)
        .pipe(
          optimizer.optimize((_asked: Asked, { attempt }) =>
            attempt === 1 ? throwError(() => Object.assign(new Error('busy'), { status: 500 })) : of('A'),
          ),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      expect(outcomes).toMatchObject([{ ok: true, value: 'A', attempts: 2 }]);
    });
  });
});

describe('besides', () => {
  it('a cache that is closed tells of nothing that leaves it', () => {
    const events: CallEvent[] = [];
    const cache = new LLMResultCache({ maxSize: 1, events: { next: (event) => events.push(event) } });
    cache[internalsOf].close();
    cache.set('a', 1);
    cache.set('b', 1);
    cache.delete('b');
    cache[internalsOf].close();
    expect(events).toEqual([]);
    expect(cache.stats.evictions).toMatchObject({ size: 0, deleted: 0 });
  });

  it('a limiter learns of calls that somebody numbers from 0', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, scheduler });
      limiter.observe({
        type: 'finished',
        id: 0,
        attempt: 1,
        result: 'failed',
        error: { status: 429 },
        at: 0,
        latency: 0,
        startedAt: 0,
      });
      expect(limiter.state.holdReason).toBe('rate-limited');
    });
  });

  it('a call of a promise is stopped only if it asks to be told, however late', () => {
    inVirtualTime(() => {
      const contexts: CallContext[] = [];
      const leave$ = new Subject<void>();
      of('asks at once', 'asks later', 'asks too late')
        .pipe(
          mergeWithConcurrency((_request: string, context) => {
            contexts.push(context);
            return new Promise<string>(() => undefined);
          }),
          takeUntil(leave$),
        )
        .subscribe({ error: rethrow });
      const early = [contexts[0]!.signal, contexts[1]!.signal];
      expect(early.map(({ aborted }) => aborted)).toEqual([false, false]);
      leave$.next();
      const signals = [...early, contexts[2]!.signal];
      expect(signals.map(({ aborted, reason }) => [aborted, (reason as Error).name])).toEqual([
        [true, 'AbortError'],
        [true, 'AbortError'],
        [true, 'AbortError'],
      ]);
    });
  });
});

describe('a joiner that is urgent enough to start the call at once', () => {
  it('is told to have missed before the call starts', () => {
    inVirtualTime((scheduler) => {
      const told: string[] = [];
      const optimizer = new LLMCallOptimizer({ baseInterval: 100, adaptive: false, retry: false, scheduler });
      optimizer.events$.subscribe({ next: ({ type }) => told.push(type), error: rethrow });
      const ask = (text: string, priority: CallPriority) =>
        of({ text, priority })
          .pipe(optimizer.optimize(() => of('answer'), { namespace: 'texts' }))
          .subscribe({ error: rethrow });
      ask('a', 'low');
      ask('b', 'low');
      told.length = 0;
      // LOW may start after 150 ms, and CRITICAL after 30.
      timer(50).subscribe({ next: () => ask('b', 'critical'), error: rethrow });
      scheduler.flush();
      expect(told.slice(0, 3)).toEqual(['received', 'cache-miss', 'started']);
    });
  });
});
