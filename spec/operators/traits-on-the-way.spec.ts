import { from, map, Subject, tap, timer, type MonoTypeOperatorFunction } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { DeadlineExceededError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import type { CallPriority } from '../../lib/core/priority';
import type { CallTraits } from '../../lib/core/traits';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, rethrow } from '../test-scheduler';

interface Asked {
  readonly cacheKey: string;
  priority?: CallPriority;
  maxWait?: number;
  tokens?: number;
}

const named = (...keys: string[]): Asked[] => keys.map((cacheKey) => ({ cacheKey }));

describe('between a cache and the operator that makes the calls, traits', () => {
  /** What becomes of requests, whose calls take 10 ms each, one at a time. */
  const after = (
    requests: readonly Asked[],
    between: MonoTypeOperatorFunction<Asked>,
    config: Omit<ConcurrencyConfig<Asked>, 'maxConcurrent'> = {},
  ) => {
    const outcomes: string[] = [];
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
                }),
              ),
            { scheduler },
          ),
        )
        .subscribe({
          next: (outcome) => {
            const failure = outcome.ok ? undefined : (outcome.error as DeadlineExceededError).name;
            outcomes.push(failure ? `${outcome.request.cacheKey}: ${failure}` : outcome.request.cacheKey);
          },
          error: rethrow,
        });
    });
    return outcomes;
  };

  const urgent = (cacheKey: string) => (request: Asked) =>
    request.cacheKey === cacheKey ? { ...request, priority: 'critical' as const } : request;

  it('may be added to a copy', () => {
    expect(after(named('a', 'b', 'c'), map(urgent('c')))).toEqual(['a', 'c', 'b']);
  });

  it('may be added in place', () => {
    const added = tap((request: Asked) => Object.assign(request, urgent('c')(request)));
    expect(after(named('a', 'b', 'c'), added)).toEqual(['a', 'c', 'b']);
    const given = tap((request: Asked) => (request.maxWait = 5));
    expect(after(named('a', 'b'), given)).toEqual(['b: DeadlineExceededError', 'a']);
  });

  it('may be read otherwise by each operator', () => {
    const throttle = adaptiveThrottle<Asked>(
      { baseInterval: 0 },
      { traits: ({ cacheKey }) => ({ priority: cacheKey === 'b' ? 'critical' : 'low' }) },
    );
    expect(after(named('a', 'b', 'c'), throttle)).toEqual(['a', 'b', 'c']);
    const last = {
      traits: ({ cacheKey }: Asked): CallTraits => ({ priority: cacheKey === 'c' ? 'critical' : 'low' }),
    };
    expect(after(named('a', 'b', 'c'), throttle, last)).toEqual(['a', 'c', 'b']);
  });

  it('leave the maxWait of the operator in force, which a request may only shorten', () => {
    const requests: Asked[] = [
      ...named('a', 'b'),
      { cacheKey: 'c', maxWait: 100 },
      { cacheKey: 'd', maxWait: 2 },
    ];
    expect(after(requests, (source) => source, { maxWait: 5 })).toEqual([
      'd: DeadlineExceededError',
      'b: DeadlineExceededError',
      'c: DeadlineExceededError',
      'a',
    ]);
  });

  it('count the tokens that somebody has counted on the way', () => {
    const started: string[] = [];
    inVirtualTime((scheduler) => {
      const limits = { tokensPerMinute: 1000 };
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, adaptive: false, limits, scheduler });
      from(named('a', 'b'))
        .pipe(
          cacheLLM(
            (misses$) =>
              misses$.pipe(
                tap((request) => (request.tokens = 900)),
                mergeWithConcurrency(
                  ({ cacheKey }) => {
                    started.push(`${cacheKey} at ${scheduler.now()}`);
                    return timer(10).pipe(map(() => cacheKey));
                  },
                  { limiter },
                ),
              ),
            { scheduler },
          ),
        )
        .subscribe({ error: rethrow });
    });
    expect(started).toEqual(['a at 0', 'b at 60000']);
  });
});

describe('an answer that the store held is renewed with', () => {
  /** Asks for an answer that has expired in the store, and then for another one. */
  const renewed = (traits: CallTraits) =>
    inVirtualTime((scheduler) => {
      const texts = new Map<string, string>();
      const store = {
        get: (key: string) => texts.get(key),
        set: (key: string, text: string) => void texts.set(key, text),
        delete: (key: string) => texts.delete(key),
      };
      const config = { store, scheduler, defaultTtl: 10, staleWhileRevalidate: 1000 };
      new LLMResultCache(config).set('a', 'OLD');
      const cache = new LLMResultCache(config);
      const limits = { tokensPerMinute: 100 };
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, adaptive: false, scheduler, limits });
      const seen: unknown[] = [];
      const requests = new Subject<Asked>();
      const next = (event: CallEvent) => {
        if (event.type === 'received') seen.push(`lane ${event.lane}`);
        if (event.type === 'started') seen.push(`started at ${scheduler.now()}`);
      };
      requests
        .pipe(
          cacheLLM(
            (misses$) =>
              misses$.pipe(
                mergeWithConcurrency(() => timer(1).pipe(map(() => 'NEW')), { limiter, events: { next } }),
              ),
            {
              cache,
              traits: ({ cacheKey }) =>
                cacheKey === 'a' ? { cacheKey, ...traits } : { cacheKey, tokens: 90 },
            },
          ),
        )
        .subscribe({ error: rethrow });
      const [first, second] = named('a', 'b');
      scheduler.schedule(() => requests.next(first!), 20);
      scheduler.schedule(() => requests.next(second!), 21);
      scheduler.schedule(() => seen.push(`invalidated ${cache.invalidate({ tag: 't' })}`), 25);
      scheduler.schedule(() => seen.push(cache.get('a')), 40);
      scheduler.flush();
      return seen;
    });

  it('the lane of the request', () => {
    expect(renewed({})[0]).toBe('lane undefined');
    expect(renewed({ lane: 'x' })[0]).toBe('lane x');
  });

  it('its tokens', () => {
    expect(renewed({})).not.toContain('started at 60020');
    expect(renewed({ tokens: 90 })).toContain('started at 60020');
  });

  it('its cacheTtl', () => {
    expect(renewed({})).not.toContain('NEW');
    expect(renewed({ cacheTtl: 100_000 })).toContain('NEW');
  });

  it('its cacheTags', () => {
    expect(renewed({})).toContain('invalidated 0');
    expect(renewed({ cacheTags: ['t'] })).toContain('invalidated 1');
  });
});
