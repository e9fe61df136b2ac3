/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { concat, delay, from, map, of, timer, VirtualTimeScheduler } from 'rxjs';
import { LLMCallOptimizer, mergeWithConcurrency } from '../../lib';
import { inVirtualTime } from '../test-scheduler';
import { shown } from './cached-calls';

describe('the time of an arrival', () => {
  it.each([
    ['mergeWithConcurrency', undefined],
    ['the optimizer', 'cacheKey'],
  ])('is its own for a request that comes after the source was subscribed to (%s)', (_name, key) => {
    inVirtualTime((scheduler) => {
      const operator = key
        ? new LLMCallOptimizer({ scheduler, enableRateLimit: false, maxConcurrent: 1 }).optimize(() =>
            timer(100),
          )
        : mergeWithConcurrency(() => timer(100), { maxConcurrent: 1 });
      const waited: number[] = [];
      concat(of(1, 2, 3), timer(50))
        .pipe(
          map((request) => ({ cacheKey: `k${request}` })),
          operator,
        )
        .subscribe((outcome) => waited.push(outcome.waited));
      scheduler.flush();
      expect(waited).toEqual([0, 100, 200, 250]);
    });
  });

  it('is its own for a request that the cache may answer', () => {
    let time = 0;
    const scheduler = new VirtualTimeScheduler();
    scheduler.now = () => time;
    const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false, maxConcurrent: 1 });
    optimizer.cache!.set('old', 'x', { ttl: 10 });
    const requests = function* () {
      yield* ['a', 'b', 'c'];
      time = 20;
      yield 'old';
    };
    const seen: string[] = [];
    from(requests())
      .pipe(
        map((cacheKey) => ({ cacheKey })),
        optimizer.optimize(({ cacheKey }) => of(cacheKey).pipe(delay(1, scheduler))),
      )
      .subscribe((outcome) => seen.push(shown(outcome)));
    scheduler.flush();
    expect(seen).toEqual(['a call', 'b call', 'c call', 'old call']);
  });
});
