/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { map, of, Subject, throwError, timer, type Observable } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CachedAnswer, CacheSelection } from '../../lib/cache/selection';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';

const entries: Readonly<Record<string, { readonly value: unknown; readonly tags?: readonly string[] }>> = {
  'metal:gold': { value: 'up', tags: ['gold', 'metal'] },
  'metal:silver': { value: 'down', tags: ['metal'] },
  'grain:wheat': { value: 'up' },
};

/** A store that can list what it holds. */
class ListedStore extends Map<string, string> {
  iterator(): Iterable<[string, string]> {
    return this.entries();
  }
}

/** A cache with some answers, one of them in a namespace, and what it says of those that leave. */
function filled(config: ResultCacheConfig = {}) {
  const reasons: string[] = [];
  const cache = new LLMResultCache({
    sweepInterval: Infinity,
    events: { next: (event) => event.type === 'cache-evicted' && reasons.push(event.reason) },
    ...config,
  });
  for (const [key, { value, tags }] of Object.entries(entries)) {
    cache.set(key, value, tags ? { tags } : {});
  }
  const keyInNamespace = cache.keyOf(
    { cacheKey: 'metal:gold', cacheScope: 'tenant', sample: 1 },
    { namespace: 'titles', version: '2' },
  )!;
  cache.set(keyInNamespace, 'Gold up', { tags: ['gold'] });
  const all = [...Object.keys(entries), keyInNamespace];
  /** The keys that are left; `titles` stands for the one in the namespace. */
  const left = () =>
    all.filter((key) => cache.get(key) !== undefined).map((key) => (key === keyInNamespace ? 'titles' : key));
  return { cache, reasons, left };
}

/** One call of 20 ms for a request, and what is asked and done while it runs. */
function inFlight(
  traits: CallTraits,
  answer: unknown,
  act: (at: {
    readonly cache: LLMResultCache;
    readonly ask: (name: string) => void;
    readonly scheduler: WatchedTestScheduler;
  }) => void,
  config: ResultCacheConfig = {},
  call: (count: number) => Observable<unknown> = () => timer(20).pipe(map(() => answer)),
) {
  return inVirtualTime((scheduler) => {
    const cache = new LLMResultCache({ scheduler, ...config });
    const events: CallEvent[] = [];
    const seen: string[] = [];
    let calls = 0;
    const ask = (name: string) =>
      of('request')
        .pipe(
          cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => call(++calls))), {
            cache,
            events: { next: (event) => events.push(event) },
            traits: () => traits,
          }),
        )
        .subscribe((outcome) =>
          seen.push(
            `${scheduler.now()} ${name} ${outcome.ok ? `${String(outcome.value)} ${outcome.source}` : 'failed'}`,
          ),
        );
    ask('first');
    act({ cache, ask: (name) => void ask(name), scheduler });
    const state = { cache, events, seen, calls: () => calls };
    return state;
  });
}

describe('invalidate', () => {
  it.each<[string, CacheSelection, string[]]>([
    ['a tag', { tag: 'metal' }, ['grain:wheat', 'titles']],
    ['a tag, in every namespace', { tag: 'gold' }, ['metal:silver', 'grain:wheat']],
    ['a tag that nothing has', { tag: 'met' }, ['metal:gold', 'metal:silver', 'grain:wheat', 'titles']],
    ['a prefix of the cacheKey, in every namespace', { prefix: 'metal:' }, ['grain:wheat']],
    ['a prefix that is the whole key', { prefix: 'grain:wheat' }, ['metal:gold', 'metal:silver', 'titles']],
    ['every prefix', { prefix: '' }, []],
    [
      'no prefix of the composed key',
      { prefix: 'namespace' },
      ['metal:gold', 'metal:silver', 'grain:wheat', 'titles'],
    ],
    ['a namespace', { namespace: 'titles' }, ['metal:gold', 'metal:silver', 'grain:wheat']],
    ['another namespace', { namespace: 'title' }, ['metal:gold', 'metal:silver', 'grain:wheat', 'titles']],
    ['a predicate', { predicate: ({ value }) => value === 'up' }, ['metal:silver', 'titles']],
    ['tag and prefix', { tag: 'gold', prefix: 'metal:gold' }, ['metal:silver', 'grain:wheat']],
    [
      'tag and namespace',
      { tag: 'gold', namespace: 'titles' },
      ['metal:gold', 'metal:silver', 'grain:wheat'],
    ],
    [
      'prefix and predicate',
      { prefix: 'metal:', predicate: ({ value }) => value === 'up' },
      ['metal:silver', 'grain:wheat', 'titles'],
    ],
    [
      'all four, where one does not apply',
      { tag: 'gold', prefix: 'metal:', namespace: 'titles', predicate: () => false },
      ['metal:gold', 'metal:silver', 'grain:wheat', 'titles'],
    ],
  ])('by %s forgets what everything given applies to, and nothing else', (_name, selection, expected) => {
    const { cache, reasons, left } = filled();
    const count = 4 - expected.length;
    expect(cache.invalidate(selection)).toBe(count);
    expect(left()).toEqual(expected);
    expect(reasons).toEqual(Array.from({ length: count }, () => 'invalidated'));
    expect(cache.stats.evictions).toMatchObject({ invalidated: count, deleted: 0 });
    expect(cache.invalidate(selection)).toBe(0);
  });

  it('shows a predicate the answer, its tags, the parts of its key and when it was stored', () => {
    const seen: CachedAnswer[] = [];
    inVirtualTime((scheduler) => {
      const { cache } = filled({ scheduler });
      timer(5).subscribe(() => {
        cache.invalidate({ predicate: (answer) => seen.push(answer) < 0 });
        expect(cache.stats.size).toBe(4);
      });
    });
    expect(seen.find(({ namespace }) => namespace === 'titles')).toEqual({
      key: 'metal:gold',
      namespace: 'titles',
      version: '2',
      scope: 'tenant',
      sample: 1,
      tags: ['gold'],
      value: 'Gold up',
      storedAt: 0,
    });
    expect(seen.find(({ key }) => key === 'grain:wheat')).toEqual({
      key: 'grain:wheat',
      tags: [],
      value: 'up',
      storedAt: 0,
    });
  });

  it('asks a predicate only of what tag, prefix and namespace apply to', () => {
    const { cache } = filled();
    const seen: string[] = [];
    cache.invalidate({ tag: 'metal', predicate: ({ key }) => seen.push(key) < 0 });
    expect(seen.sort()).toEqual(['metal:gold', 'metal:silver']);
  });

  it('changes nothing where the predicate throws', () => {
    const { cache, reasons, left } = filled();
    const predicate = ({ key }: CachedAnswer) => {
      if (key.startsWith('grain')) {
        throw new Error('cannot tell');
      }
      return true;
    };
    expect(() => cache.invalidate({ predicate })).toThrow('cannot tell');
    expect(left()).toHaveLength(4);
    expect(reasons).toEqual([]);
  });

  it('bears a predicate that reads the cache', () => {
    const { cache } = filled();
    let asked = 0;
    const predicate = ({ key }: CachedAnswer) => {
      if (++asked > 10) {
        throw new Error('it goes on for ever');
      }
      return cache.get(key) === 'up';
    };
    // The one in the namespace has the cacheKey of one that is up, too.
    expect(cache.invalidate({ predicate })).toBe(3);
  });

  it('forgets kept failures by key and tag, and shows no predicate an error as an answer', () => {
    const { cache, seen } = inFlight(
      { cacheKey: 'k', cacheTags: ['down'] },
      undefined,
      ({ cache: one, ask }) => {
        timer(10).subscribe(() => {
          expect(one.invalidate({ predicate: ({ value }) => (value as { done: boolean }).done })).toBe(0);
          expect(one.invalidate({ predicate: ({ value }) => value instanceof Error })).toBe(0);
          expect(one.stats.size).toBe(1);
          expect(one.invalidate({ tag: 'down' })).toBe(1);
          ask('second');
        });
      },
      { errorTtl: 1000 },
      (count) => (count === 1 ? throwError(() => new Error('down')) : of('up')),
    );
    expect(seen).toEqual(['0 first failed', '10 second up call']);
    expect(cache.stats.size).toBe(1);
  });

  it.each([
    ['nothing', undefined, /takes an object/],
    ['null', null, /takes an object/],
    ['a text', 'gold', /takes an object/],
    ['an empty selection', {}, /needs a tag, prefix, namespace or predicate/],
    ['an unknown field alone', { tags: ['gold'] }, /needs a tag, prefix, namespace or predicate/],
    ['a tag that is no text', { tag: 1 }, /tag must be a string/],
    ['a prefix that is no text', { prefix: /a/ }, /prefix must be a string/],
    ['a namespace that is no text', { namespace: {} }, /namespace must be a string/],
    ['a predicate that is no function', { predicate: true }, /predicate must be a function/],
  ])('refuses %s, and forgets nothing', (_name, selection, message) => {
    const { cache } = filled();
    expect(() => cache.invalidate(selection as never)).toThrow(TypeError);
    expect(() => cache.invalidate(selection as never)).toThrow(message);
    expect(cache.stats.size).toBe(4);
  });

  describe('while a call runs', () => {
    const selections: [string, CacheSelection][] = [
      ['tag', { tag: 'metal' }],
      ['prefix', { prefix: 'metal:' }],
      ['a predicate of the key', { predicate: ({ key }) => key === 'metal:gold' }],
      ['a predicate of the tags', { tag: 'metal', predicate: ({ tags }) => tags.includes('gold') }],
    ];

    it.each(selections)('by %s: it is not joined any more, and writes nothing', (_name, selection) => {
      const { cache, events, seen } = inFlight(
        { cacheKey: 'metal:gold', cacheTags: ['metal', 'gold'] },
        'answer',
        ({ cache: one, ask }) =>
          timer(5).subscribe(() => {
            // Nothing is in memory yet.
            expect(one.invalidate(selection)).toBe(0);
            ask('second');
            timer(16).subscribe(() => expect(one.stats.size).toBe(0));
          }),
      );
      expect(seen).toEqual(['20 first answer call', '25 second answer call']);
      expect(events.filter(({ type }) => type === 'cache-not-kept')).toMatchObject([
        { reason: 'fenced', at: 20 },
      ]);
      expect(cache.get('metal:gold')).toBe('answer');
    });

    it('by something else: it is shared and kept', () => {
      const { cache, seen } = inFlight({ cacheKey: 'metal:gold', cacheTags: ['metal'] }, 'answer', (at) =>
        timer(5).subscribe(() => {
          at.cache.invalidate({ tag: 'grain' });
          at.cache.invalidate({ tag: 'grain', predicate: () => true });
          at.cache.invalidate({ prefix: 'grain' });
          at.cache.invalidate({ namespace: 'titles' });
          at.ask('second');
        }),
      );
      expect(seen).toEqual(['20 first answer call', '20 second answer shared']);
      expect(cache.get('metal:gold')).toBe('answer');
    });

    it.each([
      ['it applies to', 'wrong', undefined],
      ['it does not apply to', 'right', 'right'],
    ])('an answer is judged when it lands: one that %s', (_name, answer, kept) => {
      const predicate = jest.fn(({ value }: CachedAnswer) => value === 'wrong');
      const { cache, seen } = inFlight({ cacheKey: 'k' }, answer, ({ cache: one, ask }) =>
        timer(5).subscribe(() => {
          one.invalidate({ predicate });
          // Nobody who asks later may be given what may turn out to be invalid.
          ask('second');
          timer(15.5).subscribe(() => expect(one.get('k')).toBe(kept));
        }),
      );
      expect(seen).toEqual([`20 first ${answer} call`, `25 second ${answer} call`]);
      // The call of the second began after it.
      expect(cache.get('k')).toBe(answer);
      expect(predicate.mock.calls.map(([{ value }]) => value)).toEqual([undefined, answer]);
      expect(predicate.mock.calls[1]![0]).toMatchObject({ key: 'k', storedAt: 20 });
    });

    it('a predicate that expects an answer harms nobody, and one that throws at the landing forgets', () => {
      const { cache, seen } = inFlight({ cacheKey: 'k' }, 'text', ({ cache: one }) =>
        timer(5).subscribe(() => {
          const predicate = ({ value }: CachedAnswer) => (value as { deep: { er: boolean } }).deep.er;
          expect(one.invalidate({ predicate })).toBe(0);
        }),
      );
      expect(seen).toEqual(['20 first text call']);
      expect(cache.stats.size).toBe(0);
    });

    it('a second invalidation is judged as well as the first', () => {
      const { cache } = inFlight({ cacheKey: 'k' }, 'wrong', ({ cache: one }) => {
        timer(5).subscribe(() => one.invalidate({ predicate: ({ value }) => value === 'wrong' }));
        timer(6).subscribe(() => one.invalidate({ predicate: ({ value }) => value === 'other' }));
      });
      expect(cache.stats.size).toBe(0);
    });

    it('aborts a renewal that only the cache waits for', () => {
      const aborted: boolean[] = [];
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler, defaultTtl: 10, staleWhileRevalidate: 100 });
        const requests$ = new Subject<string>();
        const signals: AbortSignal[] = [];
        requests$
          .pipe(
            cacheLLM(
              (misses$) =>
                misses$.pipe(
                  mergeWithConcurrency((_request, { signal }) => {
                    signals.push(signal);
                    return timer(20);
                  }),
                ),
              { cache, traits: () => ({ cacheKey: 'k', cacheTags: ['metal'] }) },
            ),
          )
          .subscribe();
        requests$.next('p');
        timer(40).subscribe(() => requests$.next('p'));
        timer(45).subscribe(() => {
          cache.invalidate({ tag: 'metal' });
          aborted.push(...signals.map((signal) => signal.aborted));
        });
        timer(100).subscribe(() => expect(cache.stats.size).toBe(0));
      });
      expect(aborted).toEqual([false, true]);
    });
  });

  it('reaches the store, and answers that only the store holds', () => {
    const store = new ListedStore();
    const { cache } = filled({ store });
    expect(store.size).toBe(4);
    // As after a restart: memory is empty.
    const restarted = new LLMResultCache({ store, sweepInterval: Infinity });
    expect(restarted.invalidate({ tag: 'gold' })).toBe(0);
    expect([...store.keys()].sort()).toEqual(['grain:wheat', 'metal:silver']);
    expect(restarted.invalidate({ predicate: ({ value }) => value === 'up' })).toBe(0);
    expect([...store.keys()]).toEqual(['metal:silver']);
    cache.close();
    restarted.close();
  });

  it('clears a store that cannot list what it holds', () => {
    const store = new Map<string, string>();
    const { cache, left } = filled({ store });
    expect(cache.invalidate({ tag: 'metal' })).toBe(2);
    expect(left()).toEqual(['grain:wheat', 'titles']);
    expect(store.size).toBe(0);
    cache.close();
  });

  it('is counted alike by the cache and the metrics of an optimizer', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false });
    for (const text of ['a', 'b', 'c']) {
      await optimizer.call(() => of(text), { text, cacheTags: [text === 'c' ? 'kept' : 'gone'] });
    }
    expect(optimizer.cache!.invalidate({ tag: 'gone' })).toBe(2);
    expect(optimizer.getStats().metrics.evictions).toEqual(optimizer.cache!.stats.evictions);
    expect(optimizer.getStats().metrics.evictions.invalidated).toBe(2);
    optimizer.close();
  });
});
