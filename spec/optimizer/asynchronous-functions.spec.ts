/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { of, throwError } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { inVirtualTime } from '../test-scheduler';

/** Functions of a user's that return promises, which TypeScript refuses and JavaScript lets pass. */
const resolving = (value: unknown) => (() => Promise.resolve(value)) as () => never;
const rejecting = (() => Promise.reject(new Error('late'))) as () => never;

const ask = (request: string) => of(`${request}!`);

/** An optimizer that has answered one request, and what it told. */
function answered(config: OptimizerConfig) {
  const optimizer = new LLMCallOptimizer({ baseInterval: 0, ...config });
  const events: CallEvent[] = [];
  const values: unknown[] = [];
  optimizer.events$.subscribe((event) => events.push(event));
  of('q')
    .pipe(optimizer.optimize(ask))
    .subscribe((outcome) => values.push(outcome.ok && outcome.value));
  const reasons = events.flatMap((event) => (event.type === 'cache-not-kept' ? [event.reason] : []));
  const size = optimizer.cache!.stats.size;
  optimizer.close();
  return { values, reasons, size };
}

describe('a function of the user’s that returns a promise', () => {
  const unhandled = jest.fn();
  beforeEach(() => process.on('unhandledRejection', unhandled));
  afterEach(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it.each<[string, OptimizerConfig]>([
    ['shouldCache', { shouldCache: resolving(false) }],
    ['shouldCache, that would say yes', { shouldCache: resolving(true) }],
    ['shouldCache, that fails', { shouldCache: rejecting }],
    ['cacheTtl', { cacheTtl: resolving(5) }],
    ['cacheTtl, that fails', { cacheTtl: rejecting }],
    ['sizeOf', { cache: { maxBytes: 1e6, sizeOf: resolving(5) } }],
    ['sizeOf, that fails', { cache: { maxBytes: 1e6, sizeOf: rejecting } }],
    ['clone', { clone: (value) => Promise.resolve(value) as never }],
    ['clone, that fails', { clone: rejecting }],
  ])('keeps no answer: %s', (_name, config) => {
    expect(answered(config)).toEqual({ values: ['q!'], reasons: ['unusable'], size: 0 });
  });

  it.each([undefined, null, 0, 1, '', 'no', {}, []])('or another thing than a boolean: %p', (verdict) => {
    const shouldCache = () => verdict as never;
    expect(answered({ shouldCache })).toEqual({ values: ['q!'], reasons: ['unusable'], size: 0 });
  });

  it('takes nothing off a TTL for chance', () => {
    const cache = { defaultTtl: 1e6, ttlJitter: 1 };
    expect(answered({ cache: { ...cache, random: resolving(1) } }).size).toBe(1);
  });

  it.each([resolving(false), resolving(true), rejecting, (() => 'yes') as () => never])(
    'invalidates nothing, and says so',
    (predicate) => {
      const optimizer = new LLMCallOptimizer({ baseInterval: 0 });
      of('q').pipe(optimizer.optimize(ask)).subscribe();
      expect(() => optimizer.cache!.invalidate({ predicate })).toThrow(TypeError);
      expect(optimizer.cache!.stats.size).toBe(1);
      optimizer.close();
    },
  );

  it('reads no traits, among which a tenant may be: the stream fails', () => {
    for (const traits of [resolving({ cacheScope: 'tenant' }), rejecting]) {
      const errors: unknown[] = [];
      of('q')
        .pipe(mergeWithConcurrency(ask, { traits }))
        .subscribe({ error: (error: unknown) => errors.push(error) });
      expect(errors).toEqual([new TypeError('traits must not be asynchronous, but returned a promise.')]);
    }
  });

  it.each([
    ['a promise of a wait', resolving({ kind: 'wait' })],
    ['a promise that fails', rejecting],
    ['nothing', (() => undefined) as () => never],
    ['another word', (() => ({ kind: 'later' })) as () => never],
  ])('classifies no error, so that it is not retried: %s', (_name, classify) => {
    inVirtualTime((scheduler) => {
      const outcomes: unknown[] = [];
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 0, classifyError: classify });
      of('q')
        .pipe(
          mergeWithConcurrency(() => throwError(() => Object.assign(new Error(), { status: 429 })), {
            limiter,
            retry: { classifyError: classify },
          }),
        )
        .subscribe((outcome) => outcomes.push(outcome));
      scheduler.flush();
      expect(outcomes).toMatchObject([{ ok: false, attempts: 1 }]);
    });
  });

  it('keeps no failure that it should have classified', () => {
    const optimizer = new LLMCallOptimizer({
      baseInterval: 0,
      cache: { errorTtl: 1e6 },
      classifyError: resolving({ kind: 'wait' }),
    });
    of('q')
      .pipe(optimizer.optimize(() => throwError(() => new Error('m'))))
      .subscribe();
    expect(optimizer.cache!.stats.size).toBe(0);
    optimizer.close();
  });

  it.each([
    ['a promise', resolving(1)],
    ['nothing', (() => undefined) as () => never],
    ['too much', () => 7],
  ])('is no source of chance for back-off: %s', (_name, random) => {
    inVirtualTime((scheduler) => {
      const retried: unknown[] = [];
      of('q')
        .pipe(
          mergeWithConcurrency(
            (_request, { attempt }) =>
              attempt === 1 ? throwError(() => Object.assign(new Error(), { status: 500 })) : of('a'),
            {
              scheduler,
              retry: { random, baseDelay: 100 },
              events: { next: (event) => event.type === 'retrying' && retried.push(event.delay) },
            },
          ),
        )
        .subscribe();
      scheduler.flush();
      expect(retried).toEqual([random() === 7 ? 100 : 0]);
    });
  });
});
