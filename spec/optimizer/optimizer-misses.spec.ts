/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { map, of, timer } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { shown } from '../operators/cached-calls';
import { inVirtualTime } from '../test-scheduler';

const keyOfA = 'namespace(1):n:a';

describe('a miss of which nobody wants anything special', () => {
  /** What the cache holds of a key after its call, where something is done to the cache while it is asked about the answer. */
  const keptAfter = (config: ResultCacheConfig, done: (cache: LLMResultCache) => void) =>
    inVirtualTime((scheduler) => {
      const cache: LLMResultCache = new LLMResultCache({
        scheduler,
        ...config,
        shouldCache: () => {
          done(cache);
          return true;
        },
      });
      const optimizer = new LLMCallOptimizer({ scheduler, cache, enableRateLimit: false });
      const reasons: string[] = [];
      optimizer.events$.subscribe((event) => event.type === 'cache-not-kept' && reasons.push(event.reason));
      const seen: string[] = [];
      of({ cacheKey: 'a' })
        .pipe(optimizer.optimize(() => timer(1).pipe(map(() => 'x')), { namespace: 'n' }))
        .subscribe((outcome) => seen.push(shown(outcome)));
      scheduler.flush();
      expect(seen).toEqual(['x call']);
      return [cache.get(keyOfA), ...reasons];
    });

  it.each<[string, (cache: LLMResultCache) => void]>([
    ['its key is deleted', (cache) => cache.delete(keyOfA)],
    ['everything is cleared', (cache) => cache.clear()],
    ['its answer is invalidated', (cache) => cache.invalidate({ predicate: ({ value }) => value === 'x' })],
  ])('is not kept where %s while its answer is judged', (_name, done) => {
    expect(keptAfter({}, done)).toEqual([undefined, 'fenced']);
  });

  it('is kept where another answer is invalidated then', () => {
    expect(keptAfter({}, (cache) => cache.invalidate({ predicate: ({ value }) => value === 'y' }))).toEqual([
      'x',
    ]);
  });

  it('keeps what its call used up, for those who are spared it', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false });
      const operator = optimizer.optimize((_request: object, { report }) => {
        report({ usage: { inputTokens: 3, outputTokens: 4 } });
        return timer(1).pipe(map(() => 'x'));
      });
      for (const at of [0, 5]) {
        timer(at).subscribe(() => of({ cacheKey: 'a' }).pipe(operator).subscribe());
      }
      scheduler.flush();
      expect(optimizer.getStats().metrics.savedTokens).toBe(7);
      expect(optimizer.cache!.stats).toMatchObject({ savedTokens: 7 });
    });
  });

  it('keeps what its call had used up before another request joined it', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false });
      const operator = optimizer.optimize((_request: object, { report }) => {
        report({ usage: { inputTokens: 3, outputTokens: 4 } });
        return timer(5).pipe(map(() => 'x'));
      });
      for (const at of [0, 1, 10]) {
        timer(at).subscribe(() => of({ cacheKey: 'a' }).pipe(operator).subscribe());
      }
      scheduler.flush();
      // What the joined call used, and what the kept answer did.
      expect(optimizer.getStats().metrics.savedTokens).toBe(14);
    });
  });

  it('has its answer stand before that of a call that began earlier', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false });
      const ask = (at: number, request: object, latency: number, answer: string) =>
        timer(at).subscribe(() =>
          of({ cacheKey: 'a', ...request })
            .pipe(optimizer.optimize(() => timer(latency).pipe(map(() => answer)), { namespace: 'n' }))
            .subscribe(),
        );
      ask(0, { bypass: { sharing: true } }, 10, 'old');
      ask(1, {}, 2, 'new');
      scheduler.flush();
      expect(optimizer.cache!.get(keyOfA)).toBe('new');
    });
  });
});
