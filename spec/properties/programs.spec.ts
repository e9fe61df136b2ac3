import * as fc from 'fast-check';
import {
  concat,
  config,
  defer,
  EMPTY,
  finalize,
  from,
  map,
  mergeMap,
  NEVER,
  of,
  Subscription,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { CacheStore } from '../../lib/cache/cache-store';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { prioritiesByRank } from '../../lib/core/priority';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { CallMetrics } from '../../lib/stats/call-metrics';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';
import { attemptOf, results } from './planned-calls';
import { runs } from './runs';

/** Milliseconds after which everybody leaves. */
const longest = 1000;

const request = fc.record({
  at: fc.nat(300),
  /** Equal texts of one function are one question. */
  text: fc.constantFrom('a', 'b', 'c', 'd'),
  takes: fc.nat(60),
  result: fc.constantFrom(...results),
  priority: fc.constantFrom(...prioritiesByRank),
  maxWait: fc.constantFrom(undefined, undefined, 0, 40),
  isShared: fc.boolean(),
});

const stream = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 8 }),
  ordered: fc.boolean(),
  sourceEnd: fc.constantFrom('completes' as const, 'completes' as const, 'errs' as const, 'never' as const),
  takes: fc.constantFrom(Infinity, Infinity, 1, 3),
  leavesAt: fc.option(fc.nat(400), { nil: undefined }),
  /** What the subscriber does at the outcome of this number. */
  acts: fc.constantFrom(
    'no' as const,
    'no' as const,
    'leaves' as const,
    'closes' as const,
    'throws' as const,
  ),
  actsAt: fc.integer({ min: 1, max: 4 }),
});

const program = fc.record({
  streams: fc.array(stream, { minLength: 1, maxLength: 3 }),
  maxConcurrent: fc.integer({ min: 1, max: 3 }),
  baseInterval: fc.constantFrom(undefined, 0, 20),
  maxQueue: fc.constantFrom(Infinity, Infinity, 2),
  requestsPerMinute: fc.constantFrom(undefined, undefined, 600),
  cacheTtl: fc.constantFrom(10, 1000),
  cacheMaxSize: fc.constantFrom(1, 10),
  retries: fc.boolean(),
  timeout: fc.constantFrom(undefined, 30),
  staleIfError: fc.constantFrom(0, 500),
  store: fc.constantFrom('none' as const, 'at once' as const, 'fails' as const, 'throws' as const),
  listenerThrowsAt: fc.constantFrom(undefined, undefined, 3, 9),
  clearsAt: fc.option(fc.nat(300), { nil: undefined }),
  closesAt: fc.option(fc.nat(500), { nil: undefined }),
});

type Made<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Asked = Made<typeof request>;
type Program = Made<typeof program>;

/** What happened in one stream. */
interface Log {
  readonly plan: Program['streams'][number];
  readonly asked: Asked[];
  readonly outcomes: CallOutcome<Asked, string>[];
  end: 'open' | 'complete' | 'error' | 'left';
}

interface Run {
  readonly logs: readonly Log[];
  readonly events: readonly CallEvent[];
  readonly metrics: CallMetrics;
  readonly mostRunning: number;
  readonly leftRunning: number;
  /** Calls that began for a stream that had ended, or after the optimizer was closed. */
  readonly late: readonly string[];
}

function storeOf(kind: Program['store']): CacheStore | undefined {
  if (kind === 'none') {
    return undefined;
  }
  const texts = new Map<string, string>();
  const does = <T>(work: () => T): T | false => {
    if (kind === 'throws') {
      throw new Error('The store throws.');
    }
    return kind === 'at once' && work();
  };
  return {
    get: (key) => does(() => texts.get(key)),
    set: (key, text) => does(() => texts.set(key, text) === texts),
    delete: (key) => does(() => texts.delete(key)),
    clear: () => does(() => texts.clear()),
  };
}

/** Runs a program for a second, after which all leave and the optimizer is closed. */
function runOf(given: Program, scheduler: WatchedTestScheduler): Run {
  const store = storeOf(given.store);
  const optimizer = new LLMCallOptimizer({
    maxConcurrent: given.maxConcurrent,
    baseInterval: given.baseInterval,
    maxQueue: given.maxQueue,
    limits: { requestsPerMinute: given.requestsPerMinute },
    cacheTtl: given.cacheTtl,
    cacheMaxSize: given.cacheMaxSize,
    cache: { staleIfError: given.staleIfError, ...(store && { store }) },
    retry: given.retries ? { random: () => 0.5, baseDelay: 5, maxElapsed: 200 } : false,
    timeout: given.timeout,
    traits: (one: unknown) => {
      const { priority, isShared, text, maxWait } = one as Asked;
      return { priority, cacheKey: isShared && text, ...(maxWait !== undefined && { maxWait }) };
    },
    scheduler,
  });
  const events: CallEvent[] = [];
  const late: string[] = [];
  const running = { now: 0, most: 0 };
  let isClosed = false;
  const close = () => {
    isClosed = true;
    optimizer.close();
  };
  // eslint-disable-next-line rxjs-x/no-ignored-error -- it never fails
  optimizer.events$.subscribe((event) => {
    events.push(event);
    if (events.length === given.listenerThrowsAt) {
      throw new Error('The listener throws.');
    }
  });
  const logs = given.streams.map((plan): Log => ({ plan, asked: [], outcomes: [], end: 'open' }));
  for (const log of logs) {
    const { plan } = log;
    const call = (asked: Asked, { attempt }: CallContext) => {
      if (isClosed || (!asked.isShared && log.end !== 'open')) {
        late.push(asked.text);
      }
      return defer(() => {
        running.most = Math.max(running.most, ++running.now);
        return attemptOf(asked, attempt, { refusals: 1, hang$: NEVER });
      }).pipe(finalize(() => running.now--));
    };
    const ends = { completes: EMPTY, never: NEVER, errs: throwError(() => new Error('The source fails.')) };
    const asked$ = from(plan.requests).pipe(
      mergeMap((asked) => (asked.at === 0 ? of(asked) : timer(asked.at).pipe(map(() => asked)))),
      map((asked) => ({ ...asked })),
      tap((asked) => log.asked.push(asked)),
    );
    const subscription = new Subscription();
    subscription.add(
      concat(asked$, ends[plan.sourceEnd])
        .pipe(optimizer.optimize(call, { ordered: plan.ordered, namespace: 'programs' }), take(plan.takes))
        .subscribe({
          next: (outcome) => {
            log.outcomes.push(outcome);
            if (log.outcomes.length === plan.actsAt) {
              if (plan.acts === 'leaves') {
                log.end = 'left';
                subscription.unsubscribe();
              } else if (plan.acts === 'closes') {
                close();
              } else if (plan.acts === 'throws') {
                throw new Error('The subscriber throws.');
              }
            }
          },
          error: () => (log.end = 'error'),
          complete: () => (log.end = 'complete'),
        }),
    );
    scheduler.schedule(() => {
      if (log.end === 'open') log.end = 'left';
      subscription.unsubscribe();
    }, plan.leavesAt ?? longest);
  }
  if (given.clearsAt !== undefined) {
    scheduler.schedule(() => optimizer.cache?.clear(), given.clearsAt);
  }
  scheduler.schedule(close, given.closesAt ?? longest + 1);
  scheduler.flush();
  const { metrics } = optimizer.getStats();
  return { logs, events, metrics, mostRunning: running.most, leftRunning: running.now, late };
}

/** What is wrong with a run; nothing if all is well. */
function faultsOf({ logs, events, metrics, mostRunning, leftRunning, late }: Run, given: Program): string[] {
  const faults: string[] = [];
  const claim = (isSo: boolean, fault: string) => {
    if (!isSo) faults.push(fault);
  };
  claim(late.length === 0, `began too late: ${late.join()}`);
  claim(mostRunning <= given.maxConcurrent, `${mostRunning} ran at once`);
  claim(leftRunning === 0, `${leftRunning} run on`);
  for (const [index, { plan, asked, outcomes, end }] of logs.entries()) {
    const answered = outcomes.map((outcome) => outcome.request);
    claim(new Set(answered).size === answered.length, `${index}: a request has two outcomes`);
    claim(
      answered.every((one) => asked.includes(one)),
      `${index}: an outcome of nobody's request`,
    );
    claim(outcomes.length <= plan.takes, `${index}: an outcome after the last one`);
    claim(
      end !== 'complete' || outcomes.length === Math.min(asked.length, plan.takes),
      `${index}: ${asked.length} asked, ${outcomes.length} outcomes`,
    );
    claim(
      !plan.ordered || answered.every((one, place) => one === asked[place]),
      `${index}: not in the order of the source`,
    );
    claim(end !== 'open', `${index}: has no end`);
  }
  const count = (type: CallEvent['type']) => events.filter((event) => event.type === type).length;
  claim(count('received') === count('settled') + count('left'), 'a request without an end');
  claim(count('started') === count('finished'), 'a call without an end');
  claim(metrics.totalCalls === count('received'), 'totalCalls is not what was received');
  claim(metrics.cacheHits === count('cache-hit'), 'cacheHits are not the hits');
  claim(metrics.cacheMisses === count('cache-miss'), 'cacheMisses are not the misses');
  claim(metrics.inFlight === 0, `${metrics.inFlight} in flight`);
  return faults;
}

describe('random programs over one optimizer: streams, leaves, closes, throwing callbacks, stores', () => {
  const { onUnhandledError } = config;
  const thrown: unknown[] = [];
  beforeAll(() => {
    config.onUnhandledError = (error) => thrown.push(error);
  });
  afterAll(() => {
    config.onUnhandledError = onUnhandledError;
  });

  it('hold conservation, slots, order and statistics, and start nothing for who has left', () => {
    fc.assert(
      fc.property(program, (given) => {
        expect(
          faultsOf(
            inVirtualTime((scheduler) => runOf(given, scheduler)),
            given,
          ),
        ).toEqual([]);
        expect(
          thrown.splice(0).filter((error) => !/The (listener|subscriber) throws/.test(String(error))),
        ).toEqual([]);
      }),
      { numRuns: runs(300) },
    );
  });
});
