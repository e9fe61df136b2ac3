/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  config as rxjsConfig,
  EMPTY,
  filter,
  from,
  map,
  mergeMap,
  NEVER,
  of,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import { ClosedError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import { CallStats } from '../../lib/stats/call-stats';
import { inVirtualTime, runUntil, type WatchedTestScheduler } from '../test-scheduler';
import { HeardEvents, PreparedCalls, shown, showSources, withoutRequest } from './cached-calls';
import { diagramOf, momentsOf } from './documented-marbles';

/** A request that is nothing but its key and its traits. */
interface Asked extends CallTraits {
  readonly cacheKey: string | false;
}

const statusError = (status: number) => Object.assign(new Error(`status ${status}`), { status });

type Misses = (misses$: Observable<Asked>) => Observable<CallOutcome<Asked, string>>;

function raise(error: Error): never {
  throw error;
}

/** A full queue that drops the older of two that wait. */
function droppingOldest(): Misses {
  const config = { maxConcurrent: 1, maxQueue: 1, overflow: 'drop-oldest' } as const;
  return new PreparedCalls<Asked, string>(NEVER).misses(config);
}

function foreignFailure(request: Asked): CallOutcome<Asked, string> {
  return { ok: false, request, error: 'said so', latency: 0, waited: 0, attempts: 1 };
}

/** Asks for `a` at each of these times, of calls that take no time and count, and says what came of it. */
function askedAt(
  times: readonly number[],
  config: Omit<ResultCacheConfig, 'scheduler'>,
  traits: CallTraits = {},
): { outcomes: string[]; events: HeardEvents; cache: LLMResultCache } {
  const events = new HeardEvents();
  const outcomes: string[] = [];
  const cache = inVirtualTime((scheduler) => {
    const shared = new LLMResultCache({ ...config, scheduler });
    let calls = 0;
    for (const time of times) {
      timer(time)
        .pipe(
          map(() => 'a'),
          cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => of(++calls))), {
            cache: shared,
            events,
            traits: () => traits,
          }),
        )
        .subscribe((outcome) => outcomes.push(`${scheduler.now()}: ${shown(outcome)}`));
    }
    scheduler.flush();
    return shared;
  });
  return { outcomes, events, cache };
}

describe('defaultTtl', () => {
  it('is as its doc comment draws it', () => {
    const { settings, lines } = diagramOf('defaultTtl');
    expect(settings).toBe('defaultTtl: 5');
    runUntil(lines['requests']!.length - 1, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('(A|)');
      const source = cold(lines['requests']!);
      const cache = new LLMResultCache({ scheduler, defaultTtl: 5 });
      const calls = new PreparedCalls(call);
      const values = { A: 'A call', a: 'A cache' };
      expectObservable(source.pipe(cacheLLM(calls.misses(), cache), showSources())).toBe(
        lines['outcomes']!,
        values,
      );
      expectSubscriptions(source.subscriptions).toBe(`^${'-'.repeat(lines['requests']!.length - 2)}!`);
      expectSubscriptions(call.subscriptions).toBe(
        momentsOf(lines['calls']!).map((time) => `${'-'.repeat(time)}(^!)`),
      );
    });
  });

  it('keeps an answer until the last millisecond of it', () => {
    expect(askedAt([0, 9, 10, 19, 20], { defaultTtl: 10 }).outcomes).toEqual([
      '0: 1 call',
      '9: 1 cache',
      '10: 2 call',
      '19: 2 cache',
      '20: 3 call',
    ]);
  });

  it.each([0, 0.5, 1])(
    'keeps an answer for ever where it is Infinity, if chance takes %d of it',
    (chance) => {
      const { outcomes } = askedAt([0, 1e9], {
        defaultTtl: Infinity,
        ttlJitter: 1,
        random: () => chance,
        staleIfError: Infinity,
      });
      expect(outcomes).toEqual(['0: 1 call', '1000000000: 1 cache']);
    },
  );

  it('may be a function of answer and request, asked once for each answer', () => {
    const asked: unknown[] = [];
    const defaultTtl = (value: unknown, request: unknown) => {
      asked.push([value, request]);
      return value === 1 ? 5 : 50;
    };
    expect(askedAt([0, 4, 5, 50], { defaultTtl }).outcomes).toEqual([
      '0: 1 call',
      '4: 1 cache',
      '5: 2 call',
      '50: 2 cache',
    ]);
    expect(asked).toEqual([
      [1, 'a'],
      [2, 'a'],
    ]);
  });

  it.each<[string, number, string]>([
    ['0', 0, 'ttl'],
    ['-5', -5, 'ttl'],
    ['-Infinity', -Infinity, 'ttl'],
    ['NaN', NaN, 'unusable'],
    ['a string', '5' as never, 'unusable'],
    ['nothing', undefined as never, 'unusable'],
  ])(
    'keeps no answer for which a function gives %s, says so, and gives the answer',
    async (_name, ttl, reason) => {
      const { outcomes, events, cache } = askedAt([0, 0, 5], {
        defaultTtl: () => ttl,
        staleWhileRevalidate: 100,
        staleIfError: 100,
      });
      expect(outcomes).toEqual(['0: 1 call', '0: 2 call', '5: 3 call']);
      expect(events.of('cache-not-kept').map((event) => event.reason)).toEqual([reason, reason, reason]);
      expect(cache.stats.size).toBe(0);
      await expect(cache.explain('a')).resolves.toMatchObject({ wouldHit: false, reason });
    },
  );

  it('keeps no answer for which a function throws, and gives the answer', () => {
    const defaultTtl = () => {
      throw new Error('no time');
    };
    const { outcomes, events } = askedAt([0, 5], { defaultTtl });
    expect(outcomes).toEqual(['0: 1 call', '5: 2 call']);
    expect(events.of('cache-not-kept')).toMatchObject([{ reason: 'unusable' }, { reason: 'unusable' }]);
  });

  it('forgets what was kept before when a newer answer is not to be kept', () => {
    const ttls = [5, 0, 5];
    const config = { defaultTtl: () => ttls.shift()!, staleWhileRevalidate: 100 };
    expect(askedAt([0, 5, 6], config).outcomes).toEqual(['0: 1 call', '5: 1 stale', '6: 3 call']);
  });

  it('comes after the cacheTtl of the request, whose function is then not asked', () => {
    const defaultTtl = () => {
      throw new Error('asked');
    };
    const { outcomes } = askedAt([0, 2, 3], { defaultTtl }, { cacheTtl: 3 });
    expect(outcomes).toEqual(['0: 1 call', '2: 1 cache', '3: 2 call']);
  });

  it('keeps nothing where it is 0, as the cacheTtl of a request may say, too', () => {
    for (const [config, traits] of [
      [{ defaultTtl: 0 }, {}],
      [{}, { cacheTtl: 0 }],
    ] as const) {
      const { outcomes, events } = askedAt([0, 0, 5], { ...config, staleIfError: 100 }, traits);
      expect(outcomes).toEqual(['0: 1 call', '0: 2 call', '5: 3 call']);
      expect(events.of('cache-not-kept').map(({ reason }) => reason)).toEqual(['ttl', 'ttl', 'ttl']);
    }
    expect(askedAt([0, 5], { defaultTtl: 0 }, { cacheTtl: 10 }).outcomes).toEqual([
      '0: 1 call',
      '5: 1 cache',
    ]);
  });

  it('is refused where it is no time', () => {
    for (const defaultTtl of [-1, NaN, '5' as never]) {
      expect(() => new LLMResultCache({ defaultTtl })).toThrow(/defaultTtl must be a/);
    }
  });

  it('of a function is for answers that are stored by hand, too', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: (value) => (value === 'short' ? 0 : 10) });
      cache.set('key', 'long');
      cache.set('key', 'short');
      expect(cache.get('key')).toBeUndefined();
      expect(() => new LLMResultCache({ scheduler, defaultTtl: () => NaN }).set('key', 1)).toThrow(
        RangeError,
      );
    });
  });
});

describe('ttlJitter', () => {
  it('is as its doc comment draws it', () => {
    const { settings, lines } = diagramOf('ttlJitter');
    expect(settings).toBe('defaultTtl: 10, ttlJitter: 0.5');
    const drawn = /^(-+)(x+)$/.exec(lines['expires']!)!;
    const first = drawn[1]!.length;
    const last = first + drawn[2]!.length - 1;
    const times = Array.from({ length: 15 }, (_, time) => time);
    const expiries = Array.from({ length: 100 }, (_, step) => {
      const { outcomes } = askedAt(times, { defaultTtl: 10, ttlJitter: 0.5, random: () => step / 100 });
      return outcomes.findIndex((outcome) => outcome.endsWith('2 call'));
    });
    expect([Math.min(...expiries), Math.max(...expiries)]).toEqual([first, last]);
  });

  it('takes its share off the time of a request and of an answer stored by hand alike', () => {
    expect(askedAt([0, 4, 5], { ttlJitter: 0.5, random: () => 0.999_999 }, { cacheTtl: 9 }).outcomes).toEqual(
      ['0: 1 call', '4: 1 cache', '5: 2 call'],
    );
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, ttlJitter: 0.5, random: () => 0.5 });
      cache.set('key', 1, { ttl: 8 });
      scheduler.schedule(() => expect(cache.get('key')).toBe(1), 5);
      scheduler.schedule(() => expect(cache.get('key')).toBeUndefined(), 6);
    });
    expect.assertions(3);
  });

  it.each([
    [1, 5],
    [1.5, 5],
    [Infinity, 5],
    [-0.5, 10],
    [-Infinity, 10],
    [NaN, 10],
    [undefined as never, 10],
  ])('takes neither more nor less off than its share where chance says %d', (chance, ttl) => {
    const config = { defaultTtl: 10, ttlJitter: 0.5, random: () => chance };
    expect(askedAt([0, ttl - 1, ttl], config).outcomes).toEqual([
      '0: 1 call',
      `${ttl - 1}: 1 cache`,
      `${ttl}: 2 call`,
    ]);
  });

  it('keeps nothing where chance throws, and gives the answer', () => {
    const random = () => {
      throw new Error('no chance');
    };
    expect(askedAt([0, 1], { ttlJitter: 0.5, random }).outcomes).toEqual(['0: 1 call', '1: 2 call']);
  });

  it('is refused where it is no share, and so is a random that is no function', () => {
    for (const ttlJitter of [-0.1, 1.1, NaN, Infinity]) {
      expect(() => new LLMResultCache({ ttlJitter })).toThrow(/ttlJitter/);
    }
    expect(() => new LLMResultCache({ random: 0.5 as never })).toThrow(/random must be a function/);
  });
});

describe('staleWhileRevalidate', () => {
  /** Keeps `old` since 0: fresh until 4, stale until 10. */
  const holding = (scheduler: WatchedTestScheduler, config: ResultCacheConfig = {}) => {
    const cache = new LLMResultCache({ scheduler, defaultTtl: 4, staleWhileRevalidate: 6, ...config });
    cache.set('a', 'old', { tags: ['tagged'] });
    return cache;
  };
  const asking = (traits: Partial<Asked> = {}): Asked => ({ cacheKey: 'a', ...traits });

  it('is as its doc comment draws it', () => {
    const { settings, lines } = diagramOf('staleWhileRevalidate');
    expect(settings).toBe('defaultTtl: 4, staleWhileRevalidate: 6, a call takes 2');
    runUntil(lines['requests']!.length - 1, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const [first, second] = momentsOf(lines['calls']!);
      const calls = [cold('--(A|)'), cold('--(R|)')] as const;
      const cache = new LLMResultCache({ scheduler, defaultTtl: 4, staleWhileRevalidate: 6 });
      const outcomes$ = cold(lines['requests']!).pipe(cacheLLM(new PreparedCalls(...calls).misses(), cache));
      const values = { A: 'A call', s: 'A stale', r: 'R cache' };
      expectObservable(outcomes$.pipe(showSources())).toBe(lines['outcomes']!, values);
      expectSubscriptions(calls[0].subscriptions).toBe(`${'-'.repeat(first!)}^-!`);
      expectSubscriptions(calls[1].subscriptions).toBe(`${'-'.repeat(second!)}^-!`);
    });
  });

  it('answers at once although the call is slow, as a hit that waited for nothing', () => {
    runUntil(26, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('--------------------(R|)');
      const outcomes$ = cold<Asked>('------a---|', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls(call).misses(), holding(scheduler)),
        map(withoutRequest),
      );
      const stale = { ok: true, value: 'old', source: 'stale', latency: 0, waited: 0, attempts: 0 };
      expectObservable(outcomes$).toBe('------s---|', { s: stale });
      expectSubscriptions(call.subscriptions).toBe('------^-------------------!');
    });
  });

  it('is off by default', () => {
    expect(askedAt([0, 4], { defaultTtl: 4 }).outcomes).toEqual(['0: 1 call', '4: 2 call']);
  });

  it('begins when the TTL has passed, and ends, to the millisecond', () => {
    const never = { defaultTtl: 4, staleWhileRevalidate: 6 };
    expect(askedAt([0, 3], never).outcomes).toEqual(['0: 1 call', '3: 1 cache']);
    expect(askedAt([0, 4], never).outcomes).toEqual(['0: 1 call', '4: 1 stale']);
    expect(askedAt([0, 9], never).outcomes).toEqual(['0: 1 call', '9: 1 stale']);
    expect(askedAt([0, 10], never).outcomes).toEqual(['0: 1 call', '10: 2 call']);
  });

  it('makes one call for many stale hits, of several pipelines', () => {
    runUntil(11, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = holding(scheduler);
      const calls = [cold('----(R|)'), cold('----(X|)')] as const;
      const prepared = new PreparedCalls(...calls);
      const values = { s: 'old stale', r: 'R cache' };
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(prepared.misses(), cache), showSources());
      expectObservable(ask('     ----aa---aa|')).toBe('----ss---rr|', values);
      expectObservable(ask('     -----a-a|   ')).toBe('-----s-s|', values);
      expectSubscriptions(calls[0].subscriptions).toBe('----^---!');
      expectSubscriptions(calls[1].subscriptions).toBe([]);
    });
  });

  it('tells of the renewal once, under a number of its own, and counts it as no request', () => {
    const events = new HeardEvents();
    const stats = new CallStats();
    events.next = (event: CallEvent) => {
      events.all.push(event);
      stats.next(event);
    };
    runUntil(7, ({ cold, scheduler }) => {
      const calls = new PreparedCalls(cold('--(R|)'));
      cold<Asked>('-----aa|', { a: asking() })
        .pipe(cacheLLM(calls.misses({ events }), { cache: holding(scheduler), events }))
        .subscribe();
    });
    expect(events.types).toEqual([
      ...['received', 'cache-hit', 'cache-renewing', 'started', 'settled'],
      ...['received', 'cache-hit', 'settled', 'finished'],
    ]);
    const [first] = events.of('received');
    const [renewing] = events.of('cache-renewing');
    expect(renewing).toMatchObject({ at: 5, id: first!.id, key: 'a' });
    expect(renewing!.renewal).not.toBe(first!.id);
    expect(events.of('started')).toMatchObject([{ id: renewing!.renewal, priority: 'low' }]);
    expect(events.of('cache-hit')).toMatchObject([
      { age: 5, tier: 'memory', stale: true, savedLatency: 0 },
      { age: 6, tier: 'memory', stale: true },
    ]);
    expect(events.of('settled')).toMatchObject([
      { ok: true, source: 'stale', latency: 0, waited: 0, attempts: 0 },
      { ok: true, source: 'stale' },
    ]);
    expect(stats.snapshot().metrics).toMatchObject({
      totalCalls: 2,
      cacheHits: 2,
      cacheMisses: 0,
      staleAnswers: 2,
      renewedAnswers: 1,
      startedCalls: 1,
      answeredCalls: 2,
      inFlight: 0,
    });
  });

  it('counts stale hits, and what they save', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 4, staleWhileRevalidate: 6 });
      cache.set('a', 'old', { usage: { inputTokens: 5, outputTokens: 2 }, latency: 30 });
      timer(5)
        .pipe(
          map(() => asking()),
          cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), cache),
        )
        .subscribe();
      scheduler.flush();
      expect(cache.stats).toMatchObject({
        hits: 1,
        misses: 0,
        staleHits: 1,
        savedTokens: 7,
        savedLatency: 30,
      });
    });
  });

  it('renews with LOW priority, whatever that of the request', () => {
    const events = new HeardEvents();
    const calls = new PreparedCalls<Asked, string>(timer(5).pipe(map(() => 'new')));
    runUntil(25, ({ cold, scheduler }) => {
      const requests = {
        x: { cacheKey: 'busy' },
        a: asking({ priority: 'critical' }),
        b: { cacheKey: 'b' },
        c: { cacheKey: 'c' },
      } as const;
      cold<Asked>('-----(xbac|)', requests)
        .pipe(cacheLLM(calls.misses({ maxConcurrent: 1, events }), { cache: holding(scheduler), events }))
        .subscribe();
    });
    expect(calls.requests.map(({ cacheKey }) => cacheKey)).toEqual(['busy', 'b', 'a', 'c']);
    expect(events.of('started').map(({ priority }) => priority)).toEqual([
      'medium',
      'medium',
      'low',
      'medium',
    ]);
  });

  it('lets a joiner that comes after the window raise the renewal', () => {
    const events = new HeardEvents();
    const calls = new PreparedCalls<Asked, string>(
      timer(10).pipe(map(() => 'X')),
      timer(5).pipe(map(() => 'R')),
      timer(5).pipe(map(() => 'B')),
    );
    runUntil(25, ({ cold, scheduler, expectObservable }) => {
      const cache = holding(scheduler);
      const ask = (requests: string, asked: Record<string, Asked>) =>
        cold<Asked>(requests, asked).pipe(
          cacheLLM(calls.misses({ maxConcurrent: 1, events }), { cache, events }),
          showSources(),
        );
      const requests = { x: { cacheKey: 'busy' }, b: { cacheKey: 'b' }, a: asking({ priority: 'low' }) };
      const values = { s: 'old stale', X: 'X call', B: 'B call', R: 'R shared' };
      expectObservable(ask('     -----(xba|)', requests)).toBe('-----s---------X---------(B|)', values);
      const joiner = asking({ priority: 'critical' });
      expectObservable(ask('     -----------j|', { j: joiner })).toBe('--------------------(R|)', values);
    });
    expect(calls.requests.map(({ cacheKey }) => cacheKey)).toEqual(['busy', 'a', 'b']);
    expect(events.of('started').map(({ priority }) => priority)).toEqual(['medium', 'critical', 'medium']);
    expect(events.of('cache-miss').map(({ joined }) => joined)).toEqual([false, false, true]);
  });

  it('goes on when whoever got the stale answer has enough of it, leaves or completes', () => {
    runUntil(17, ({ cold, hot, scheduler, expectObservable, expectSubscriptions }) => {
      for (const [end, leaving, expected] of [
        ['take(1)', undefined, '         -----(s|)'],
        ['a leave', '     -------!', '           -----s--'],
        ['completion', undefined, '              -----s-|'],
        ['an error of the source', undefined, '  -----s-#'],
      ] as const) {
        const source = end.startsWith('an error')
          ? '-----a-#'
          : end === 'completion'
            ? '-----a-|'
            : '-----a----';
        const call = cold('----------(R|)');
        const cache = holding(scheduler, { defaultTtl: 4, staleWhileRevalidate: 6 });
        const outcomes$ = hot<Asked>(source, { a: asking() }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(call).misses(), cache),
          showSources(),
          end === 'take(1)' ? take(1) : tap(),
        );
        expectObservable(outcomes$, leaving).toBe(expected, { s: 'old stale' }, 'error');
        expectSubscriptions(call.subscriptions).toBe('-----^---------!');
        scheduler.schedule(() => expect(cache.get('a')).toBe('R'), 17);
      }
    });
    expect.assertions(4 * 3 + 1);
  });

  it.each<[string, (cache: LLMResultCache) => unknown]>([
    ['delete', (cache) => cache.delete('a')],
    ['clear', (cache) => cache.clear()],
    ['set', (cache) => cache.set('a', 'by hand')],
    ['invalidate by tag', (cache) => cache.invalidate({ tag: 'renewed' })],
    ['invalidate by prefix', (cache) => cache.invalidate({ prefix: 'a' })],
    ['close', (cache) => cache.close()],
  ])('is ended by %s, and what its call says then is not kept', (_name, end) => {
    let signals: readonly AbortSignal[] = [];
    runUntil(8, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('-----(R|)');
      const calls = new PreparedCalls<Asked, string>(call);
      const cache = holding(scheduler);
      const source = cold<Asked>('-----a-|', { a: asking({ cacheTags: ['renewed'] }) });
      const outcomes$ = source.pipe(cacheLLM(calls.misses(), cache), showSources());
      expectObservable(outcomes$).toBe('-----s-|', { s: 'old stale' });
      expectSubscriptions(call.subscriptions).toBe('-----^--!');
      ({ signals } = calls);
      scheduler.schedule(() => end(cache), 8);
    });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect((signals[0]!.reason as Error).name).toBe('AbortError');
  });

  it('is not ended by what is invalidated of others, and what a predicate says of the old answer is asked of the new', () => {
    runUntil(12, ({ cold, scheduler, expectObservable }) => {
      const cache = holding(scheduler);
      const calls = new PreparedCalls<Asked, string>(cold('-----(R|)'), cold('(X|)'));
      const outcomes$ = cold<Asked>('-----a-----a|', { a: asking() }).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-----s-----x|', { s: 'old stale', x: 'X call' });
      scheduler.schedule(() => {
        cache.invalidate({ tag: 'another' });
        cache.delete('b');
        cache.invalidate({ predicate: ({ value }) => value === 'R' });
      }, 8);
    });
  });

  it('ends with the subscription where the cache is its own', () => {
    runUntil(9, ({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('(A|)');
      const renewal = cold('-----(R|)');
      const prepared = new PreparedCalls<Asked, string>(first, renewal);
      const source = cold<Asked>('a-----a--|', { a: asking() });
      const config = { defaultTtl: 4, staleWhileRevalidate: 6 };
      const outcomes$ = source.pipe(cacheLLM(prepared.misses(), config), showSources());
      expectObservable(outcomes$).toBe('A-----s--|', { A: 'A call', s: 'A stale' });
      expectSubscriptions(renewal.subscriptions).toBe('------^--!');
    });
  });

  it('starts none of several renewals that wait for a slot when all are given up together', () => {
    for (const end of ['clear', 'close', 'invalidate'] as const) {
      const calls = new PreparedCalls<Asked, string>(NEVER);
      inVirtualTime((scheduler) => {
        const cache = holding(scheduler);
        cache.set('b', 'old');
        cache.set('c', 'old');
        timer(5).subscribe(() =>
          from<Asked[]>([asking(), { cacheKey: 'b' }, { cacheKey: 'c' }])
            .pipe(cacheLLM(calls.misses({ maxConcurrent: 1 }), cache))
            .subscribe(),
        );
        timer(6).subscribe(() => (end === 'invalidate' ? cache.invalidate({ prefix: '' }) : cache[end]()));
      });
      expect(calls.requests.map(({ cacheKey }) => cacheKey)).toEqual(['a']);
      expect(calls.signals[0]!.aborted).toBe(true);
    }
  });

  it('starts no other renewal in place of one that ends with a subscription whose cache is its own', () => {
    const calls = new PreparedCalls<Asked, string>(of('A'), of('B'), of('C'), NEVER);
    inVirtualTime(() => {
      const requests = ['a', 'b', 'c'].map((cacheKey): Asked => ({ cacheKey }));
      const requests$ = new Subject<Asked>();
      const subscription = requests$
        .pipe(cacheLLM(calls.misses({ maxConcurrent: 1 }), { defaultTtl: 4, staleWhileRevalidate: 6 }))
        .subscribe();
      [0, 5].forEach((time) => timer(time).subscribe(() => requests.forEach((one) => requests$.next(one))));
      timer(6).subscribe(() => subscription.unsubscribe());
    });
    expect(calls.requests.map(({ cacheKey }) => cacheKey)).toEqual(['a', 'b', 'c', 'a']);
  });

  it.each<[string, () => Observable<string>, number, ResultCacheConfig]>([
    ['fails', () => throwError(() => new Error('down')), 1000, {}],
    ['fails, with errorTtl', () => throwError(() => new Error('down')), 30, { errorTtl: 30 }],
    ['is refused by the provider', () => throwError(() => statusError(429)), 1000, {}],
    ['gives an answer that is not to be kept', () => of(''), 1000, { errorTtl: 30 }],
    ['gives an answer that cannot be judged', () => of(''), 1000, { shouldCache: () => raise(new Error()) }],
  ])(
    'keeps the stale answer where its call %s, and tries again after a pause',
    (_name, answer, pause, config) => {
      const events = new HeardEvents();
      const outcomes: string[] = [];
      inVirtualTime((scheduler) => {
        const cache = holding(scheduler, { staleWhileRevalidate: 5000, ...config });
        let calls = 0;
        const misses = mergeWithConcurrency(() =>
          timer(1).pipe(mergeMap(() => (++calls < 3 ? answer() : of('R')))),
        );
        for (const time of [5, 7, 5 + pause, 6 + pause, 8 + pause]) {
          timer(time)
            .pipe(
              map(() => asking()),
              cacheLLM(misses, { cache, events }),
            )
            .subscribe((outcome) => outcomes.push(shown(outcome)));
        }
        scheduler.flush();
      });
      expect(events.of('cache-renewing').map(({ at }) => at)).toEqual([5, 6 + pause]);
      expect(outcomes).toEqual(Array(5).fill('old stale'));
      expect(events.of('settled')).toHaveLength(5);
    },
  );

  it('keeps the stale answer where a full queue refuses the renewal', () => {
    const events = new HeardEvents();
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(cold('-----(X|)'));
      const requests = { x: { cacheKey: 'busy' }, a: asking() };
      const outcomes$ = cold<Asked>('----(xaa)|', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1, maxQueue: 0, events }), {
          cache: holding(scheduler),
          events,
        }),
        showSources(),
      );
      expectObservable(outcomes$).toBe('----(ss)-(X|)', { s: 'old stale', X: 'X call' });
    });
    expect(events.of('cache-renewing')).toHaveLength(1);
    expect(events.of('started')).toHaveLength(1);
  });

  it('keeps the stale answer where the pipeline for misses ends or breaks without one', () => {
    for (const misses of [
      () => EMPTY,
      () => throwError(() => new Error('broken')),
      (misses$: Observable<Asked>) => misses$.pipe(switchMap(() => throwError(() => new Error('broken')))),
    ]) {
      runUntil(11, ({ cold, scheduler, expectObservable }) => {
        const outcomes$ = cold<Asked>('----a-a---a|', { a: asking() }).pipe(
          cacheLLM<Asked, string>(misses, holding(scheduler)),
          showSources(),
        );
        expectObservable(outcomes$).toBe('----s-s---m|', {
          s: 'old stale',
          m: 'MissingOutcomeError',
        });
      });
    }
  });

  it('takes the joiner of a refused renewal for the one who makes the call', () => {
    runUntil(12, ({ cold, scheduler, expectObservable }) => {
      const cache = holding(scheduler);
      const calls = new PreparedCalls<Asked, string>(cold('-----(X|)'), cold('--(R|)'));
      const requests = { x: { cacheKey: 'busy' }, a: asking({ maxWait: 3 }) };
      const one$ = cold<Asked>('-------(xa|)', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        showSources(),
      );
      expectObservable(one$).toBe('-------s----(X|)', { s: 'old stale', X: 'X call' });
      const other$ = cold<Asked>('----------j|', { j: asking() }).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        showSources(),
      );
      // Its window has passed, and the renewal, overdue at 10, is joined before that is found out.
      expectObservable(other$).toBe('------------(R|)', { R: 'R call' });
    });
  });

  it('does not wait for a slot where all are taken, though its renewal does', () => {
    runUntil(23, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const busy = cold('---------------(X|)');
      const renewal = cold('--(R|)');
      const calls = new PreparedCalls<Asked, string>(busy, renewal);
      const requests = { x: { cacheKey: 'busy' }, a: asking() };
      const outcomes$ = cold<Asked>('----xa-a--------------a|', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), holding(scheduler)),
        showSources(),
      );
      const values = { s: 'old stale', X: 'X call', r: 'R cache' };
      expectObservable(outcomes$).toBe('-----s-s-----------X--r|', values);
      expectSubscriptions(renewal.subscriptions).toBe('-------------------^-!');
    });
  });

  it('does not wait for pace, though its renewal does, as LOW, and pays once', () => {
    const events = new HeardEvents();
    runUntil(31, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 10, adaptive: false });
      const renewal = cold('-(R|)');
      const calls = new PreparedCalls<Asked, string>(cold('-(X|)'), cold('-(Y|)'), renewal);
      const requests = { x: { cacheKey: 'x' }, y: { cacheKey: 'y' }, a: asking({ priority: 'critical' }) };
      const cache = holding(scheduler, { staleWhileRevalidate: 100 });
      const outcomes$ = cold<Asked>('-----(xay)', requests).pipe(
        cacheLLM((misses$) => misses$.pipe(adaptiveThrottle(limiter), calls.misses({ limiter, events })), {
          cache,
          events,
        }),
        showSources(),
      );
      const values = { s: 'old stale', X: 'X call', Y: 'Y call' };
      expectObservable(outcomes$, `${'-'.repeat(31)}!`).toBe('-----sX---------Y', values);
      // 1.5 times the interval after the start before it.
      expectSubscriptions(renewal.subscriptions).toBe(`${'-'.repeat(30)}^!`);
    });
    expect(events.of('started').map(({ priority }) => priority)).toEqual(['medium', 'medium', 'low']);
  });

  it('keeps its place in the order of the source', () => {
    runUntil(12, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(cold('---(X|)'), cold('-(R|)'));
      const requests = { x: { cacheKey: 'x' }, a: asking() };
      const outcomes$ = cold<Asked>('----xa-a----|', requests).pipe(
        cacheLLM(calls.misses(), { cache: holding(scheduler), ordered: true }),
        showSources(),
      );
      const values = { X: 'X call', s: 'old stale', r: 'R cache' };
      expectObservable(outcomes$).toBe('-------(Xsr)|', values);
    });
  });

  it('gives the stale answer although the call answers synchronously, and the new one from then on', () => {
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(of('R'));
      const requests$ = new Subject<Asked>();
      let isFirst = true;
      const outcomes$ = requests$.pipe(
        cacheLLM(calls.misses(), holding(scheduler)),
        tap(() => {
          if (isFirst) {
            isFirst = false;
            requests$.next(asking());
          }
        }),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-----(rs)|', { s: 'old stale', r: 'R cache' });
      cold<Asked>('-----a---|', { a: asking() }).subscribe(requests$);
    });
  });

  it.each(['received', 'cache-hit', 'cache-renewing', 'started', 'finished', 'settled', 'feedback'])(
    'survives a listener that leaves on %s, and leaves nothing behind that is never answered',
    (type) => {
      const reported: unknown[] = [];
      rxjsConfig.onUnhandledError = (error: unknown) => reported.push(error);
      inVirtualTime((scheduler) => {
        const cache = holding(scheduler);
        const seen: string[] = [];
        const events = { next: (event: CallEvent) => event.type === type && leaving.unsubscribe() };
        const requests$ = new Subject<Asked>();
        const leaving = requests$
          .pipe(
            cacheLLM(
              (misses$) =>
                misses$.pipe(
                  mergeWithConcurrency(
                    (_request: Asked, { report }) => {
                      report({ usage: { inputTokens: 1 } });
                      return timer(2).pipe(map(() => 'R'));
                    },
                    { events },
                  ),
                ),
              { cache, events },
            ),
          )
          .subscribe((outcome) => seen.push(shown(outcome)));
        const late = (time: number) =>
          timer(time)
            .pipe(
              map(() => asking()),
              cacheLLM(new PreparedCalls<Asked, string>(of('L')).misses(), cache),
            )
            .subscribe((outcome) => seen.push(`${time} ${shown(outcome)}`));
        timer(5).subscribe(() => requests$.next(asking()));
        [6, 8, 20].forEach(late);
        scheduler.flush();
        expect(leaving.closed).toBe(true);
        expect(seen.filter((one) => /^\d/.test(one))).toHaveLength(3);
        expect(seen.filter((one) => one.startsWith('20'))).toEqual(['20 L call']);
        expect(reported).toEqual([]);
      });
      rxjsConfig.onUnhandledError = null;
    },
  );
});

describe('staleIfError', () => {
  /** Keeps `old` since 0: fresh until 4, for use in place of a failure until 24. */
  const holding = (scheduler: WatchedTestScheduler, config: ResultCacheConfig = {}) => {
    const cache = new LLMResultCache({ scheduler, defaultTtl: 4, staleIfError: 20, ...config });
    cache.set('a', 'old', { tags: ['tagged'] });
    return cache;
  };
  const asking = (traits: Partial<Asked> = {}): Asked => ({ cacheKey: 'a', ...traits });
  const down = new Error('down');

  it('is as its doc comment draws it', () => {
    const { settings, lines } = diagramOf('staleIfError');
    expect(settings).toBe('defaultTtl: 4, staleIfError: 20, a call takes 2');
    runUntil(lines['requests']!.length - 1, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const [first, second] = momentsOf(lines['calls']!);
      const calls = [cold('--(A|)'), cold('--#')] as const;
      const cache = new LLMResultCache({ scheduler, defaultTtl: 4, staleIfError: 20 });
      const outcomes$ = cold(lines['requests']!).pipe(cacheLLM(new PreparedCalls(...calls).misses(), cache));
      const values = { A: 'A call', s: 'A stale' };
      expectObservable(outcomes$.pipe(showSources())).toBe(lines['outcomes']!, values);
      expectSubscriptions(calls[0].subscriptions).toBe(`${'-'.repeat(first!)}^-!`);
      expectSubscriptions(calls[1].subscriptions).toBe(`${'-'.repeat(second!)}^-!`);
    });
  });

  it('is off by default, and gives nothing where nothing was kept', () => {
    for (const [config, expected] of [
      [{ defaultTtl: 4 }, '-------f|'],
      [{ defaultTtl: 4, staleWhileRevalidate: 1 }, '-------f|'],
    ] as const) {
      runUntil(8, ({ cold, scheduler, expectObservable }) => {
        const cache = new LLMResultCache({ scheduler, ...config });
        cache.set('a', 'old');
        const calls = new PreparedCalls<Asked, string>(cold('-#', undefined, down));
        const outcomes$ = cold<Asked>('------a-|', { a: asking() }).pipe(cacheLLM(calls.misses(), cache));
        expectObservable(outcomes$.pipe(showSources())).toBe(expected, { f: 'Error' });
      });
    }
    runUntil(8, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(cold('-#', undefined, down));
      const outcomes$ = cold<Asked>('------b-|', { b: { cacheKey: 'b' } }).pipe(
        cacheLLM(calls.misses(), holding(scheduler)),
      );
      expectObservable(outcomes$.pipe(showSources())).toBe('-------f|', { f: 'Error' });
    });
  });

  it('is not for what was closed', () => {
    runUntil(6, ({ cold, scheduler, expectObservable }) => {
      const misses: Misses = map((request) => ({
        ...foreignFailure(request),
        error: new ClosedError('The pipeline'),
      }));
      const outcomes$ = cold<Asked>('------(a|)', { a: asking() }).pipe(cacheLLM(misses, holding(scheduler)));
      expectObservable(outcomes$.pipe(showSources())).toBe('------(c|)', { c: 'ClosedError' });
    });
  });

  it('has the times and attempts of the call that failed, and tells what that failed with', () => {
    const events = new HeardEvents();
    const stats = new CallStats();
    runUntil(18, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(
        cold('--------(X|)'),
        cold('-#', undefined, statusError(500)),
        cold('-#', undefined, down),
      );
      const retry = { attempts: 3, baseDelay: 6, random: () => 0.5 };
      const requests = { x: { cacheKey: 'x' }, a: asking() };
      const outcomes$ = cold<Asked>('-----(xa)-|', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1, retry, events }), { cache: holding(scheduler), events }),
        map(withoutRequest),
      );
      const x = { ok: true, value: 'X', source: 'call', latency: 8, waited: 0, attempts: 1 };
      const s = { ok: true, value: 'old', source: 'stale', latency: 1, waited: 12, attempts: 2 };
      expectObservable(outcomes$).toBe('-------------x----(s|)', { x, s });
    });
    events.all.forEach((event) => stats.next(event));
    const [, settled] = events.of('settled');
    expect(settled).toMatchObject({
      ok: true,
      source: 'stale',
      latency: 1,
      waited: 12,
      attempts: 2,
      error: down,
    });
    expect(stats.snapshot().metrics).toMatchObject({
      totalCalls: 2,
      cacheHits: 0,
      cacheMisses: 2,
      staleAnswers: 1,
      answeredCalls: 2,
      failedCalls: 0,
      savedTokens: 0,
    });
  });

  it('ends to the millisecond, by the time of the failure', () => {
    for (const [failsAt, expected] of [
      [23, 'old stale'],
      [24, 'Error'],
    ] as const) {
      runUntil(failsAt, ({ cold, scheduler, expectObservable }) => {
        const calls = new PreparedCalls<Asked, string>(cold(`${'-'.repeat(failsAt - 6)}#`, undefined, down));
        const outcomes$ = cold<Asked>('------(a|)', { a: asking() }).pipe(
          cacheLLM(calls.misses(), holding(scheduler)),
        );
        const time = '-'.repeat(failsAt);
        expectObservable(outcomes$.pipe(showSources())).toBe(`${time}(s|)`, { s: expected });
      });
    }
  });

  describe('stands in for', () => {
    const busy: Asked = { cacheKey: 'busy' };
    const NeverCalled = () => new PreparedCalls<Asked, string>(NEVER);

    it.each<[string, Misses]>([
      ['a failed call', new PreparedCalls<Asked, string>(throwError(() => down)).misses()],
      [
        'a call the provider refused',
        new PreparedCalls<Asked, string>(throwError(() => statusError(429))).misses(),
      ],
      ['a call that throws', (misses$) => misses$.pipe(mergeWithConcurrency(() => raise(down)))],
      ['a call without an answer', new PreparedCalls<Asked, string>(EMPTY).misses()],
      ['a request that a full queue refuses', NeverCalled().misses({ maxConcurrent: 1, maxQueue: 0 })],
      ['an older request that a full queue drops', droppingOldest()],
      ['a pipeline that ends', () => EMPTY],
      [
        'a pipeline that ends later',
        (misses$) =>
          misses$.pipe(
            switchMap(() => EMPTY),
            takeUntil(timer(10)),
          ),
      ],
      ['a pipeline that breaks', (misses$) => misses$.pipe(switchMap(() => raise(down)))],
      ['a foreign failed outcome', (misses$) => misses$.pipe(map((request) => foreignFailure(request)))],
    ])('%s', (_name, misses) => {
      inVirtualTime((scheduler) => {
        const seen: string[] = [];
        timer(5)
          .pipe(
            mergeMap(() => [busy, asking(), { cacheKey: 'newer' }]),
            cacheLLM(misses, holding(scheduler)),
          )
          .subscribe((outcome) => outcome.request.cacheKey === 'a' && seen.push(shown(outcome)));
        scheduler.flush();
        expect(seen).toEqual(['old stale']);
      });
    });

    it.each<[string, number, ConcurrencyConfig<Asked>, ResultCacheConfig, Asked]>([
      ['a call that takes longer than timeout', 8, { timeout: 3 }, {}, asking()],
      ['a shared call that takes longer than sharedCallTimeout', 9, {}, { sharedCallTimeout: 4 }, asking()],
      ['a request that is overdue', 7, { maxConcurrent: 1 }, {}, asking({ maxWait: 2 })],
      ['a request that the pipeline finds overdue', 8, { maxConcurrent: 1, maxWait: 3 }, {}, asking()],
    ])('%s', (_name, endsAt, config, cacheConfig, request) => {
      runUntil(endsAt, ({ cold, scheduler, expectObservable }) => {
        const outcomes$ = cold<Asked>('-----(xa)', { x: busy, a: request }).pipe(
          cacheLLM(NeverCalled().misses(config), holding(scheduler, cacheConfig)),
          filter((outcome) => outcome.request.cacheKey === 'a'),
          showSources(),
        );
        expectObservable(outcomes$).toBe(`${'-'.repeat(endsAt)}s`, { s: 'old stale' });
      });
    });
  });

  it('is for all who share the call, starter and joiners, and each sees its own times', () => {
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const cache = holding(scheduler);
      const calls = new PreparedCalls<Asked, string>(cold('----#', undefined, down));
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(
          cacheLLM(calls.misses(), cache),
          map(
            (outcome) =>
              `${shown(outcome)}, waited ${outcome.waited}, ${outcome.latency}, ${outcome.attempts}`,
          ),
        );
      const values = { s: 'old stale, waited 0, 4, 1' };
      expectObservable(ask('     -----a-a|')).toBe('---------(ss|)', values);
      expectObservable(ask('     ------a-|')).toBe('---------(s|)', values);
    });
  });

  it('is for a joiner whose own time is up, while the call goes on for the others', () => {
    const events = new HeardEvents();
    runUntil(15, ({ cold, scheduler, expectObservable }) => {
      const cache = holding(scheduler);
      const calls = new PreparedCalls<Asked, string>(cold('-----(X|)'), cold('-----(A|)'));
      const requests = { x: { cacheKey: 'busy' }, a: asking(), j: asking({ maxWait: 3 }) };
      const starter$ = cold<Asked>('-----(xa|)', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        showSources(),
      );
      expectObservable(starter$).toBe('----------X----(A|)', { X: 'X call', A: 'A call' });
      const joiner$ = cold<Asked>('------(j|)', requests).pipe(
        cacheLLM(calls.misses(), { cache, events }),
        map(withoutRequest),
      );
      const stale = { ok: true, value: 'old', source: 'stale', latency: 0, waited: 3, attempts: 0 };
      expectObservable(joiner$).toBe('---------(s|)', { s: stale });
    });
    expect(events.of('settled')).toMatchObject([{ source: 'stale', error: { code: 'deadline-exceeded' } }]);
  });

  it('is for a starter whose own time is up, while another one starts the call for itself', () => {
    runUntil(16, ({ cold, scheduler, expectObservable }) => {
      const cache = holding(scheduler);
      const calls = new PreparedCalls<Asked, string>(cold('----------(X|)'), cold('-----(A|)'));
      const requests = { x: { cacheKey: 'busy' }, a: asking({ maxWait: 6 }), j: asking() };
      const starter$ = cold<Asked>('-----(xa)', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        showSources(),
      );
      expectObservable(starter$).toBe('-----------s---X', { s: 'old stale', X: 'X call' });
      const joiner$ = cold<Asked>('------(j|)', requests).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      expectObservable(joiner$).toBe('----------------(A|)', { A: 'A call' });
    });
  });

  it('is not for those who went past the look-up, starter or joiner', () => {
    for (const [starter, joiner, expected] of [
      [{}, { bypass: { lookUp: true } }, 'sf'],
      [{ bypass: { lookUp: true } }, {}, 'fs'],
      [{ bypass: { lookUp: true } }, { bypass: { lookUp: true } }, 'ff'],
    ] as const) {
      runUntil(9, ({ cold, scheduler, expectObservable }) => {
        const calls = new PreparedCalls<Asked, string>(cold('----#', undefined, down));
        const outcomes$ = cold<Asked>('-----(aj)|', { a: asking(starter), j: asking(joiner) }).pipe(
          cacheLLM(calls.misses(), holding(scheduler)),
          showSources(),
        );
        expectObservable(outcomes$).toBe(`---------(${expected}|)`, { s: 'old stale', f: 'Error' });
      });
    }
  });

  it.each<[string, (cache: LLMResultCache) => unknown]>([
    ['deleted', (cache) => cache.delete('a')],
    ['cleared', (cache) => cache.clear()],
    ['invalidated', (cache) => cache.invalidate({ tag: 'tagged' })],
  ])('is not for an answer that was %s, before the call or while it ran', (_name, forget) => {
    for (const time of [5, 7]) {
      runUntil(8, ({ cold, scheduler, expectObservable }) => {
        const cache = holding(scheduler);
        const calls = new PreparedCalls<Asked, string>(cold('--#', undefined, down));
        const outcomes$ = cold<Asked>('------(a|)', { a: asking({ cacheTags: ['tagged'] }) }).pipe(
          cacheLLM(calls.misses(), cache),
          showSources(),
        );
        scheduler.schedule(() => forget(cache), time);
        expectObservable(outcomes$).toBe('--------(f|)', { f: 'Error' });
      });
    }
  });

  it('keeps the answer, so that each failure finds it, until a call brings a new one', () => {
    runUntil(20, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(
        cold('-#', undefined, down),
        cold('-#', undefined, down),
        cold('-(N|)'),
        cold('-#', undefined, down),
      );
      const outcomes$ = cold<Asked>('-----a---a---a-a---a|', { a: asking() }).pipe(
        cacheLLM(calls.misses(), holding(scheduler)),
        showSources(),
      );
      const values = { s: 'old stale', N: 'N call', n: 'N cache', t: 'N stale' };
      expectObservable(outcomes$).toBe('------s---s---Nn----(t|)', values);
    });
  });

  it('gives everyone a copy of its own where answers are copied', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({
        scheduler,
        defaultTtl: 4,
        staleIfError: 20,
        clone: structuredClone,
      });
      const kept = { list: [1] };
      cache.set('a', kept);
      const values: { list: number[] }[] = [];
      timer(5)
        .pipe(
          mergeMap(() => [asking(), asking(), asking()]),
          cacheLLM(
            new PreparedCalls<Asked, { list: number[] }>(timer(1).pipe(map(() => raise(down)))).misses(),
            cache,
          ),
        )
        .subscribe((outcome) => {
          if (outcome.ok) {
            expect(outcome.value).toEqual({ list: [1] });
            outcome.value.list.push(2);
            values.push(outcome.value);
          }
        });
      scheduler.flush();
      expect(new Set([...values, kept]).size).toBe(4);
    });
    expect.assertions(4);
  });
});

describe('staleWhileRevalidate and staleIfError together', () => {
  const asking = (traits: Partial<Asked> = {}): Asked => ({ cacheKey: 'a', ...traits });
  const down = new Error('down');

  it.each([
    ['while the renewal window is open', { staleWhileRevalidate: 6, staleIfError: 20 }],
    ['for ever', { staleWhileRevalidate: 6, staleIfError: Infinity }],
  ])('give the stale answer at once in the first window, and for a failed call %s', (_name, config) => {
    runUntil(19, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 4, ...config });
      cache.set('a', 'old');
      const failing = cold('-----#', undefined, down);
      const calls = new PreparedCalls<Asked, string>(failing);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), cache), showSources());
      // At 5 it is given at once; at 12, after the window, only when the call has failed.
      expectObservable(ask('     -----a------a|')).toBe('-----s-----------(s|)', { s: 'old stale' });
      expectSubscriptions(failing.subscriptions).toBe(['-----^----!', '------------^----!']);
      expectObservable(ask('     ----------------a--|')).toBe('-----------------s-|', { s: 'old stale' });
    });
  });

  it('give a joiner of a failed renewal the stale answer, after its window and within the other', () => {
    runUntil(12, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = new LLMResultCache({
        scheduler,
        defaultTtl: 4,
        staleWhileRevalidate: 6,
        staleIfError: 20,
        errorTtl: 50,
      });
      cache.set('a', 'old');
      const failing = cold('-------#', undefined, down);
      const calls = new PreparedCalls<Asked, string>(failing, cold('-(N|)'));
      const outcomes$ = cold<Asked>('-----a----a|', { a: asking() }).pipe(cacheLLM(calls.misses(), cache));
      expectObservable(outcomes$.pipe(showSources())).toBe('-----s------(s|)', { s: 'old stale' });
      expectSubscriptions(failing.subscriptions).toBe('-----^------!');
    });
  });
});

describe('errorTtl', () => {
  const asking = (traits: Partial<Asked> = {}): Asked => ({ cacheKey: 'a', ...traits });
  const down = new Error('down');

  it('is as its doc comment draws it', () => {
    const { settings, lines } = diagramOf('errorTtl');
    expect(settings).toBe('errorTtl: 5');
    runUntil(lines['requests']!.length - 1, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('#', undefined, down);
      const cache = new LLMResultCache({ scheduler, errorTtl: 5 });
      const outcomes$ = cold(lines['requests']!).pipe(cacheLLM(new PreparedCalls(call).misses(), cache));
      const drawn = lines['outcomes']!.replaceAll('#', 'f');
      expectObservable(outcomes$.pipe(showSources())).toBe(drawn, { f: 'Error' });
      expectSubscriptions(call.subscriptions).toBe(
        momentsOf(lines['calls']!).map((time) => `${'-'.repeat(time)}(^!)`),
      );
    });
  });

  it('is off by default', () => {
    runUntil(4, ({ cold, expectObservable }) => {
      const calls = new PreparedCalls(
        throwError(() => down),
        of('A'),
      );
      const outcomes$ = cold('--a-a|').pipe(cacheLLM(calls.misses()), showSources());
      expectObservable(outcomes$, '----!').toBe('--f--', { f: 'Error' });
    });
  });

  it('gives the failure as a hit: with its error, without a call, and counted', () => {
    const events = new HeardEvents();
    const stats = new CallStats();
    const outcomes: CallOutcome<Asked, string>[] = [];
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, errorTtl: 10 });
      const calls = new PreparedCalls<Asked, string>(timer(2).pipe(map(() => raise(down))));
      for (const time of [0, 11]) {
        timer(time)
          .pipe(
            map(() => asking()),
            cacheLLM(calls.misses({ events }), { cache, events }),
          )
          .subscribe((outcome) => outcomes.push(outcome));
      }
      scheduler.flush();
      expect(cache.stats).toMatchObject({ size: 1, hits: 1, misses: 1, staleHits: 0, savedLatency: 0 });
      expect(cache.get('a')).toBeUndefined();
      expect(cache.stats).toMatchObject({ hits: 1, misses: 2 });
    });
    const times = { waited: 0, attempts: 0, latency: 0 };
    expect(outcomes).toEqual([
      { ok: false, request: asking(), error: down, ...times, attempts: 1, latency: 2 },
      { ok: false, request: asking(), error: down, ...times },
    ]);
    events.all.forEach((event) => stats.next(event));
    expect(events.types.slice(-3)).toEqual(['received', 'cache-hit', 'settled']);
    expect(events.of('cache-hit')).toMatchObject([{ failed: true, age: 9, tier: 'memory', savedLatency: 0 }]);
    expect(events.of('settled')[1]).toMatchObject({ ok: false, error: down, ...times });
    expect(stats.snapshot().metrics).toMatchObject({
      totalCalls: 2,
      cacheHits: 1,
      cacheMisses: 1,
      failedCalls: 2,
      answeredCalls: 0,
      startedCalls: 1,
      staleAnswers: 0,
    });
  });

  it('ends to the millisecond, whatever stale answers may be given, and is no stale answer itself', () => {
    runUntil(13, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = new LLMResultCache({
        scheduler,
        errorTtl: 5,
        staleWhileRevalidate: 100,
        staleIfError: 100,
      });
      const call = cold('-#', undefined, down);
      const outcomes$ = cold<Asked>('---a----aa---|', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('----f---f-f--|', { f: 'Error' });
      expectSubscriptions(call.subscriptions).toBe(['---^!', '---------^!']);
    });
  });

  it.each<[string, Misses]>([
    ['the provider refused', new PreparedCalls<Asked, string>(throwError(() => statusError(429))).misses()],
    [
      'the provider was overloaded',
      new PreparedCalls<Asked, string>(throwError(() => statusError(503))).misses(),
    ],
    ['timed out', new PreparedCalls<Asked, string>(NEVER).misses({ timeout: 1 })],
    [
      'a full queue refused',
      new PreparedCalls<Asked, string>(NEVER).misses({ maxConcurrent: 1, maxQueue: 0 }),
    ],
    ['was overdue', new PreparedCalls<Asked, string>(NEVER).misses({ maxConcurrent: 1, maxWait: 1 })],
    [
      'its pipeline dropped',
      (misses$) =>
        misses$.pipe(
          switchMap(() => EMPTY),
          takeUntil(timer(1)),
        ),
    ],
    [
      'was closed',
      (misses$) =>
        misses$.pipe(map((request) => ({ ...foreignFailure(request), error: new ClosedError('x') }))),
    ],
  ])('is not for a request that %s', (_name, misses) => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, errorTtl: 100 });
      const events = new HeardEvents();
      for (const time of [1, 5]) {
        timer(time)
          .pipe(
            mergeMap(() => [{ cacheKey: `busy ${time}` }, asking()]),
            cacheLLM(misses, { cache, events }),
            take(2),
          )
          .subscribe();
      }
      timer(10).subscribe(() => {
        expect(events.of('cache-hit')).toEqual([]);
        expect(cache.stats.size).toBe(0);
      });
    });
    expect.assertions(2);
  });

  it('is not for a request whose answer was not to be written, nor for one past the cache', () => {
    for (const traits of [{ bypass: { write: true } }, { cacheKey: false as const }]) {
      runUntil(5, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
        const cache = new LLMResultCache({ scheduler, errorTtl: 100 });
        const call = cold('-#', undefined, down);
        const outcomes$ = cold<Asked>('-a-a-|', { a: asking(traits) }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(call).misses(), cache),
          showSources(),
        );
        expectObservable(outcomes$).toBe('--f-f|', { f: 'Error' });
        expectSubscriptions(call.subscriptions).toBe(['-^!', '---^!']);
      });
    }
  });

  it('takes the place of no answer that is fresh or may stand in for the failure', () => {
    runUntil(10, ({ cold, scheduler, expectObservable }) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 4, staleIfError: 4, errorTtl: 100 });
      cache.set('a', 'old');
      const calls = new PreparedCalls<Asked, string>(cold('#', undefined, down));
      const requests = { a: asking(), n: asking({ bypass: { lookUp: true } }) };
      const outcomes$ = cold<Asked>('-na-na--a-a|', requests).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      const values = { f: 'Error', h: 'old cache', s: 'old stale' };
      expectObservable(outcomes$, '----------!').toBe('-fh-fs--f-', values);
      scheduler.schedule(() => expect(cache.stats.evictions.expired).toBe(1), 9);
    });
  });

  it.each<[string, (cache: LLMResultCache) => unknown]>([
    ['deleted', (cache) => cache.delete('a')],
    ['cleared', (cache) => cache.clear()],
    ['invalidated by tag', (cache) => cache.invalidate({ tag: 'tagged' })],
    ['invalidated by prefix', (cache) => cache.invalidate({ prefix: 'a' })],
    [
      'invalidated by predicate, which is shown no answer',
      (cache) => cache.invalidate({ predicate: ({ value, tags }) => value === undefined && tags.length > 0 }),
    ],
    ['replaced by hand', (cache) => cache.set('a', 'N')],
  ])('ends where the failure is %s, also while its call ran', (name, forget) => {
    for (const time of [2, 4]) {
      runUntil(6, ({ cold, scheduler, expectObservable }) => {
        const cache = new LLMResultCache({ scheduler, errorTtl: 100 });
        const calls = new PreparedCalls<Asked, string>(cold('--#', undefined, down), cold('(N|)'));
        const outcomes$ = cold<Asked>('-a---a|', { a: asking({ cacheTags: ['tagged'] }) }).pipe(
          cacheLLM(calls.misses(), cache),
          showSources(),
        );
        scheduler.schedule(() => forget(cache), time);
        const source = name === 'replaced by hand' ? 'cache' : 'call';
        expectObservable(outcomes$).toBe('---f-N|', { f: 'Error', N: `N ${source}` });
      });
    }
  });

  it('ends where a newer call brings an answer', () => {
    runUntil(5, ({ cold, scheduler, expectObservable }) => {
      const cache = new LLMResultCache({ scheduler, errorTtl: 100 });
      const calls = new PreparedCalls<Asked, string>(cold('#', undefined, down), cold('-(N|)'));
      const requests = { a: asking(), n: asking({ bypass: { lookUp: true } }) };
      const outcomes$ = cold<Asked>('an--a|', requests).pipe(cacheLLM(calls.misses(), cache), showSources());
      expectObservable(outcomes$).toBe('f-N-n|', { f: 'Error', N: 'N call', n: 'N cache' });
    });
  });

  it('is shared by all waiters, each given the very same error', () => {
    const errors: unknown[] = [];
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({
        scheduler,
        errorTtl: 100,
        clone: structuredClone,
        maxBytes: 100_000,
        sizeOf: (value) => (value as string).length,
      });
      const calls = new PreparedCalls<Asked, string>(timer(1).pipe(map(() => raise(down))));
      from([0, 0, 5])
        .pipe(
          mergeMap((time) => timer(time).pipe(map(() => asking()))),
          cacheLLM(calls.misses(), cache),
        )
        .subscribe((outcome) => errors.push(!outcome.ok && outcome.error));
      scheduler.flush();
      expect(calls.requests).toHaveLength(1);
      expect(cache.stats.bytes).toBeGreaterThan(0);
    });
    expect(errors).toHaveLength(3);
    expect(errors.every((error) => error === down)).toBe(true);
  });
});
