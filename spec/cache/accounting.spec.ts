/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, ignoreElements, map, mergeMap, of, tap, throwError, timer, type Observable } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallContext } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { inVirtualTime, WatchedTestScheduler } from '../test-scheduler';

interface Prompt extends CallTraits {
  readonly prompt: string;
}

const usage = { inputTokens: 30, outputTokens: 10, model: 'small' };

/** A call of 50 ms that reports what it used. */
const billed = ({ prompt }: Prompt, { report }: CallContext): Observable<string> =>
  timer(50).pipe(
    tap(() => report({ usage })),
    map(() => prompt),
  );

/** An optimizer in virtual time, and what its figures are after 10 seconds. */
function figures(config: OptimizerConfig, act: (ask: (request: Prompt) => void) => void, call = billed) {
  return inVirtualTime((scheduler) => {
    const optimizer = new LLMCallOptimizer({
      scheduler,
      enableRateLimit: false,
      retry: false,
      prices: { small: { input: 1_000_000, output: 2_000_000 } },
      ...config,
    });
    const events: CallEvent[] = [];
    optimizer.events$.subscribe((event) => events.push(event));
    act((request) =>
      of(request)
        .pipe(optimizer.optimize(call, { namespace: 'n' }), ignoreElements())
        .subscribe(),
    );
    const result = { metrics: optimizer.getStats().metrics, stats: optimizer.cache!.stats, events };
    timer(10_000).subscribe(() => {
      result.metrics = optimizer.getStats().metrics;
      result.stats = optimizer.cache!.stats;
      optimizer.close();
    });
    return result;
  });
}

describe('the books of a cache', () => {
  it('count a hit as the tokens, the money and the time that its call had taken, and bill it nothing', () => {
    const { metrics, stats } = figures({}, (ask) => {
      ask({ prompt: 'p' });
      timer(100)
        .pipe(mergeMap(() => [1, 2, 3]))
        .subscribe(() => ask({ prompt: 'p' }));
    });
    expect(stats).toMatchObject({ hits: 3, misses: 1, hitRate: 0.75, savedTokens: 120, savedLatency: 150 });
    expect(metrics).toMatchObject({ cacheHits: 3, savedTokens: 120, savedLatency: 150, saved: 150 });
    // Of the one call that was made.
    expect(metrics).toMatchObject({
      spent: 50,
      inputTokens: 30,
      outputTokens: 10,
      startedCalls: 1,
      avgLatency: 50,
    });
  });

  it('count a shared call as one call, and sharing as neither a hit nor a cost', () => {
    const { metrics, stats } = figures({}, (ask) => from([1, 2, 3]).subscribe(() => ask({ prompt: 'p' })));
    expect(stats).toMatchObject({ hits: 0, misses: 3, savedTokens: 0, savedLatency: 0 });
    expect(metrics).toMatchObject({ startedCalls: 1, sharedCalls: 2, spent: 50, saved: 100, cacheHits: 0 });
  });

  it('count no look-up for what goes past the cache', () => {
    const { metrics, stats } = figures({}, (ask) => {
      ask({ prompt: 'p' });
      timer(100).subscribe(() => {
        ask({ prompt: 'p', bypass: { lookUp: true } });
        ask({ prompt: 'p', cacheKey: false });
      });
    });
    expect(stats).toMatchObject({ hits: 0, misses: 1, totalAccesses: 1 });
    expect(metrics).toMatchObject({
      bypassedCalls: 2,
      cacheMisses: 1,
      startedCalls: 3,
      spent: 150,
      saved: 0,
    });
  });

  it('count stale hits apart, and their renewal as a call that costs', () => {
    const { metrics, stats } = figures({ cacheTtl: 100, cache: { staleWhileRevalidate: 1000 } }, (ask) => {
      ask({ prompt: 'p' });
      timer(200).subscribe(() => ask({ prompt: 'p' }));
      timer(300).subscribe(() => ask({ prompt: 'p' }));
    });
    expect(stats).toMatchObject({ hits: 2, staleHits: 1, misses: 1, savedTokens: 80 });
    expect(metrics).toMatchObject({
      cacheHits: 2,
      staleAnswers: 1,
      renewedAnswers: 1,
      startedCalls: 2,
      spent: 100,
    });
    expect(metrics.totalCalls).toBe(3);
  });

  it('count an answer that stands in for a failed call as no hit', () => {
    let calls = 0;
    const { metrics, stats } = figures(
      { cacheTtl: 100, cache: { staleIfError: 1000 } },
      (ask) => {
        ask({ prompt: 'p' });
        timer(200).subscribe(() => ask({ prompt: 'p' }));
      },
      (request, context) => (++calls === 1 ? billed(request, context) : throwError(() => new Error('down'))),
    );
    expect(stats).toMatchObject({ hits: 0, staleHits: 0, misses: 2 });
    expect(metrics).toMatchObject({ staleAnswers: 1, failedCalls: 0, saved: 0, savedTokens: 0 });
  });

  it('count a kept failure as a hit that saved nothing', () => {
    const { metrics, stats } = figures(
      { cache: { errorTtl: 1000 } },
      (ask) => {
        ask({ prompt: 'p' });
        timer(100).subscribe(() => ask({ prompt: 'p' }));
      },
      () => timer(50).pipe(mergeMap(() => throwError(() => new Error('no')))),
    );
    expect(stats).toMatchObject({ hits: 1, savedTokens: 0, savedLatency: 0, staleHits: 0 });
    expect(metrics).toMatchObject({ cacheHits: 1, failedCalls: 2, startedCalls: 1, saved: 0 });
  });

  it('agree on every departure: the cache by its statistics, the metrics by the events', () => {
    const { metrics, stats, events } = figures({ cacheTtl: 300, cacheMaxSize: 3 }, (ask) => {
      for (let number = 0; number < 20; number++) {
        timer(number * 100).subscribe(() => ask({ prompt: `p${(number * 7) % 5}` }));
      }
      timer(5000).subscribe(() => ask({ prompt: 'p3' }));
    });
    expect(metrics.evictions).toEqual(stats.evictions);
    expect(stats.evictions.size).toBeGreaterThan(0);
    expect(stats.evictions.expired).toBeGreaterThan(0);
    const told = events.filter(({ type }) => type === 'cache-evicted').length;
    expect(Object.values(stats.evictions).reduce((total, count) => total + count)).toBe(told);
    expect([metrics.cacheHits, metrics.cacheMisses]).toEqual([stats.hits, stats.misses]);
    expect([metrics.savedTokens, metrics.savedLatency]).toEqual([stats.savedTokens, stats.savedLatency]);
  });

  it('keep the latency and the usage of a call through a store', () => {
    const store = new Map<string, string>();
    const events: CallEvent[] = [];
    let calls = 0;
    const call = (request: Prompt, context: CallContext) => {
      calls++;
      return billed(request, context);
    };
    const session = (config: ResultCacheConfig = {}) =>
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler, store, ...config });
        of<Prompt>({ prompt: 'p' })
          .pipe(
            cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(call)), {
              cache,
              events: { next: (event) => events.push(event) },
            }),
          )
          .subscribe();
        timer(200).subscribe(() => cache.close());
        return cache;
      });
    session();
    expect(store.size).toBe(1);
    const { stats } = session();
    expect(stats).toMatchObject({ hits: 1, misses: 0, savedTokens: 40, savedLatency: 50 });
    expect(stats.store).toMatchObject({ reads: 1, found: 1 });
    expect(events.filter(({ type }) => type === 'cache-hit')).toMatchObject([
      { tier: 'store', savedLatency: 50, usage },
    ]);
    expect(calls).toBe(1);
  });

  it.each([NaN, Infinity, -5, '30' as unknown as number])(
    'take %p for no number of tokens',
    (inputTokens) => {
      const { metrics, stats } = figures(
        {},
        (ask) => {
          ask({ prompt: 'p' });
          ask({ prompt: 'p' });
          timer(100).subscribe(() => ask({ prompt: 'p' }));
        },
        ({ prompt }, { report }) =>
          timer(50).pipe(
            tap(() => report({ usage: { inputTokens, outputTokens: 10, model: 'small' } })),
            map(() => prompt),
          ),
      );
      expect(stats).toMatchObject({ hits: 1, savedTokens: 10 });
      // Of the hit and of the request that shared the call.
      expect(metrics).toMatchObject({
        inputTokens: 0,
        outputTokens: 10,
        spent: 20,
        savedTokens: 20,
        saved: 40,
      });
    },
  );

  it('leave evictions to a cache that the optimizer was given, as others may share it', () => {
    const cache = new LLMResultCache({ maxSize: 1, sweepInterval: Infinity });
    const { metrics, events } = figures({ cache }, (ask) => {
      ask({ prompt: 'p' });
      ask({ prompt: 'q' });
    });
    expect(cache.stats.evictions.size).toBe(1);
    expect(metrics.evictions.size).toBe(0);
    expect(events.filter(({ type }) => type === 'cache-evicted')).toEqual([]);
    const own = figures({ cacheMaxSize: 1 }, (ask) => {
      ask({ prompt: 'p' });
      ask({ prompt: 'q' });
    });
    expect(own.metrics.evictions.size).toBe(1);
  });

  it('keep what a user says of an answer that he sets', () => {
    const scheduler = new WatchedTestScheduler();
    const cache = new LLMResultCache({ scheduler });
    cache.set('k', 'answer', { usage: { inputTokens: 5 }, latency: 700 });
    cache.set('free', 'answer');
    cache.get('k');
    cache.get('free');
    cache.get('none');
    expect(cache.stats).toMatchObject({ hits: 2, misses: 1, savedTokens: 5, savedLatency: 700 });
  });

  it('give the hit rate of the last minute, to the second', () => {
    const scheduler = new WatchedTestScheduler();
    const cache = new LLMResultCache({ scheduler, defaultTtl: Infinity });
    expect(cache.stats.recentHitRate).toBe(0);
    cache.set('k', 1);
    cache.get('k');
    scheduler.frame = 1500;
    cache.get('none');
    cache.get('none');
    const rates = (times: number[]) =>
      times.map((time) => {
        scheduler.frame = time;
        return cache.stats.recentHitRate;
      });
    expect(rates([1500, 59_999, 60_000, 60_999, 61_000])).toEqual([1 / 3, 1 / 3, 0, 0, 0]);
    cache.get('k');
    expect(rates([61_000, 120_999, 121_000])).toEqual([1, 1, 0]);
    expect(cache.stats.hitRate).toBe(0.5);
  });

  it('do not change an earlier reading', () => {
    const cache = new LLMResultCache({ scheduler: new WatchedTestScheduler() });
    const before = cache.stats;
    cache.set('k', 1);
    cache.delete('k');
    expect(before.evictions.deleted).toBe(0);
    expect(cache.stats.evictions.deleted).toBe(1);
  });
});
