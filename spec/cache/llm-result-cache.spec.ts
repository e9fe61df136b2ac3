/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { map, mergeMap, of, Subject, take, timer, type Observable } from 'rxjs';
import { freezeAnswer } from '../../lib/cache/freeze';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import type { EvictionReason } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, WatchedTestScheduler } from '../test-scheduler';

describe('LLMResultCache', () => {
  it('keeps any answer, falsy ones too, and counts every access', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler });
      for (const [key, value] of Object.entries({ zero: 0, no: false, text: 'x', list: [1] })) {
        cache.set(key, value);
        expect(cache.get(key)).toBe(value);
      }
      expect(cache.get('none')).toBeUndefined();
      expect(cache.stats).toMatchObject({ size: 4, totalAccesses: 5, hits: 4, misses: 1, hitRate: 0.8 });
    });
  });

  it('has a hit rate of 0 before the first access', () => {
    expect(new LLMResultCache().stats).toMatchObject({ totalAccesses: 0, hitRate: 0, maxSize: 1000 });
  });

  it('takes any string for a key', () => {
    const cache = new LLMResultCache();
    cache.set('__proto__', 1);
    expect(cache.get('__proto__')).toBe(1);
    expect(cache.get('constructor')).toBeUndefined();
    cache.clear();
  });

  it('forgets each entry when its own time to live has passed, and not before', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 100 });
      cache.set('default', 1);
      cache.set('short', 2, { ttl: 10 });
      cache.set('for ever', 3, { ttl: Infinity });
      const kept = () => ['default', 'short', 'for ever'].filter((key) => cache.get(key) !== undefined);
      const seen: Record<number, string[]> = {};
      for (const time of [0, 9, 11, 99, 101, 1_000_000]) {
        scheduler.schedule(() => (seen[time] = kept()), time);
      }
      scheduler.schedule(() => {
        expect(seen).toEqual({
          0: ['default', 'short', 'for ever'],
          9: ['default', 'short', 'for ever'],
          11: ['default', 'for ever'],
          99: ['default', 'for ever'],
          101: ['for ever'],
          1_000_000: ['for ever'],
        });
        expect(cache.stats.evictions).toMatchObject({ expired: 2, size: 0, deleted: 0 });
      }, 1_000_001);
    });
    expect.assertions(2);
  });

  it('starts the time to live anew when an answer is stored again, but not when it is read', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 10 });
      cache.set('stored again', 1);
      cache.set('read', 1);
      scheduler.schedule(() => {
        cache.set('stored again', 2);
        cache.get('read');
      }, 8);
      scheduler.schedule(() => {
        expect(cache.get('stored again')).toBe(2);
        expect(cache.get('read')).toBeUndefined();
      }, 15);
    });
    expect.assertions(2);
  });

  it('lets the least recently used entry leave when it is full', () => {
    const reasons: EvictionReason[] = [];
    const events = {
      next: (event: { type: string }) => 'reason' in event && reasons.push(event.reason as EvictionReason),
    };
    const cache = new LLMResultCache({ maxSize: 2, events });
    cache.set('a', 1);
    cache.set('b', 2);
    cache.get('a');
    cache.set('c', 3);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
    expect(cache.stats.size).toBe(2);
    expect(cache.stats.evictions).toMatchObject({ expired: 0, size: 1, deleted: 0 });
    expect(reasons).toEqual(['size']);
    cache.clear();
    expect(reasons).toEqual(['size', 'deleted', 'deleted']);
  });

  it('says whether there was anything to delete, and does not call an overwritten answer an eviction', () => {
    const cache = new LLMResultCache();
    cache.set('a', 1);
    cache.set('a', 2);
    expect(cache.delete('a')).toBe(true);
    expect(cache.delete('a')).toBe(false);
    expect(cache.stats.evictions).toMatchObject({ expired: 0, size: 0, deleted: 1 });
    cache.clear();
  });

  describe('with the clock of the machine', () => {
    beforeEach(() => {
      jest.useFakeTimers();
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    it('sweeps expired entries with one timer, which it holds only while there is anything to sweep', () => {
      const cache = new LLMResultCache({ defaultTtl: 90_000, sweepInterval: 60_000 });
      expect(jest.getTimerCount()).toBe(0);
      cache.set('a', 1);
      cache.set('b', 2);
      expect(jest.getTimerCount()).toBe(1);
      jest.advanceTimersByTime(60_000);
      expect(cache.stats.size).toBe(2);
      jest.advanceTimersByTime(60_000);
      expect(cache.stats).toMatchObject({ size: 0, totalAccesses: 0, evictions: { expired: 2 } });
      expect(jest.getTimerCount()).toBe(0);
    });

    it('holds no timer after clear, nor with a sweepInterval of Infinity', () => {
      const cache = new LLMResultCache();
      cache.set('a', 1);
      cache.clear();
      new LLMResultCache({ sweepInterval: Infinity }).set('a', 1);
      expect(jest.getTimerCount()).toBe(0);
    });
  });

  it('is not harmed by a listener that throws', () => {
    jest.useFakeTimers();
    const cache = new LLMResultCache({
      events: {
        next: () => {
          throw new Error('listener');
        },
      },
    });
    cache.set('a', 1);
    expect(cache.delete('a')).toBe(true);
    cache.clear();
    expect(() => jest.runAllTimers()).toThrow('listener');
    jest.useRealTimers();
  });

  it.each([
    ['defaultTtl', { defaultTtl: -1 }, RangeError],
    ['defaultTtl', { defaultTtl: NaN }, RangeError],
    ['maxSize', { maxSize: 0 }, RangeError],
    ['maxSize', { maxSize: 1.5 }, RangeError],
    ['maxSize', { maxSize: '10' as never }, TypeError],
    ['sweepInterval', { sweepInterval: -1 }, RangeError],
    ['clone', { clone: 1 as never }, TypeError],
    ['shouldCache', { shouldCache: true as never }, TypeError],
    ['events', { events: {} as never }, TypeError],
  ])('refuses a wrong %s', (field, config, kind) => {
    expect(() => new LLMResultCache(config)).toThrow(kind);
    expect(() => new LLMResultCache(config)).toThrow(new RegExp(field));
  });

  it.each([
    ['defaultTtl', { defaultTtl: '1' as never }, TypeError],
    ['ttlJitter', { ttlJitter: 1.1 }, RangeError],
    ['ttlJitter', { ttlJitter: -0.1 }, RangeError],
    ['random', { random: 0.5 as never }, TypeError],
    ['staleWhileRevalidate', { staleWhileRevalidate: -1 }, RangeError],
    ['staleIfError', { staleIfError: NaN }, RangeError],
    ['errorTtl', { errorTtl: Infinity }, RangeError],
    ['maxBytes', { maxBytes: 0 }, RangeError],
    ['maxBytes', { maxBytes: 1.5 }, RangeError],
    ['sizeOf', { sizeOf: 1 as never }, TypeError],
    ['keepAlive', { keepAlive: 1 as never }, TypeError],
    ['sharedCallTimeout', { sharedCallTimeout: 0 }, RangeError],
    ['store', { store: {} as never }, TypeError],
    ['store', { store: null as never }, TypeError],
    ['storeDeadline', { storeDeadline: 0 }, RangeError],
  ])('refuses a wrong %s of those for freshness, bounds, flights and store', (field, config, kind) => {
    expect(() => new LLMResultCache(config)).toThrow(kind);
    expect(() => new LLMResultCache(config)).toThrow(new RegExp(field));
  });

  it.each([
    ['latency', { latency: NaN }],
    ['latency', { latency: -1 }],
    ['tags', { tags: 'gold' as never }],
    ['tags', { tags: [1] as never }],
  ])(
    'refuses a wrong %s, which would spoil its figures or its invalidation, and keeps nothing',
    (field, options) => {
      const cache = new LLMResultCache();
      expect(() => cache.set('a', 1, options)).toThrow(new RegExp(field));
      expect(cache.stats.size).toBe(0);
    },
  );

  it('asks a defaultTtl that is a function for each answer, and keeps none for no time', () => {
    const defaultTtl = jest.fn((value: unknown) => (value as { ttl: number }).ttl);
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl, staleWhileRevalidate: 1000 });
      cache.set('long', { ttl: 100 });
      cache.set('short', { ttl: 10 });
      cache.set('given', { ttl: 10 }, { ttl: 100 });
      cache.set('replaced', { ttl: 100 });
      cache.set('replaced', { ttl: 0 });
      cache.set('none', { ttl: -5 });
      expect(cache.stats.size).toBe(3);
      expect(() => cache.set('wrong', { ttl: 'soon' })).toThrow(/defaultTtl/);
      scheduler.schedule(() => {
        expect(['long', 'short', 'given', 'replaced'].map((key) => cache.get(key) !== undefined)).toEqual([
          true,
          false,
          true,
          false,
        ]);
      }, 50);
    });
    expect(defaultTtl).toHaveBeenCalledTimes(6);
    expect(defaultTtl).toHaveBeenCalledWith({ ttl: 100 }, undefined);
    expect.assertions(5);
  });

  it('lets chance take its share off a ttl, and no more', () => {
    const at = (chance: number) => {
      const scheduler = new WatchedTestScheduler();
      const cache = new LLMResultCache({ scheduler, defaultTtl: 100, ttlJitter: 0.4, random: () => chance });
      cache.set('a', 1);
      cache.set('for ever', 1, { ttl: Infinity });
      let last = 0;
      for (scheduler.frame = 1; cache.get('a') !== undefined; scheduler.frame++) {
        last = scheduler.frame;
      }
      expect(cache.get('for ever')).toBe(1);
      return last + 1;
    };
    expect([0, 0.5, 0.999].map(at)).toEqual([100, 80, 61]);
  });

  it('refuses a wrong ttl', () => {
    expect(() => new LLMResultCache().set('a', 1, { ttl: -1 })).toThrow(/ttl/);
  });
});

describe('an LLMResultCache that is shared', () => {
  it('loses no request of one optimizer when another closes that renews its answer', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 5, staleWhileRevalidate: 1000 });
      const config = { scheduler, cache, enableRateLimit: false };
      const [closing, other] = [new LLMCallOptimizer(config), new LLMCallOptimizer(config)];
      const seen: string[] = [];
      const ask = (optimizer: LLMCallOptimizer) =>
        of('a')
          .pipe(
            optimizer.optimize(() => timer(10).pipe(map(() => `answer at ${scheduler.now()}`)), {
              namespace: 'n',
            }),
          )
          .subscribe((outcome) => seen.push(outcome.ok ? `${outcome.value} ${outcome.source}` : 'failed'));
      ask(closing);
      scheduler.schedule(() => ask(closing), 20);
      scheduler.schedule(() => closing.close(), 25);
      scheduler.schedule(() => ask(other), 26);
      scheduler.schedule(() => ask(other), 2000);
      scheduler.schedule(() => {
        expect(seen).toEqual([
          'answer at 10 call',
          'answer at 10 stale',
          'answer at 10 stale',
          // It is too old by then, as is the renewal of 36.
          'answer at 2010 call',
        ]);
        other.close();
      }, 3000);
    });
    expect.assertions(1);
  });

  it.each(['lands', 'clears'] as const)(
    'lets nobody wait in vain for a call that %s when a listener hears of the miss that shares it',
    (what) => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const answers$ = new Subject<string>();
        const seen: string[] = [];
        const ask = (heard: () => void = () => undefined) =>
          of('a')
            .pipe(
              cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => answers$.pipe(take(1)))), {
                cache,
                events: { next: ({ type }) => type === 'cache-miss' && heard() },
              }),
            )
            .subscribe((outcome) => seen.push(outcome.ok ? `${outcome.value} ${outcome.source}` : 'failed'));
        ask();
        ask(() => {
          if (what === 'lands') {
            answers$.next('first');
          } else {
            cache.clear();
          }
        });
        answers$.next('second');
        expect(seen).toEqual(
          what === 'lands' ? ['first call', 'first shared'] : ['second call', 'second shared'],
        );
        expect(cache.stats.size).toBe(what === 'lands' ? 1 : 0);
      });
      expect.assertions(2);
    },
  );

  it.each(['delete', 'bypass'] as const)(
    'knows answers of a pipeline without an operator of rxllm apart, also of one request twice (%s)',
    (cause) => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const requests$ = new Subject<string>();
        const seen: string[] = [];
        let calls = 0;
        const misses = (misses$: Observable<string>) =>
          misses$.pipe(
            mergeMap((request) => {
              const value = ++calls;
              // The first one answers last.
              return timer(value === 1 ? 20 : 5).pipe(
                map((): CallOutcome<string, number> => {
                  return { ok: true, request, value, source: 'call', latency: 5, waited: 0, attempts: 1 };
                }),
              );
            }),
          );
        let bypass: CallTraits = {};
        requests$
          .pipe(cacheLLM(misses, { cache, traits: () => ({ cacheKey: 'k', ...bypass }), ordered: true }))
          .subscribe((outcome) => seen.push(outcome.ok ? `${outcome.value} ${outcome.source}` : 'failed'));
        requests$.next('a');
        if (cause === 'delete') {
          cache.delete('k');
        } else {
          bypass = { bypass: { sharing: true } };
        }
        requests$.next('a');
        requests$.complete();
        scheduler.schedule(() => {
          expect(seen).toEqual(['1 call', '2 call']);
          // The second began later, and was not deleted.
          expect(cache.get('k')).toBe(2);
        }, 30);
      });
      expect.assertions(2);
    },
  );

  it('makes no call to renew what a listener deletes as soon as it hears of the renewal', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 5, staleWhileRevalidate: 100 });
      const requests$ = new Subject<string>();
      let calls = 0;
      requests$
        .pipe(
          cacheLLM(
            (misses$) =>
              misses$.pipe(
                mergeWithConcurrency(() => {
                  calls++;
                  return timer(10);
                }),
              ),
            {
              cache,
              traits: () => ({ cacheKey: 'k' }),
              events: { next: ({ type }) => type === 'cache-renewing' && cache.delete('k') },
            },
          ),
        )
        .subscribe();
      requests$.next('a');
      scheduler.schedule(() => {
        requests$.next('a');
        expect(calls).toBe(1);
        expect(cache.stats.size).toBe(0);
      }, 20);
      scheduler.schedule(() => {
        requests$.next('a');
        expect(calls).toBe(2);
      }, 25);
    });
    expect.assertions(3);
  });
});

describe('freezeAnswer', () => {
  it('freezes plain objects and arrays all the way down, within frozen ones too, and cycles', () => {
    const inner = { list: [{}] };
    const answer: Record<string, unknown> = { frozen: Object.freeze({ inner }) };
    answer['self'] = answer;
    expect(freezeAnswer(answer)).toBe(answer);
    for (const part of [answer, inner, inner.list, inner.list[0]]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('shares other values as they are', () => {
    const values = { map: new Map(), bytes: new Uint8Array(2), date: new Date() };
    freezeAnswer(values);
    expect(Object.values(values).some((value) => Object.isFrozen(value))).toBe(false);
    expect(freezeAnswer('text')).toBe('text');
  });

  it('leaves the request, and all that it holds, as it is', () => {
    class Ticket {
      readonly lines = [{ text: 'a' }];
    }
    for (const request of [{ lines: [{ text: 'a' }] }, new Ticket()]) {
      const { lines } = request;
      const answer = { request, lines, first: lines[0], own: { list: [1] } };
      expect(freezeAnswer(answer, request)).toBe(answer);
      expect([answer, answer.own, answer.own.list].map((part) => Object.isFrozen(part))).toEqual(
        Array(3).fill(true),
      );
      expect([request, lines, lines[0]].map((part) => Object.isFrozen(part))).toEqual(Array(3).fill(false));
      expect(Object.isFrozen(freezeAnswer(request, request))).toBe(false);
    }
    const bytes = Buffer.alloc(3);
    expect(Object.isFrozen(freezeAnswer({ bytes }, bytes))).toBe(true);
  });

  it('does not overflow the stack with a deep answer, nor read a getter', () => {
    let deep: unknown = {};
    for (let level = 0; level < 50_000; level++) {
      deep = { deep };
    }
    const getter = jest.fn();
    freezeAnswer({
      deep,
      get expensive() {
        return getter() as unknown;
      },
    });
    expect(Object.isFrozen(deep)).toBe(true);
    expect(getter).not.toHaveBeenCalled();
  });
});
