import { from, of, timer } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { Flight } from '../../lib/cache/flights';
import { Ticket } from '../../lib/core/ticket';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { SlotPool } from '../../lib/limiter/slot-pool';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { HeapScheduler } from '../heap-scheduler';

/** How often tickets, slots and flights are looked at while requests are served. */
function looksDuring(serve: (scheduler: HeapScheduler) => void): number {
  const spies = [
    jest.spyOn(SlotPool.prototype, 'hasFreeSlot', 'get'),
    jest.spyOn(Ticket.prototype, 'standsSince', 'get'),
    jest.spyOn(Ticket.prototype, 'hasBegun', 'get'),
    jest.spyOn(Flight.prototype, 'waiting', 'get'),
  ];
  const scheduler = new HeapScheduler();
  serve(scheduler);
  scheduler.flush();
  const looks = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  spies.forEach((spy) => spy.mockRestore());
  return looks;
}

const many = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('the work for each request', () => {
  it.each<[string, (count: number, scheduler: HeapScheduler) => void]>([
    [
      'lanes with a request each',
      (count, scheduler) => {
        const optimizer = new LLMCallOptimizer({
          scheduler,
          maxConcurrent: 10,
          baseInterval: 0,
          enableCache: false,
        });
        from(many(count).map((q) => ({ q, lane: `l${q}` })))
          .pipe(optimizer.optimize(() => timer(10, scheduler)))
          .subscribe();
      },
    ],
    [
      'subscriptions over one limiter',
      (count, scheduler) => {
        const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 1, adaptive: false });
        for (const q of many(count)) {
          of(q)
            .pipe(mergeWithConcurrency(() => timer(5, scheduler), { limiter }))
            .subscribe();
        }
      },
    ],
    [
      'requests that join a call, each with a tag',
      (count, scheduler) => {
        const optimizer = new LLMCallOptimizer({ scheduler, baseInterval: 0 });
        from(many(count).map((tag) => ({ q: 1, cacheTags: [`t${tag}`] })))
          .pipe(optimizer.optimize(() => timer(10, scheduler)))
          .subscribe();
      },
    ],
    [
      'shared calls that time out',
      (count, scheduler) => {
        const cache = new LLMResultCache({ scheduler, sharedCallTimeout: 1000 });
        from(many(count).map((q) => ({ q })))
          .pipe(
            cacheLLM<{ q: number }, number>(
              (misses$) =>
                misses$.pipe(
                  mergeWithConcurrency(() => timer(1e6, scheduler), { maxConcurrent: Infinity, scheduler }),
                ),
              { cache },
            ),
          )
          .subscribe();
      },
    ],
    [
      'requests that make room for others, with lanes',
      (count, scheduler) => {
        from(many(2 * count).map((q) => ({ q, lane: `l${q % count}` })))
          .pipe(
            mergeWithConcurrency(() => timer(1, scheduler), {
              maxConcurrent: 1,
              maxQueue: count,
              overflow: 'drop-oldest',
              scheduler,
            }),
          )
          .subscribe();
      },
    ],
  ])('stays nearly the same for many times as many %s', (_name, serve) => {
    const few = looksDuring((scheduler) => serve(500, scheduler)) / 500;
    const more = looksDuring((scheduler) => serve(8000, scheduler)) / 8000;
    // 16 times as many: n log n makes 1.45 of it.
    expect(more).toBeLessThan(2 * few);
  });
});
