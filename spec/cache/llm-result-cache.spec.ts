import { freezeAnswer } from '../../lib/cache/freeze';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { EvictionReason } from '../../lib/core/events';
import { inVirtualTime } from '../test-scheduler';

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
        expect(cache.stats.evictions).toEqual({ expired: 2, size: 0, deleted: 0 });
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
    expect(cache.stats.evictions).toEqual({ expired: 0, size: 1, deleted: 0 });
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
    expect(cache.stats.evictions).toEqual({ expired: 0, size: 0, deleted: 1 });
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
    ['defaultTtl', { defaultTtl: 0 }, RangeError],
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

  it('refuses a wrong ttl', () => {
    expect(() => new LLMResultCache().set('a', 1, { ttl: -1 })).toThrow(/ttl/);
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
