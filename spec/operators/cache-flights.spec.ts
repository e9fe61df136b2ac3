/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { delay, filter, from, map, NEVER, Observable, of, Subject, take, tap, timer } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import { CallTimeoutError } from '../../lib/core/errors';
import type { CallTraits } from '../../lib/core/traits';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM, type CacheConfig } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { CallStats } from '../../lib/stats/call-stats';
import { inVirtualTime, runUntil, type WatchedTestScheduler } from '../test-scheduler';
import { HeardEvents, PreparedCalls, shown, showSources, withoutRequest } from './cached-calls';
import { diagramOf } from './documented-marbles';

/** A request that is a text and its traits. */
interface Asked extends CallTraits {
  readonly text: string;
}

type Misses = (misses$: Observable<Asked>) => Observable<CallOutcome<Asked, string>>;

/** Asks one after the other, of calls that take no time and count, and says what came of it. */
function askedInTurn(
  requests: readonly Asked[],
  config: Omit<CacheConfig<Asked>, 'cache'> = {},
): { outcomes: string[]; events: HeardEvents; cache: LLMResultCache } {
  const { namespace, version, ...others } = config;
  const space = { ...(namespace !== undefined && { namespace }), ...(version !== undefined && { version }) };
  const cache = new LLMResultCache(others);
  const events = new HeardEvents();
  const outcomes: string[] = [];
  let calls = 0;
  from(requests)
    .pipe(
      cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => of(++calls))), {
        cache,
        events,
        ...space,
      }),
    )
    .subscribe((outcome) => outcomes.push(shown(outcome)));
  cache.close();
  return { outcomes, events, cache };
}

describe('bypass', () => {
  const ask = (bypass?: CallTraits['bypass']): Asked => ({ text: 'a', ...(bypass && { bypass }) });
  const together = (requests: string, asked: Record<string, Asked>, config: ResultCacheConfig = {}) => {
    const events = new HeardEvents();
    const seen: string[] = [];
    let made = 0;
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, ...config });
      scheduler
        .createColdObservable(requests, asked)
        .pipe(
          cacheLLM(
            (misses$) =>
              misses$.pipe(
                mergeWithConcurrency(
                  () => {
                    const answer = ++made;
                    return timer(5).pipe(map(() => answer));
                  },
                  { maxConcurrent: Infinity },
                ),
              ),
            { cache, events },
          ),
        )
        .subscribe((outcome) => seen.push(`${scheduler.now()}: ${shown(outcome)}`));
      scheduler.flush();
    });
    return { seen, events };
  };

  describe('lookUp', () => {
    it('gets a new answer, which replaces the kept one', () => {
      const { outcomes, events, cache } = askedInTurn([ask(), ask({ lookUp: true }), ask()]);
      expect(outcomes).toEqual(['1 call', '2 call', '2 cache']);
      expect(events.of('cache-bypassed')).toMatchObject([{ reason: 'bypass.lookUp is set' }]);
      expect(events.of('cache-miss')).toHaveLength(1);
      expect(cache.stats).toMatchObject({ hits: 1, misses: 1 });
    });

    it('shares a running call, and lets others share its own', () => {
      const { seen, events } = together('nan', { a: ask(), n: ask({ lookUp: true }) });
      expect(seen).toEqual(['5: 1 call', '5: 1 shared', '5: 1 shared']);
      expect(events.of('cache-bypassed')).toHaveLength(2);
      expect(events.of('cache-miss')).toMatchObject([{ joined: true }]);
    });

    it('takes no stale answer either, and leaves its renewal to its own call', () => {
      const { seen } = together(
        'a---------n----------a',
        { a: ask(), n: ask({ lookUp: true }) },
        { defaultTtl: 3, staleWhileRevalidate: 100 },
      );
      expect(seen).toEqual(['5: 1 call', '15: 2 call', '21: 2 stale']);
    });
  });

  describe('write', () => {
    it('keeps no answer, though it takes a kept one', () => {
      expect(askedInTurn([ask({ write: true }), ask(), ask({ write: true })]).outcomes).toEqual([
        '1 call',
        '2 call',
        '2 cache',
      ]);
    });

    it('keeps the answer that another request wants kept who shares the call', () => {
      for (const order of ['wa', 'aw']) {
        const { seen } = together(`${order}--------a`, { a: ask(), w: ask({ write: true }) });
        expect(seen).toEqual(['5: 1 call', '5: 1 shared', '10: 1 cache']);
      }
      expect(together('ww--------a', { a: ask(), w: ask({ write: true }) }).seen).toEqual([
        '5: 1 call',
        '5: 1 shared',
        '15: 2 call',
      ]);
    });

    it('says nothing of an answer that nobody wanted kept', () => {
      expect(askedInTurn([ask({ write: true })]).events.of('cache-not-kept')).toEqual([]);
    });
  });

  describe('sharing', () => {
    it('neither joins a running call nor lets others join its own, and keeps its answer', () => {
      const { seen, events } = together('asa----s--a', { a: ask(), s: ask({ sharing: true }) });
      expect(seen).toEqual(['5: 1 call', '5: 1 shared', '6: 2 call', '7: 2 cache', '10: 2 cache']);
      expect(events.of('cache-miss').map(({ joined }) => joined)).toEqual([false, false, true]);
    });

    it('lets nobody join where it came first', () => {
      const { seen } = together('sas', { a: ask(), s: ask({ sharing: true }) });
      expect(seen).toEqual(['5: 1 call', '6: 2 call', '7: 3 call']);
    });

    it('takes a kept answer', () => {
      expect(askedInTurn([ask(), ask({ sharing: true })]).outcomes).toEqual(['1 call', '1 cache']);
    });

    it('is fenced by delete, clear and invalidate like any other call', () => {
      for (const fence of [
        (cache: LLMResultCache) => cache.delete('k'),
        (cache: LLMResultCache) => cache.clear(),
        (cache: LLMResultCache) => cache.invalidate({ tag: 't' }),
        (cache: LLMResultCache) => cache.invalidate({ prefix: 'k' }),
        (cache: LLMResultCache) => cache.set('k', 'by hand'),
      ]) {
        inVirtualTime((scheduler) => {
          const events = new HeardEvents();
          const cache = new LLMResultCache({ scheduler });
          const calls = new PreparedCalls<Asked, string>(timer(5).pipe(map(() => 'old')));
          const request = { text: 'a', cacheKey: 'k', cacheTags: ['t'], bypass: { sharing: true } };
          from<Asked[]>([request, request]).pipe(cacheLLM(calls.misses(), { cache, events })).subscribe();
          timer(3).subscribe(() => fence(cache));
          scheduler.flush();
          expect(calls.requests).toHaveLength(2);
          expect(events.of('cache-not-kept')).toMatchObject([{ reason: 'fenced' }, { reason: 'fenced' }]);
          expect(cache.get('k')).not.toBe('old');
        });
      }
    });

    it('does not let an answer that was asked for earlier replace one that was asked for later', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const calls = new PreparedCalls<Asked, string>(
          timer(10).pipe(map(() => 'earlier')),
          timer(2).pipe(map(() => 'later')),
        );
        from<Asked[]>([
          { text: 'a', cacheKey: 'k' },
          { text: 'a', cacheKey: 'k', bypass: { sharing: true } },
        ])
          .pipe(cacheLLM(calls.misses(), cache))
          .subscribe();
        scheduler.flush();
        expect(cache.get('k')).toBe('later');
      });
    });
  });

  it('of all three is a call of its own that leaves no trace but in the events', () => {
    const all = ask({ lookUp: true, write: true, sharing: true });
    const { seen, events } = together('xax-------ax', { a: ask(), x: all });
    expect(seen).toEqual(['5: 1 call', '6: 2 call', '7: 3 call', '10: 2 cache', '16: 4 call']);
    expect(events.of('cache-bypassed')).toHaveLength(3);
    expect(events.of('cache-not-kept')).toEqual([]);
  });

  it('of lookUp and sharing gets a call of its own at once, whose answer is kept', () => {
    const { seen } = together('an--------a', { a: ask(), n: ask({ lookUp: true, sharing: true }) });
    expect(seen).toEqual(['5: 1 call', '6: 2 call', '10: 2 cache']);
  });

  it('of lookUp and write gets an answer that nobody else is given', () => {
    expect(askedInTurn([ask(), ask({ lookUp: true, write: true }), ask()]).outcomes).toEqual([
      '1 call',
      '2 call',
      '1 cache',
    ]);
  });

  it('does nothing where it says false, and is no part of the key', () => {
    const off = { lookUp: false, write: false, sharing: false };
    expect(askedInTurn([ask(), ask(off), ask({ lookUp: false })]).outcomes).toEqual([
      '1 call',
      '1 cache',
      '1 cache',
    ]);
  });

  it('takes a field that is undefined for one that is not there', () => {
    const bypass = { lookUp: true, write: undefined } as never;
    expect(askedInTurn([ask(), ask(bypass), ask()]).outcomes).toEqual(['1 call', '2 call', '2 cache']);
  });

  it.each<[string, unknown]>([
    ['an object without a field', {}],
    ['a text', 'lookUp'],
    ['a switch', true],
    ['a list', ['lookUp']],
    ['an object with another field', { lookUp: true, road: true }],
    ['an object with a wrong value', { lookUp: 'yes' }],
  ])('is a part of the key, and nothing else, where it is %s', (_name, bypass) => {
    const asked = { text: 'a', bypass } as Asked;
    expect(askedInTurn([ask(), asked, asked, ask()]).outcomes).toEqual([
      '1 call',
      '2 call',
      '2 cache',
      '1 cache',
    ]);
  });
});

describe('the parts of a key', () => {
  it('of cacheKey false are none: no look-up, no write and no sharing, also with bypass', () => {
    const off: Asked = { text: 'a', cacheKey: false, bypass: { write: false } };
    const { outcomes, events, cache } = askedInTurn([off, off]);
    expect(outcomes).toEqual(['1 call', '2 call']);
    expect(events.of('cache-bypassed')).toMatchObject([
      { reason: 'cacheKey is false' },
      { reason: 'cacheKey is false' },
    ]);
    expect(cache.stats).toMatchObject({ totalAccesses: 0 });
  });

  it('keep scopes and samples apart, those of given keys too, and what has none', () => {
    for (const base of [{ text: 'a' }, { text: 'a', cacheKey: 'k' }] as const) {
      const variants: Asked[] = [
        base,
        { ...base, cacheScope: 'one' },
        { ...base, cacheScope: 'other' },
        { ...base, cacheScope: '' },
        { ...base, sample: 0 },
        { ...base, sample: 1 },
        { ...base, sample: 0, cacheScope: 'one' },
        { ...base, sample: 1, cacheScope: 'one' },
      ];
      const { outcomes } = askedInTurn([...variants, ...variants]);
      expect(outcomes).toEqual([
        ...variants.map((_variant, index) => `${index + 1} call`),
        ...variants.map((_variant, index) => `${index + 1} cache`),
      ]);
    }
  });

  it('keep namespaces and versions apart', () => {
    const cache = new LLMResultCache();
    const seen: string[] = [];
    let calls = 0;
    const spaces = [
      {},
      { namespace: 'one' },
      { version: 'one' },
      { namespace: 'one', version: 'one' },
      { namespace: 'one', version: 'two' },
      { namespace: '', version: '' },
    ];
    for (const space of [...spaces, ...spaces]) {
      of<Asked>({ text: 'a' })
        .pipe(
          cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => of(++calls))), { cache, ...space }),
        )
        .subscribe((outcome) => seen.push(shown(outcome)));
    }
    cache.close();
    expect(seen).toEqual([
      ...spaces.map((_space, index) => `${index + 1} call`),
      ...spaces.map((_space, index) => `${index + 1} cache`),
    ]);
    expect(() => cacheLLM(() => NEVER, { version: 1 as never })).toThrow(/version/);
  });

  it('share flights only within their scope, sample and version', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler });
      const calls = new PreparedCalls<Asked, string>(timer(1).pipe(map(() => 'x')));
      const requests: Asked[] = [
        { text: 'a' },
        { text: 'a', cacheScope: 's' },
        { text: 'a', sample: 1 },
        { text: 'a' },
        { text: 'a', cacheScope: 's' },
        { text: 'a', sample: 1 },
      ];
      const sources: string[] = [];
      from(requests)
        .pipe(cacheLLM(calls.misses({ maxConcurrent: Infinity }), cache))
        .subscribe((outcome) => sources.push(outcome.ok ? outcome.source : 'failed'));
      scheduler.flush();
      expect(calls.requests).toEqual(requests.slice(0, 3));
      expect(sources).toEqual(['call', 'shared', 'call', 'shared', 'call', 'shared']);
    });
  });

  it('do not hold cacheTags, by which answers are found again', () => {
    const cache = new LLMResultCache();
    const ask = (cacheTags?: string[]) => {
      const seen: string[] = [];
      of<Asked>({ text: 'a', ...(cacheTags && { cacheTags }) })
        .pipe(cacheLLM(new PreparedCalls<Asked, string>(of('x')).misses(), cache))
        .subscribe((outcome) => seen.push(shown(outcome)));
      return seen[0];
    };
    expect([ask(['t', 'u']), ask(), ask(['v'])]).toEqual(['x call', 'x cache', 'x cache']);
    expect(cache.invalidate({ tag: 'w' })).toBe(0);
    for (const tag of ['u', 'v']) {
      ask(['v']);
      expect(cache.invalidate({ tag })).toBe(1);
      expect(ask(['t', 'u'])).toBe('x call');
    }
    cache.close();
  });
});

describe('keepAlive', () => {
  const asking = (traits: CallTraits = {}): Asked => ({ text: 'a', cacheKey: 'a', ...traits });
  const keeping = (scheduler: WatchedTestScheduler, config: ResultCacheConfig = {}) =>
    new LLMResultCache({ scheduler, keepAlive: true, ...config });

  it('is as its doc comment draws it', () => {
    const { lines } = diagramOf('keepAlive');
    const leavesAt = lines['requests']!.indexOf('!');
    runUntil(lines['later']!.length - 1, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold(`${lines['call']!.replace('A', '')}(A|)`);
      const calls = new PreparedCalls<Asked, string>(call);
      const cache = keeping(scheduler);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), cache), showSources());
      expectObservable(ask(lines['requests']!.replace('!', '-')), `${'-'.repeat(leavesAt)}!`).toBe('-');
      expectObservable(ask(lines['later']!)).toBe(lines['later']!, { a: 'A cache' });
      expectSubscriptions(call.subscriptions).toBe('^----!');
    });
  });

  it('is off by default', () => {
    runUntil(2, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('-----(A|)');
      const outcomes$ = of(asking()).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), new LLMResultCache({ scheduler })),
      );
      expectObservable(outcomes$, '--!').toBe('---');
      expectSubscriptions(call.subscriptions).toBe('^-!');
    });
  });

  it('gives up all that goes on when the cache is cleared, the newest first', () => {
    inVirtualTime((scheduler) => {
      const cache = keeping(scheduler);
      const aborted: string[] = [];
      const texts = ['a', 'b', 'c', 'd', 'e'];
      const subscription = from(texts)
        .pipe(
          map((text): Asked => ({ text, cacheKey: text })),
          cacheLLM(
            mergeWithConcurrency(
              ({ text }: Asked) => new Observable<string>(() => () => aborted.push(text)),
              { maxConcurrent: Infinity },
            ),
            cache,
          ),
        )
        .subscribe();
      subscription.unsubscribe();
      expect(aborted).toEqual([]);
      cache.clear();
      expect(aborted).toEqual([...texts].reverse());
    });
  });

  it('gives up what has not begun, and hands no slot on to it', () => {
    runUntil(7, ({ cold, hot, scheduler, expectObservable, expectSubscriptions }) => {
      const calls = { a: cold('-----(A|)'), b: cold('(B|)') };
      const cache = keeping(scheduler);
      const begun: string[] = [];
      const outcomes$ = hot('--(ab)').pipe(
        map((text): Asked => ({ text, cacheKey: text })),
        cacheLLM(
          mergeWithConcurrency(
            ({ text }: Asked) => {
              begun.push(text);
              return calls[text as 'a' | 'b'];
            },
            { maxConcurrent: 1 },
          ),
          cache,
        ),
      );
      expectObservable(outcomes$, '---!').toBe('----');
      expectSubscriptions(calls.a.subscriptions).toBe('--^----!');
      expectSubscriptions(calls.b.subscriptions).toBe([]);
    });
  });

  it('holds the slot of the call for as long as that runs, and passes it on to requests that others wait for', () => {
    runUntil(10, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = keeping(scheduler);
      const calls = { a: cold('------(A|)'), b: cold('----(B|)') };
      const misses = mergeWithConcurrency(({ text }: Asked) => calls[text as 'a' | 'b'], {
        maxConcurrent: 1,
      });
      const requests = { a: asking(), b: { text: 'b', cacheKey: 'b' } };
      const one$ = cold<Asked>('(ab)', requests).pipe(cacheLLM(misses, cache), showSources());
      expectObservable(one$, '---!').toBe('----');
      const other$ = cold<Asked>('-(b|)', requests).pipe(cacheLLM(misses, cache), showSources());
      expectObservable(other$).toBe('----------(B|)', { B: 'B shared' });
      expectSubscriptions(calls.a.subscriptions).toBe('^-----!');
      expectSubscriptions(calls.b.subscriptions).toBe('------^---!');
    });
  });

  it('lets a request join the call that nobody waited for, and leave it again', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('--------(A|)');
      const calls = new PreparedCalls<Asked, string>(call);
      const cache = keeping(scheduler);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), cache), showSources());
      expectObservable(ask('a'), '     --!').toBe('---');
      expectObservable(ask('---(a|)')).toBe('  --------(s|)', { s: 'A shared' });
      expectObservable(ask('----a'), ' -----!').toBe('------');
      expectObservable(ask('---------(a|)')).toBe('---------(h|)', { h: 'A cache' });
      expectSubscriptions(call.subscriptions).toBe('^-------!');
    });
  });

  it.each<[string, (cache: LLMResultCache) => unknown]>([
    ['clear', (cache) => cache.clear()],
    ['delete', (cache) => cache.delete('a')],
    ['set', (cache) => cache.set('a', 'by hand')],
    ['invalidate', (cache) => cache.invalidate({ prefix: 'a' })],
    ['close', (cache) => cache.close()],
  ])('ends with %s: the call is aborted', (_name, end) => {
    let signals: readonly AbortSignal[] = [];
    runUntil(4, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('--------(A|)');
      const calls = new PreparedCalls<Asked, string>(call);
      const cache = keeping(scheduler);
      const outcomes$ = cold<Asked>('a', { a: asking() }).pipe(cacheLLM(calls.misses(), cache));
      expectObservable(outcomes$, '--!').toBe('---');
      expectSubscriptions(call.subscriptions).toBe('^---!');
      scheduler.schedule(() => end(cache), 4);
      ({ signals } = calls);
    });
    expect(signals.map(({ aborted, reason }) => [aborted, (reason as Error).name])).toEqual([
      [true, 'AbortError'],
    ]);
  });

  it('lets a call that was fenced while others waited for it end when the last of them leaves', () => {
    runUntil(5, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('--------(A|)');
      const cache = keeping(scheduler);
      const outcomes$ = cold<Asked>('a', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), cache),
      );
      scheduler.schedule(() => cache.clear(), 3);
      expectObservable(outcomes$, '-----!').toBe('------');
      expectSubscriptions(call.subscriptions).toBe('^----!');
    });
  });

  it('is not for a cache that ends with the subscription', () => {
    runUntil(2, ({ cold, expectObservable, expectSubscriptions }) => {
      const call = cold('--------(A|)');
      const outcomes$ = cold<Asked>('a', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), { keepAlive: true }),
      );
      expectObservable(outcomes$, '--!').toBe('---');
      expectSubscriptions(call.subscriptions).toBe('^-!');
    });
  });

  it('is not for an answer that nobody wants kept, nor for a request without a key', () => {
    for (const traits of [{ bypass: { write: true } }, { cacheKey: false as const }]) {
      runUntil(2, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
        const call = cold('--------(A|)');
        const outcomes$ = cold<Asked>('a', { a: asking(traits) }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(call).misses(), keeping(scheduler)),
        );
        expectObservable(outcomes$, '--!').toBe('---');
        expectSubscriptions(call.subscriptions).toBe('^-!');
      });
    }
  });

  it('is for a call that nobody may share, too', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('----(A|)');
      const cache = keeping(scheduler);
      const calls = new PreparedCalls<Asked, string>(call);
      const one$ = of(asking({ bypass: { sharing: true } })).pipe(cacheLLM(calls.misses(), cache));
      expectObservable(one$, '--!').toBe('---');
      const other$ = cold<Asked>('---------(a|)', { a: asking() }).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      expectObservable(other$).toBe('---------(h|)', { h: 'A cache' });
      expectSubscriptions(call.subscriptions).toBe('^---!');
    });
  });

  it('goes on through retries', () => {
    runUntil(12, ({ cold, scheduler, expectObservable }) => {
      const cache = keeping(scheduler);
      const error = Object.assign(new Error('500'), { status: 500 });
      const calls = new PreparedCalls<Asked, string>(cold('--#', undefined, error), cold('--(A|)'));
      const retry = { attempts: 2, baseDelay: 6, random: () => 0.5 };
      const outcomes$ = of(asking()).pipe(cacheLLM(calls.misses({ retry }), cache), showSources());
      expectObservable(outcomes$, '-!').toBe('--');
      const later$ = cold<Asked>('------------(a|)', { a: asking() }).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      // Fails at 2, tried again at 5, answered at 7.
      expectObservable(later$).toBe('------------(h|)', { h: 'A cache' });
    });
  });

  it('gives up a request that waits for its next try, as nothing of it runs', () => {
    runUntil(4, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const error = Object.assign(new Error('500'), { status: 500 });
      const call = cold('--#', undefined, error);
      const calls = new PreparedCalls<Asked, string>(call);
      const retry = { attempts: 2, baseDelay: 10, random: () => 0.5 };
      const outcomes$ = of(asking()).pipe(
        cacheLLM(calls.misses({ retry }), keeping(scheduler)),
        showSources(),
      );
      expectObservable(outcomes$, '----!').toBe('-----');
      expectSubscriptions(call.subscriptions).toBe('^-!');
    });
  });

  it('is for pipelines without an operator of rxllm, where a call begins when it is asked for', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('----(A|)');
      const cache = keeping(scheduler);
      const calls = new PreparedCalls<Asked, string>(call);
      expectObservable(of(asking()).pipe(cacheLLM(calls.foreignMisses(), cache)), '--!').toBe('---');
      const later$ = cold<Asked>('---------(a|)', { a: asking() }).pipe(
        cacheLLM(calls.foreignMisses(), cache),
        showSources(),
      );
      expectObservable(later$).toBe('---------(h|)', { h: 'A cache' });
      expectSubscriptions(call.subscriptions).toBe('^---!');
    });
  });

  it('is for a chain whose pace is kept by adaptiveThrottle and whose calls are made by mergeMap', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 0 });
      const call = cold('----(A|)');
      const cache = keeping(scheduler);
      const calls = new PreparedCalls<Asked, string>(call);
      const foreign = calls.foreignMisses();
      const misses: Misses = (misses$) => foreign(misses$.pipe(adaptiveThrottle(limiter)));
      expectObservable(of(asking()).pipe(cacheLLM(misses, cache)), '--!').toBe('---');
      const later$ = cold<Asked>('---------(a|)', { a: asking() }).pipe(
        cacheLLM(misses, cache),
        showSources(),
      );
      expectObservable(later$).toBe('---------(h|)', { h: 'A cache' });
      expectSubscriptions(call.subscriptions).toBe('^---!');
    });
  });

  it('outlives every way of leaving', () => {
    const leaving: [string, string, (outcomes$: Observable<unknown>) => Observable<unknown>][] = [
      ['an error of the source', '--#', tap()],
      ['a take(1)', '(ab)', take(1)],
    ];
    for (const [, source, leave] of leaving) {
      inVirtualTime((scheduler) => {
        const cache = keeping(scheduler);
        const misses = mergeWithConcurrency(({ text }: Asked) =>
          timer(text === 'a' ? 5 : 1).pipe(map(() => text)),
        );
        const requests = { a: asking(), b: { text: 'b', cacheKey: 'b' } };
        scheduler
          .createColdObservable<Asked>(source.replace('--', 'a-'), requests)
          .pipe(cacheLLM(misses, cache), leave)
          .subscribe({ error: () => undefined });
        scheduler.flush();
        expect(cache.get('a')).toBe('a');
      });
    }
  });

  it('starts none of what waits when calls that were kept alive are ended together', () => {
    for (const end of ['clear', 'close'] as const) {
      inVirtualTime((scheduler) => {
        const cache = keeping(scheduler, { defaultTtl: 1, staleWhileRevalidate: 100 });
        cache.set('b', 'old');
        const calls = new PreparedCalls<Asked, string>(NEVER);
        timer(2).subscribe(() => {
          const subscription = from<Asked[]>([asking(), { text: 'b', cacheKey: 'b' }])
            .pipe(cacheLLM(calls.misses({ maxConcurrent: 1 }), cache))
            .subscribe();
          subscription.unsubscribe();
          cache[end]();
        });
        scheduler.flush();
        expect(calls.requests.map(({ text }) => text)).toEqual(['a']);
        expect(calls.signals.map(({ aborted }) => aborted)).toEqual([true]);
      });
    }
  });

  it('tells that the request has left, and that its call has finished, once each', () => {
    const events = new HeardEvents();
    const stats = new CallStats();
    inVirtualTime((scheduler) => {
      const cache = keeping(scheduler);
      const calls = new PreparedCalls<Asked, string>(timer(5).pipe(map(() => 'A')));
      const leaving = of(asking())
        .pipe(cacheLLM(calls.misses({ events }), { cache, events }))
        .subscribe();
      timer(2).subscribe(() => leaving.unsubscribe());
    });
    expect(events.types).toEqual(['received', 'cache-miss', 'started', 'left', 'finished']);
    expect(events.of('finished')).toMatchObject([{ result: 'succeeded', latency: 5 }]);
    events.all.forEach((event) => stats.next(event));
    expect(stats.snapshot().metrics).toMatchObject({
      leftCalls: 1,
      inFlight: 0,
      answeredCalls: 0,
      avgLatency: 5,
    });
  });
});

describe('sharedCallTimeout', () => {
  const asking = (traits: CallTraits = {}): Asked => ({ text: 'a', cacheKey: 'a', ...traits });
  const busy: Asked = { text: 'busy', cacheKey: 'busy' };
  const limited = (scheduler: WatchedTestScheduler, config: ResultCacheConfig = {}) =>
    new LLMResultCache({ scheduler, sharedCallTimeout: 5, ...config });

  it('fails all who share the call, aborts it, and lets the next request make one of its own', () => {
    let signals: readonly AbortSignal[] = [];
    runUntil(10, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const slow = cold('---------(A|)');
      const next = cold('---(B|)');
      const calls = new PreparedCalls<Asked, string>(slow, next);
      const cache = limited(scheduler);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), cache), showSources());
      const values = { t: 'CallTimeoutError', B: 'B call' };
      expectObservable(ask('     -aa-------|')).toBe('------(tt)|', values);
      expectObservable(ask('     --a----(a|)')).toBe('------t---(B|)', values);
      expectSubscriptions(slow.subscriptions).toBe('-^----!');
      expectSubscriptions(next.subscriptions).toBe('-------^--!');
      ({ signals } = calls);
    });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it('says how long it took, and how to allow more', () => {
    const outcomes: CallOutcome<Asked, string>[] = [];
    inVirtualTime((scheduler) => {
      of(asking())
        .pipe(delay(2), cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), limited(scheduler)))
        .subscribe((outcome) => outcomes.push(outcome));
    });
    const [outcome] = outcomes;
    expect(outcome).toMatchObject({ ok: false, latency: 5, waited: 0, attempts: 1 });
    expect(!outcome!.ok && outcome!.error).toBeInstanceOf(CallTimeoutError);
    expect(String(!outcome!.ok && outcome!.error)).toContain('sharedCallTimeout');
  });

  it('starts with the call, not while that waits for a slot', () => {
    runUntil(25, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const slow = cold('----------(A|)');
      const calls = new PreparedCalls<Asked, string>(cold('--------------------(X|)'), slow);
      const cache = limited(scheduler);
      const first$ = from<Asked[]>([{ ...busy, cacheKey: false }, asking()]).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        showSources(),
      );
      const values = { X: 'X call', t: 'CallTimeoutError' };
      expectObservable(first$).toBe('--------------------X----(t|)', values);
      expectSubscriptions(slow.subscriptions).toBe('--------------------^----!');
    });
  });

  it('starts with the call, not while that waits for pace, nor on its way there', () => {
    for (const between of [0, 4]) {
      runUntil(25 + between, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
        const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 20, adaptive: false });
        const slow = cold('----------(A|)');
        const calls = new PreparedCalls<Asked, string>(cold('(X|)'), slow);
        const misses: Misses = (misses$) =>
          misses$.pipe(
            adaptiveThrottle(limiter),
            between === 0 ? tap() : delay(between),
            calls.misses({ limiter }),
          );
        const outcomes$ = from<Asked[]>([busy, asking()]).pipe(
          cacheLLM(misses, limited(scheduler)),
          showSources(),
        );
        expectObservable(outcomes$.pipe(filter((one) => one.startsWith('Call')))).toBe(
          `${'-'.repeat(25 + between)}(t|)`,
          { t: 'CallTimeoutError' },
        );
        const start = 20 + between;
        expectSubscriptions(slow.subscriptions).toBe(`${'-'.repeat(start)}^----!`);
      });
    }
  });

  it('includes the retries, and the waits between them', () => {
    for (const [latency, end] of [
      ['---#', 'a call that is tried again'],
      ['-#', 'a wait for the next try'],
    ] as const) {
      runUntil(6, ({ cold, scheduler, expectObservable }) => {
        const call = cold(latency, undefined, Object.assign(new Error(end), { status: 500 }));
        const calls = new PreparedCalls<Asked, string>(call);
        const retry = { attempts: 9, baseDelay: latency === '-#' ? 20 : 2, random: () => 0.5 };
        const outcomes$ = cold<Asked>('-(a|)', { a: asking() }).pipe(
          cacheLLM(calls.misses({ retry }), limited(scheduler)),
          map(withoutRequest),
          map((outcome) => {
            const { error, attempts } = outcome as { error: Error; attempts: number };
            return `${error.name} ${attempts}`;
          }),
        );
        const attempts = latency === '-#' ? 1 : 2;
        expectObservable(outcomes$).toBe('------(t|)', { t: `CallTimeoutError ${attempts}` });
      });
    }
  });

  it('counts from asking where no operator of rxllm makes the call', () => {
    runUntil(6, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const slow = cold('---------(A|)');
      const calls = new PreparedCalls<Asked, string>(slow);
      const outcomes$ = cold<Asked>('-(a|)', { a: asking() }).pipe(
        cacheLLM(calls.foreignMisses(), limited(scheduler)),
        showSources(),
      );
      expectObservable(outcomes$).toBe('------(t|)', { t: 'CallTimeoutError' });
      // Nobody waits for anything of this pipeline any more.
      expectSubscriptions(slow.subscriptions).toBe('-^----!');
    });
  });

  it('counts from when the pace let the request pass where only the pace is kept by rxllm', () => {
    runUntil(25, ({ cold, scheduler, expectObservable }) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 20, adaptive: false });
      const calls = new PreparedCalls<Asked, string>(cold('(X|)'), cold('---------(A|)'));
      const foreign = calls.foreignMisses();
      const outcomes$ = from<Asked[]>([busy, asking()]).pipe(
        cacheLLM((misses$) => foreign(misses$.pipe(adaptiveThrottle(limiter))), limited(scheduler)),
        showSources(),
      );
      expectObservable(outcomes$).toBe('X------------------------(t|)', {
        X: 'X call',
        t: 'CallTimeoutError',
      });
    });
  });

  it('counts from asking where the pipeline makes calls for copies of the requests', () => {
    inVirtualTime((scheduler) => {
      const seen: string[] = [];
      const calls = new PreparedCalls<Asked, string>(timer(20).pipe(map(() => 'A')));
      const misses: Misses = (misses$) =>
        misses$.pipe(
          map((request) => ({ ...request })),
          calls.misses(),
        );
      of(asking())
        .pipe(cacheLLM(misses, limited(scheduler)))
        .subscribe((outcome) => seen.push(`${scheduler.now()}: ${shown(outcome)}`));
      scheduler.flush();
      expect(seen).toEqual(['5: CallTimeoutError']);
    });
  });

  it('holds no timer when the call was answered, failed, or was left', () => {
    for (const call of ['--(A|)', '--#']) {
      runUntil(3, ({ cold, scheduler }) => {
        const outcomes$ = cold<Asked>('-(a|)', { a: asking() }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(cold(call)).misses(), limited(scheduler)),
        );
        outcomes$.subscribe();
      });
    }
    runUntil(3, ({ cold, scheduler, expectObservable }) => {
      const call = cold('---------(A|)');
      const outcomes$ = cold<Asked>('-a', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), limited(scheduler)),
      );
      expectObservable(outcomes$, '---!').toBe('----');
    });
  });

  it('holds no timer for a synchronous call', () => {
    runUntil(1, ({ cold, scheduler, expectObservable }) => {
      for (const misses of [
        new PreparedCalls<Asked, string>(of('A')).misses(),
        new PreparedCalls<Asked, string>(of('A')).foreignMisses(),
      ]) {
        const outcomes$ = cold<Asked>('-(a|)', { a: asking() }).pipe(cacheLLM(misses, limited(scheduler)));
        expectObservable(outcomes$.pipe(showSources())).toBe('-(A|)', { A: 'A call' });
      }
    });
  });

  it('starts anew with the call of a joiner who takes the place of an overdue starter', () => {
    runUntil(11, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const slow = cold('---------(A|)');
      const calls = new PreparedCalls<Asked, string>(cold('----------(X|)'), slow);
      const cache = limited(scheduler, { sharedCallTimeout: 7 });
      const starter$ = cold<Asked>('(ba|)', {
        b: { ...busy, cacheKey: false },
        a: asking({ maxWait: 4 }),
      }).pipe(cacheLLM(calls.misses({ maxConcurrent: 1 }), cache), showSources());
      expectObservable(starter$).toBe('----d-----(X|)', { d: 'DeadlineExceededError', X: 'X call' });
      const joiner$ = cold<Asked>('-(a|)', { a: asking() }).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        showSources(),
      );
      expectObservable(joiner$).toBe('-----------(t|)', { t: 'CallTimeoutError' });
      expectSubscriptions(slow.subscriptions).toBe('----^------!');
    });
  });

  it('is for the calls of a cache that goes on for its own sake as well', () => {
    runUntil(10, ({ cold, scheduler, expectSubscriptions, expectObservable }) => {
      const renewal = cold('---------(R|)');
      const cache = limited(scheduler, { defaultTtl: 4, staleWhileRevalidate: 100 });
      cache.set('a', 'old');
      const calls = new PreparedCalls<Asked, string>(renewal);
      const outcomes$ = cold<Asked>('-----(a|)', { a: asking() }).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-----(s|)', { s: 'old stale' });
      expectSubscriptions(renewal.subscriptions).toBe('-----^----!');
      scheduler.schedule(() => expect(cache.get('a')).toBeUndefined(), 10);
    });
  });

  it('frees the slot for who waits for it, and tells of the aborted call once', () => {
    const events = new HeardEvents();
    runUntil(6, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(cold('---------(A|)'), cold('(B|)'));
      const requests = { a: asking(), b: busy };
      const outcomes$ = cold<Asked>('-(ab|)', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1, events }), { cache: limited(scheduler), events }),
        map((outcome) => outcome.request.text.slice(0, 1)),
      );
      expectObservable(outcomes$).toBe('------(ab|)');
    });
    expect(events.of('finished').map(({ result }) => result)).toEqual(['aborted', 'succeeded']);
    expect(events.of('settled')).toHaveLength(2);
    expect(events.of('left')).toEqual([]);
  });

  it('starts no call in the place of the one it ends that nobody wants then', () => {
    const calls = new PreparedCalls<Asked, string>(NEVER);
    inVirtualTime((scheduler) => {
      from<Asked[]>([asking(), busy])
        .pipe(cacheLLM(calls.misses({ maxConcurrent: 1 }), limited(scheduler)), take(1))
        .subscribe();
    });
    expect(calls.requests.map(({ text }) => text)).toEqual(['a']);
    expect(calls.signals[0]!.aborted).toBe(true);
  });

  it('does not end a call that was made in reaction to the end of the one before', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const second = cold('---(B|)');
      const calls = new PreparedCalls<Asked, string>(cold('---------(A|)'), second);
      const requests$ = new Subject<Asked>();
      const outcomes$ = requests$.pipe(
        cacheLLM(calls.misses(), limited(scheduler)),
        tap((outcome) => !outcome.ok && requests$.next(asking())),
        showSources(),
      );
      expectObservable(outcomes$).toBe('------t--B', { t: 'CallTimeoutError', B: 'B call' });
      expectSubscriptions(second.subscriptions).toBe('------^--!');
      scheduler.schedule(() => requests$.next(asking()), 1);
    });
  });

  it('is not for requests without a key', () => {
    runUntil(10, ({ cold, scheduler, expectObservable }) => {
      const calls = new PreparedCalls<Asked, string>(cold('---------(A|)'));
      const outcomes$ = cold<Asked>('-(a|)', { a: asking({ cacheKey: false }) }).pipe(
        cacheLLM(calls.misses(), limited(scheduler)),
        showSources(),
      );
      expectObservable(outcomes$).toBe('----------(A|)', { A: 'A call' });
    });
  });

  it('is refused where it is no time', () => {
    for (const sharedCallTimeout of [0, -1, NaN, '5' as never]) {
      expect(() => new LLMResultCache({ sharedCallTimeout })).toThrow(/sharedCallTimeout/);
    }
  });
});

describe('maxWait of a joiner', () => {
  it('is over when the call has begun, also in a pipeline without an operator of rxllm', () => {
    runUntil(8, ({ cold, scheduler, expectObservable }) => {
      const cache = new LLMResultCache({ scheduler });
      const calls = new PreparedCalls<Asked, string>(cold('--------(A|)'));
      const ask = (requests: string, maxWait: number) =>
        cold<Asked>(requests, { a: { text: 'a', cacheKey: 'a', maxWait } }).pipe(
          cacheLLM(calls.foreignMisses(), cache),
          showSources(),
        );
      expectObservable(ask('(a|)', 2)).toBe(' --------(A|)', { A: 'A call' });
      expectObservable(ask('-(a|)', 2)).toBe('--------(S|)', { S: 'A shared' });
    });
  });
});
