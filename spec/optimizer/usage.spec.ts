/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { of, throwError, timer, concatMap, from, mergeMap, NEVER } from 'rxjs';
import type { CallContext, TokenUsage } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';

const priced = { input: 1, output: 10 };

/** An optimizer in virtual time, and what it told. */
function optimizerOn(scheduler: WatchedTestScheduler, config: OptimizerConfig = {}) {
  const optimizer = new LLMCallOptimizer({
    scheduler,
    baseInterval: 0,
    prices: { m: priced },
    limits: { tokensPerMinute: 100_000 },
    ...config,
  });
  const events: CallEvent[] = [];
  optimizer.events$.subscribe((event) => events.push(event));
  const all = <Type extends CallEvent['type']>(type: Type) =>
    events.filter((event): event is Extract<CallEvent, { type: Type }> => event.type === type);
  return { optimizer, all };
}

describe('usage that is reported more than once', () => {
  it.each<[string, TokenUsage[], { in: number; out: number }]>([
    [
      'in parts',
      [
        { model: 'm', inputTokens: 1000 },
        { model: 'm', outputTokens: 50 },
      ],
      { in: 1000, out: 50 },
    ],
    [
      'as a running total',
      [10, 20, 30, 40, 50].map((outputTokens) => ({ model: 'm', inputTokens: 1000, outputTokens })),
      { in: 1000, out: 50 },
    ],
    [
      'as Anthropic streams it',
      [{ model: 'm', inputTokens: 25, outputTokens: 1 }, { outputTokens: 15 }],
      { in: 25, out: 15 },
    ],
    [
      'with its model at first',
      [{ model: 'm', inputTokens: 1000 }, { outputTokens: 50 }],
      { in: 1000, out: 50 },
    ],
    [
      'with its model at last',
      [{ inputTokens: 1000 }, { outputTokens: 50, model: 'm' }],
      { in: 1000, out: 50 },
    ],
  ])('%s means the same to statistics, budgets, cache and events', (_name, reports, used) => {
    inVirtualTime((scheduler) => {
      const { optimizer, all } = optimizerOn(scheduler);
      const ask = (_request: string, { report }: CallContext) =>
        from(reports).pipe(
          concatMap((usage) => timer(1).pipe(mergeMap(() => (report({ usage }), of('answer'))))),
        );
      for (const at of [0, 100]) {
        timer(at).subscribe(() => of('q').pipe(optimizer.optimize(ask)).subscribe());
      }
      timer(200).subscribe(() => {
        const cost = (used.in + 10 * used.out) / 1_000_000;
        const { metrics } = optimizer.getStats();
        expect(metrics).toMatchObject({ inputTokens: used.in, outputTokens: used.out, unpricedTokens: 0 });
        expect(metrics.spent).toBeCloseTo(cost, 10);
        expect(metrics.saved).toBeCloseTo(cost, 10);
        expect(metrics.savedTokens).toBe(used.in + used.out);
        expect(optimizer.cache!.stats.savedTokens).toBe(used.in + used.out);
        expect(optimizer.limiter!.state.tokens!.remaining).toBe(100_000 - used.in - used.out);
        const usage = { model: 'm', inputTokens: used.in, outputTokens: used.out };
        expect(all('finished')).toMatchObject([{ usage }]);
        expect(all('cache-hit')).toMatchObject([{ usage }]);
        optimizer.close();
      });
    });
    expect.assertions(8);
  });

  it('is that of each attempt: both are billed, and a hit saves what the last one took', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, all } = optimizerOn(scheduler, { retry: { baseDelay: 10 } });
      const ask = (_request: string, { report, attempt }: CallContext) => {
        report({ usage: { model: 'm', inputTokens: attempt === 1 ? 500 : 100 } });
        return attempt === 1 ? throwError(() => Object.assign(new Error(), { status: 500 })) : of('answer');
      };
      for (const at of [0, 1000]) {
        timer(at).subscribe(() => of('q').pipe(optimizer.optimize(ask)).subscribe());
      }
      timer(2000).subscribe(() => {
        expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 600, savedTokens: 100 });
        expect(all('finished').map(({ usage }) => usage?.inputTokens)).toEqual([500, 100]);
        optimizer.close();
      });
    });
    expect.assertions(2);
  });

  it('of an earlier attempt is not what a later one used that reports nothing', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, all } = optimizerOn(scheduler, { retry: { baseDelay: 10 } });
      const ask = (_request: string, { report, attempt }: CallContext) => {
        if (attempt === 1) {
          report({ usage: { model: 'm', inputTokens: 500 } });
          return throwError(() => Object.assign(new Error(), { status: 500 }));
        }
        return of('answer');
      };
      for (const at of [0, 1000]) {
        timer(at).subscribe(() => of('q').pipe(optimizer.optimize(ask)).subscribe());
      }
      timer(2000).subscribe(() => {
        expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 500, savedTokens: 0 });
        expect(all('finished')[1]).not.toHaveProperty('usage');
        optimizer.close();
      });
    });
    expect.assertions(2);
  });

  it('of a call that is left counts as well', () => {
    inVirtualTime((scheduler) => {
      const { optimizer } = optimizerOn(scheduler);
      const ask = (_request: string, { report }: CallContext) => {
        report({ usage: { model: 'm', inputTokens: 500 } });
        return NEVER;
      };
      const subscription = of('q').pipe(optimizer.optimize(ask)).subscribe();
      timer(5).subscribe(() => {
        subscription.unsubscribe();
        expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 500, spent: 0.0005 });
        optimizer.close();
      });
    });
    expect.assertions(1);
  });
});

describe('a model without a price', () => {
  const used =
    (model: string | undefined) =>
    (_request: unknown, { report }: CallContext) => {
      report({ usage: { inputTokens: 3, outputTokens: 1, ...(model !== undefined && { model }) } });
      return of('answer');
    };

  it('is counted, and told once by its name', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, all } = optimizerOn(scheduler, { enableCache: false });
      const models = ['m', 'other', 'other', undefined, 'm-2026-01-01', undefined, `x${'y'.repeat(200)}`];
      for (const model of models) {
        of('q')
          .pipe(optimizer.optimize(used(model)))
          .subscribe();
      }
      timer(5).subscribe(() => {
        expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 21, unpricedTokens: 20 });
        expect(all('model-unpriced')).toEqual([
          { type: 'model-unpriced', at: 0, model: 'other' },
          { type: 'model-unpriced', at: 0 },
          { type: 'model-unpriced', at: 0, model: `x${'y'.repeat(99)}` },
        ]);
        optimizer.close();
      });
    });
    expect.assertions(2);
  });

  it('is told of a hundred models at most', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, all } = optimizerOn(scheduler, { enableCache: false });
      for (let number = 0; number < 150; number++) {
        of('q')
          .pipe(optimizer.optimize(used(`model-${number}`)))
          .subscribe();
      }
      timer(5).subscribe(() => {
        expect(optimizer.getStats().metrics.unpricedTokens).toBe(600);
        expect(all('model-unpriced')).toHaveLength(100);
        optimizer.close();
      });
    });
    expect.assertions(2);
  });

  it('is not told of where nobody gave prices', () => {
    inVirtualTime((scheduler) => {
      const { optimizer, all } = optimizerOn(scheduler, { prices: {} });
      of('q')
        .pipe(optimizer.optimize(used('m')))
        .subscribe();
      timer(5).subscribe(() => {
        expect(optimizer.getStats().metrics).toMatchObject({ unpricedTokens: 4, spent: 0 });
        expect(all('model-unpriced')).toEqual([]);
        optimizer.close();
      });
    });
    expect.assertions(2);
  });
});
