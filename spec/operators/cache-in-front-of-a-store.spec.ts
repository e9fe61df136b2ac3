/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  bufferCount,
  concatMap,
  config as rxjsConfig,
  from,
  map,
  mergeMap,
  NEVER,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM, type CacheConfig } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { CallStats } from '../../lib/stats/call-stats';
import { ScriptedStore, type Behaviour } from '../cache/scripted-store';
import { inVirtualTime, runUntil, type WatchedTestScheduler } from '../test-scheduler';
import { HeardEvents, PreparedCalls, shown, showSources, withoutRequest } from './cached-calls';

/** A request that is its key and its traits. */
interface Asked extends CallTraits {
  readonly cacheKey: string;
}

const asking = (traits: Partial<Asked> = {}): Asked => ({ cacheKey: 'a', ...traits });
const down = new Error('down');

/** A store that holds `old` under `a` since 0, fresh until 1000, and answers reads as it is told. */
function storeHolding(
  scheduler: WatchedTestScheduler,
  read: Behaviour = {},
  details: { readonly ttl?: number; readonly tags?: string[] } = {},
): ScriptedStore {
  const store = new ScriptedStore(scheduler);
  const usage = { inputTokens: 3, outputTokens: 4 };
  new LLMResultCache({ scheduler, store }).set('a', 'old', { ttl: 1000, usage, latency: 50, ...details });
  store.log.length = 0;
  store.behave = (operation) => (operation === 'get' ? read : {});
  return store;
}

/** A cache with empty memory in front of a store. */
function cacheBefore(
  scheduler: WatchedTestScheduler,
  store: ScriptedStore,
  config: ResultCacheConfig = {},
): LLMResultCache {
  return new LLMResultCache({ scheduler, store, ...config });
}

describe('a look-up in the store', () => {
  it('is made for what memory does not hold, and answers as a hit that waited for the store', () => {
    const events = new HeardEvents();
    const stats = new CallStats();
    runUntil(8, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const source = cold<Asked>('---a----|', { a: asking() });
      const call = cold('(A|)');
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 4 }));
      const outcomes$ = source.pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), { cache, events }),
        map(withoutRequest),
      );
      const hit = { ok: true, value: 'old', source: 'cache', latency: 0, waited: 4, attempts: 0 };
      expectObservable(outcomes$).toBe('-------h|', { h: hit });
      expectSubscriptions(source.subscriptions).toBe('^-------!');
      expectSubscriptions(call.subscriptions).toBe([]);
      scheduler.schedule(() => {
        expect(cache.stats).toMatchObject({ hits: 1, misses: 0, savedTokens: 7, savedLatency: 50 });
        expect(cache.stats.store).toMatchObject({ reads: 1, found: 1 });
      }, 8);
    });
    events.all.forEach((event) => stats.next(event));
    expect(events.types).toEqual(['received', 'cache-hit', 'settled']);
    expect(events.of('cache-hit')).toMatchObject([
      {
        at: 7,
        key: 'a',
        tier: 'store',
        age: 7,
        savedLatency: 50,
        usage: { inputTokens: 3, outputTokens: 4 },
      },
    ]);
    expect(stats.snapshot().metrics).toMatchObject({ cacheHits: 1, cacheMisses: 0, savedTokens: 7 });
  });

  it('answers at once where the store does, so that nothing is reordered', () => {
    runUntil(3, ({ cold, scheduler, expectObservable }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler));
      const requests = { a: asking(), b: { cacheKey: 'b' } };
      const outcomes$ = cold<Asked>('-ab|', requests).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(of('B')).misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-ab|', { a: 'old cache', b: 'B call' });
    });
  });

  it('is kept in memory, and asked for once', () => {
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 2 });
      const outcomes$ = cold<Asked>('aa----a--|', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), cacheBefore(scheduler, store)),
        showSources(),
      );
      expectObservable(outcomes$).toBe('--(hh)h--|', { h: 'old cache' });
      scheduler.schedule(() => expect(store.count('get')).toBe(1), 9);
    });
    expect.assertions(3);
  });

  it('never delays what memory holds', () => {
    for (const read of [{ after: 50 }, { after: Infinity }, { throws: true }]) {
      inVirtualTime((scheduler) => {
        const cache = cacheBefore(scheduler, storeHolding(scheduler, read));
        cache.set('m', 'memory');
        const seen: string[] = [];
        of<Asked>({ cacheKey: 'm' })
          .pipe(cacheLLM(new PreparedCalls<Asked, string>(of('A')).misses(), cache))
          .subscribe((outcome) => seen.push(`${scheduler.now()}: ${shown(outcome)}`));
        expect(seen).toEqual(['0: memory cache']);
      });
    }
  });

  it.each<[string, Behaviour, number]>([
    ['does not hold the answer', { after: 3, answers: { value: undefined } }, 3],
    ['holds something else', { after: 3, answers: { value: '{"no":"entry"}' } }, 3],
    ['throws', { throws: true }, 0],
    ['rejects', { rejects: true, after: 3 }, 3],
    ['is slower than storeDeadline', { after: 50 }, 20],
    ['never answers', { after: Infinity }, 20],
  ])('becomes a call where the store %s', (_name, read, time) => {
    const events = new HeardEvents();
    inVirtualTime((scheduler) => {
      const store = storeHolding(scheduler, read);
      const cache = cacheBefore(scheduler, store, { storeDeadline: 20 });
      const calls = new PreparedCalls<Asked, string>(timer(5).pipe(map(() => 'new')));
      const seen: object[] = [];
      of(asking())
        .pipe(cacheLLM(calls.misses(), { cache, events }))
        .subscribe((outcome) => seen.push({ at: scheduler.now(), ...withoutRequest(outcome) }));
      scheduler.flush();
      const outcome = { ok: true, value: 'new', source: 'call', latency: 5, waited: time, attempts: 1 };
      expect(seen).toEqual([{ at: time + 5, ...outcome }]);
      expect(cache.get('a')).toBe('new');
    });
    expect(events.types).toEqual(['received', 'cache-miss', 'settled']);
    expect(events.of('cache-miss')).toMatchObject([{ at: time, joined: false }]);
  });

  it('is not made for a store that is bypassed, nor where the request asks for none', () => {
    inVirtualTime((scheduler) => {
      const store = storeHolding(scheduler, { after: Infinity });
      const storeEvents = new HeardEvents();
      const cache = cacheBefore(scheduler, store, { storeDeadline: 20, events: storeEvents });
      const seen: string[] = [];
      const ask = (request: Asked) =>
        of(request)
          .pipe(cacheLLM(new PreparedCalls<Asked, string>(of('A')).misses(), cache))
          .subscribe((outcome) => seen.push(`${scheduler.now()}: ${request.cacheKey} ${shown(outcome)}`));
      ask(asking({ bypass: { lookUp: true } }));
      ask({ cacheKey: 'b' });
      timer(25).subscribe(() => ask({ cacheKey: 'c' }));
      scheduler.flush();
      expect(seen).toEqual(['0: a A call', '20: b A call', '25: c A call']);
      expect(store.log.filter((line) => line.startsWith('get'))).toEqual(['get b 0']);
      expect(storeEvents.of('store-bypassed')).toMatchObject([
        { at: 20, operation: 'get', reason: 'deadline' },
      ]);
    });
  });

  it('leaves no timer behind, however it ends', () => {
    runUntil(4, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: Infinity });
      const outcomes$ = cold<Asked>('-a', { a: asking({ maxWait: 50 }) }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), cacheBefore(scheduler, store)),
      );
      expectObservable(outcomes$, '----!').toBe('-----');
    });
  });
});

describe('those who join a look-up in the store', () => {
  it('are answered together, each once, with one event each', () => {
    const events = new HeardEvents();
    const stats = new CallStats();
    runUntil(6, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 4 });
      const cache = cacheBefore(scheduler, store);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), { cache, events }),
          map((outcome) => `${shown(outcome)} ${outcome.waited}`),
        );
      const values = { x: 'old cache 4', y: 'old cache 3' };
      expectObservable(ask('-aa|')).toBe('-----(xy|)', values);
      expectObservable(ask('--a---|')).toBe('-----y|', values);
      scheduler.schedule(() => expect(store.count('get')).toBe(1), 6);
    });
    events.all.forEach((event) => stats.next(event));
    expect(events.of('cache-hit')).toHaveLength(3);
    expect(new Set(events.of('cache-hit').map(({ id }) => id)).size).toBe(3);
    expect(events.of('cache-miss')).toEqual([]);
    expect(stats.snapshot().metrics).toMatchObject({ totalCalls: 3, cacheHits: 3, sharedCalls: 0 });
  });

  it('share one call where the store holds nothing, and are then misses that joined', () => {
    const events = new HeardEvents();
    runUntil(8, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('---(A|)');
      const calls = new PreparedCalls<Asked, string>(call);
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 4 }));
      const b = { cacheKey: 'b' };
      const ask = (requests: string) =>
        cold<Asked>(requests, { b }).pipe(cacheLLM(calls.misses(), { cache, events }), showSources());
      const values = { A: 'A call', S: 'A shared' };
      expectObservable(ask('-b-b|')).toBe('--------(AS|)', values);
      expectObservable(ask('--b-(b|)')).toBe('--------(SS|)', values);
      expectSubscriptions(call.subscriptions).toBe('-----^--!');
    });
    expect(events.of('cache-miss').map(({ at, joined }) => [at, joined])).toEqual([
      [5, false],
      [5, true],
      [5, true],
      [5, true],
    ]);
  });

  it('go on when the one who asked first leaves', () => {
    for (const [b, call, expected] of [
      [asking(), '(A|)', '------(h|)'],
      [{ cacheKey: 'b' }, '--(A|)', '--------(h|)'],
    ] as const) {
      const end = expected.indexOf('(');
      runUntil(end, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
        const made = cold(call);
        const calls = new PreparedCalls<Asked, string>(made);
        const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
        const ask = (requests: string) =>
          cold<Asked>(requests, { b }).pipe(cacheLLM(calls.misses(), cache), showSources());
        expectObservable(ask('-b'), '---!').toBe('----');
        const source = b.cacheKey === 'a' ? 'old cache' : 'A call';
        expectObservable(ask('--(b|)')).toBe(expected, { h: source });
        expectSubscriptions(made.subscriptions).toBe(b.cacheKey === 'a' ? [] : '------^-!');
      });
    }
  });

  it('start nothing, and have the store asked for nothing more, when all leave', () => {
    const calls = new PreparedCalls<Asked, string>(NEVER);
    const events = new HeardEvents();
    runUntil(5, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 4, answers: { value: undefined } });
      const cache = cacheBefore(scheduler, store, { keepAlive: true });
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), { cache, events }));
      expectObservable(ask('-a'), ' ---!').toBe('----');
      expectObservable(ask('--a'), '----!').toBe('-----');
    });
    expect(calls.requests).toEqual([]);
    expect(events.types.sort()).toEqual(['left', 'left', 'received', 'received']);
  });

  it('begin anew after all have left', () => {
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 4 });
      const calls = new PreparedCalls<Asked, string>(NEVER);
      const cache = cacheBefore(scheduler, store);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), cache), showSources());
      expectObservable(ask('-a'), ' ---!').toBe('----');
      expectObservable(ask('----(a|)')).toBe('--------(h|)', { h: 'old cache' });
      scheduler.schedule(() => expect(store.count('get')).toBe(2), 9);
    });
    expect.assertions(4);
  });

  it('do not keep an urgent request waiting longer: the call begins with the highest priority of all', () => {
    const events = new HeardEvents();
    inVirtualTime((scheduler) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 4 }));
      const calls = new PreparedCalls<Asked, string>(timer(5).pipe(map(() => 'A')));
      from<Asked[]>([
        { cacheKey: 'b', priority: 'low' },
        { cacheKey: 'b', priority: 'critical' },
      ])
        .pipe(cacheLLM(calls.misses({ events }), { cache, events }))
        .subscribe();
    });
    expect(events.of('started')).toMatchObject([{ priority: 'critical' }]);
  });
});

describe('the pipeline for misses behind a store', () => {
  it('ends only when the last look-up is over, so that it can still be asked', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
      const notes: string[] = [];
      const call = cold('---(A|)');
      const misses = (misses$: Observable<Asked>) =>
        misses$.pipe(
          tap({
            next: ({ cacheKey }) => notes.push(`${scheduler.now()} ${cacheKey}`),
            complete: () => notes.push(`${scheduler.now()} complete`),
          }),
          mergeWithConcurrency(() => call),
        );
      const source = cold<Asked>('ab|', { a: asking(), b: { cacheKey: 'b' } });
      expectObservable(source.pipe(cacheLLM(misses, cache), showSources())).toBe('-----h---(A|)', {
        h: 'old cache',
        A: 'A call',
      });
      expectSubscriptions(source.subscriptions).toBe('^-!');
      expectSubscriptions(call.subscriptions).toBe('------^--!');
      scheduler.schedule(() => expect(notes).toEqual(['6 b', '6 complete']), 9);
    });
  });

  it('ends with the source where all look-ups were answered, or nobody looked', () => {
    for (const [requests, completesAt] of [
      ['a----|', 5],
      ['a--|', 4],
      ['---|', 3],
    ] as const) {
      inVirtualTime((scheduler) => {
        const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 4 }));
        const notes: number[] = [];
        const misses = (misses$: Observable<Asked>) =>
          misses$.pipe(
            tap({ complete: () => notes.push(scheduler.now()) }),
            mergeWithConcurrency(() => of('A')),
          );
        scheduler
          .createColdObservable<Asked>(requests, { a: asking() })
          .pipe(cacheLLM(misses, cache))
          .subscribe();
        scheduler.flush();
        expect(notes).toEqual([completesAt]);
      });
    }
  });

  it('may put requests together in batches', () => {
    inVirtualTime((scheduler) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 4 }));
      const notes: string[] = [];
      const misses = (misses$: Observable<Asked>) =>
        misses$.pipe(
          bufferCount(2),
          tap((batch) => notes.push(`${scheduler.now()} batch of ${batch.length}`)),
          concatMap((batch) => timer(1).pipe(mergeMap(() => batch))),
          map((request): CallOutcome<Asked, string> => {
            const value = request.cacheKey.toUpperCase();
            return { ok: true, request, value, source: 'call', latency: 1, waited: 0, attempts: 1 };
          }),
        );
      const requests = { a: asking(), b: { cacheKey: 'b' }, c: { cacheKey: 'c' }, d: { cacheKey: 'd' } };
      scheduler
        .createColdObservable<Asked>('abcd|', requests)
        .pipe(cacheLLM(misses, cache))
        .subscribe({
          next: (outcome) => notes.push(`${scheduler.now()} ${shown(outcome)}`),
          complete: () => notes.push(`${scheduler.now()} complete`),
        });
      scheduler.flush();
      expect(notes).toEqual([
        '4 old cache',
        '6 batch of 2',
        '7 batch of 1',
        '7 B call',
        '7 C call',
        '8 D call',
        '8 complete',
      ]);
    });
  });

  it('keeps its bound of calls although the source completed while the store was read', () => {
    for (const source of ['(bcd|)', 'bcd|']) {
      inVirtualTime((scheduler) => {
        const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
        let running = 0;
        let most = 0;
        const misses = mergeWithConcurrency(
          ({ cacheKey }: Asked) => {
            most = Math.max(most, ++running);
            return timer(10).pipe(
              map(() => cacheKey),
              tap(() => running--),
            );
          },
          { maxConcurrent: 1 },
        );
        const values: string[] = [];
        const requests = { b: { cacheKey: 'b' }, c: { cacheKey: 'c' }, d: { cacheKey: 'd' } };
        scheduler
          .createColdObservable<Asked>(source, requests)
          .pipe(cacheLLM(misses, cache))
          .subscribe((outcome) => values.push(`${scheduler.now()} ${shown(outcome)}`));
        scheduler.flush();
        expect(most).toBe(1);
        expect(values).toEqual(['15 b call', '25 c call', '35 d call']);
      });
    }
  });

  it('makes the call for another pipeline whose request had joined, though its own source has completed', () => {
    runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
      const calls = { one: cold('---(1|)'), other: cold('---(2|)') };
      const b = { cacheKey: 'b' };
      const ask = (requests: string, name: 'one' | 'other') =>
        cold<Asked>(requests, { b }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(calls[name]).misses(), cache),
          showSources(),
        );
      expectObservable(ask('-(b|)', 'one'), '---!').toBe('----');
      expectObservable(ask('--(b|)', 'other')).toBe('---------(x|)', { x: '2 call' });
      expectSubscriptions(calls.one.subscriptions).toBe([]);
      expectSubscriptions(calls.other.subscriptions).toBe('------^--!');
    });
  });

  it('fails what the store does not hold where it has ended, and gives what the store holds', () => {
    runUntil(6, ({ cold, scheduler, expectObservable }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 4 }));
      const requests = { a: asking(), b: { cacheKey: 'b' } };
      const outcomes$ = cold<Asked>('-ab|', requests).pipe(
        cacheLLM<Asked, string>(() => throwError(() => down), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-----h(m|)', { h: 'old cache', m: 'MissingOutcomeError' });
    });
  });

  it('lets the outcomes keep the order of the source', () => {
    runUntil(7, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler);
      store.behave = (operation, key) => (operation === 'get' ? { after: key === 'a' ? 5 : 1 } : {});
      const cache = cacheBefore(scheduler, store);
      cache.set('m', 'memory');
      const requests = { m: { cacheKey: 'm' }, a: asking(), b: { cacheKey: 'b' } };
      const outcomes$ = cold<Asked>('-(abm|)', requests).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(cold('-----(B|)').pipe(take(1))).misses(), {
          cache,
          ordered: true,
        }),
        showSources(),
      );
      expectObservable(outcomes$).toBe('------a(Bm|)', { a: 'old cache', B: 'B call', m: 'memory cache' });
    });
  });
});

describe('maxWait while the store is read', () => {
  it('ends the wait of the one who asked first, and of those who joined, each at its own time', () => {
    const events = new HeardEvents();
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 8 }));
      const calls = new PreparedCalls<Asked, string>(NEVER);
      const ask = (requests: string, maxWait: number) =>
        cold<Asked>(requests, { a: asking({ maxWait }) }).pipe(
          cacheLLM(calls.misses(), { cache, events }),
          map((outcome) => `${shown(outcome)} ${outcome.waited}`),
        );
      expectObservable(ask('-(a|)', 3)).toBe('----(d|)', { d: 'DeadlineExceededError 3' });
      expectObservable(ask('--(a|)', 4)).toBe('------(d|)', { d: 'DeadlineExceededError 4' });
      expectObservable(ask('---(a|)', 50)).toBe('---------(h|)', { h: 'old cache 6' });
    });
    expect(events.of('settled').map(({ ok, attempts }) => [ok, attempts])).toEqual([
      [false, 0],
      [false, 0],
      [true, 0],
    ]);
    expect(events.of('cache-hit')).toHaveLength(1);
    expect(events.of('cache-miss')).toEqual([]);
  });

  it('makes no call when all were given up', () => {
    const calls = new PreparedCalls<Asked, string>(NEVER);
    runUntil(4, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: Infinity });
      const outcomes$ = cold<Asked>('-(a|)', { a: asking({ maxWait: 3 }) }).pipe(
        cacheLLM(calls.misses(), cacheBefore(scheduler, store)),
        showSources(),
      );
      expectObservable(outcomes$).toBe('----(d|)', { d: 'DeadlineExceededError' });
    });
    expect(calls.requests).toEqual([]);
  });

  it('counts from the arrival on for the call, too, and ends when that begins', () => {
    runUntil(15, ({ cold, scheduler, expectObservable }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
      const calls = new PreparedCalls<Asked, string>(cold('---------(B|)'), cold('(C|)'));
      const requests = { b: { cacheKey: 'b', maxWait: 6 }, c: { cacheKey: 'c', maxWait: 6 } };
      const outcomes$ = cold<Asked>('-(bc|)', requests).pipe(
        cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
        map((outcome) => `${shown(outcome)} ${outcome.waited}`),
      );
      expectObservable(outcomes$).toBe('-------d-------(B|)', {
        B: 'B call 5',
        d: 'DeadlineExceededError 6',
      });
    });
  });

  it('leaves a stale answer of memory to stand in', () => {
    runUntil(9, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: Infinity });
      const cache = cacheBefore(scheduler, store, { defaultTtl: 2, staleIfError: 100 });
      cache.set('a', 'memory');
      const outcomes$ = cold<Asked>('------(a|)', { a: asking({ maxWait: 3 }) }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('---------(s|)', { s: 'memory stale' });
    });
  });
});

describe('what was forgotten while the store was read', () => {
  it.each<[string, (cache: LLMResultCache) => unknown, Partial<Asked>]>([
    ['deleted', (cache) => cache.delete('a'), {}],
    ['cleared', (cache) => cache.clear(), {}],
    ['invalidated by prefix', (cache) => cache.invalidate({ prefix: 'a' }), {}],
    [
      'invalidated by a tag of the request',
      (cache) => cache.invalidate({ tag: 'asked' }),
      { cacheTags: ['asked'] },
    ],
    ['invalidated by a tag of the answer', (cache) => cache.invalidate({ tag: 'kept' }), {}],
    [
      'invalidated by what the answer is',
      (cache) => cache.invalidate({ predicate: ({ value }) => value === 'old' }),
      {},
    ],
  ])('is not given: %s', (_name, forget, traits) => {
    for (const landsAfter of [0, 5]) {
      runUntil(9, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
        // The text that the store gives was read at once or at the end.
        const store = storeHolding(scheduler, { after: 5, landsAfter }, { tags: ['kept'] });
        const call = cold('--(N|)');
        const cache = cacheBefore(scheduler, store);
        const outcomes$ = cold<Asked>('-(a|)', { a: asking(traits) }).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(call).misses(), cache),
          showSources(),
        );
        scheduler.schedule(() => forget(cache), 3);
        expectObservable(outcomes$).toBe('--------(N|)', { N: 'N call' });
        expectSubscriptions(call.subscriptions).toBe('------^-!');
        scheduler.schedule(() => expect(cache.get('a')).not.toBe('old'), 9);
      });
    }
  });

  it('is looked for anew by who comes later, whom the earlier ones then wait with for one call', () => {
    const events = new HeardEvents();
    runUntil(12, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
      const call = cold('--(N|)');
      const calls = new PreparedCalls<Asked, string>(call);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(
          cacheLLM(calls.misses(), { cache, events }),
          showSources(),
        );
      expectObservable(ask('-(a|)')).toBe('   -----------(S|)', { S: 'N shared' });
      expectObservable(ask('----(a|)')).toBe('-----------(N|)', { N: 'N call' });
      expectSubscriptions(call.subscriptions).toBe('---------^-!');
      scheduler.schedule(() => cache.delete('a'), 3);
      scheduler.schedule(() => {
        expect(cache.get('a')).toBe('N');
        expect(cache.stats).toMatchObject({ hits: 1, misses: 2 });
      }, 12);
    });
    // Each missed once, when the second look-up had found nothing either.
    expect(events.of('cache-miss').map(({ at }) => at)).toEqual([9, 9]);
    expect(events.of('cache-not-kept')).toEqual([]);
  });

  it('may have been set by hand meanwhile: then all are given that', () => {
    runUntil(8, ({ cold, scheduler, expectObservable }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
      const calls = new PreparedCalls<Asked, string>(NEVER);
      const ask = (requests: string) =>
        cold<Asked>(requests, { a: asking() }).pipe(cacheLLM(calls.misses(), cache), showSources());
      const values = { h: 'by hand cache' };
      expectObservable(ask('-(a|)')).toBe('    ------(h|)', values);
      scheduler.schedule(() => cache.set('a', 'by hand'), 3);
      expectObservable(ask('----(a|)')).toBe(' ----(h|)', values);
      expectObservable(ask('--------(a|)')).toBe('--------(h|)', values);
    });
  });
});

describe('expired answers of the store', () => {
  it('are renewed like those of memory: given at once, and replaced by a call that LOW makes', () => {
    const events = new HeardEvents();
    runUntil(16, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const store = storeHolding(scheduler, { after: 3 }, { ttl: 2 });
      const call = cold('----(N|)');
      const cache = cacheBefore(scheduler, store, { defaultTtl: 2, staleWhileRevalidate: 100 });
      const source = cold<Asked>('-----aa------a--|', { a: asking({ priority: 'high' }) });
      const outcomes$ = source.pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses({ events }), { cache, events }),
        showSources(),
      );
      expectObservable(outcomes$).toBe('--------(ss)-n--|', {
        s: 'old stale',
        n: 'N cache',
      });
      expectSubscriptions(call.subscriptions).toBe('--------^---!');
    });
    expect(events.of('cache-renewing')).toMatchObject([{ at: 8 }]);
    expect(events.of('started')).toMatchObject([{ priority: 'low' }]);
    expect(events.of('cache-hit')).toMatchObject([
      { tier: 'store', stale: true, at: 8, age: 8 },
      { tier: 'store', stale: true },
      { tier: 'memory' },
    ]);
  });

  it('are renewed though whoever found them has had enough, and the renewal is written to the store', () => {
    inVirtualTime((scheduler) => {
      const store = storeHolding(scheduler, { after: 3 }, { ttl: 2 });
      const config = { defaultTtl: 100, staleWhileRevalidate: 100 };
      const cache = cacheBefore(scheduler, store, config);
      const seen: string[] = [];
      const note = (outcome: CallOutcome<Asked, string>) => seen.push(`${scheduler.now()} ${shown(outcome)}`);
      timer(5).subscribe(() =>
        of(asking())
          .pipe(
            cacheLLM(new PreparedCalls<Asked, string>(timer(4).pipe(map(() => 'N'))).misses(), cache),
            take(1),
          )
          .subscribe(note),
      );
      timer(20).subscribe(() =>
        of(asking())
          .pipe(
            cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), cacheBefore(scheduler, store, config)),
          )
          .subscribe(note),
      );
      scheduler.flush();
      expect(seen).toEqual(['8 old stale', '23 N cache']);
    });
  });

  it('stand in for a failed call after a restart', () => {
    runUntil(10, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 3 }, { ttl: 2 });
      const cache = cacheBefore(scheduler, store, { staleIfError: 100 });
      const calls = new PreparedCalls<Asked, string>(cold('--#', undefined, down));
      const outcomes$ = cold<Asked>('-----(a|)', { a: asking() }).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('----------(s|)', { s: 'old stale' });
    });
  });

  it('are of no use after their windows, and kept failures never reach the store', () => {
    runUntil(12, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 1 }, { ttl: 2 });
      const cache = cacheBefore(scheduler, store, { staleWhileRevalidate: 3, staleIfError: 4, errorTtl: 2 });
      const calls = new PreparedCalls<Asked, string>(cold('-#', undefined, down));
      const outcomes$ = cold<Asked>('-----a-a---a|', { a: asking() }).pipe(
        cacheLLM(calls.misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$.pipe(take(2))).toBe('-------(ff|)', { f: 'Error' });
      scheduler.schedule(() => expect([...store.texts.keys()]).toEqual(['a']), 12);
    });
  });
});

describe('bypass before a store', () => {
  it('of lookUp asks it for nothing, and joins no look-up of others', () => {
    const events = new HeardEvents();
    runUntil(6, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const store = storeHolding(scheduler, { after: 5 });
      const call = cold('--(N|)');
      const cache = cacheBefore(scheduler, store);
      const requests = { a: asking(), n: asking({ bypass: { lookUp: true } }) };
      const outcomes$ = cold<Asked>('-(an|)', requests).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), { cache, events }),
        showSources(),
      );
      // The look-up finds that memory holds a newer answer by now.
      expectObservable(outcomes$).toBe('---N--(n|)', { N: 'N call', n: 'N cache' });
      expectSubscriptions(call.subscriptions).toBe('-^-!');
      scheduler.schedule(() => expect(cache.get('a')).toBe('N'), 6);
    });
    expect(events.of('cache-bypassed')).toHaveLength(1);
    expect(events.of('cache-hit')).toMatchObject([{ tier: 'memory' }]);
  });

  it('of lookUp gives its answer to those whose look-up finds nothing later, kept by then or not yet', () => {
    for (const [call, expected] of [
      ['--(N|)', '---N--(n|)'],
      ['---------(N|)', '----------(Ns|)'],
    ] as const) {
      const events = new HeardEvents();
      const end = call === '--(N|)' ? 6 : 10;
      runUntil(end, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
        const made = cold(call);
        const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: 5 }));
        const requests = { b: { cacheKey: 'b' }, n: { cacheKey: 'b', bypass: { lookUp: true } } };
        const outcomes$ = cold<Asked>('-(bn|)', requests).pipe(
          cacheLLM(new PreparedCalls<Asked, string>(made).misses(), { cache, events }),
          showSources(),
        );
        const values = { N: 'N call', n: 'N cache', s: 'N shared' };
        expectObservable(outcomes$).toBe(expected, values);
        expectSubscriptions(made.subscriptions).toBe(`-^${'-'.repeat(call.indexOf('(') - 1)}!`);
      });
      expect(events.of('cache-hit').length + events.of('cache-miss').length).toBe(1);
    }
  });

  it('of write takes what the store holds, and writes nothing to it', () => {
    inVirtualTime((scheduler) => {
      const store = storeHolding(scheduler);
      const cache = cacheBefore(scheduler, store);
      const seen: string[] = [];
      from<Asked[]>([asking({ bypass: { write: true } }), { cacheKey: 'b', bypass: { write: true } }])
        .pipe(cacheLLM(new PreparedCalls<Asked, string>(of('B')).misses(), cache))
        .subscribe((outcome) => seen.push(shown(outcome)));
      expect(seen).toEqual(['old cache', 'B call']);
      expect(store.count('set')).toBe(0);
    });
  });

  it('of sharing looks by itself', () => {
    runUntil(6, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 5 });
      const cache = cacheBefore(scheduler, store);
      const requests = { a: asking(), s: asking({ bypass: { sharing: true } }) };
      const outcomes$ = cold<Asked>('-(asas|)', requests).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(NEVER).misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('------(hhhh|)', { h: 'old cache' });
      scheduler.schedule(() => expect(store.count('get')).toBe(3), 6);
    });
  });
});

describe('the end of a cache before a store', () => {
  it('lets those who wait for a look-up make their calls', () => {
    runUntil(5, ({ cold, scheduler, expectObservable }) => {
      const cache = cacheBefore(scheduler, storeHolding(scheduler, { after: Infinity }));
      const outcomes$ = cold<Asked>('-(aa|)', { a: asking() }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(cold('--(A|)')).misses(), cache),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-----(AS|)', { A: 'A call', S: 'A shared' });
      scheduler.schedule(() => cache.close(), 3);
    });
  });

  it('comes with the subscription where the cache is its own, and the last answer is still written', () => {
    runUntil(5, ({ cold, scheduler, expectObservable }) => {
      const store = storeHolding(scheduler, { after: 3 });
      const config: CacheConfig<Asked> = { store, scheduler };
      const outcomes$ = cold<Asked>('-(ab|)', { a: asking(), b: { cacheKey: 'b' } }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(of('B')).misses(), config),
        showSources(),
      );
      expectObservable(outcomes$).toBe('----(hB|)', { h: 'old cache', B: 'B call' });
      scheduler.schedule(() => expect([...store.texts.keys()]).toEqual(['a', 'b']), 5);
    });
  });
});

describe('cacheLLM with stale answers, renewals and a store', () => {
  /** Everything that may come between a request and its outcome. */
  const everything = (scheduler: WatchedTestScheduler, read: Behaviour = { after: 1 }) => {
    const store = storeHolding(scheduler, read, { ttl: 2 });
    return {
      store,
      defaultTtl: 2,
      ttlJitter: 0.5,
      random: () => 0,
      staleWhileRevalidate: 100,
      staleIfError: 200,
      errorTtl: 5,
      keepAlive: true,
      sharedCallTimeout: 50,
      maxBytes: 100_000,
      scheduler,
    } satisfies ResultCacheConfig;
  };

  it('never ends while the source does not', () => {
    runUntil(0, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const source = cold<Asked>('-');
      const calls = new PreparedCalls<Asked, string>(NEVER);
      expectObservable(source.pipe(cacheLLM(calls.misses(), everything(scheduler)))).toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^');
    });
  });

  it('completes with an empty source', () => {
    runUntil(3, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const source = cold<Asked>('---|');
      const calls = new PreparedCalls<Asked, string>(NEVER);
      expectObservable(source.pipe(cacheLLM(calls.misses(), everything(scheduler)))).toBe('---|');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('answers a single request', () => {
    runUntil(6, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const source = cold<Asked>('---b|', { b: { cacheKey: 'b' } });
      const calls = new PreparedCalls<Asked, string>(cold('--(B|)'));
      const outcomes$ = source.pipe(cacheLLM(calls.misses(), everything(scheduler)), showSources());
      expectObservable(outcomes$).toBe('------(B|)', { B: 'B call' });
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
  });

  it('answers many requests: by calls, from memory and store, fresh and stale', () => {
    runUntil(13, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const requests = { a: asking(), b: { cacheKey: 'b' } };
      const source = cold<Asked>('---ab--a----b|', requests);
      const calls = new PreparedCalls<Asked, string>(cold('--(N|)'), cold('--(B|)'), cold('--(C|)'));
      const outcomes$ = source.pipe(cacheLLM(calls.misses(), everything(scheduler)), showSources());
      const values = { s: 'old stale', B: 'B call', n: 'N cache', t: 'B stale' };
      expectObservable(outcomes$).toBe('----s--(nB)-t|', values);
      expectSubscriptions(source.subscriptions).toBe('^------------!');
    });
  });

  it('passes an error of the source on at once, and lets go of look-ups, requests and calls', () => {
    runUntil(7, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const requests = { a: asking(), b: { cacheKey: 'b' } };
      const source = cold<Asked>('---bab-#', requests);
      const call = cold('------(B|)');
      const settings = { ...everything(scheduler, { after: 2 }), keepAlive: false };
      const outcomes$ = source.pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), settings),
        showSources(),
      );
      expectObservable(outcomes$).toBe('------s#', { s: 'old stale' });
      expectSubscriptions(call.subscriptions).toBe(['-----^-!', '------^!']);
    });
  });

  it.each(['received', 'cache-hit', 'cache-miss', 'cache-renewing', 'started', 'finished', 'settled'])(
    'survives a listener that leaves on %s, and leaves nothing behind that is never answered',
    (type) => {
      for (const read of [{}, { after: 3 }]) {
        const reported: unknown[] = [];
        rxjsConfig.onUnhandledError = (error: unknown) => reported.push(error);
        inVirtualTime((scheduler) => {
          const cache = new LLMResultCache(everything(scheduler, read));
          const seen: string[] = [];
          const misses = (events?: { next(event: CallEvent): void }) =>
            mergeWithConcurrency<Asked, Observable<string>>(
              () => timer(4).pipe(map(() => 'N')),
              events && { events },
            );
          const events = { next: (event: CallEvent) => event.type === type && leaving.unsubscribe() };
          const requests$ = new Subject<Asked>();
          const leaving = requests$
            .pipe(cacheLLM(misses(events), { cache, events }))
            .subscribe((outcome) => seen.push(shown(outcome)));
          timer(5).subscribe(() => {
            requests$.next(asking());
            requests$.next({ cacheKey: 'b' });
          });
          for (const time of [5, 6, 9, 30]) {
            timer(time)
              .pipe(
                mergeMap(() => [asking(), { cacheKey: 'b' }]),
                cacheLLM(misses(), cache),
              )
              .subscribe((outcome) => seen.push(`${time} ${outcome.request.cacheKey} ${String(outcome.ok)}`));
          }
          scheduler.flush();
          expect(leaving.closed).toBe(true);
          expect(seen.filter((one) => /^\d/.test(one)).sort()).toEqual(
            [5, 6, 9, 30].flatMap((time) => [`${time} a true`, `${time} b true`]).sort(),
          );
          expect(reported).toEqual([]);
        });
        rxjsConfig.onUnhandledError = null;
      }
    },
  );

  it('answers requests that are made in reaction to outcomes', () => {
    runUntil(10, ({ cold, scheduler, expectObservable }) => {
      const requests$ = new Subject<Asked>();
      const calls = new PreparedCalls<Asked, string>(cold('--(N|)'), cold('---(B|)'));
      let asked = 0;
      const outcomes$ = requests$.pipe(
        cacheLLM(calls.misses(), everything(scheduler)),
        showSources(),
        tap(() => {
          if (++asked === 1) {
            requests$.next(asking());
          } else if (asked === 2) {
            requests$.next({ cacheKey: 'b' });
          }
        }),
      );
      const values = { s: 'old stale', B: 'B call' };
      expectObservable(outcomes$).toBe('------(ss)B', values);
      scheduler.schedule(() => requests$.next(asking()), 5);
    });
  });

  it.each<[string, Partial<ResultCacheConfig>]>([
    ['shouldCache', { shouldCache: () => raise() }],
    ['sizeOf', { sizeOf: () => raise() }],
    ['clone', { clone: () => raise() }],
    ['defaultTtl', { defaultTtl: () => raise() }],
    ['random', { random: () => raise() }],
  ])('answers everybody although %s throws', (_name, config) => {
    const reported: unknown[] = [];
    rxjsConfig.onUnhandledError = (error: unknown) => reported.push(error);
    for (const read of [{}, { after: 1 }]) {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ ...everything(scheduler, read), ...config });
        const calls = new PreparedCalls<Asked, string>(timer(2).pipe(map(() => 'N')));
        const seen: string[] = [];
        for (const time of [5, 9]) {
          timer(time)
            .pipe(
              mergeMap(() => [asking(), asking(), { cacheKey: 'b' }]),
              cacheLLM(calls.misses({ maxConcurrent: 1 }), cache),
            )
            .subscribe((outcome) => seen.push(`${time} ${String(outcome.ok)}`));
        }
        scheduler.flush();
        expect(seen.sort()).toEqual([...Array<string>(3).fill('5 true'), ...Array<string>(3).fill('9 true')]);
      });
    }
    expect(reported).toEqual([]);
    rxjsConfig.onUnhandledError = null;
  });

  it('fails the stream with what traits throw, as operators of RxJS do, and lets go of everything', () => {
    runUntil(7, ({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const call = cold('---------(B|)');
      const outcomes$ = cold<Asked>('---b--ax', {
        a: asking(),
        b: { cacheKey: 'b' },
        x: { cacheKey: 'x' },
      }).pipe(
        cacheLLM(new PreparedCalls<Asked, string>(call).misses(), {
          ...everything(scheduler),
          traits: (request) => (request.cacheKey === 'x' ? raise() : { cacheKey: request.cacheKey }),
        }),
        showSources(),
      );
      expectObservable(outcomes$).toBe('-------#', undefined, down);
      expectSubscriptions(call.subscriptions).toBe('----^--!');
    });
  });

  it('reports what listeners throw, and harms nobody', () => {
    const reported: unknown[] = [];
    rxjsConfig.onUnhandledError = (error: unknown) => reported.push(error);
    const seen: string[] = [];
    const caught: unknown[] = [];
    try {
      inVirtualTime((scheduler) => {
        const events = { next: () => raise() };
        const cache = new LLMResultCache(everything(scheduler));
        timer(5)
          .pipe(
            mergeMap(() => [asking(), asking(), { cacheKey: 'b' }]),
            cacheLLM(new PreparedCalls<Asked, string>(timer(2).pipe(map(() => 'N'))).misses({ events }), {
              cache,
              events,
            }),
          )
          .subscribe((outcome) => seen.push(shown(outcome)));
      });
    } catch (error) {
      caught.push(error);
    }
    rxjsConfig.onUnhandledError = null;
    expect(seen).toEqual(['old stale', 'old stale', 'N call']);
    expect(caught).toEqual([]);
  });

  it('starts no more calls of a synchronous firehose than take(5) needs, stale answers among them', () => {
    inVirtualTime((scheduler) => {
      const settings = everything(scheduler, {});
      const cache = new LLMResultCache(settings);
      scheduler.schedule(() => {
        const calls = new PreparedCalls<Asked, string>(of('N'));
        const values: string[] = [];
        range(0, 100_000)
          .pipe(
            map((number): Asked => (number % 2 === 0 ? asking() : { cacheKey: `${number}` })),
            cacheLLM(calls.misses(), cache),
            take(5),
          )
          .subscribe((outcome) => values.push(shown(outcome)));
        expect(values).toEqual(['old stale', 'N call', 'N cache', 'N call', 'N cache']);
        expect(calls.requests.map(({ cacheKey }) => cacheKey)).toEqual(['a', '1', '3']);
        expect(settings.store.count('get')).toBe(3);
      }, 5);
    });
    expect.assertions(3);
  });

  it('answers 10,000 synchronous requests over a synchronous store without overflowing the stack', () => {
    const cache = new LLMResultCache({ store: new Map(), staleWhileRevalidate: 100, maxSize: 10 });
    let count = 0;
    range(0, 10_000)
      .pipe(
        map((number): Asked => ({ cacheKey: `${number}` })),
        cacheLLM(
          mergeWithConcurrency(() => of('N')),
          cache,
        ),
      )
      .subscribe(() => count++);
    cache.close();
    expect(count).toBe(10_000);
  });
});

function raise(): never {
  throw down;
}
