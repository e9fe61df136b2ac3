import { BehaviorSubject, from, map, mergeMap, of, Subject, throwError, timer, toArray } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import { SpendLimitError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { inVirtualTime, rethrow, type WatchedTestScheduler } from '../test-scheduler';

/** A million tokens cost 1, and each call uses a million. */
const prices = { m: { input: 1, output: 1 } };
const usage = { model: 'm', inputTokens: 1_000_000 };

/** An optimizer in virtual time, the events that it told, and a stream of it whose outcomes are told as they come. */
function optimizerOn(scheduler: WatchedTestScheduler, config: OptimizerConfig) {
  const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false, prices, ...config });
  const events: CallEvent[] = [];
  optimizer.events$.subscribe({ next: (event) => events.push(event), error: rethrow });
  const told: string[] = [];
  const requests = new Subject<string>();
  const listen = (call: (request: string, context: CallContext) => ReturnType<typeof paid>) =>
    requests.pipe(optimizer.optimize(call)).subscribe({
      next: (outcome) => told.push(`${scheduler.frame} ${shown(outcome)}`),
      error: rethrow,
    });
  const count = (type: CallEvent['type']) => events.filter((event) => event.type === type).length;
  return { optimizer, count, told, requests, listen };
}

/** A call that takes 10 ms and costs 1. */
function paid(request: string, { report }: CallContext) {
  return timer(10).pipe(
    map(() => {
      report({ usage });
      return request.toUpperCase();
    }),
  );
}

function shown(outcome: CallOutcome<unknown, unknown>): string {
  const { request } = outcome;
  return outcome.ok
    ? `${String(request)} ${outcome.source}`
    : `${String(request)} ${(outcome.error as { code?: string }).code ?? String(outcome.error)}`;
}

describe('maxSpend', () => {
  it.each([false, true])(
    'starts no further call once as much is spent: what waits fails at once, what runs goes on (limiter: %s)',
    (enableRateLimit) => {
      inVirtualTime((scheduler) => {
        const config = { enableRateLimit, maxConcurrent: 2, maxSpend: 2, baseInterval: 5, adaptive: false };
        const { optimizer, told, requests, listen, count } = optimizerOn(scheduler, config);
        listen(paid);
        for (const request of ['a', 'b', 'c', 'd', 'e', 'a']) {
          requests.next(request);
        }
        scheduler.flush();
        const [second, third] = enableRateLimit ? [15, 20] : [10, 20];
        expect(told).toEqual([
          '10 a call',
          '10 a shared',
          `${second} b call`,
          ...['d', 'e'].map((request) => `${second} ${request} spend-limit`),
          `${third} c call`,
        ]);
        requests.next('a');
        requests.next('f');
        expect(told.slice(-2)).toEqual([`${scheduler.frame} a cache`, `${scheduler.frame} f spend-limit`]);
        expect(count('started')).toBe(3);
        const { metrics, executor, errors } = optimizer.getStats();
        expect(metrics).toMatchObject({ spent: 3, startedCalls: 3, failedCalls: 3 });
        expect(executor).toMatchObject({ maxSpend: 2, active: 0, queued: 0 });
        expect(errors).toEqual({ 'spend-limit': 3 });
      });
    },
  );

  it('tells what was spent and what to do', () => {
    inVirtualTime((scheduler) => {
      const { optimizer } = optimizerOn(scheduler, { maxSpend: 0.3, maxConcurrent: 1 });
      const failures: unknown[] = [];
      from(['a', 'b'])
        .pipe(optimizer.optimize(paid))
        .subscribe({
          next: (outcome) => failures.push(!outcome.ok && outcome.error),
          error: rethrow,
        });
      scheduler.flush();
      const [, failure] = failures as [unknown, SpendLimitError];
      expect(failure).toBeInstanceOf(SpendLimitError);
      expect(failure).toMatchObject({ code: 'spend-limit', spent: 1, limit: 0.3 });
      expect(failure.cause).toBeUndefined();
      expect(failure.message).toBe(
        'Calls have cost 1 of 0.3 (maxSpend), so no further one is started. Make a new optimizer with a higher maxSpend to go on.',
      );
    });
  });

  it('counts retries as calls: what fails, waits or backs off is not tried again, and tells its last error', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, count } = optimizerOn(scheduler, {
        maxSpend: 2,
        retry: { attempts: 5, baseDelay: 1000 },
      });
      const busy = Object.assign(new Error('busy'), { status: 500 });
      const wrong = Object.assign(new Error('wrong'), { status: 400 });
      const outcomes: [number, CallOutcome<string, unknown>][] = [];
      const delays: Readonly<Record<string, number>> = { a: 10, b: 20, c: 30, d: 40 };
      from(['a', 'b', 'c', 'd'])
        .pipe(
          optimizer.optimize((request, { report }) =>
            timer(delays[request]!).pipe(
              mergeMap(() => {
                report({ usage });
                return throwError(() => (request === 'd' ? wrong : busy));
              }),
            ),
          ),
        )
        .subscribe({ next: (outcome) => outcomes.push([scheduler.frame, outcome]), error: rethrow });
      scheduler.flush();
      // The fourth had to wait for a slot, which was free when the first backed off.
      expect(outcomes.map(([at, { request, attempts }]) => [at, request, attempts])).toEqual([
        [20, 'b', 1],
        [20, 'a', 1],
        [30, 'c', 1],
        [50, 'd', 1],
      ]);
      const errors = outcomes.map(([, outcome]) => (outcome.ok ? undefined : outcome.error));
      expect(errors.slice(0, 3)).toEqual([1, 2, 3].map(() => expect.any(SpendLimitError) as unknown));
      expect(errors.slice(0, 3).map((error) => (error as Error).cause)).toEqual([busy, busy, busy]);
      expect(errors[3]).toBe(wrong);
      expect(count('started')).toBe(4);
    });
  });

  it('fails newcomers although no slot is free, and lets no synchronous call start too many', () => {
    inVirtualTime((scheduler) => {
      const { optimizer } = optimizerOn(scheduler, { maxSpend: 3 });
      let calls = 0;
      const call = (request: number, { report }: CallContext) => {
        calls++;
        report({ usage });
        return of(request);
      };
      const told: string[][] = [];
      from(Array.from({ length: 1000 }, (_, index) => index))
        .pipe(optimizer.optimize(call), map(shown), toArray())
        .subscribe({ next: (all) => told.push(all), error: rethrow });
      expect(calls).toBe(3);
      expect(told[0]!.slice(1, 5)).toEqual(['1 call', '2 call', '3 spend-limit', '4 spend-limit']);
      expect(told[0]).toHaveLength(1000);

      const slots = new BehaviorSubject(2);
      const slow = optimizerOn(scheduler, { maxSpend: 1, maxConcurrent: slots });
      slow.listen((request, context) =>
        request === 'a' ? paid(request, context) : timer(100).pipe(map(() => request)),
      );
      slow.requests.next('a');
      slow.requests.next('b');
      scheduler.schedule(() => slow.requests.next('c'), 5);
      scheduler.schedule(() => slots.next(0), 15);
      scheduler.schedule(() => slow.requests.next('d'), 20);
      scheduler.flush();
      expect(slow.told).toEqual(['10 a call', '10 c spend-limit', '20 d spend-limit', '100 b call']);
    });
  });

  it('of 0 has the cache alone answer, and expired answers stand in where they may', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 50, staleIfError: 1000 });
      const first = optimizerOn(scheduler, { cache });
      first.requests.pipe(first.optimizer.optimize(paid, { namespace: 'n' })).subscribe({ error: rethrow });
      first.requests.next('a');
      const second = optimizerOn(scheduler, { cache, maxSpend: 0 });
      const told: string[] = [];
      second.requests
        .pipe(second.optimizer.optimize(paid, { namespace: 'n' }))
        .subscribe({ next: (outcome) => told.push(shown(outcome)), error: rethrow });
      scheduler.schedule(() => second.requests.next('a'), 20);
      scheduler.schedule(() => second.requests.next('b'), 20);
      scheduler.schedule(() => second.requests.next('a'), 100);
      scheduler.flush();
      expect(told).toEqual(['a cache', 'b spend-limit', 'a stale']);
      expect(second.count('started')).toBe(0);
      cache.close();
    });
  });

  it('counts what has a price: a model without one costs nothing, unless * has one', () => {
    inVirtualTime((scheduler) => {
      const other = (request: string, { report }: CallContext) => {
        report({ usage: { model: 'other', outputTokens: 1_000_000 } });
        return of(request);
      };
      const blind = optimizerOn(scheduler, { maxSpend: 1 });
      const every = optimizerOn(scheduler, {
        maxSpend: 1,
        prices: { ...prices, '*': { input: 1, output: 1 } },
      });
      for (const { requests, optimizer, told } of [blind, every]) {
        requests
          .pipe(optimizer.optimize(other))
          .subscribe({ next: (outcome) => told.push(shown(outcome)), error: rethrow });
        requests.next('a');
        requests.next('b');
      }
      expect(blind.told).toEqual(['a call', 'b call']);
      expect(blind.count('model-unpriced')).toBe(1);
      expect(every.told).toEqual(['a call', 'b spend-limit']);
    });
  });

  it('counts calls that were given up, as far as they had reported', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, told, requests, listen } = optimizerOn(scheduler, { maxSpend: 1, maxConcurrent: 1 });
      const given = of('x')
        .pipe(
          optimizer.optimize((_request, { report }) => {
            report({ usage });
            return timer(50);
          }),
        )
        .subscribe({ error: rethrow });
      listen(paid);
      requests.next('a');
      scheduler.schedule(() => given.unsubscribe(), 5);
      scheduler.flush();
      expect(told).toEqual(['5 a spend-limit']);
    });
  });

  it('is refused without prices, and for what is no amount', () => {
    expect(() => new LLMCallOptimizer({ maxSpend: 5 })).toThrow(/maxSpend needs prices/);
    expect(() => new LLMCallOptimizer({ maxSpend: 5, prices: {} })).toThrow(TypeError);
    expect(() => new LLMCallOptimizer({ maxSpend: -1, prices })).toThrow(/maxSpend must be a finite number/);
    expect(() => new LLMCallOptimizer({ maxSpend: Infinity, prices })).toThrow(RangeError);
    expect(() => new LLMCallOptimizer({ maxSpend: '5' as never, prices })).toThrow(
      /maxSpend must be a number/,
    );
  });
});
