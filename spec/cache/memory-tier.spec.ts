import * as fc from 'fast-check';
import { LRUCache } from 'lru-cache';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { EvictionReason } from '../../lib/core/events';

const steps = fc.array(
  fc.record({
    do: fc.constantFrom('set', 'set', 'set', 'get', 'get', 'delete', 'clear'),
    key: fc.nat({ max: 11 }),
    bytes: fc.integer({ min: 1, max: 9 }),
  }),
  { maxLength: 120, size: 'max' },
);

describe('memory', () => {
  it.each([
    ['by count', { maxSize: 4 }],
    ['of one', { maxSize: 1 }],
    ['by bytes', { maxSize: 1000, maxBytes: 20 }],
    ['by both', { maxSize: 4, maxBytes: 20 }],
  ])('keeps what lru-cache keeps, bounded %s', (_name, bounds: { maxSize: number; maxBytes?: number }) => {
    // What an entry takes besides its answer.
    const probe = new LLMResultCache({ maxBytes: 1000, sizeOf: () => 0, sweepInterval: Infinity });
    probe.set('0', 'a');
    const overhead = probe.stats.bytes;
    fc.assert(
      fc.property(steps, (given) => {
        const left: EvictionReason[] = [];
        const { maxSize, maxBytes } = bounds;
        const cache = new LLMResultCache({
          maxSize,
          // Every key has one letter, so that all entries have the same overhead.
          ...(maxBytes !== undefined && {
            maxBytes: maxBytes * overhead,
            sizeOf: (value) => value as number,
          }),
          sweepInterval: Infinity,
          events: { next: (event) => event.type === 'cache-evicted' && left.push(event.reason) },
        });
        const leftByLru: string[] = [];
        const lru = new LRUCache<string, number>({
          max: maxSize,
          ...(maxBytes !== undefined && { maxSize: maxBytes * overhead }),
          dispose: (_value, _key, why) => why !== 'set' && leftByLru.push(why),
        });
        for (const step of given) {
          const key = String.fromCharCode(97 + step.key);
          const value = maxBytes === undefined ? step.bytes : (step.bytes - 1) * overhead;
          const size = value + overhead;
          if (step.do === 'set') {
            cache.set(key, value);
            lru.set(key, value, maxBytes === undefined ? undefined : { size });
          } else if (step.do === 'get') {
            expect(cache.get(key)).toBe(lru.get(key));
          } else if (step.do === 'delete') {
            expect(cache.delete(key)).toBe(lru.delete(key));
          } else if (step.key === 0) {
            cache.clear();
            lru.clear();
          }
          const { stats } = cache;
          expect(stats.size).toBe(lru.size);
          expect(stats.bytes).toBe(maxBytes === undefined ? 0 : lru.calculatedSize);
          expect(left.length).toBe(leftByLru.length);
        }
        expect(left.filter((reason) => reason === 'size' || reason === 'bytes').length).toBe(
          leftByLru.filter((why) => why === 'evict').length,
        );
      }),
      { numRuns: 60 },
    );
  });
});
