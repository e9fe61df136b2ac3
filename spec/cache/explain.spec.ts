/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { NEVER, of, throwError, timer, type Observable } from 'rxjs';
import type { CacheExplanation } from '../../lib/cache/explanation';
import { LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, WatchedTestScheduler } from '../test-scheduler';
import { SlowStore } from './slow-store';

interface Prompt extends CallTraits {
  readonly prompt: string;
}

class Moment {
  readonly time = 0;
}

/** A cache whose clock is set by hand. */
function cacheAtHand(config: ResultCacheConfig = {}) {
  const scheduler = new WatchedTestScheduler();
  const cache = new LLMResultCache({ scheduler, defaultTtl: 100, ...config });
  const ask = (asked: unknown, answer: () => Observable<unknown>) =>
    of(asked)
      .pipe(cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(answer)), cache))
      .subscribe();
  return { scheduler, cache, ask };
}

const request: Prompt = { prompt: 'What moved gold?', cacheKey: 'k' };

describe('explain', () => {
  it('gives the whole key, as keyOf does, with namespace, version, scope and sample', async () => {
    const { cache } = cacheAtHand();
    const asked = { prompt: 'p', cacheScope: 'tenant', sample: 2 };
    const options = { namespace: 'summaries', version: '3' };
    const { key } = await cache.explain(asked, options);
    expect(key).toBe(cache.keyOf(asked, options));
    expect(key).toContain('summaries');
    expect((await cache.explain('p')).key).toBe(LLMResultCache.generateKey('p'));
    expect((await cache.explain('p', { traits: () => ({ cacheKey: 'mine' }) })).key).toBe('mine');
  });

  it.each<
    [string, Partial<CacheExplanation>, (at: ReturnType<typeof cacheAtHand>) => void, ResultCacheConfig?]
  >([
    ['never-seen', { wouldHit: false }, () => undefined],
    [
      'fresh',
      { wouldHit: true, tier: 'memory', age: 30, freshFor: 70 },
      ({ cache, scheduler }) => {
        scheduler.frame = 10;
        cache.set('k', 1);
        scheduler.frame = 40;
      },
    ],
    [
      'stale',
      { wouldHit: true, tier: 'memory', age: 120, freshFor: -20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 120;
      },
      { staleWhileRevalidate: 50 },
    ],
    [
      'failure',
      { wouldHit: true, tier: 'memory', age: 10, freshFor: 40 },
      ({ ask, scheduler }) => {
        ask(request, () => throwError(() => new Error('no')));
        scheduler.frame = 10;
      },
      { errorTtl: 50 },
    ],
    ['in-flight', { wouldHit: false }, ({ ask }) => ask(request, () => NEVER)],
    [
      'expired',
      { wouldHit: false, at: 100, age: 120, freshFor: -20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 120;
      },
      { staleIfError: 50 },
    ],
    [
      'expired',
      { wouldHit: false, at: 130 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 130;
        // Found to be dead by a look-up.
        cache.get('k');
        scheduler.frame = 200;
      },
    ],
    [
      'size',
      { wouldHit: false, at: 20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 20;
        cache.set('other', 1);
        scheduler.frame = 30;
      },
      { maxSize: 1 },
    ],
    [
      'bytes',
      { wouldHit: false, at: 20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 20;
        cache.set('other', 1);
      },
      { maxBytes: 1000, sizeOf: () => 500 },
    ],
    [
      'bytes',
      { wouldHit: false, at: 0 },
      ({ cache }) => cache.set('k', 'x'.repeat(1000)),
      { maxBytes: 1000 },
    ],
    [
      'unusable',
      { wouldHit: false, at: 0 },
      ({ ask }) => ask(request, () => of('answer')),
      { maxBytes: 1000, sizeOf: () => NaN },
    ],
    [
      'deleted',
      { wouldHit: false, at: 20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 20;
        cache.delete('k');
      },
    ],
    [
      'deleted',
      { wouldHit: false, at: 20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1);
        scheduler.frame = 20;
        cache.clear();
      },
    ],
    [
      'invalidated',
      { wouldHit: false, at: 20 },
      ({ cache, scheduler }) => {
        cache.set('k', 1, { tags: ['metal'] });
        scheduler.frame = 20;
        cache.invalidate({ tag: 'metal' });
      },
    ],
    ['should-cache', { wouldHit: false, at: 0 }, ({ ask }) => ask(request, () => of(''))],
    ['ttl', { wouldHit: false, at: 0 }, ({ ask }) => ask(request, () => of('x')), { defaultTtl: () => 0 }],
    ['ttl', { wouldHit: false, at: 0 }, ({ cache }) => cache.set('k', 'x'), { defaultTtl: () => 0 }],
    [
      'unusable',
      { wouldHit: false, at: 0 },
      ({ ask }) => ask(request, () => of('x')),
      {
        clone: () => {
          throw new Error('cannot');
        },
      },
    ],
    [
      'failed',
      { wouldHit: false, at: 0 },
      ({ ask }) => ask(request, () => throwError(() => new Error('no'))),
    ],
  ])('%s: %o', async (...row) => {
    const [reason, details, prepare, config] = row;
    const hand = cacheAtHand(config);
    prepare(hand);
    const explanation = await hand.cache.explain(request);
    expect(explanation).toMatchObject({ reason, key: 'k', ...details });
    expect(explanation.text).toMatch(/^[A-Z].+\.$/);
    // Nothing but what is true of it.
    expect(Object.keys(explanation).sort()).toEqual(
      ['key', 'reason', 'text', 'wouldHit', ...Object.keys(details)]
        .filter((name, index, all) => all.indexOf(name) === index)
        .sort(),
    );
  });

  it('says that an answer was fenced while its call ran', async () => {
    const cache = inVirtualTime((scheduler) => {
      const fenced = new LLMResultCache({ scheduler });
      of(request)
        .pipe(cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => timer(10))), fenced))
        .subscribe();
      timer(5).subscribe(() => fenced.delete('k'));
      return fenced;
    });
    expect(await cache.explain(request)).toMatchObject({ wouldHit: false, reason: 'fenced', at: 10 });
  });

  it('tells the latest of several reasons, and none of before once an answer is there', async () => {
    const { cache, ask, scheduler } = cacheAtHand();
    cache.set('k', 1);
    cache.delete('k');
    scheduler.frame = 5;
    ask(request, () => throwError(() => new Error('no')));
    expect(await cache.explain(request)).toMatchObject({ reason: 'failed', at: 5 });
    ask(request, () => of('x'));
    expect((await cache.explain(request)).reason).toBe('fresh');
    cache.invalidate({ prefix: '' });
    expect((await cache.explain(request)).reason).toBe('invalidated');
  });

  it.each([
    ['a function', { tools: [{ run: () => 1 }] }, 'request.tools[0].run'],
    ['a class instance', { when: new Moment() }, 'request.when'],
  ])(
    'says at which path %s makes a request go past the cache, and shows no value',
    async (_name, fields, path) => {
      const { cache } = cacheAtHand();
      const explanation = await cache.explain({ prompt: 'a secret', ...fields });
      expect(explanation).toMatchObject({ wouldHit: false, reason: 'bypassed', path, key: undefined });
      expect(explanation.text).toContain(path);
      expect(JSON.stringify(explanation)).not.toContain('secret');
    },
  );

  it('says that a request goes past the cache by its own traits', async () => {
    const { cache } = cacheAtHand();
    cache.set('k', 1);
    expect(await cache.explain({ ...request, cacheKey: false })).toMatchObject({
      wouldHit: false,
      reason: 'bypassed',
      key: undefined,
      text: expect.stringContaining('cacheKey is false') as string,
    });
    expect(await cache.explain({ ...request, bypass: { lookUp: true } })).toMatchObject({
      wouldHit: false,
      reason: 'bypassed',
      key: 'k',
      text: expect.stringContaining('bypass.lookUp') as string,
    });
    expect(await cache.explain({ ...request, bypass: { write: true } })).toMatchObject({ reason: 'fresh' });
  });

  it('changes nothing: neither the statistics, nor the order of use, nor the events', async () => {
    const events: unknown[] = [];
    const { cache, scheduler } = cacheAtHand({ maxSize: 2, events: { next: (event) => events.push(event) } });
    cache.set('k', 1);
    cache.set('newer', 2);
    cache.set('short', 3, { ttl: 1 });
    scheduler.frame = 50;
    events.length = 0;
    const before = cache.stats;
    for (const cacheKey of ['k', 'newer', 'short', 'none']) {
      await cache.explain({ ...request, cacheKey });
    }
    expect(cache.stats).toEqual(before);
    expect(events).toEqual([]);
    const { cache: again } = cacheAtHand({ maxSize: 2 });
    again.set('k', 1);
    again.set('newer', 2);
    await again.explain(request);
    again.set('newest', 3);
    // It was still the least recently used one.
    expect((await again.explain(request)).reason).toBe('size');
  });

  it('refuses wrong options', () => {
    const { cache } = cacheAtHand();
    expect(() => cache.explain('p', { traits: 1 as never })).toThrow(/traits/);
    expect(() => cache.explain('p', { namespace: 1 as never })).toThrow(/namespace/);
    expect(() => cache.keyOf('p', { version: {} as never })).toThrow(/version/);
  });

  describe('with a store', () => {
    /** Two caches over one store, as one process after another; the first one has kept an answer at 0. */
    function restarted(config: ResultCacheConfig = {}) {
      const store = new Map<string, string>();
      const first = cacheAtHand({ ...config, store });
      first.cache.set('k', 1);
      const second = cacheAtHand({ ...config, store });
      return { ...second, store };
    }

    it('finds what only the store holds, and leaves it there', async () => {
      const { cache, scheduler } = restarted();
      scheduler.frame = 40;
      const explanation = { wouldHit: true, reason: 'fresh', tier: 'store', age: 40, freshFor: 60, key: 'k' };
      expect(await cache.explain(request)).toMatchObject(explanation);
      expect(cache.stats).toMatchObject({ size: 0, totalAccesses: 0 });
      expect(await cache.explain(request)).toMatchObject(explanation);
    });

    it('tells stale from expired there', async () => {
      const { cache, scheduler } = restarted({ staleWhileRevalidate: 50, staleIfError: 200 });
      scheduler.frame = 120;
      expect(await cache.explain(request)).toMatchObject({ wouldHit: true, reason: 'stale', freshFor: -20 });
      scheduler.frame = 170;
      expect(await cache.explain(request)).toMatchObject({
        wouldHit: false,
        reason: 'expired',
        tier: 'store',
        at: 100,
        age: 170,
      });
    });

    it('prefers what memory holds', async () => {
      const { cache } = restarted();
      cache.set('k', 2);
      expect(await cache.explain(request)).toMatchObject({ reason: 'fresh', tier: 'memory' });
    });

    it('says what became of an answer that neither holds', async () => {
      const { cache, store } = restarted();
      store.clear();
      expect((await cache.explain(request)).reason).toBe('never-seen');
      cache.set('k', 1);
      cache.delete('k');
      expect((await cache.explain(request)).reason).toBe('deleted');
    });

    it('answers from memory alone while the store is bypassed', async () => {
      const { cache } = cacheAtHand({ store: new SlowStore(0, () => 'throws') });
      for (let number = 0; number < 5; number++) {
        await cache.explain({ ...request, cacheKey: `k${number}` });
      }
      expect(cache.stats.store).toMatchObject({ isBypassed: true, reads: 3 });
      expect((await cache.explain(request)).reason).toBe('never-seen');
      cache.close();
    });

    it('answers when the cache is closed', async () => {
      const { cache } = restarted();
      cache.close();
      expect((await cache.explain(request)).wouldHit).toBe(false);
    });
  });

  it('knows the traits reader and the namespaces of an optimizer', async () => {
    const optimizer = new LLMCallOptimizer({
      enableRateLimit: false,
      traits: ({ id }: { id: string }) => ({ cacheKey: id }),
    });
    const ask = () => of('answer');
    await optimizer.call(ask, { id: 'a' }, { namespace: 'titles' });
    const named = await optimizer.explain(ask, { id: 'a' }, { namespace: 'titles' });
    expect(named).toMatchObject({ reason: 'fresh', key: 'namespace(6):titles:a' });
    expect(await optimizer.explain(ask, { id: 'a' })).toMatchObject({ reason: 'never-seen' });
    optimizer.close();
    const uncached = new LLMCallOptimizer({ enableCache: false, enableRateLimit: false });
    expect(await uncached.explain(ask, { id: 'p' })).toBeUndefined();
    uncached.close();
  });

  it('remembers about as many departures as answers may be kept', async () => {
    const cache = new LLMResultCache({ maxSize: 10 });
    const keyOf = (number: number) => `k${number}`;
    for (let number = 0; number < 100; number++) {
      cache.set(keyOf(number), number);
    }
    const reasons = await Promise.all(
      Array.from({ length: 100 }, async (_, number) => {
        const { reason } = await cache.explain(
          { cacheKey: keyOf(number) },
          { traits: ({ cacheKey }) => ({ cacheKey }) },
        );
        return reason;
      }),
    );
    const remembered = reasons.filter((reason) => reason === 'size').length;
    expect(remembered).toBeGreaterThanOrEqual(5);
    expect(remembered).toBeLessThanOrEqual(10);
    expect(reasons.slice(85, 90)).toEqual(Array(5).fill('size'));
    expect(reasons[0]).toBe('never-seen');
    cache.close();
  });
});
