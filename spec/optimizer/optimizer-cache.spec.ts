/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, map, NEVER, of, take, throwError, timer, type Observable } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallContext } from '../../lib/core/call';
import type { CallTraits } from '../../lib/core/traits';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { ScriptedStore } from '../cache/scripted-store';
import { HeardEvents, shown } from '../operators/cached-calls';
import { inVirtualTime, runUntil, type WatchedTestScheduler } from '../test-scheduler';

/** A request that is its key and its traits. */
interface Asked extends CallTraits {
  readonly cacheKey: string;
}

/** What the calls are called over a cache that is shared, or has a store. */
const named = { namespace: 'asked' };

/** The whole key of a request that is named so. */
const keyOf = (cacheKey: string) => `namespace(5):asked:${cacheKey}`;

/** An optimizer in virtual time that paces nothing. */
function optimizerOn(scheduler: WatchedTestScheduler, config: OptimizerConfig = {}): LLMCallOptimizer {
  return new LLMCallOptimizer({ scheduler, baseInterval: 0, minInterval: 0, ...config });
}

/** A call that takes so long, and notes what it was asked. */
function noting(latency: number, answer: string) {
  const keys: string[] = [];
  const signals: AbortSignal[] = [];
  const call = ({ cacheKey }: Asked, { signal }: CallContext): Observable<string> => {
    keys.push(cacheKey);
    signals.push(signal);
    return latency === Infinity ? NEVER : timer(latency).pipe(map(() => answer));
  };
  return { call, keys, signals };
}

describe('the cache of an optimizer', () => {
  it('is made from its config: freshness, bounds, write policy, store', () => {
    runUntil(30, ({ scheduler }) => {
      const store = new ScriptedStore(scheduler);
      const events = new HeardEvents();
      const optimizer = optimizerOn(scheduler, {
        cache: { defaultTtl: 4, staleWhileRevalidate: 100, maxSize: 7, maxBytes: 10_000, errorTtl: 5, store },
      });
      optimizer.events$.subscribe(events);
      const { call, keys } = noting(2, 'x');
      const seen: string[] = [];
      for (const time of [0, 1, 4, 10, 11]) {
        timer(time).subscribe(() =>
          of<Asked>({ cacheKey: 'a' })
            .pipe(optimizer.optimize(call, named))
            .subscribe((outcome) => seen.push(`${scheduler.now()} ${shown(outcome)}`)),
        );
      }
      scheduler.schedule(() => {
        expect(seen).toEqual(['2 x call', '2 x shared', '4 x cache', '10 x stale', '11 x stale']);
        expect(keys).toEqual(['a', 'a']);
        expect(optimizer.cache!.stats).toMatchObject({ maxSize: 7, maxBytes: 10_000, size: 1, staleHits: 2 });
        expect(store.texts.size).toBe(1);
        const { metrics, cache } = optimizer.getStats();
        expect(metrics).toMatchObject({
          totalCalls: 5,
          cacheHits: 3,
          cacheMisses: 2,
          sharedCalls: 1,
          staleAnswers: 2,
          renewedAnswers: 1,
          startedCalls: 2,
        });
        expect(cache).toMatchObject({ size: 1, hits: 3, misses: 2 });
        expect(cache.bytes).toBeGreaterThan(0);
        optimizer.cache!.clear();
        expect(optimizer.getStats().metrics.evictions.deleted).toBe(1);
        expect(events.of('cache-evicted')).toHaveLength(1);
        optimizer.close();
      }, 30);
    });
  });

  it('takes cacheTtl, cacheMaxSize, shouldCache and clone for its config', () => {
    inVirtualTime((scheduler) => {
      const optimizer = optimizerOn(scheduler, {
        cache: { maxBytes: 1000 },
        cacheTtl: () => 10,
        cacheMaxSize: 5,
        shouldCache: () => true,
        clone: structuredClone,
      });
      const answer = { list: [] };
      const call = () => of(answer);
      const seen: unknown[] = [];
      for (const time of [0, 9, 10]) {
        timer(time).subscribe(() =>
          of('a')
            .pipe(optimizer.optimize(call))
            .subscribe((outcome) => outcome.ok && seen.push([outcome.source, outcome.value === answer])),
        );
      }
      scheduler.flush();
      expect(optimizer.cache!.stats).toMatchObject({ maxSize: 5, maxBytes: 1000 });
      expect(seen).toEqual([
        ['call', true],
        ['cache', false],
        ['call', true],
      ]);
      optimizer.close();
    });
  });

  it('is refused where one setting is given twice', () => {
    const shouldCache = () => true;
    for (const [field, value, cache] of [
      ['cacheTtl', 5, { defaultTtl: 7 }],
      ['cacheTtl', () => 5, { defaultTtl: () => 5 }],
      ['cacheMaxSize', 5, { maxSize: 5 }],
      ['shouldCache', shouldCache, { shouldCache }],
      ['clone', structuredClone, { clone: structuredClone }],
    ] as const) {
      const [inCache] = Object.keys(cache);
      expect(() => new LLMCallOptimizer({ [field]: value, cache })).toThrow(
        new TypeError(`${field} and cache.${inCache} are the same setting: give only one of them.`),
      );
    }
    new LLMCallOptimizer({ cacheTtl: 5, cache: { defaultTtl: undefined } }).close();
  });

  it('is switched off by false, and on by true', () => {
    for (const [config, isOn] of [
      [{ cache: false }, false],
      [{ cache: false, enableCache: true }, false],
      [{ cache: true }, true],
      [{ cache: undefined }, true],
      [{ cache: true, enableCache: false }, false],
    ] as const) {
      const optimizer = new LLMCallOptimizer(config);
      expect([config, optimizer.cache !== undefined]).toEqual([config, isOn]);
      optimizer.close();
    }
  });

  it('is refused where it is wrong, by the name of the field', () => {
    const cache = new LLMResultCache();
    expect(() => new LLMCallOptimizer({ cache: { staleIfError: -1 } })).toThrow(/staleIfError/);
    expect(() => new LLMCallOptimizer({ cache: 5 as never })).toThrow(/cache/);
    for (const [field, value] of Object.entries({
      cacheTtl: 5,
      cacheMaxSize: 5,
      shouldCache: () => true,
      clone: structuredClone,
    })) {
      expect(() => new LLMCallOptimizer({ cache, [field]: value })).toThrow(
        new TypeError(`cache is an LLMResultCache, so set ${field} in the config of that cache.`),
      );
    }
    expect(() => new LLMCallOptimizer({ cache, cacheTtl: undefined as never })).not.toThrow();
  });

  it('keeps versions and namespaces apart', async () => {
    const optimizer = new LLMCallOptimizer({ baseInterval: 0 });
    let answer = '';
    const call = () => of(answer);
    const ask = (next: string, options: { namespace?: string; version?: string }) => {
      answer = next;
      return optimizer.call(call, 'a', options);
    };
    expect([
      await ask('1', { version: 'v1' }),
      await ask('2', { version: 'v2' }),
      await ask('3', { namespace: 'v1' }),
      await ask('4', { version: 'v1' }),
    ]).toEqual(['1', '2', '3', '1']);
    expect(() => optimizer.optimize(() => NEVER, { version: 1 as never })).toThrow(/version/);
    optimizer.close();
  });

  it('explains whether a request would be a hit, with the traits that the optimizer reads', async () => {
    const optimizer = new LLMCallOptimizer({
      baseInterval: 0,
      traits: (request: { id: string }) => ({ cacheKey: request.id }),
    });
    const request = { id: 'a', text: 'x' };
    const ask = () => of('x');
    await expect(optimizer.explain(ask, request)).resolves.toMatchObject({
      wouldHit: false,
      reason: 'never-seen',
      key: optimizer.cache!.keyOf({ cacheKey: 'a' }, { call: ask }),
    });
    await optimizer.call(ask, request);
    await expect(optimizer.explain(ask, request)).resolves.toMatchObject({
      wouldHit: true,
      reason: 'fresh',
      tier: 'memory',
    });
    await expect(optimizer.explain(ask, request, { namespace: 'n' })).resolves.toMatchObject({
      wouldHit: false,
      reason: 'never-seen',
    });
    optimizer.close();
    const uncached = new LLMCallOptimizer({ enableCache: false });
    await expect(uncached.explain(ask, request)).resolves.toBeUndefined();
    uncached.close();
  });

  it('leaves what its store holds for the next one', async () => {
    const store = new Map<string, string>();
    for (const [index, answer] of ['first', 'second'].entries()) {
      const optimizer = new LLMCallOptimizer({ baseInterval: 0, cache: { store: store } });
      expect(await optimizer.call(() => of(answer), 'a', named)).toBe('first');
      optimizer.close();
      expect(store.size).toBe(1);
      expect(optimizer.getStats().metrics.cacheHits).toBe(index);
    }
  });
});

describe('close() of an optimizer', () => {
  it.each<[string, ResultCacheConfig, (asked$: Observable<Asked>) => Observable<Asked>]>([
    ['renewals', { defaultTtl: 1, staleWhileRevalidate: 1000 }, (asked$) => asked$],
    ['calls that go on for the sake of the cache', { keepAlive: true }, (asked$) => asked$],
  ])('ends %s, running and waiting, and starts none in their place', (name, config) => {
    for (const isShared of [false, true]) {
      runUntil(10, ({ scheduler }) => {
        const cache = new LLMResultCache({ ...config, scheduler });
        const optimizer = optimizerOn(scheduler, { maxConcurrent: 1, cache: isShared ? cache : config });
        for (const key of ['a', 'b']) {
          optimizer.cache!.set(keyOf(key), 'old', { ttl: 1 });
        }
        const { call, keys, signals } = noting(Infinity, 'x');
        timer(5).subscribe(() => {
          const subscription = from<Asked[]>([{ cacheKey: 'a' }, { cacheKey: 'b' }])
            .pipe(optimizer.optimize(call, named))
            .subscribe();
          timer(1).subscribe(() => subscription.unsubscribe());
        });
        timer(10).subscribe(() => {
          expect([name, keys, signals.map(({ aborted }) => aborted)]).toEqual([name, ['a'], [false]]);
          optimizer.close();
          expect([keys, signals.map(({ aborted }) => aborted)]).toEqual([['a'], [true]]);
          expect(optimizer.getStats().executor.active).toBe(0);
        });
      });
    }
    expect.assertions(2 * 4);
  });

  it('ends look-ups in the store, makes no call for them, and lets no stale answer stand in', () => {
    runUntil(10, ({ scheduler }) => {
      const store = new ScriptedStore(scheduler);
      store.behave = (operation) => (operation === 'get' ? { after: Infinity } : {});
      const optimizer = optimizerOn(scheduler, { cache: { store, defaultTtl: 1, staleIfError: 1000 } });
      optimizer.cache!.set(keyOf('a'), 'old');
      const { call, keys } = noting(1, 'x');
      const seen: string[] = [];
      timer(5).subscribe(() =>
        from<Asked[]>([{ cacheKey: 'a' }, { cacheKey: 'a' }, { cacheKey: 'b', maxWait: 50 }])
          .pipe(optimizer.optimize(call, named))
          .subscribe((outcome) => seen.push(shown(outcome))),
      );
      timer(10).subscribe(() => {
        optimizer.close();
        expect(seen).toEqual(['ClosedError', 'ClosedError', 'ClosedError']);
        expect(keys).toEqual([]);
      });
    });
    expect.assertions(3);
  });

  it('gives no stale answer in place of the ClosedError of a call that runs', () => {
    inVirtualTime((scheduler) => {
      const optimizer = optimizerOn(scheduler, {
        cache: { defaultTtl: 1, staleIfError: 1000, errorTtl: 1000 },
      });
      optimizer.cache!.set(keyOf('a'), 'old');
      const seen: string[] = [];
      timer(5).subscribe(() =>
        of<Asked>({ cacheKey: 'a' })
          .pipe(optimizer.optimize(() => NEVER, named))
          .subscribe((outcome) => seen.push(shown(outcome))),
      );
      timer(6).subscribe(() => {
        optimizer.close();
      });
      scheduler.flush();
      expect(seen).toEqual(['ClosedError']);
    });
  });

  it('leaves no timer of sharedCallTimeout, of maxWait and of the store', () => {
    runUntil(5, ({ scheduler }) => {
      const store = new ScriptedStore(scheduler);
      store.behave = (operation, key) =>
        operation === 'get' && key === keyOf('b') ? { after: Infinity } : {};
      const optimizer = optimizerOn(scheduler, {
        maxConcurrent: 1,
        cache: { sharedCallTimeout: 100, store },
        maxWait: 200,
        retry: { baseDelay: 50 },
      });
      const error = Object.assign(new Error('500'), { status: 500 });
      from<Asked[]>([{ cacheKey: 'a' }, { cacheKey: 'a' }, { cacheKey: 'b' }, { cacheKey: 'c' }])
        .pipe(
          optimizer.optimize(({ cacheKey }) => (cacheKey === 'a' ? throwError(() => error) : NEVER), named),
        )
        .subscribe();
      timer(5).subscribe(() => {
        optimizer.close();
      });
    });
  });
});

describe('optimizers that share a cache', () => {
  it('share answers and running calls', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler });
      const one = optimizerOn(scheduler, { cache });
      const other = optimizerOn(scheduler, { cache });
      const { call, keys } = noting(5, 'x');
      const seen: string[] = [];
      const ask = (name: string, optimizer: LLMCallOptimizer) =>
        of<Asked>({ cacheKey: 'a' })
          .pipe(optimizer.optimize(call, named))
          .subscribe((outcome) => seen.push(`${name} ${scheduler.now()} ${shown(outcome)}`));
      ask('one', one);
      timer(2).subscribe(() => ask('other', other));
      timer(8).subscribe(() => ask('other', other));
      scheduler.flush();
      expect(seen).toEqual(['one 5 x call', 'other 5 x shared', 'other 8 x cache']);
      expect(keys).toEqual(['a']);
      expect(one.cache).toBe(cache);
      expect(other.getStats().metrics).toMatchObject({ sharedCalls: 1, cacheHits: 1, startedCalls: 0 });
      one.close();
      expect(cache.get(keyOf('a'))).toBe('x');
      other.close();
      expect(cache.get(keyOf('a'))).toBe('x');
    });
  });

  it('let the calls go on that another one waits for when the one that makes them is closed', () => {
    for (const [name, retry, failures] of [
      ['a running call', false, 0],
      ['a call that is tried again', { baseDelay: 4, random: () => 0.5 }, 1],
    ] as const) {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const one = optimizerOn(scheduler, { cache, maxConcurrent: 1, retry });
        const other = optimizerOn(scheduler, { cache });
        let failed = 0;
        const started: string[] = [];
        const call = (by: string) => (request: Asked) => {
          started.push(`${by} ${request.cacheKey}`);
          return failed++ < failures
            ? throwError(() => Object.assign(new Error('500'), { status: 500 }))
            : timer(5).pipe(map(() => 'x'));
        };
        const seen: string[] = [];
        const ask = (by: string, optimizer: LLMCallOptimizer, ...keys: string[]) =>
          from(keys.map((cacheKey): Asked => ({ cacheKey })))
            .pipe(optimizer.optimize(call(by), named))
            .subscribe((outcome) => seen.push(`${by} ${outcome.request.cacheKey} ${shown(outcome)}`));
        // While the call waits to be tried again, its slot is free for others.
        ask('one', one, ...(failures === 0 ? ['a', 'mine'] : ['a']));
        ask('other', other, 'a');
        timer(1).subscribe(() => {
          one.close();
        });
        scheduler.flush();
        expect([name, seen.sort()]).toEqual([
          name,
          failures === 0
            ? ['one a ClosedError', 'one mine ClosedError', 'other a x shared']
            : ['one a ClosedError', 'other a x call'],
        ]);
        expect(started.filter((one) => one.endsWith('mine'))).toEqual([]);
        other.close();
      });
    }
  });

  it('make the calls themselves that the one that is closed had not begun', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler });
      const one = optimizerOn(scheduler, { cache, maxConcurrent: 1 });
      const other = optimizerOn(scheduler, { cache });
      const { call, keys } = noting(5, 'x');
      const seen: string[] = [];
      const note = (name: string) => (outcome: Parameters<typeof shown>[0]) =>
        seen.push(`${name} ${scheduler.now()} ${shown(outcome)}`);
      from<Asked[]>([{ cacheKey: 'busy' }, { cacheKey: 'a' }])
        .pipe(one.optimize(() => NEVER, named))
        .subscribe(note('one'));
      from<Asked[]>([{ cacheKey: 'a' }, { cacheKey: 'a' }])
        .pipe(other.optimize(call, named))
        .subscribe(note('other'));
      timer(2).subscribe(() => {
        one.close();
      });
      scheduler.flush();
      expect(seen.slice(0, 2)).toEqual(['one 2 ClosedError', 'one 2 ClosedError']);
      expect(seen.slice(2)).toEqual(['other 7 x call', 'other 7 x shared']);
      expect(keys).toEqual(['a']);
      other.close();
    });
  });

  it('keep their renewals when another one is closed', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 3, staleWhileRevalidate: 1000 });
      cache.set(keyOf('a'), 'old');
      cache.set(keyOf('b'), 'old');
      const one = optimizerOn(scheduler, { cache });
      const other = optimizerOn(scheduler, { cache });
      const { call, signals } = noting(5, 'x');
      timer(5).subscribe(() => {
        for (const [optimizer, cacheKey] of [
          [one, 'a'],
          [other, 'b'],
        ] as const) {
          of<Asked>({ cacheKey }).pipe(optimizer.optimize(call, named), take(1)).subscribe();
        }
      });
      timer(7).subscribe(() => {
        one.close();
      });
      timer(10.5).subscribe(() => {
        expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
        expect([cache.get(keyOf('a')), cache.get(keyOf('b'))]).toEqual([undefined, 'x']);
      });
      scheduler.flush();
      other.close();
    });
    expect.assertions(2);
  });

  it('may join the renewal of one that is closed then, and are answered', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, defaultTtl: 3, staleWhileRevalidate: 4 });
      cache.set(keyOf('a'), 'old');
      const one = optimizerOn(scheduler, { cache });
      const other = optimizerOn(scheduler, { cache });
      const { call } = noting(5, 'x');
      const seen: string[] = [];
      const ask = (optimizer: LLMCallOptimizer) =>
        of<Asked>({ cacheKey: 'a' })
          .pipe(optimizer.optimize(call, named))
          .subscribe((outcome) => seen.push(`${scheduler.now()} ${shown(outcome)}`));
      timer(5).subscribe(() => ask(one));
      timer(8).subscribe(() => ask(other));
      timer(9).subscribe(() => {
        one.close();
      });
      scheduler.flush();
      expect(seen).toEqual(['5 old stale', '10 x shared']);
      other.close();
    });
  });
});
