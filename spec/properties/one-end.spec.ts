import * as fc from 'fast-check';
import {
  concat,
  EMPTY,
  from,
  map,
  merge,
  mergeMap,
  NEVER,
  of,
  retry,
  Subject,
  take,
  tap,
  throwError,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime } from '../test-scheduler';
import { attemptOf, results } from './planned-calls';
import { runs } from './runs';

const requestPlan = fc.record(
  {
    text: fc.constantFrom('a', 'b', 'c'),
    at: fc.nat(12),
    takes: fc.nat(8),
    result: fc.constantFrom(...results),
    maxWait: fc.constantFrom(0, 2, 5),
    cacheKey: fc.constant(false as const),
  },
  { requiredKeys: ['text', 'at', 'takes', 'result'] },
);

const throttlePlan = fc.option(
  fc.record({
    maxQueue: fc.constantFrom(Infinity, 0, 1, 2),
    overflow: fc.constantFrom('reject' as const, 'drop-oldest' as const),
    maxWait: fc.constantFrom(Infinity, 0, 3, 10),
    refused: fc.constantFrom('error' as const, 'pass' as const),
    baseInterval: fc.constantFrom(0, 4, 10),
  }),
  { nil: undefined },
);

const cachePlan = fc.record({
  isShared: fc.boolean(),
  ordered: fc.boolean(),
  maxWait: fc.constantFrom(Infinity, 2, 8),
  keepAlive: fc.boolean(),
});

const plan = fc.record({
  requests: fc.array(requestPlan, { minLength: 1, maxLength: 6 }),
  front: throttlePlan,
  /** The outer one first. */
  caches: fc.array(cachePlan, { maxLength: 2 }),
  inner: throttlePlan,
  isOneLimiter: fc.boolean(),
  calls: fc.record({
    maxConcurrent: fc.integer({ min: 1, max: 3 }),
    ordered: fc.boolean(),
    maxQueue: fc.constantFrom(Infinity, 0, 1),
    maxWait: fc.constantFrom(Infinity, 3),
  }),
  isLimited: fc.boolean(),
  retries: fc.boolean(),
  subscribers: fc.integer({ min: 1, max: 2 }),
  sourceEnd: fc.constantFrom('completes' as const, 'errs' as const, 'never' as const),
  takes: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  resubscribes: fc.boolean(),
  leavesAt: fc.option(fc.nat(15), { nil: undefined }),
  /** The subscriber leaves, or asks again, in the middle of the event of this number. */
  leavesAtEvent: fc.option(fc.integer({ min: 1, max: 15 }), { nil: undefined }),
  asksAtEvent: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  asksAtOutcomes: fc.constantFrom(0, 1, 3),
});

type Made<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Asked = Made<typeof requestPlan>;
type Plan = Made<typeof plan>;

const manners = { refusals: 2, hang$: NEVER };

/** What is heard of everything that a chain does, until all have left it. */
function eventsOf(given: Plan): CallEvent[] {
  const heard: CallEvent[] = [];
  inVirtualTime((scheduler) => {
    const again$ = new Subject<Asked>();
    const subscriptions: { unsubscribe(): void }[] = [];
    const events = {
      next: (event: CallEvent) => {
        heard.push(event);
        if (heard.length === given.leavesAtEvent) {
          subscriptions[0]?.unsubscribe();
        }
        if (heard.length === given.asksAtEvent) {
          again$.next(given.requests[0]!);
        }
      },
    };
    const limiter = new AdaptiveRateLimiter({ baseInterval: 4, adaptive: false, maxQueue: 2, scheduler });
    const shared = new LLMResultCache({ scheduler });
    const paced = (config: Plan['front']): MonoTypeOperatorFunction<Asked> => {
      if (!config) {
        return (source) => source;
      }
      const { maxWait, refused, ...limits } = config;
      const own = new AdaptiveRateLimiter({ ...limits, adaptive: false, scheduler });
      return adaptiveThrottle(given.isOneLimiter ? limiter : own, { maxWait, refused, events });
    };
    const called = mergeWithConcurrency(
      (request: Asked, { attempt }) => attemptOf(request, attempt, manners),
      {
        ...given.calls,
        ...(given.isLimited ? { limiter } : { scheduler }),
        ...(given.retries && { retry: { random: () => 0.5, baseDelay: 2, maxElapsed: 40 } }),
        events,
      },
    );
    let chain: OperatorFunction<Asked, CallOutcome<Asked, string>> = (source) =>
      source.pipe(paced(given.inner), called);
    for (const [depth, { isShared, ordered, maxWait, keepAlive }] of [...given.caches.entries()].reverse()) {
      const misses = chain;
      chain = cacheLLM((misses$: Observable<Asked>) => misses$.pipe(misses), {
        ...(isShared ? { cache: shared } : { keepAlive, scheduler }),
        namespace: `${depth}`,
        ordered,
        maxWait,
        events,
      });
    }
    let asks = given.asksAtOutcomes;
    const ends = { completes: EMPTY, never: NEVER, errs: throwError(() => new Error('source')) };
    const planned$ = from(given.requests).pipe(
      mergeMap((request) => (request.at === 0 ? of(request) : timer(request.at).pipe(map(() => request)))),
    );
    const outcomes$ = merge(concat(planned$, ends[given.sourceEnd]), again$).pipe(
      paced(given.front),
      chain,
      tap(({ request }) => {
        if (asks-- > 0) {
          again$.next(request);
        }
      }),
      given.takes === undefined ? map((outcome) => outcome) : take(given.takes),
      retry(given.resubscribes ? 1 : 0),
    );
    for (let count = 0; count < given.subscribers; count++) {
      subscriptions.push(outcomes$.subscribe({ error: () => undefined }));
    }
    if (given.leavesAt !== undefined) {
      scheduler.schedule(() => subscriptions[0]!.unsubscribe(), given.leavesAt);
    }
    scheduler.schedule(() => {
      for (const subscription of subscriptions) {
        subscription.unsubscribe();
      }
    }, 1000);
    scheduler.flush();
    shared.close();
  });
  return heard;
}

/** The requests of which not one arrival, then one end, and as many finished calls as started ones were told. */
function oddOnes(events: readonly CallEvent[]): string[] {
  const byId = new Map<number, string[]>();
  for (const event of events) {
    if ('id' in event) {
      byId.set(event.id, [...(byId.get(event.id) ?? []), event.type]);
    }
  }
  return [...byId].flatMap(([id, types]) => {
    const count = (...wanted: string[]) => types.filter((type) => wanted.includes(type)).length;
    const isSound =
      types[0] === 'received' &&
      count('received') === 1 &&
      count('settled', 'left') === 1 &&
      count('started') === count('finished');
    return isSound ? [] : [`${id}: ${types.join(' ')}`];
  });
}

describe('whatever the chain, and whoever leaves or asks again in the middle of anything', () => {
  it('a request is told of once, has one end, and each of its calls finishes', () => {
    fc.assert(
      fc.property(plan, (given) => {
        expect(oddOnes(eventsOf(given))).toEqual([]);
      }),
      { numRuns: runs(600) },
    );
  });
});
