import { from, map, timer, type MonoTypeOperatorFunction } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import type { DeadlineExceededError } from '../../lib/core/errors';
import type { CallPriority } from '../../lib/core/priority';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, rethrow } from '../test-scheduler';

interface Asked {
  readonly cacheKey: string;
  readonly priority?: CallPriority;
  readonly maxWait?: number;
}

describe('traits that a cache in front has read', () => {
  /** What becomes of requests, whose calls take 10 ms each, one at a time. */
  const after = (
    requests: readonly Asked[],
    config: Omit<ConcurrencyConfig<Asked>, 'maxConcurrent'> = {},
    between: MonoTypeOperatorFunction<Asked> = (source) => source,
  ) => {
    const outcomes: string[] = [];
    const started: string[] = [];
    const next = (event: CallEvent) => {
      if (event.type === 'started') started.push(event.priority);
    };
    inVirtualTime((scheduler) => {
      from(requests)
        .pipe(
          cacheLLM(
            (misses$) =>
              misses$.pipe(
                between,
                mergeWithConcurrency(({ cacheKey }) => timer(10).pipe(map(() => cacheKey)), {
                  ...config,
                  maxConcurrent: 1,
                  events: { next },
                }),
              ),
            { scheduler },
          ),
        )
        .subscribe({
          next: (outcome) =>
            outcomes.push(
              outcome.ok
                ? outcome.value
                : `${outcome.request.cacheKey}: ${(outcome.error as DeadlineExceededError).name}`,
            ),
          error: rethrow,
        });
    });
    return { outcomes, started };
  };

  it('are not read again, and still count', () => {
    let readings = 0;
    const watched = (cacheKey: string, priority: CallPriority): Asked => ({
      cacheKey,
      get priority() {
        readings++;
        return priority;
      },
    });
    const { started } = after([watched('a', 'medium'), watched('b', 'low'), watched('c', 'critical')]);
    expect(started).toEqual(['medium', 'critical', 'low']);
    expect(readings).toBe(3);
  });

  it('leave the maxWait of the operator behind in force, where the request names none of its own', () => {
    const requests = [{ cacheKey: 'a' }, { cacheKey: 'b' }, { cacheKey: 'c', maxWait: 100 }];
    const { outcomes } = after(requests, { maxWait: 5 });
    expect(outcomes).toEqual(['b: DeadlineExceededError', 'a', 'c']);
  });

  it('are read again by an operator that reads other ones', () => {
    const requests: Asked[] = [{ cacheKey: 'a' }, { cacheKey: 'b', priority: 'low' }, { cacheKey: 'c' }];
    const { started } = after(requests, {
      traits: ({ cacheKey }) => ({ priority: cacheKey === 'b' ? 'critical' : 'high' }),
    });
    expect(started).toEqual(['high', 'critical', 'high']);
  });

  it('are read again where an operator between them has read other ones', () => {
    const requests: Asked[] = [{ cacheKey: 'a' }, { cacheKey: 'b', priority: 'high' }];
    const { started } = after(
      requests,
      {},
      adaptiveThrottle({ baseInterval: 0 }, { traits: () => ({ priority: 'low' }) }),
    );
    expect(started).toEqual(['low', 'high']);
  });
});
