import * as fc from 'fast-check';
import {
  EMPTY,
  from,
  map,
  merge,
  mergeMap,
  NEVER,
  Subject,
  takeUntil,
  tap,
  timer,
  type Observable,
  type Subscription,
} from 'rxjs';
import { internalsOf } from '../../lib/cache/llm-result-cache';
import type { CallEvent } from '../../lib/core/events';
import { CallPriority } from '../../lib/core/priority';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, rethrow } from '../test-scheduler';
import { attemptOf, results } from './planned-calls';
import { runs } from './runs';

const request = fc.record({
  at: fc.nat(12),
  cacheKey: fc.constantFrom('a', 'b', 'c', 'd'),
  priority: fc.constantFrom(...Object.values(CallPriority)),
  takes: fc.nat(6),
  result: fc.constantFrom('answered' as const, 'answered' as const, 'at once' as const, ...results),
});

const stream = fc.record({
  requests: fc.array(request, { maxLength: 8, size: 'max' }),
  ordered: fc.boolean(),
  leavesAt: fc.option(fc.nat(14), { nil: Infinity }),
  /** Whether it asks for the first request again as soon as it has an outcome. */
  asksAgain: fc.boolean(),
});

const intervention = fc.record({
  at: fc.nat(14),
  does: fc.constantFrom('delete', 'clear', 'set', 'invalidate', 'one', 'four', 'close'),
  key: fc.constantFrom('a', 'b', 'c'),
});

/** In the middle of the event of this number. */
const reaction = fc.record({
  atEvent: fc.integer({ min: 1, max: 20 }),
  does: fc.constantFrom('leave', 'delete', 'clear', 'set', 'invalidate', 'close'),
  key: fc.constantFrom('a', 'b', 'c'),
});

const plan = fc.record({
  streams: fc.array(stream, { minLength: 1, maxLength: 3 }),
  interventions: fc.array(intervention, { maxLength: 2 }),
  reactions: fc.array(reaction, { maxLength: 2 }),
  maxConcurrent: fc.integer({ min: 1, max: 3 }),
  cacheMaxSize: fc.integer({ min: 1, max: 3 }),
  cacheTtl: fc.constantFrom(4, 1000),
  staleWhileRevalidate: fc.constantFrom(0, 6),
  keepAlive: fc.boolean(),
  interval: fc.constantFrom(undefined, 0, 2),
  retries: fc.boolean(),
});

type Made<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Asked = Made<typeof request>;

/** Every event that is heard, and what each stream is told, with the time of each. */
function historyOf(given: Made<typeof plan>, isHeard = true) {
  return inVirtualTime((scheduler) => {
    const told: unknown[] = [];
    const events: CallEvent[] = [];
    const maxConcurrent = new Subject<number>();
    const { interval, cacheTtl, cacheMaxSize, staleWhileRevalidate, keepAlive } = given;
    const optimizer = new LLMCallOptimizer({
      maxConcurrent: merge(from([given.maxConcurrent]), maxConcurrent, NEVER),
      cacheMaxSize,
      cacheTtl,
      cache: { staleWhileRevalidate, keepAlive },
      ...(interval === undefined
        ? { enableRateLimit: false }
        : { baseInterval: interval, minInterval: interval, adaptive: false }),
      retry: given.retries && { attempts: 3, baseDelay: 2, random: () => 0.5, maxElapsed: 40 },
      scheduler,
    });
    const subscriptions: Subscription[] = [];
    const cache = optimizer.cache!;
    const act = (does: string, key: string) => {
      switch (does) {
        case 'delete':
          cache.delete(key);
          break;
        case 'clear':
          cache.clear();
          break;
        case 'set':
          cache.set(key, 'set');
          break;
        case 'invalidate':
          cache.invalidate({ predicate: (answer) => answer.value !== 'at once' });
          break;
        case 'one':
          maxConcurrent.next(1);
          break;
        case 'four':
          maxConcurrent.next(4);
          break;
        case 'leave':
          subscriptions[0]?.unsubscribe();
          break;
        case 'close':
          optimizer.close();
          break;
      }
    };
    const heard$ = isHeard ? optimizer.events$ : EMPTY;
    heard$.subscribe({
      next: (event) => {
        const number = events.push(event);
        for (const { atEvent, does, key } of given.reactions) {
          if (atEvent === number) {
            act(does, key);
          }
        }
      },
      error: rethrow,
    });
    const call = (asked: Asked, { attempt, signal }: { attempt: number; signal: AbortSignal }) => {
      told.push([scheduler.now(), 'called', asked, attempt]);
      signal.addEventListener('abort', () => told.push([scheduler.now(), 'aborted', asked]));
      return attemptOf(asked, attempt, { refusals: 1, hang$: NEVER });
    };
    given.streams.forEach(({ requests, ordered, leavesAt, asksAgain }, number) => {
      const again$ = new Subject<Asked>();
      const planned$ = from(requests).pipe(mergeMap((one) => timer(one.at).pipe(map(() => one))));
      const requests$: Observable<Asked> = asksAgain ? merge(planned$, again$) : planned$;
      let isAsked = false;
      const subscription = requests$
        .pipe(
          optimizer.optimize(call, { ordered }),
          tap(() => {
            if (asksAgain && !isAsked) {
              isAsked = true;
              again$.next(requests[0]!);
              again$.complete();
            }
          }),
          leavesAt === Infinity ? (source) => source : takeUntil(timer(leavesAt)),
        )
        .subscribe({
          next: (outcome) => told.push([scheduler.now(), number, outcome]),
          error: (error: unknown) => told.push([scheduler.now(), number, 'error', String(error)]),
          complete: () => told.push([scheduler.now(), number, 'complete']),
        });
      subscriptions.push(subscription);
    });
    for (const { at, does, key } of given.interventions) {
      scheduler.schedule(() => act(does, key), at);
    }
    scheduler.schedule(() => optimizer.close(), 60);
    scheduler.flush();
    const { metrics, executor } = optimizer.getStats();
    const numbers = [...new Set(events.map((event) => ('id' in event ? event.id : 0)))];
    const numbered = events.map((event) => ({
      ...event,
      ...('id' in event && { id: numbers.indexOf(event.id) }),
      ...('renewal' in event && { renewal: 'a number' }),
    }));
    expect(cache[internalsOf].flights.all()).toEqual([]);
    return { told, events: numbered, metrics, executor };
  });
}

describe('misses', () => {
  it('have the same outcomes and figures whether or not somebody hears of them', () => {
    fc.assert(
      fc.property(plan, (made) => {
        const given = { ...made, reactions: [] };
        const heard = historyOf(given);
        const unheard = historyOf(given, false);
        expect(unheard.told).toEqual(heard.told);
        expect(unheard.metrics).toEqual(heard.metrics);
      }),
      { numRuns: runs(200) },
    );
  });
});
