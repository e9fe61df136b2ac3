/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-subscribe-in-pipe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import fc from 'fast-check';
import { from, map, mergeMap, of, throwError, timer } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { CallMetrics } from '../../lib/stats/call-metrics';
import { inVirtualTime } from '../test-scheduler';
import { runs } from './runs';

/** The figures as they follow from nothing but the events, written down anew. */
function figuresOf(events: readonly CallEvent[]): Partial<CallMetrics> {
  const all = <Type extends CallEvent['type']>(type: Type) =>
    events.filter((event): event is Extract<CallEvent, { type: Type }> => event.type === type);
  const hits = all('cache-hit').length;
  const misses = all('cache-miss').length;
  const latencies = all('finished')
    .filter(({ result }) => result !== 'aborted')
    .map(({ latency }) => latency);
  const evictions = all('cache-evicted').map(({ reason }) => reason);
  const count = (reason: string) => evictions.filter((one) => one === reason).length;
  const reported = all('finished').map(({ usage }) => usage);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    totalCalls: all('received').length,
    cacheHits: hits,
    cacheMisses: misses,
    cacheHitRate: hits + misses === 0 ? 0 : hits / (hits + misses),
    bypassedCalls: all('cache-bypassed').length,
    sharedCalls: all('cache-miss').filter(({ joined }) => joined).length,
    startedCalls: all('started').length,
    avgLatency: latencies.length === 0 ? 0 : sum(latencies) / latencies.length,
    throttledCalls: all('throttled').length,
    failedCalls: all('settled').filter(({ ok }) => !ok).length,
    answeredCalls: all('settled').filter(({ ok }) => ok).length,
    retriedCalls: all('retrying').length,
    leftCalls: all('left').length,
    inFlight: all('started').length - all('finished').length,
    inputTokens: sum(reported.map((usage) => usage?.inputTokens ?? 0)),
    staleAnswers: all('settled').filter(({ source }) => source === 'stale').length,
    renewedAnswers: all('cache-renewing').length,
    answersNotKept: all('cache-not-kept').length,
    savedLatency: sum(all('cache-hit').map(({ savedLatency }) => savedLatency)),
    evictions: {
      expired: count('expired'),
      size: count('size'),
      bytes: count('bytes'),
      deleted: count('deleted'),
      invalidated: count('invalidated'),
    },
  };
}

const request = fc.record({
  at: fc.integer({ min: 0, max: 3000 }),
  text: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  latency: fc.integer({ min: 0, max: 400 }),
  status: fc.constantFrom(200, 200, 200, 400, 429, 500),
  cacheKey: fc.constantFrom(undefined, undefined, false as const),
  maxWait: fc.constantFrom(undefined, undefined, 50),
  leavesAfter: fc.constantFrom(Infinity, Infinity, 0, 100),
});

describe('stats$', () => {
  it('equals a fold of events$ at every emission, and every request is received and ends once', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 25 }), (requests) => {
        inVirtualTime((scheduler) => {
          const optimizer = new LLMCallOptimizer({
            baseInterval: 100,
            maxConcurrent: 2,
            cacheMaxSize: 3,
            cacheTtl: 500,
            cache: { staleWhileRevalidate: 200, staleIfError: 1000 },
            sampleInterval: 50,
            timeout: 300,
            retry: { baseDelay: 10, random: () => 0.5 },
            scheduler,
          });
          const events: CallEvent[] = [];
          let emissions = 0;
          // Statistics take each event in before events$ tells it, and so its last event may be one ahead.
          let check: (() => void) | undefined;
          optimizer.events$.subscribe((event) => {
            events.push(event);
            check?.();
            check = undefined;
          });
          optimizer.stats$.subscribe(({ metrics }) => {
            emissions++;
            const compare = () => expect(metrics).toMatchObject(figuresOf(events));
            if (metrics.totalCalls === 0 && events.length === 0) {
              compare();
            } else {
              check = compare;
            }
          });
          from(requests)
            .pipe(
              mergeMap(({ at, latency, status, leavesAfter, text, cacheKey, maxWait }) =>
                timer(at).pipe(
                  map(() => {
                    const asked = {
                      text,
                      ...(cacheKey === false && { cacheKey }),
                      ...(maxWait && { maxWait }),
                    };
                    let attempts = 0;
                    const subscription = of(asked)
                      .pipe(
                        optimizer.optimize((_request, context) => {
                          context.report({ usage: { inputTokens: 2 } });
                          context.report({ usage: { inputTokens: 3 } });
                          return timer(latency).pipe(
                            mergeMap(() =>
                              status === 200 || attempts++ > 0
                                ? of(text)
                                : throwError(() => Object.assign(new Error('refused'), { status })),
                            ),
                          );
                        }),
                      )
                      .subscribe();
                    if (leavesAfter !== Infinity) {
                      timer(leavesAfter).subscribe(() => subscription.unsubscribe());
                    }
                  }),
                ),
              ),
            )
            .subscribe();
          timer(200_000).subscribe(() => {
            check = undefined;
            expect(optimizer.getStats().metrics).toMatchObject(figuresOf(events));
            const { totalCalls, answeredCalls, failedCalls, leftCalls, inFlight } =
              optimizer.getStats().metrics;
            expect(answeredCalls + failedCalls + leftCalls).toBe(totalCalls);
            expect(totalCalls).toBe(requests.length);
            expect(inFlight).toBe(0);
            expect(optimizer.getStats().executor).toMatchObject({ active: 0, queued: 0 });
            expect(emissions).toBeGreaterThan(0);
            optimizer.close();
          });
        });
      }),
      { numRuns: runs(100) },
    );
  });
});
