import * as fc from 'fast-check';
import { finalize, from, map, mergeMap, timer } from 'rxjs';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { prioritiesByRank, type CallPriority } from '../../lib/core/priority';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, rethrow } from '../test-scheduler';
import { attemptOf, results, type Manners, type PlannedCall } from './planned-calls';
import { runs } from './runs';

interface PlannedRequest extends PlannedCall {
  readonly number: number;
  readonly at: number;
  readonly priority: CallPriority;
  readonly lane?: string;
  readonly maxWait?: number;
}

const plannedRequests = fc
  .array(
    fc.record(
      {
        at: fc.nat(2000),
        priority: fc.constantFrom(...prioritiesByRank),
        lane: fc.constantFrom('one', 'other'),
        maxWait: fc.nat(5000),
        takes: fc.nat(500),
        result: fc.constantFrom(...results),
      },
      { requiredKeys: ['at', 'priority', 'takes', 'result'] },
    ),
    { maxLength: 25 },
  )
  .map((requests): PlannedRequest[] => requests.map((request, number) => ({ ...request, number })));

const plan = fc.record({
  requests: plannedRequests,
  maxConcurrent: fc.integer({ min: 1, max: 4 }),
  ordered: fc.boolean(),
  retry: fc.boolean(),
  limiter: fc.constantFrom('none', 'at the start', 'throttle too'),
  baseInterval: fc.nat(300),
  adaptive: fc.boolean(),
  requestsPerMinute: fc.option(fc.integer({ min: 60, max: 600 }), { nil: undefined }),
  maxQueue: fc.constantFrom(0, 2, 5, Infinity),
  overflow: fc.constantFrom('reject' as const, 'drop-oldest' as const),
  /** When the subscriber leaves; undefined: never. */
  leavesAt: fc.option(fc.nat(4000), { nil: undefined }),
});

interface Run {
  readonly outcomes: readonly CallOutcome<PlannedRequest, unknown>[];
  readonly isComplete: boolean;
  readonly events: readonly CallEvent[];
  readonly signals: readonly AbortSignal[];
  readonly mostRunning: number;
  readonly received: number;
  readonly lastWorkAt: number;
  readonly queuedAfterwards: number;
}

const manners: Manners = {
  refusals: 3,
  headers: { 'retry-after': '0.4' },
  // It ends after all, so that every request that nobody gives up has an outcome.
  hang$: timer(100_000_000).pipe(map(() => 'late')),
};

function runPlan(given: typeof plan extends fc.Arbitrary<infer T> ? T : never): Run {
  const outcomes: CallOutcome<PlannedRequest, unknown>[] = [];
  const events: CallEvent[] = [];
  const signals: AbortSignal[] = [];
  let isComplete = false;
  let running = 0;
  let mostRunning = 0;
  let received = 0;
  let queuedAfterwards = 0;
  let lastWorkAt = 0;
  inVirtualTime((scheduler) => {
    const limiter = new AdaptiveRateLimiter({
      baseInterval: given.baseInterval,
      adaptive: given.adaptive,
      ...(given.requestsPerMinute && { limits: { requestsPerMinute: given.requestsPerMinute } }),
      scheduler,
    });
    const listener = { next: (event: CallEvent) => events.push(event) };
    const source$ = from(given.requests).pipe(
      mergeMap((request) => timer(request.at).pipe(map(() => request))),
      map((request) => {
        received++;
        return request;
      }),
    );
    const paced$ =
      given.limiter === 'throttle too'
        ? source$.pipe(adaptiveThrottle(limiter, { refused: 'pass', events: listener }))
        : source$;
    const subscription = paced$
      .pipe(
        mergeWithConcurrency(
          (request: PlannedRequest, context: CallContext) => {
            signals.push(context.signal);
            running++;
            mostRunning = Math.max(mostRunning, running);
            let isOver = false;
            const over = () => {
              running -= isOver ? 0 : 1;
              isOver = true;
            };
            try {
              const attempt$ = attemptOf(request, context.attempt, manners);
              return attempt$.pipe(finalize(over));
            } catch (error) {
              over();
              throw error;
            }
          },
          {
            maxConcurrent: given.maxConcurrent,
            ordered: given.ordered,
            timeout: 1000,
            maxWait: 20_000,
            maxQueue: given.maxQueue,
            overflow: given.overflow,
            retry: given.retry && { random: () => 0.5 },
            events: listener,
            scheduler,
            ...(given.limiter !== 'none' && { limiter }),
          },
        ),
      )
      .subscribe({
        next: (outcome) => outcomes.push(outcome),
        complete: () => (isComplete = true),
        error: rethrow,
      });
    if (given.leavesAt !== undefined) {
      scheduler.schedule(() => subscription.unsubscribe(), given.leavesAt);
    }
    scheduler.flush();
    queuedAfterwards = limiter.state.queued;
    ({ lastWorkAt } = scheduler);
  });
  return { outcomes, isComplete, events, signals, mostRunning, received, lastWorkAt, queuedAfterwards };
}

const countOf = (events: readonly CallEvent[], type: CallEvent['type']) =>
  events.filter((event) => event.type === type).length;

describe('whatever happens to requests and calls', () => {
  it('every request yields exactly one outcome, unless the subscriber leaves', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const { outcomes, isComplete } = runPlan({ ...given, leavesAt: undefined });
        const numbers = outcomes.map(({ request }) => request.number);
        expect(isComplete).toBe(true);
        expect([...numbers].sort((one, other) => one - other)).toEqual(
          given.requests.map(({ number }) => number),
        );
      }),
      { numRuns: runs(150) },
    );
  });

  it('nothing waits and no timer is left after the end, or after the subscriber has left', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const { events, lastWorkAt, queuedAfterwards } = runPlan(given);
        expect(queuedAfterwards).toBe(0);
        const lastEventAt = Math.max(0, ...events.map(({ at }) => at));
        expect(lastWorkAt).toBeLessThanOrEqual(Math.max(lastEventAt, given.leavesAt ?? 0));
      }),
      { numRuns: runs(150) },
    );
  });

  it('never more than maxConcurrent calls run', () => {
    fc.assert(
      fc.property(plan, (given) => {
        expect(runPlan(given).mostRunning).toBeLessThanOrEqual(given.maxConcurrent);
      }),
      { numRuns: runs(100) },
    );
  });

  it('events balance: what started has finished, what was received is settled or has left', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const { events, outcomes, received } = runPlan(given);
        expect(countOf(events, 'received')).toBe(received);
        expect(countOf(events, 'finished')).toBe(countOf(events, 'started'));
        expect(countOf(events, 'settled') + countOf(events, 'left')).toBe(received);
        if (!given.ordered) {
          expect(outcomes).toHaveLength(countOf(events, 'settled'));
        }
        const ended = events.filter(({ type }) => type === 'settled' || type === 'left');
        expect(new Set(ended.map((event) => (event as { id: number }).id)).size).toBe(ended.length);
      }),
      { numRuns: runs(150) },
    );
  });

  it('a signal is aborted only by a timeout or because the subscriber left', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const { events, signals } = runPlan(given);
        const count = (name: string) =>
          signals.filter(({ aborted, reason }) => aborted && (reason as Error).name === name).length;
        const aborted = events.filter(
          (event) => event.type === 'finished' && event.result === 'aborted',
        ).length;
        const timedOut = events.filter(
          (event) =>
            event.type === 'finished' && (event.error as Error | undefined)?.name === 'CallTimeoutError',
        ).length;
        expect(count('AbortError')).toBe(aborted);
        expect(count('TimeoutError')).toBe(timedOut);
        if (given.leavesAt === undefined) {
          expect(aborted).toBe(0);
        }
      }),
      { numRuns: runs(100) },
    );
  });

  it('outcomes keep the order of arrival with ordered', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const run = runPlan({ ...given, ordered: true, limiter: 'none' });
        const arrivals = [...given.requests]
          .sort((one, other) => one.at - other.at)
          .map(({ number }) => number);
        const numbers = run.outcomes.map(({ request }) => request.number);
        expect(numbers).toEqual(arrivals.slice(0, numbers.length));
      }),
      { numRuns: runs(100) },
    );
  });
});
