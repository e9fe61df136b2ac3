/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { map, of, timer } from 'rxjs';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { shown } from '../operators/cached-calls';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';
import { ScriptedStore } from './scripted-store';

type Asked = CallTraits & { readonly q: number };

/** Asks one question at the given times, with the given traits, of a call of 2 ms; tells what came when. */
function answers(
  config: ResultCacheConfig,
  asked: readonly (readonly [at: number, traits: CallTraits, act?: (cache: LLMResultCache) => void])[],
  scheduler: WatchedTestScheduler,
): string[] {
  const seen: string[] = [];
  const cache = new LLMResultCache({ scheduler, ...config });
  for (const [at, traits, act] of asked) {
    timer(at, scheduler).subscribe(() => {
      act?.(cache);
      of<Asked>({ q: 1, ...traits })
        .pipe(
          cacheLLM(
            (misses$) => misses$.pipe(mergeWithConcurrency(() => timer(2, scheduler).pipe(map(() => 'x')))),
            cache,
          ),
        )
        .subscribe((outcome) => seen.push(`${scheduler.now()} ${shown(outcome)}`));
    });
  }
  scheduler.flush();
  return seen;
}

describe('what a request asks of its answer', () => {
  const forget = (tag: string) => (cache: LLMResultCache) => cache.invalidate({ tag });

  it('adds its tags to an answer that is there', () => {
    inVirtualTime((scheduler) => {
      expect(
        answers(
          {},
          [
            [0, { cacheTags: ['NRDX'] }],
            [5, { cacheTags: ['GOLD', 'NRDX'] }],
            [10, {}, forget('GOLD')],
            [20, { cacheTags: ['OIL'], bypass: { write: true } }],
            [25, {}, forget('OIL')],
          ],
          scheduler,
        ),
      ).toEqual(['2 x call', '5 x cache', '12 x call', '20 x cache', '25 x cache']);
    });
  });

  it('adds its tags to a failure that is kept', () => {
    inVirtualTime((scheduler) => {
      const cache = new LLMResultCache({ scheduler, errorTtl: 1000 });
      let calls = 0;
      const ask = (cacheTags?: string[]) =>
        of({ q: 1, cacheTags })
          .pipe(
            cacheLLM(
              (misses$) =>
                misses$.pipe(
                  mergeWithConcurrency(() => {
                    calls++;
                    throw new Error('bad');
                  }),
                ),
              cache,
            ),
          )
          .subscribe();
      ask();
      ask(['t']);
      expect(calls).toBe(1);
      expect(cache.invalidate({ tag: 't' })).toBe(1);
      ask();
      expect(calls).toBe(2);
    });
  });

  it('shortens the time of an answer that is there', () => {
    inVirtualTime((scheduler) => {
      expect(
        answers(
          {},
          [
            [0, {}],
            [10, { cacheTtl: 100 }],
            [101, {}],
            [110, {}],
            [120, { cacheTtl: 1_000_000 }],
            [200, { cacheTtl: 5 }],
          ],
          scheduler,
        ),
      ).toEqual(['2 x call', '10 x cache', '101 x cache', '112 x call', '120 x cache', '202 x call']);
    });
  });

  it('shortens it, too, if it joins the call, whoever comes first', () => {
    for (const [first, second] of [
      [{}, { cacheTtl: 10 }],
      [{ cacheTtl: 10 }, {}],
      [{ cacheTtl: 50 }, { cacheTtl: 10 }],
      [{ cacheTtl: 10 }, { cacheTtl: 50 }],
    ]) {
      inVirtualTime((scheduler) => {
        const asked = [
          [0, first!],
          [1, second!],
          [11, {}],
          [12, {}],
        ] as const;
        expect(answers({}, asked, scheduler)).toEqual(['2 x call', '2 x shared', '11 x cache', '14 x call']);
      });
    }
  });

  it('is given an old answer while it is renewed, or in place of a failure, as after any other time', () => {
    inVirtualTime((scheduler) => {
      expect(
        answers(
          { staleWhileRevalidate: 1000 },
          [
            [0, {}],
            [50, { cacheTtl: 10 }],
            [60, {}],
          ],
          scheduler,
        ),
      ).toEqual(['2 x call', '50 x stale', '60 x cache']);
    });
  });

  it('is explained', async () => {
    const cache = new LLMResultCache();
    cache.set(cache.keyOf({ q: 1 })!, 'x');
    expect((await cache.explain({ q: 1 })).reason).toBe('fresh');
    expect((await cache.explain({ q: 1, cacheTtl: 0 })).reason).toBe('expired');
    expect((await cache.explain({ q: 1 })).reason).toBe('fresh');
    cache.close();
  });

  describe('holds for the store too', () => {
    it('for its tags', () => {
      inVirtualTime((scheduler) => {
        const store = new ScriptedStore(scheduler);
        expect(
          answers(
            { store, maxSize: 1 },
            [
              [0, {}],
              [5, { cacheTags: ['GOLD'] }],
              // The answer leaves memory.
              [6, { q: 2 } as CallTraits],
              [20, {}],
              [25, { q: 2 } as CallTraits],
              [30, {}, forget('GOLD')],
            ],
            scheduler,
          ),
        ).toEqual(['2 x call', '5 x cache', '8 x call', '20 x cache', '25 x cache', '32 x call']);
      });
    });

    it('for tags that come with the look-up in the store', () => {
      inVirtualTime((scheduler) => {
        const store = new ScriptedStore(scheduler);
        answers({ store }, [[0, {}]], scheduler);
        const again = answers({ store }, [[5, { cacheTags: ['GOLD'] }]], scheduler);
        const last = answers({ store }, [[5, {}, forget('GOLD')]], scheduler);
        expect([again, last].map(([text]) => text!.split(' ').slice(1).join(' '))).toEqual([
          'x cache',
          'x call',
        ]);
      });
    });

    it('for a shorter time', () => {
      inVirtualTime((scheduler) => {
        const store = new ScriptedStore(scheduler);
        const asked = [
          [0, {}],
          [5, { cacheTtl: 10 }],
        ] as const;
        expect(answers({ store }, asked, scheduler)).toEqual(['2 x call', '5 x cache']);
        expect(store.ttls).toEqual([3_600_000, 7]);
        const later = answers({ store }, [[10, {}]], scheduler);
        expect(later[0]).toMatch(/x call$/);
      });
    });

    it('for an answer of the store that is too old for it', () => {
      inVirtualTime((scheduler) => {
        const store = new ScriptedStore(scheduler);
        answers({ store }, [[0, {}]], scheduler);
        const [text] = answers({ store }, [[50, { cacheTtl: 20 }]], scheduler);
        expect(text).toMatch(/x call$/);
      });
    });
  });
});

describe('a store that can only be read', () => {
  it('answers all that it holds, however many answers cannot be written', async () => {
    const texts = new Map<string, string>();
    const namespace = 'n';
    const ask = jest.fn((question: string) => of(`answer to ${question}`));
    const writing = new LLMCallOptimizer({ enableRateLimit: false, cache: { store: texts } });
    const known = Array.from({ length: 30 }, (_, number) => `known ${number}`);
    await writing.callBatch(ask, known, { namespace });
    writing.close();
    const readOnly = () =>
      Promise.reject(new Error('READONLY You cannot write against a read only replica.'));
    const store = {
      get: async (key: string) => Promise.resolve(texts.get(key)),
      set: readOnly,
      delete: readOnly,
      clear: readOnly,
    };
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, cache: { store, maxSize: 5 } });
    const bypassed: string[] = [];
    optimizer.events$.subscribe((event) => event.type === 'store-bypassed' && bypassed.push(event.operation));
    ask.mockClear();
    for (let round = 0; round < 3; round++) {
      for (const [number, question] of known.entries()) {
        await optimizer.call(ask, `new ${round} ${number}`, { namespace });
        await optimizer.call(ask, question, { namespace });
      }
    }
    expect(bypassed).toEqual(['set']);
    expect(ask).toHaveBeenCalledTimes(90);
    expect(ask.mock.calls.every(([question]) => question.startsWith('new'))).toBe(true);
    optimizer.close();
  });
});
