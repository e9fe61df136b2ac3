/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, map, mergeMap, of, take, throwError, timer } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { CallMetrics } from '../../lib/stats/call-metrics';
import { CallStats } from '../../lib/stats/call-stats';
import { inVirtualTime } from '../test-scheduler';

const usage = { inputTokens: 10, outputTokens: 5, model: 'small' };

/** The figures of a run with hits, joins, evictions, retries, stale answers and leavers, in which somebody listens, or nobody. */
function figures(listen: (optimizer: LLMCallOptimizer) => void): CallMetrics {
  return inVirtualTime((scheduler) => {
    const optimizer = new LLMCallOptimizer({
      scheduler,
      baseInterval: 0,
      cacheTtl: 100,
      cacheMaxSize: 2,
      cache: { staleIfError: 10_000 },
      prices: { small: { input: 1, output: 1 } },
      retry: { attempts: 2, baseDelay: 1 },
    });
    let calls = 0;
    const operator = optimizer.optimize(({ text }: { text: string }, { report }) => {
      report({ usage });
      return timer(10).pipe(
        mergeMap(() => (++calls > 2 && text === 'a' ? throwError(() => new Error('no')) : of(text))),
      );
    });
    listen(optimizer);
    for (const [at, ...texts] of [
      [0, 'a', 'a', 'b'],
      [50, 'a', 'b'],
      [300, 'a', 'a'],
      [400, 'c', 'd', 'e'],
    ] as const) {
      timer(at).subscribe(() =>
        from(texts)
          .pipe(
            map((text) => ({ text })),
            operator,
          )
          .subscribe(),
      );
    }
    timer(500).subscribe(() => of({ text: 'left' }).pipe(operator, take(1)).subscribe().unsubscribe());
    scheduler.flush();
    return optimizer.getStats().metrics;
  });
}

describe('events that are only counted', () => {
  it.each<[string, (optimizer: LLMCallOptimizer) => void]>([
    ['events$', ({ events$ }) => events$.subscribe()],
    ['stats$', ({ stats$ }) => stats$.subscribe()],
    [
      'both, one of them for a while',
      ({ events$, stats$ }) => [events$.subscribe(), stats$.pipe(take(3)).subscribe()],
    ],
  ])('give the figures that they give when %s is heard', (_name, listen) => {
    expect(figures(() => undefined)).toEqual(figures(listen));
  });

  it('are told one who subscribes to stats$ alone', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, sampleInterval: 0, enableRateLimit: false });
      const seen: number[] = [];
      optimizer.stats$.subscribe(({ metrics }) => seen.push(metrics.answeredCalls));
      void of(1, 2)
        .pipe(optimizer.optimize((request) => of(request)))
        .subscribe();
      expect(seen.at(-1)).toBe(2);
    });
  });

  it('are told one who subscribes to the figures of a CallStats', () => {
    inVirtualTime((scheduler) => {
      const stats = new CallStats({ scheduler, sampleInterval: 0 });
      const seen: number[] = [];
      stats.stats$.subscribe(({ metrics }) => seen.push(metrics.answeredCalls));
      of(1, 2)
        .pipe(mergeWithConcurrency((request) => of(request), { events: stats }))
        .subscribe();
      expect(seen.at(-1)).toBe(2);
    });
  });

  it('are told a CallStats that does more with them', () => {
    const heard: string[] = [];
    class Logged extends CallStats {
      override next(event: CallEvent): void {
        heard.push(event.type);
        super.next(event);
      }
    }
    of(1)
      .pipe(mergeWithConcurrency((request) => of(request), { events: new Logged() }))
      .subscribe();
    expect(heard).toEqual(['received', 'started', 'finished', 'settled']);
  });
});
