import * as fc from 'fast-check';
import { concat, from, map, mergeMap, of, Subject, tap, timer, type Observable } from 'rxjs';
import type { CallContext, CallOutcome, HeadersLike, TokenUsage } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { prioritiesByRank, type CallPriority } from '../../lib/core/priority';
import {
  AdaptiveRateLimiter,
  type Permit,
  type RateLimiterState,
} from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import {
  SimulatedProvider,
  type SimulatedHeaders,
  type SimulatedLimit,
  type SimulatedProviderConfig,
} from '../../lib/testing';
import { inVirtualTime, rethrow, type WatchedTestScheduler } from '../test-scheduler';
import { runs } from './runs';

interface Request {
  readonly number: number;
  readonly at: number;
  readonly priority: CallPriority;
  readonly tokens: number;
}

interface Start {
  readonly at: number;
  readonly cost: number;
  /** What it took of the limit; nothing of the tokens where it was refused. Default: its cost. */
  spent?: number;
}

const minute = 60_000;

/** Requests that announce up to so many tokens; many come at once, others one by one. */
function requestsOf(mostTokens: number, span: number): fc.Arbitrary<Request[]> {
  const request = fc.record({
    at: fc.oneof(fc.constant(0), fc.nat(span)),
    priority: fc.constantFrom(...prioritiesByRank),
    tokens: fc.integer({ min: 1, max: mostTokens }),
  });
  return fc
    .array(request, { minLength: 1, maxLength: 60 })
    .map((planned) =>
      planned.sort((one, other) => one.at - other.at).map((one, number) => ({ ...one, number })),
    );
}

/** The requests at their times, those of one moment in their order. */
function arriving(planned: readonly Request[], scheduler: WatchedTestScheduler): Observable<Request> {
  return from(planned).pipe(mergeMap((request) => timer(request.at, scheduler).pipe(map(() => request))));
}

/**
 * How far starts went beyond a limit in any window. A bucket admits a start if it holds its cost, or is full: so all
 * starts of a window but the last, and as much of the last as a bucket can hold, are never more than what the bucket
 * held at first and what has come in since.
 */
function excess(starts: readonly Start[], depth: number, perMinute: number): number {
  let worst = -Infinity;
  // Of all windows that end with a start, the worst is found from that of the start before.
  let missing = 0;
  let last: Start | undefined;
  for (const start of starts) {
    if (last) {
      missing = Math.max(
        0,
        missing + (last.spent ?? last.cost) - ((start.at - last.at) * perMinute) / minute,
      );
    }
    worst = Math.max(worst, missing + Math.min(start.cost, depth) - depth);
    last = start;
  }
  return worst;
}

describe('whatever is asked of a limit, and in whatever window one looks', () => {
  /** What the fullest window holds that ends with a start, itself included. */
  function fullest(starts: readonly Start[], window: number): number {
    let most = 0;
    let spent = 0;
    let first = 0;
    for (const { at, cost } of starts) {
      spent += cost;
      for (; starts[first]!.at <= at - window; first++) {
        spent -= starts[first]!.cost;
      }
      most = Math.max(most, spent);
    }
    return most;
  }

  const day = 1440 * minute;

  it('no window of its length sees more than a limit that is known', () => {
    const knownLimits = fc.record({
      requestsPerMinute: fc.integer({ min: 3, max: 100 }),
      tokensPerMinute: fc.integer({ min: 2000, max: 20_000 }),
      inputTokensPerMinute: fc.integer({ min: 2000, max: 20_000 }),
      outputTokensPerMinute: fc.integer({ min: 2000, max: 20_000 }),
      requestsPerDay: fc.integer({ min: 10, max: 100 }),
    });
    const path = fc.record({
      isThrottled: fc.boolean(),
      /** Milliseconds between the permit and the call. */
      delay: fc.oneof(fc.constant(0), fc.nat(150_000)),
      maxConcurrent: fc.constantFrom(1, 3, 100),
      /** How many may run from which moment on. */
      laterConcurrent: fc.tuple(fc.nat(200_000), fc.constantFrom(0, 1, 100)),
    });
    const call = fc.record({
      latency: fc.oneof(fc.nat(2000), fc.nat(100_000)),
      fails: fc.boolean(),
      reports: fc.boolean(),
    });
    fc.assert(
      fc.property(
        requestsOf(2000, 90_000),
        fc.array(call, { minLength: 1 }),
        knownLimits,
        fc.nat(200),
        path,
        (planned, calls, limits, baseInterval, { isThrottled, delay, maxConcurrent, laterConcurrent }) => {
          const starts: { at: number; tokens: number; half: number }[] = [];
          inVirtualTime((scheduler) => {
            const limiter = new AdaptiveRateLimiter({ baseInterval, limits, scheduler });
            const requests$ = arriving(planned, scheduler);
            const [later, most] = laterConcurrent;
            const maxConcurrent$ = concat(
              of(maxConcurrent),
              timer(later, scheduler).pipe(map(() => most)),
              timer(200_000, scheduler).pipe(map(() => 100)),
            );
            (isThrottled
              ? requests$.pipe(
                  adaptiveThrottle(limiter),
                  mergeMap((request) => timer(delay, scheduler).pipe(map(() => request))),
                )
              : requests$
            )
              .pipe(
                mergeWithConcurrency(
                  ({ number, tokens }, { report }) => {
                    const { latency, fails, reports } = calls[number % calls.length]!;
                    const start = { at: scheduler.now(), tokens, half: 0 };
                    starts.push(start);
                    return timer(latency, scheduler).pipe(
                      map(() => {
                        if (reports) {
                          // Less than it announced: the limiter cannot know of more.
                          start.half = Math.floor(tokens / 4);
                          start.tokens = 2 * start.half;
                          report({ usage: { inputTokens: start.half, outputTokens: start.half } });
                        } else if (fails) {
                          start.tokens = 0;
                        }
                        if (fails) {
                          throw Object.assign(new Error('not well formed'), { status: 400 });
                        }
                      }),
                    );
                  },
                  { limiter, maxConcurrent: maxConcurrent$ },
                ),
              )
              .subscribe({ error: rethrow });
            scheduler.flush();
          });
          const requests = starts.map(({ at }) => ({ at, cost: 1 }));
          expect(starts).toHaveLength(planned.length);
          expect(fullest(requests, minute)).toBeLessThanOrEqual(limits.requestsPerMinute);
          expect(fullest(requests, day)).toBeLessThanOrEqual(limits.requestsPerDay);
          const tokens = starts.map(({ at, tokens: cost }) => ({ at, cost }));
          expect(fullest(tokens, minute)).toBeLessThanOrEqual(limits.tokensPerMinute);
          const halves = starts.map(({ at, half: cost }) => ({ at, cost }));
          expect(fullest(halves, minute)).toBeLessThanOrEqual(limits.inputTokensPerMinute);
          expect(fullest(halves, minute)).toBeLessThanOrEqual(limits.outputTokensPerMinute);
        },
      ),
      { numRuns: runs(150) },
    );
  });

  it('what starts never exceeds the depth and the refill of a limit that was stated', () => {
    const givenProvider = fc.record({
      requestsPerMinute: fc.integer({ min: 10, max: 3000 }),
      requestDepth: fc.double({ min: 0.02, max: 1, noNaN: true }),
      tokensPerMinute: fc.integer({ min: 100, max: 20_000 }),
      tokenDepth: fc.double({ min: 0.02, max: 1, noNaN: true }),
      base: fc.nat(2000),
      refusedCallsCount: fc.boolean(),
    });
    fc.assert(
      fc.property(
        requestsOf(1000, 90_000),
        givenProvider,
        fc.nat(1000),
        fc.integer({ min: 1, max: 100 }),
        (planned, given, baseInterval, maxConcurrent) => {
          const { requestsPerMinute, tokensPerMinute } = given;
          const requestDepth = Math.max(1, given.requestDepth * requestsPerMinute);
          const tokenDepth = Math.max(1, given.tokenDepth * tokensPerMinute);
          // What is spent beyond the depth is not stated, so no call costs more.
          const costOf = ({ tokens }: Request) => Math.ceil((tokens / 1000) * Math.floor(tokenDepth));
          const starts: Start[] = [];
          let statedAt = Infinity;
          inVirtualTime((scheduler) => {
            const provider = new SimulatedProvider<Request>({
              limits: [
                { of: 'requests', limit: requestsPerMinute, depth: requestDepth },
                { of: 'tokens', limit: tokensPerMinute, depth: tokenDepth },
              ],
              tokensOf: (request) => ({ input: costOf(request), output: 0 }),
              latency: { base: given.base, refusal: 50 },
              refusedCallsCount: given.refusedCallsCount,
              scheduler,
            });
            const limiter = new AdaptiveRateLimiter({ baseInterval, scheduler });
            arriving(planned, scheduler)
              .pipe(
                mergeWithConcurrency(
                  (request, context) => {
                    const start: Start = { at: scheduler.now(), cost: costOf(request) };
                    starts.push(start);
                    return provider.call(request, context).pipe(tap({ error: () => (start.spent = 0) }));
                  },
                  {
                    limiter,
                    maxConcurrent,
                    traits: (request) => ({ priority: request.priority, tokens: costOf(request) }),
                    retry: { random: () => 0.5, maxElapsed: Infinity },
                    events: {
                      next: () => {
                        if (limiter.state.budgets.length > 0) {
                          statedAt = Math.min(statedAt, scheduler.now());
                        }
                      },
                    },
                  },
                ),
              )
              .subscribe({ error: rethrow });
            scheduler.flush();
            expect(provider.statistics.answered).toBe(planned.length);
          });
          const tokens = starts.filter(({ at }) => at > statedAt);
          const requests = tokens.map(({ at, spent }) => ({
            at,
            cost: 1,
            spent: spent === 0 && !given.refusedCallsCount ? 0 : 1,
          }));
          // What is left is stated in whole units, and when all is there again in whole milliseconds.
          const milliseconds = 5 / minute;
          expect(excess(requests, requestDepth, requestsPerMinute)).toBeLessThan(
            milliseconds * requestsPerMinute,
          );
          expect(excess(tokens, tokenDepth, tokensPerMinute)).toBeLessThan(
            1 + milliseconds * tokensPerMinute,
          );
        },
      ),
      {
        numRuns: runs(150),
        examples: [
          // What is left is stated without its fraction, by which one start comes too early and is refused.
          [
            [
              { at: 0, priority: 'low', tokens: 50, number: 0 },
              { at: 0, priority: 'critical', tokens: 973, number: 1 },
              { at: 0, priority: 'low', tokens: 1, number: 2 },
            ],
            {
              requestsPerMinute: 26,
              requestDepth: 0.02,
              tokensPerMinute: 102,
              tokenDepth: 101 / 102,
              base: 0,
              refusedCallsCount: true,
            },
            0,
            1,
          ],
          // Two calls are refused while the first runs, whose answer tells what was left before them.
          [
            [
              { at: 0, priority: 'low', tokens: 481, number: 0 },
              { at: 0, priority: 'low', tokens: 501, number: 1 },
              { at: 0, priority: 'low', tokens: 951, number: 2 },
            ],
            {
              requestsPerMinute: 64,
              requestDepth: 0.02,
              tokensPerMinute: 100,
              tokenDepth: 1,
              base: 1899,
              refusedCallsCount: true,
            },
            0,
            3,
          ],
        ],
      },
    );
  });
});

describe('however many calls are refused at once', () => {
  const refusal = (headers: Record<string, string>) =>
    Object.assign(new Error('refused'), { status: 429, headers });

  it('everybody is held once, in whatever order the refusals arrive', () => {
    const call = fc.record({ startsAfter: fc.constant(0), refusedAfter: fc.integer({ min: 45, max: 80 }) });
    const hint = fc.constantFrom(
      [500, {}],
      [2000, { 'retry-after': '2' }],
      [700, { 'retry-after-ms': '700' }],
    );
    fc.assert(
      fc.property(
        fc.array(call, { minLength: 1, maxLength: 60 }),
        fc.nat(20),
        hint as fc.Arbitrary<[number, Record<string, string>]>,
        (calls, answered, [hold, headers]) => {
          const held: { at: number; until: number | undefined; interval: number }[] = [];
          inVirtualTime((scheduler) => {
            const limiter = new AdaptiveRateLimiter({ baseInterval: 0, minInterval: 0, scheduler });
            const start = (then: (permit: Permit) => void) =>
              limiter.acquire().subscribe({ next: then, error: rethrow });
            for (let index = 0; index < answered; index++) {
              scheduler.schedule(() => {
                start((permit) => {
                  permit.report({ usage: { inputTokens: 10 } });
                  permit.release();
                });
              }, index * 50);
            }
            let startsAt = answered * 50;
            // All of them are on their way before the first refusal is heard.
            const refusedFrom = calls.reduce((sum, { startsAfter }) => sum + startsAfter, startsAt);
            for (const { startsAfter, refusedAfter } of calls) {
              startsAt += startsAfter;
              scheduler.schedule(() => {
                start((permit) => {
                  scheduler.schedule(
                    () => {
                      permit.report({ error: refusal(headers) });
                      const { heldUntil: until, currentInterval: interval } = limiter.state;
                      held.push({ at: scheduler.now(), until, interval });
                    },
                    refusedFrom + refusedAfter - scheduler.now(),
                  );
                });
              }, startsAt);
            }
            scheduler.flush();
          });
          expect(held).toHaveLength(calls.length);
          for (const { until, interval } of held) {
            expect(interval).toBe(0);
            expect(until ?? 0).toBeLessThanOrEqual(held.at(-1)!.at + hold);
          }
          if (calls.length >= 20) {
            expect(held.at(-1)!.until).toBeGreaterThanOrEqual(held[0]!.at + hold);
          }
        },
      ),
      { numRuns: runs(200) },
    );
  });

  it('a storm of them holds nobody longer than one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), (count) => {
        const stateAfter = (refusals: number) =>
          inVirtualTime((scheduler) => {
            const limiter = new AdaptiveRateLimiter({ baseInterval: 100, scheduler });
            for (let index = 0; index < refusals; index++) {
              const startedAt = -1 - index;
              const error = refusal({});
              limiter.observe({
                type: 'finished',
                at: 0,
                id: startedAt,
                attempt: 1,
                result: 'failed',
                latency: 1,
                startedAt,
                error,
              });
            }
            const { currentInterval, heldUntil } = limiter.state;
            return { currentInterval, heldUntil };
          });
        expect(stateAfter(count)).toEqual(stateAfter(1));
        expect(stateAfter(1).heldUntil).toBeGreaterThan(0);
      }),
      { numRuns: runs(20) },
    );
  });
});

describe('whatever nonsense is heard', () => {
  const amount = fc.oneof(
    fc.double(),
    fc.integer({ min: -5, max: 5000 }),
    fc.constantFrom(NaN, Infinity, -Infinity, -1, 0, Number.MAX_VALUE, Number.MIN_VALUE),
  );
  const usage: fc.Arbitrary<TokenUsage> = fc.record(
    { inputTokens: amount, outputTokens: amount },
    { requiredKeys: [] },
  );
  const figure = fc.oneof(
    fc.nat(3000).map(String),
    fc.constantFrom(
      '',
      '-1',
      '0',
      'NaN',
      '1e999',
      '0.5',
      '6m0s',
      '20ms',
      '-3s',
      '1h',
      '99999999999999999999',
      'x',
    ),
    fc.string({ maxLength: 4 }),
    fc.nat(100).map((count) => `${count}s`),
  );
  const headers: fc.Arbitrary<HeadersLike> = fc.dictionary(
    fc.constantFrom(
      'x-ratelimit-limit-requests',
      'x-ratelimit-remaining-requests',
      'x-ratelimit-reset-requests',
      'x-ratelimit-limit-tokens',
      'x-ratelimit-remaining-tokens',
      'x-ratelimit-reset-tokens',
      'anthropic-ratelimit-input-tokens-limit',
      'anthropic-ratelimit-input-tokens-remaining',
      'anthropic-ratelimit-output-tokens-limit',
      'x-ratelimit-limit-requests-day',
      'retry-after',
      'retry-after-ms',
    ),
    figure,
    { maxKeys: 8 },
  );
  const step = fc.record({
    wait: fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(100_000)),
    answer: fc.constantFrom('well', 'well', 'refused', 'down', 'unavailable', 'silent'),
    takes: fc.nat(3000),
    tokens: fc.option(fc.nat(5000), { nil: undefined }),
    headers,
    usage,
  });

  /** What of a state nobody could wait for, or could not read. */
  function nonsenseIn(state: RateLimiterState, max: number): string[] {
    const { currentInterval, callRate, learnedRate, heldUntil = 0, next, budgets } = state;
    const isAmount = (number: number) => number >= 0 && number < Infinity;
    const found: [string, boolean][] = [
      ['currentInterval', isAmount(currentInterval) && currentInterval <= max],
      ['callRate', isAmount(callRate)],
      ['learnedRate', learnedRate === undefined || (learnedRate > 0 && isAmount(learnedRate))],
      ['heldUntil', isAmount(heldUntil)],
      ['next.opensAt', isAmount(next?.opensAt ?? 0)],
      ['next.reason', !/NaN|Infinity|undefined/.test(next?.reason ?? '')],
      ...budgets.map(({ name, limit, window, remaining, foreignPerMinute }): [string, boolean] => [
        `the budget ${name}`,
        limit > 0 && window > 0 && Number.isFinite(remaining) && isAmount(foreignPerMinute),
      ]),
    ];
    return found.filter(([, isSane]) => !isSane).map(([name]) => `${name} in ${JSON.stringify(state)}`);
  }

  it('no interval, rate or level is ever a number that cannot be waited for', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isKnown) => {
        const found: string[] = [];
        inVirtualTime((scheduler) => {
          const limiter = new AdaptiveRateLimiter({
            baseInterval: 100,
            maxInterval: 5000,
            ...(isKnown && { limits: { requestsPerMinute: 300, tokensPerMinute: 50_000 } }),
            scheduler,
          });
          let at = 0;
          for (const { wait, answer, takes, tokens, headers, usage } of steps) {
            at += wait;
            const hear = (permit: Permit) => {
              const status = { refused: 429, down: 500, unavailable: 503 }[answer as 'refused'];
              permit.report({ headers, usage });
              found.push(...nonsenseIn(limiter.state, 5000));
              if (status) {
                permit.report({ error: Object.assign(new Error('failed'), { status, headers }) });
              } else if (answer === 'well') {
                permit.release();
              }
              found.push(...nonsenseIn(limiter.state, 5000));
            };
            scheduler.schedule(() => {
              limiter.acquire({ ...(tokens !== undefined && { tokens }), maxWait: 20_000 }).subscribe({
                next: (permit) => scheduler.schedule(() => hear(permit), takes),
                error: () => undefined,
              });
              found.push(...nonsenseIn(limiter.state, 5000));
            }, at);
          }
          scheduler.flush();
          found.push(...nonsenseIn(limiter.state, 5000));
        });
        expect(found).toEqual([]);
      }),
      { numRuns: runs(400) },
    );
  });
});

describe('whatever the provider does', () => {
  const limits: fc.Arbitrary<SimulatedLimit[]> = fc.array(
    fc.record(
      {
        of: fc.constantFrom('requests' as const, 'tokens' as const, 'output-tokens' as const),
        limit: fc.integer({ min: 30, max: 3000 }),
        kind: fc.constantFrom('bucket' as const, 'fixed-window' as const),
        hidden: fc.boolean(),
      },
      { requiredKeys: ['of', 'limit'] },
    ),
    { maxLength: 3 },
  );
  const outages = fc.array(
    fc
      .record({
        from: fc.nat(5000),
        lasts: fc.nat(10_000),
        failureRate: fc.double({ min: 0, max: 1, noNaN: true }),
        status: fc.constantFrom(500, 503, 529),
      })
      .map(({ lasts, ...outage }) => ({ ...outage, until: outage.from + lasts })),
    { maxLength: 2 },
  );
  const plan = fc.record({
    requests: requestsOf(300, 10_000),
    provider: fc.record({
      limits,
      outages,
      headers: fc.constantFrom<SimulatedHeaders>('openai', 'anthropic', 'azure', 'groq', 'mistral', 'none'),
      retryAfter: fc.constantFrom(
        'seconds' as const,
        'milliseconds' as const,
        'body' as const,
        'none' as const,
      ),
      refusedCallsCount: fc.boolean(),
      neighbours: fc.constantFrom([], [{ requestsPerMinute: 60, tokensPerRequest: 10 }]),
      seed: fc.nat(1000),
    }),
    maxConcurrent: fc.integer({ min: 1, max: 20 }),
    timeout: fc.constantFrom(Infinity, 700),
    maxWait: fc.constantFrom(Infinity, 5000),
    baseInterval: fc.nat(300),
    lanes: fc.integer({ min: 1, max: 3 }),
  });
  type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

  interface Run {
    readonly outcomes: readonly CallOutcome<Request, unknown>[];
    readonly isComplete: boolean;
    readonly events: readonly CallEvent[];
    readonly provider: SimulatedProvider<Request>;
    readonly limiter: AdaptiveRateLimiter;
    readonly lastWorkAt: number;
  }

  function runPlan(given: Plan, leavesAt?: number, closesAt?: number): Run {
    const outcomes: CallOutcome<Request, unknown>[] = [];
    const events: CallEvent[] = [];
    let isComplete = false;
    return inVirtualTime((scheduler) => {
      const config: SimulatedProviderConfig<Request> = {
        ...given.provider,
        tokensOf: ({ tokens }) => ({ input: tokens, output: 20 }),
        scheduler,
      };
      const provider = new SimulatedProvider(config);
      const optimizer = new LLMCallOptimizer({
        baseInterval: given.baseInterval,
        maxConcurrent: given.maxConcurrent,
        timeout: given.timeout,
        maxWait: given.maxWait,
        retry: { random: () => 0.5 },
        traits: ({ priority, number }: Request) => ({ priority, lane: `tenant ${number % given.lanes}` }),
        scheduler,
      });
      const subscription = arriving(given.requests, scheduler)
        .pipe(
          optimizer.optimize(
            (request: Request, context: CallContext) =>
              // Some callers never ask for the signal: leaving must end their calls too.
              provider.call(request, request.number % 2 ? context : { report: context.report }),
            { events: { next: (event) => events.push(event) } },
          ),
        )
        .subscribe({
          next: (outcome) => outcomes.push(outcome),
          error: rethrow,
          complete: () => (isComplete = true),
        });
      if (leavesAt !== undefined) {
        scheduler.schedule(() => subscription.unsubscribe(), leavesAt);
      }
      if (closesAt !== undefined) {
        scheduler.schedule(() => optimizer.close(), closesAt);
      }
      scheduler.flush();
      const { lastWorkAt } = scheduler;
      return { outcomes, isComplete, events, provider, limiter: optimizer.limiter!, lastWorkAt };
    });
  }

  function expectNothingLeft({ provider, limiter, lastWorkAt, events }: Run, ...deeds: number[]): void {
    const { calls, answered, refused, failed, aborted, running } = provider.statistics;
    expect(running).toBe(0);
    expect(calls).toBe(answered + refused + failed + aborted);
    expect(limiter.state.queued).toBe(0);
    expect(limiter.state.next).toBeUndefined();
    expect(lastWorkAt).toBeLessThanOrEqual(Math.max(0, ...events.map(({ at }) => at), ...deeds));
  }

  it('every request yields one outcome, and no timer is left', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const run = runPlan(given);
        const numbers = run.outcomes.map(({ request }) => request.number);
        expect(run.isComplete).toBe(true);
        expect(numbers.sort((one, other) => one - other)).toEqual(given.requests.map(({ number }) => number));
        expect(run.provider.statistics.answered).toBeGreaterThanOrEqual(
          run.outcomes.filter(({ ok }) => ok).length,
        );
        expectNothingLeft(run);
      }),
      { numRuns: runs(150) },
    );
  });

  it('who leaves takes calls, places and timers along', () => {
    fc.assert(
      fc.property(plan, fc.nat(20_000), (given, leavesAt) => {
        const run = runPlan(given, leavesAt);
        const ids = run.outcomes.map(({ request }) => request.number);
        expect(new Set(ids).size).toBe(ids.length);
        expect(run.events.filter(({ type, at }) => type === 'started' && at > leavesAt)).toEqual([]);
        expectNothingLeft(run, leavesAt);
      }),
      { numRuns: runs(100) },
    );
  });

  it('who is closed answers all and starts nothing more', () => {
    fc.assert(
      fc.property(plan, fc.nat(20_000), (given, closesAt) => {
        const run = runPlan(given, undefined, closesAt);
        const ids = run.outcomes.map(({ request }) => request.number);
        expect(run.isComplete).toBe(true);
        expect(new Set(ids).size).toBe(ids.length);
        expect(run.events.filter(({ type, at }) => type === 'started' && at > closesAt)).toEqual([]);
        expectNothingLeft(run, closesAt);
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('however much a tenant asks for', () => {
  interface TenantRequest {
    readonly lane: string;
    readonly number: number;
    readonly priority?: CallPriority;
  }

  it('it delays the first request of another by one start at most', () => {
    fc.assert(
      fc.property(
        fc.nat(60_000),
        fc.constantFrom(1, 3, 100),
        fc.record({
          limit: fc.integer({ min: 60, max: 3000 }),
          depth: fc.constantFrom(1, 50),
          headers: fc.constantFrom<SimulatedHeaders>('openai', 'none'),
        }),
        fc.constantFrom(...prioritiesByRank),
        (arrivesAt, maxConcurrent, { limit, depth, headers }, priority) => {
          const startedLanes: string[] = [];
          let startsAtArrival = NaN;
          inVirtualTime((scheduler) => {
            const provider = new SimulatedProvider<TenantRequest>({
              limits: [{ of: 'requests', limit, depth }],
              headers,
              tokensOf: () => ({ input: 10, output: 20 }),
              scheduler,
            });
            const limiter = new AdaptiveRateLimiter({ baseInterval: 100, scheduler });
            const requests$ = new Subject<TenantRequest>();
            const subscription = requests$
              .pipe(
                mergeWithConcurrency(
                  (request, context) => {
                    startedLanes.push(request.lane);
                    return provider.call(request, context);
                  },
                  { limiter, maxConcurrent, retry: { random: () => 0.5 }, scheduler },
                ),
              )
              .subscribe({ error: rethrow });
            for (let number = 0; number < 10_000; number++) {
              requests$.next({ lane: 'large', number, priority });
            }
            scheduler.schedule(() => {
              startsAtArrival = startedLanes.length;
              requests$.next({ lane: 'small', number: 0, priority });
            }, arrivesAt);
            scheduler.schedule(() => subscription.unsubscribe(), arrivesAt + 30_000);
            scheduler.flush();
          });
          expect(startedLanes).toContain('small');
          expect(startedLanes.indexOf('small') - startsAtArrival).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: runs(30) },
    );
  });
});
