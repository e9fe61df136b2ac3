/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import fc from 'fast-check';
import { finalize, mergeMap, of, throwError, timer, type Subscription } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime } from '../test-scheduler';

interface Request {
  readonly key: string;
  readonly number: number;
}

interface Answer {
  readonly key: string;
  /** How many fences its key had seen when its call was started. */
  readonly fences: number;
}

const key = fc.constantFrom('a', 'b', 'c');
const at = fc.integer({ min: 0, max: 100 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      at,
      key,
      latency: fc.integer({ min: 0, max: 30 }),
      fails: fc.integer({ min: 0, max: 3 }).map((chance) => chance === 0),
      leavesAfter: fc.option(fc.integer({ min: 0, max: 40 }), { nil: Infinity }),
      maxConcurrent: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), at, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), at }) },
);

describe('cacheLLM under any interleaving of requests, leaves, failures, expiries, deletes and clears', () => {
  it('gives nobody a wrong value, loses no waiter, runs one unfenced call per key, and fences writes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 40 }), (steps, ttl) => {
        inVirtualTime((scheduler) => {
          const cache = new LLMResultCache({ scheduler, defaultTtl: ttl });
          const fences = new Map<string, number>();
          const fencesOf = (name: string) => fences.get(name) ?? 0;
          const running = new Map<string, number>();
          const settled = new Map<number, number>();
          const expected = new Set<number>();
          const pipelines: Subscription[] = [];
          const traits = (request: Request) => ({ cacheKey: request.key });

          const check = (request: Request, asked: number, outcome: CallOutcome<Request, Answer>) => {
            settled.set(request.number, (settled.get(request.number) ?? 0) + 1);
            expect(outcome.request).toBe(request);
            if (outcome.ok) {
              expect(outcome.value.key).toBe(request.key);
              expect(outcome.value.fences).toBeGreaterThanOrEqual(asked);
            }
          };

          const ask = (request: Request, one: Extract<(typeof steps)[number], { do: 'ask' }>) => {
            const asked = fencesOf(request.key);
            const call = (sent: Request) => {
              const answer: Answer = { key: sent.key, fences: fencesOf(sent.key) };
              const flight = `${answer.key} ${answer.fences}`;
              running.set(flight, (running.get(flight) ?? 0) + 1);
              expect(running.get(flight)).toBe(1);
              return timer(one.latency).pipe(
                mergeMap(() => (one.fails ? throwError(() => new Error('failed')) : of(answer))),
                finalize(() => running.set(flight, running.get(flight)! - 1)),
              );
            };
            const pipeline = of(request)
              .pipe(
                cacheLLM(
                  (misses$) =>
                    misses$.pipe(mergeWithConcurrency(call, { maxConcurrent: one.maxConcurrent, traits })),
                  {
                    cache,
                    traits,
                  },
                ),
              )
              .subscribe((outcome) => check(request, asked, outcome));
            pipelines.push(pipeline);
            if (one.leavesAfter === Infinity) {
              expected.add(request.number);
            } else {
              timer(one.leavesAfter).subscribe(() => pipeline.unsubscribe());
            }
          };

          steps.forEach((one, number) =>
            timer(one.at).subscribe(() => {
              if (one.do === 'ask') {
                ask({ key: one.key, number }, one);
                return;
              }
              for (const name of one.do === 'clear' ? ['a', 'b', 'c'] : [one.key]) {
                fences.set(name, fencesOf(name) + 1);
              }
              if (one.do === 'clear') {
                cache.clear();
              } else {
                cache.delete(one.key);
              }
            }),
          );
          for (let time = 0; time < 300; time += 7) {
            timer(time).subscribe(() => {
              for (const name of ['a', 'b', 'c']) {
                const kept = cache.get(name) as Answer | undefined;
                expect(kept?.fences ?? fencesOf(name)).toBe(fencesOf(name));
              }
            });
          }
          timer(1000).subscribe(() => {
            for (const number of expected) {
              expect(settled.get(number)).toBe(1);
            }
            expect([...settled.values()].every((count) => count === 1)).toBe(true);
            expect([...running.values()].every((count) => count === 0)).toBe(true);
            expect(pipelines.every(({ closed }) => closed)).toBe(true);
          });
        });
      }),
      { numRuns: 150 },
    );
  });
});
