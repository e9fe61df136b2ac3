/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, map, of, timer } from 'rxjs';
import { sizeOfAnswer } from '../../lib/cache/answer-size';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallEvent, EvictionReason } from '../../lib/core/events';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime } from '../test-scheduler';

/** A cache without a timer, and why entries left it. */
function noted(config: ResultCacheConfig) {
  const reasons: EvictionReason[] = [];
  const cache = new LLMResultCache({
    sweepInterval: Infinity,
    events: { next: (event) => event.type === 'cache-evicted' && reasons.push(event.reason) },
    ...config,
  });
  const kept = (...keys: string[]) => keys.filter((key) => cache.get(key) !== undefined);
  return { cache, reasons, kept };
}

/** What an entry with a key of one letter takes, besides its answer. */
const overhead = (() => {
  const { cache } = noted({ maxBytes: 1000, sizeOf: () => 0 });
  cache.set('a', 1);
  return cache.stats.bytes;
})();

describe('the bounds of a cache', () => {
  describe('by count', () => {
    it.each([1, 2, 3, 1000])('keep at most %i answers, and the least recently used leave', (maxSize) => {
      const { cache, reasons } = noted({ maxSize });
      for (let number = 0; number < maxSize + 5; number++) {
        cache.set(`k${number}`, number);
      }
      expect(cache.stats).toMatchObject({ size: maxSize, maxSize, evictions: { size: 5, bytes: 0 } });
      expect(reasons).toEqual(['size', 'size', 'size', 'size', 'size']);
      expect(cache.get('k4')).toBeUndefined();
      expect(cache.get('k5')).toBe(5);
    });

    it('of very many answers take no room in advance, and hold', () => {
      const before = process.memoryUsage();
      const { cache, reasons } = noted({ maxSize: Number.MAX_SAFE_INTEGER });
      const after = process.memoryUsage();
      expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
        1_000_000,
      );
      cache.set('a', 1);
      expect(cache.stats).toMatchObject({ size: 1, bytes: 0 });
      const { cache: large, reasons: reasonsOfLarge } = noted({ maxSize: 100_001, maxBytes: 100_000_000 });
      for (let number = 0; number < 100_003; number++) {
        large.set(`k${number}`, number);
      }
      large.set('k100002', 'replaced');
      expect(large.stats.size).toBe(100_001);
      expect(reasonsOfLarge).toEqual(['size', 'size']);
      expect([large.get('k1'), large.get('k2')]).toEqual([undefined, 2]);
      large.set('large', 'x'.repeat(99_999_000));
      expect(new Set(reasonsOfLarge.slice(2))).toEqual(new Set(['size', 'bytes']));
      expect(large.stats.bytes).toBeLessThanOrEqual(100_000_000);
      expect(reasons).toEqual([]);
    });

    it('of very many answers let none leave for one that is replaced', () => {
      const { cache, reasons } = noted({ maxSize: 100_001 });
      for (let number = 0; number < 100_001; number++) {
        cache.set(`k${number}`, number);
      }
      cache.set('k5', 'replaced');
      expect(reasons).toEqual([]);
      cache.set('one more', 1);
      expect(reasons).toEqual(['size']);
    });

    it('count neither bytes nor a replaced answer', () => {
      const { cache, reasons } = noted({ maxSize: 2 });
      cache.set('a', 1);
      cache.set('b', 2);
      cache.set('a', 3);
      expect(cache.stats).toMatchObject({ size: 2, bytes: 0, maxBytes: Infinity });
      expect(reasons).toEqual([]);
      // The replaced one is the most recently used.
      cache.set('c', 4);
      expect(cache.get('a')).toBe(3);
      expect(cache.get('b')).toBeUndefined();
    });
  });

  describe('by bytes', () => {
    it('count key, answer and what an entry takes besides', () => {
      const { cache } = noted({ maxBytes: 10_000 });
      const answer = { text: 'x'.repeat(500) };
      cache.set('some key', answer);
      const { bytes } = cache.stats;
      expect(bytes).toBeGreaterThan(sizeOfAnswer(answer) + sizeOfAnswer('some key'));
      expect(bytes).toBeLessThan(sizeOfAnswer(answer) + sizeOfAnswer('some key') + 250);
      cache.delete('some key');
      expect(cache.stats.bytes).toBe(0);
    });

    it('are never exceeded, whatever is stored', () => {
      const { cache } = noted({ maxBytes: 5000 });
      for (let number = 0; number < 500; number++) {
        cache.set(`k${number % 40}`, 'x'.repeat((number * 7919) % 3000));
        expect(cache.stats.bytes).toBeLessThanOrEqual(5000);
      }
      expect(cache.stats.size).toBeGreaterThan(0);
    });

    it('take the sizes that are given', () => {
      const { cache, reasons, kept } = noted({
        maxBytes: 3 * (100 + overhead),
        sizeOf: (value) => (value as { bytes: number }).bytes,
      });
      for (const key of ['a', 'b', 'c']) {
        cache.set(key, { bytes: 100 });
      }
      expect(cache.stats.bytes).toBe(3 * (100 + overhead));
      cache.get('a');
      cache.set('d', { bytes: 100 });
      expect(kept('a', 'b', 'c', 'd')).toEqual(['a', 'c', 'd']);
      expect(reasons).toEqual(['bytes']);
      // One that is as large as two lets two go.
      cache.set('e', { bytes: 200 + overhead });
      expect(kept('a', 'c', 'd', 'e')).toEqual(['d', 'e']);
      expect(reasons).toEqual(['bytes', 'bytes', 'bytes']);
    });

    it('round sizes up, and count none as less than nothing', () => {
      const { cache } = noted({ maxBytes: 10_000, sizeOf: (value) => value as number });
      cache.set('a', 0.5);
      expect(cache.stats.bytes).toBe(overhead + 1);
      cache.set('a', -1_000_000);
      expect(cache.stats.bytes).toBe(1);
    });

    it('follow a replaced answer that grew or shrank', () => {
      const { cache, reasons, kept } = noted({
        maxBytes: 3 * (100 + overhead),
        sizeOf: (value) => value as number,
      });
      for (const key of ['a', 'b', 'c']) {
        cache.set(key, 100);
      }
      cache.set('a', 50);
      expect(cache.stats.bytes).toBe(3 * overhead + 250);
      cache.set('a', 150);
      expect(reasons).toEqual(['bytes']);
      expect(kept('a', 'b', 'c')).toEqual(['a', 'c']);
    });

    it('do not keep an answer that alone is larger than all may be, and what stood in its place leaves', () => {
      const { cache, reasons, kept } = noted({ maxBytes: 1000 });
      cache.set('a', 'small');
      cache.set('b', 'small');
      cache.set('a', 'x'.repeat(2000));
      expect(kept('a', 'b')).toEqual(['b']);
      expect(reasons).toEqual(['bytes']);
      cache.set('c', 'x'.repeat(2000));
      expect(kept('b', 'c')).toEqual(['b']);
      // It had never come in.
      expect(reasons).toEqual(['bytes']);
    });

    it('count a kept failure, too', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler, maxBytes: 10_000, errorTtl: 100 });
        const call = () => {
          throw new Error('x'.repeat(500));
        };
        of('p')
          .pipe(cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(call)), cache))
          .subscribe();
        expect(cache.stats.size).toBe(1);
        expect(cache.stats.bytes).toBeGreaterThan(500);
      });
    });

    it.each<[string, ResultCacheConfig['sizeOf'], string]>([
      [
        'throws',
        () => {
          throw new Error('cannot be measured');
        },
        'unusable',
      ],
      ['gives NaN', () => NaN, 'unusable'],
      ['gives what is no number', () => undefined as never, 'unusable'],
      ['gives Infinity', () => Infinity, 'bytes'],
    ])('fail no request where sizeOf %s: the answer is not kept', (_name, sizeOf, reason) => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler, maxBytes: 1000, ...(sizeOf && { sizeOf }) });
        const events: CallEvent[] = [];
        const values: unknown[] = [];
        from(['p', 'p', 'q'])
          .pipe(
            cacheLLM(
              (misses$) => misses$.pipe(mergeWithConcurrency((text) => timer(5).pipe(map(() => text)))),
              {
                cache,
                events: { next: (event) => events.push(event) },
              },
            ),
          )
          .subscribe((outcome) => values.push(outcome.ok && outcome.value));
        timer(10).subscribe(() => {
          expect(values).toEqual(['p', 'p', 'q']);
          expect(cache.stats).toMatchObject({ size: 0, bytes: 0 });
          expect(events.filter(({ type }) => type === 'cache-not-kept')).toMatchObject([
            { reason },
            { reason },
          ]);
        });
      });
      expect.assertions(3);
    });

    it('ask sizeOf about answers alone, and only where bytes are bounded', () => {
      const sizeOf = jest.fn(() => 1);
      noted({ sizeOf }).cache.set('a', 'answer');
      expect(sizeOf).not.toHaveBeenCalled();
      noted({ sizeOf, maxBytes: 1000 }).cache.set('a', 'answer');
      expect(sizeOf.mock.calls).toEqual([['answer']]);
    });
  });

  describe('by both', () => {
    const both = () =>
      noted({ maxSize: 3, maxBytes: 4 * (100 + overhead), sizeOf: (value) => value as number });

    it('call it by the count where that alone is full', () => {
      const { cache, reasons } = both();
      for (const key of ['a', 'b', 'c', 'd']) {
        cache.set(key, 10);
      }
      expect(reasons).toEqual(['size']);
    });

    it('call it by the bytes where those alone are full', () => {
      const { cache, reasons } = both();
      cache.set('a', 100);
      cache.set('b', 100);
      cache.set('c', 200 + overhead + 1);
      expect(reasons).toEqual(['bytes']);
      expect(cache.stats.size).toBe(2);
    });

    it('call one by the count and the others by the bytes where both are full', () => {
      const { cache, reasons, kept } = both();
      for (const key of ['a', 'b', 'c']) {
        cache.set(key, 100);
      }
      cache.set('d', 300 + 2 * overhead);
      expect(kept('a', 'b', 'c', 'd')).toEqual(['c', 'd']);
      expect(reasons).toEqual(['size', 'bytes']);
      expect(cache.stats.evictions).toMatchObject({ size: 1, bytes: 1 });
      // Room for the count is there again.
      cache.set('e', 1);
      expect(reasons).toEqual(['size', 'bytes', 'bytes']);
    });

    it('call a replaced answer that grew the cause of bytes, though the count is full', () => {
      const { cache, reasons } = both();
      for (const key of ['a', 'b', 'c']) {
        cache.set(key, 100);
      }
      cache.set('c', 300 + overhead);
      expect(reasons).toEqual(['bytes']);
    });
  });

  describe('by time', () => {
    beforeEach(() => {
      jest.useFakeTimers();
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    const sweeping = (config: ResultCacheConfig = {}) =>
      noted({ sweepInterval: 1000, defaultTtl: 500, ...config });

    it('let a sweep take what has expired, and leave the rest', () => {
      const { cache, reasons } = sweeping();
      cache.set('a', 1);
      cache.set('b', 2, { ttl: 1500 });
      jest.advanceTimersByTime(1000);
      expect(cache.stats).toMatchObject({ size: 1, totalAccesses: 0, evictions: { expired: 1 } });
      jest.advanceTimersByTime(1000);
      expect(cache.stats).toMatchObject({ size: 0, evictions: { expired: 2 } });
      expect(reasons).toEqual(['expired', 'expired']);
      expect(jest.getTimerCount()).toBe(0);
    });

    it.each(['staleWhileRevalidate', 'staleIfError'] as const)(
      'keep what has expired for as long as %s can use it',
      (grace) => {
        const { cache } = sweeping({ [grace]: 1000 });
        cache.set('a', 1);
        jest.advanceTimersByTime(1000);
        expect(cache.stats.size).toBe(1);
        // 1500 is its end.
        jest.advanceTimersByTime(1000);
        expect(cache.stats.size).toBe(0);
      },
    );

    it('free the bytes of what is swept', () => {
      const { cache } = sweeping({ maxBytes: 10_000 });
      cache.set('a', 'x'.repeat(1000));
      expect(cache.stats.bytes).toBeGreaterThan(1000);
      jest.advanceTimersByTime(1000);
      expect(cache.stats.bytes).toBe(0);
    });

    it('sweep again when there is something again', () => {
      const { cache } = sweeping();
      cache.set('a', 1);
      jest.advanceTimersByTime(1000);
      cache.set('b', 2);
      expect(jest.getTimerCount()).toBe(1);
      jest.advanceTimersByTime(1000);
      expect(cache.stats.evictions.expired).toBe(2);
    });

    it('do not take what was stored anew in reaction to another that left', () => {
      let isFirst = true;
      const cache: LLMResultCache = new LLMResultCache({
        sweepInterval: 1000,
        defaultTtl: 500,
        events: {
          next: () => {
            if (isFirst) {
              isFirst = false;
              cache.set('a', 'new');
              cache.set('b', 'new');
            }
          },
        },
      });
      cache.set('a', 'old');
      cache.set('b', 'old');
      jest.advanceTimersByTime(1000);
      expect([cache.get('a'), cache.get('b')]).toEqual(['new', 'new']);
      expect(cache.stats.evictions.expired).toBe(1);
      cache.close();
    });

    it('hold no timer after close, which says nothing of what it lets go', () => {
      const { cache, reasons } = sweeping();
      cache.set('a', 1);
      cache.close();
      expect(jest.getTimerCount()).toBe(0);
      expect(reasons).toEqual([]);
      expect(cache.stats.size).toBe(0);
    });
  });

  it('bear a listener that uses the cache, and tell it nothing twice', () => {
    const seen: string[] = [];
    let number = 0;
    const cache: LLMResultCache = new LLMResultCache({
      maxSize: 2,
      sweepInterval: Infinity,
      events: {
        next: (event) => {
          if (event.type === 'cache-evicted') {
            seen.push(event.reason);
            if (number < 5) {
              cache.set(`from the listener ${++number}`, number);
              cache.get('a');
              cache.delete('b');
            }
          }
        },
      },
    });
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const key of keys) {
      cache.set(key, key);
    }
    const all = [...keys, ...[1, 2, 3, 4, 5].map((one) => `from the listener ${one}`)];
    expect(all.filter((key) => cache.get(key) !== undefined)).toHaveLength(cache.stats.size);
    const { size, deleted } = cache.stats.evictions;
    expect(size + deleted + cache.stats.size).toBe(all.length);
    expect(seen).toHaveLength(size + deleted);
  });

  it('write nothing to the store that a listener has cleared meanwhile', () => {
    const store = new Map<string, string>();
    let clears = 0;
    const cache: LLMResultCache = new LLMResultCache({
      maxSize: 1,
      sweepInterval: Infinity,
      store,
      events: { next: (event) => event.type === 'cache-evicted' && ++clears === 1 && cache.clear() },
    });
    cache.set('a', 1);
    cache.set('b', 2);
    expect(cache.stats.size).toBe(0);
    expect(store.size).toBe(0);
    cache.close();
  });
});
