import { from, of, take } from 'rxjs';
import type { CacheStore } from '../../lib/cache/cache-store';
import { decodeEntry, storeKeyOf } from '../../lib/cache/entry-text';
import { internalsOf, type LLMResultCache } from '../../lib/cache/llm-result-cache';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';
import { answersOver, ScriptedStore, type StoredAnswers } from './scripted-store';

const hangs = () => ({ after: Infinity });

/** A cache that keeps nothing in memory, over a scripted store. */
function cacheOn(scheduler: WatchedTestScheduler, store = new ScriptedStore(scheduler)) {
  return {
    ...answersOver(store, { scheduler }),
    store,
    at: (time: number, work: () => void) => void scheduler.schedule(work, time),
  };
}

/** Makes a store one that lacks a method. */
function without(store: ScriptedStore, ...methods: ('clear' | 'iterator')[]): void {
  for (const method of methods) {
    Object.defineProperty(store, method, { value: undefined });
  }
}

const timersOf = ({ actions }: WatchedTestScheduler) => actions.length;

describe('a cache in front of a store', () => {
  describe('keeps answers as texts', () => {
    it('that come back as they were, with types, times, usage and tags', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, events, at } = cacheOn(scheduler);
        const value = { when: new Date(5), set: new Set([1]), bytes: new Uint8Array([1, 2]), not: NaN };
        const usage = { inputTokens: 1, outputTokens: 2, model: 'm' };
        cache.set('key', value, { ttl: 17, usage, latency: 7, tags: ['a', 'b'] });
        expect(read('key').value).toEqual(value);
        expect(cache.stats).toMatchObject({ savedTokens: 3, savedLatency: 7 });
        expect(cache.stats.store).toMatchObject({ reads: 1, found: 1, writes: 1, failures: 0 });
        expect(decodeEntry(store.texts.get('key'))!.entry.tags).toEqual(['a', 'b']);
        cache.set('for ever', null, { ttl: Infinity });
        at(16, () => expect(read('key').value).toEqual(value));
        at(17, () => expect(read('key').value).toBeUndefined());
        at(1e9, () => {
          expect(read('for ever').value).toBeNull();
          expect(events).toEqual([]);
        });
      });
    });

    it('and takes for absent what it has not written so, or not under this key', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read } = cacheOn(scheduler);
        cache.set('key', { text: 'whole', list: [1, 2, 3] });
        const text = store.texts.get('key')!;
        const fields = JSON.parse(text) as Record<string, unknown>;
        const foreign: unknown[] = [
          ...[
            { ...fields, rxllm: 0 },
            { ...fields, rxllm: '2' },
            { ...fields, key: 'another' },
          ],
          ...[
            { ...fields, freshUntil: null },
            { ...fields, tags: [1] },
            { ...fields, tags: 'a' },
          ],
          ...[{ value: 1 }, [], null, 7],
        ];
        const texts = [
          ...Array.from(text, (_, length) => text.slice(0, length)),
          ...foreign.map((one) => JSON.stringify(one)),
        ];
        for (const one of texts) {
          store.texts.set('key', one);
          expect(read('key').value).toBeUndefined();
        }
        for (const value of [undefined, null, 7, Buffer.from(text), {}, false]) {
          store.behave = () => ({ answers: { value } });
          expect(read('key').value).toBeUndefined();
        }
        expect(cache.stats.store).toMatchObject({ failures: 0, isBypassed: false });
        store.behave = () => ({});
        store.texts.set('key', text);
        expect(read('key').value).toEqual({ text: 'whole', list: [1, 2, 3] });
      });
    });

    it('under keys that any store takes', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read } = cacheOn(scheduler);
        const keys = ['a'.repeat(500), 'a'.repeat(501), 'a\nb', '\u0000', 'ü', '\ud800', '\ud801', 'b c'];
        keys.push(storeKeyOf('a'.repeat(501)));
        for (const key of keys) {
          cache.set(key, key);
        }
        for (const key of keys) {
          expect(read(key).value).toBe(key);
        }
        expect(store.texts.size).toBe(keys.length);
        for (const stored of store.texts.keys()) {
          expect(stored).toMatch(/^[\x20-\x7e]{1,500}$/);
        }
        expect(store.texts.has('a'.repeat(500))).toBe(true);
        // As if two keys had one digest.
        store.texts.set(storeKeyOf('\u0001'), store.texts.get(storeKeyOf('\u0000'))!);
        expect(read('\u0001').value).toBeUndefined();
      });
    });

    it('for whole milliseconds', () => {
      inVirtualTime((scheduler) => {
        const { cache, store } = cacheOn(scheduler);
        for (const ttl of [1000, 0.2, 1e300, Infinity]) {
          cache.set('key', 1, { ttl });
        }
        expect(store.ttls).toEqual([1000, 1, undefined, undefined]);
      });
    });

    it('unless they cannot be written exactly: then the older answer goes, too', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read } = cacheOn(scheduler);
        cache.set('key', 'old');
        class Value {
          readonly text = 'new';
        }
        cache.set('key', new Value());
        expect(store.texts.size).toBe(0);
        expect(read('key').value).toBeUndefined();
        cache.set('another', () => 1);
        expect(cache.stats.store).toMatchObject({ unstorable: 2, writes: 1, failures: 0 });
      });
    });

    it('unless they are too long for the store, which is well all the same', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, events } = cacheOn(scheduler);
        cache.set('key', 'old');
        const set = store.set.bind(store);
        store.set = (key, text, ttl) => {
          if (text.length > 1000) {
            throw new RangeError('too long');
          }
          return set(key, text, ttl);
        };
        for (let time = 0; time < 5; time++) {
          cache.set('key', 'x'.repeat(2000));
        }
        expect(read('key').value).toBeUndefined();
        expect(cache.stats.store).toMatchObject({ unstorable: 5, failures: 0 });
        cache.set('key', 'short');
        expect(read('key').value).toBe('short');
        expect(events).toEqual([]);
      });
    });
  });

  describe('reads', () => {
    it('at once or when the store answers', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 1);
        expect(read('key').answers).toEqual([{ value: 1, at: 0 }]);
        store.behave = () => ({ after: 0 });
        expect(read('key').answers).toEqual([{ value: 1, at: 0 }]);
        store.behave = () => ({ after: 99 });
        const one = read('key');
        at(98, () => expect(one.answers).toEqual([]));
        at(99, () => expect(one.answers).toEqual([{ value: 1, at: 99 }]));
      });
    });

    it('through what throws and rejects, as if nothing were there', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 1);
        store.behave = () => ({ throws: true });
        expect(read('key').value).toBeUndefined();
        store.behave = () => ({ after: 5, rejects: true });
        const one = read('key');
        at(5, () => {
          expect(one.value).toBeUndefined();
          expect(cache.stats.store).toMatchObject({ failures: 2, isBypassed: false });
        });
      });
    });

    it('by a promise', async () => {
      const promised = new Map<string, string>();
      const { cache, read } = answersOver({
        get: (key) => Promise.resolve(promised.get(key)),
        set: (key, text) => Promise.resolve(promised.set(key, text)),
        delete: (key) => Promise.resolve(promised.delete(key)),
      });
      cache.set('key', 1);
      await Promise.resolve();
      await expect(read('key').answer()).resolves.toBe(1);
      cache.close();
    });

    it('nothing for a subscriber who has left, and leaves no timer', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        store.behave = hangs;
        const one = read('key');
        store.behave = () => ({ after: 50 });
        const another = read('key');
        at(10, () => {
          one.cancel();
          another.cancel();
        });
        at(1000, () => {
          expect([one.answers, another.answers]).toEqual([[], []]);
          expect(cache.stats.store).toMatchObject({ timeouts: 0, isBypassed: false });
          expect(timersOf(scheduler)).toBe(0);
        });
      });
    });

    it('whatever a hostile thenable does, once', () => {
      inVirtualTime(() => {
        let then: unknown;
        const { read } = answersOver({ get: () => ({ then }), set: () => true, delete: () => true });
        const thens: unknown[] = [
          (taken: (value: unknown) => void, failed: (error: unknown) => void) => {
            taken('x');
            taken('y');
            failed(new Error('late'));
          },
          (taken: (value: unknown) => void) => {
            taken('x');
            throw new Error('late');
          },
          () => {
            throw new Error('at once');
          },
        ];
        for (const one of thens) {
          then = one;
          expect(read('key').answers).toEqual([{ value: undefined, at: 0 }]);
        }
      });
    });
  });

  describe('bypasses the store', () => {
    it('at the deadline of a look-up, when all look-ups are answered and no more are sent', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, read, at } = cacheOn(scheduler);
        cache.set('key', 1);
        store.behave = hangs;
        const first = read('key');
        let second: ReturnType<typeof read>;
        at(60, () => (second = read('key')));
        at(99, () => expect(first.answers).toEqual([]));
        at(101, () => {
          expect(first.answers).toEqual([{ value: undefined, at: 100 }]);
          expect(second.answers).toEqual([{ value: undefined, at: 100 }]);
          expect(events).toEqual([{ type: 'store-bypassed', at: 100, operation: 'get', reason: 'deadline' }]);
          expect(read('key').answers).toEqual([{ value: undefined, at: 101 }]);
          expect(store.log).toEqual(['set key 0', 'get key 0', 'get key 60']);
          expect(cache.stats.store).toMatchObject({ reads: 2, timeouts: 1, isBypassed: true });
          expect(timersOf(scheduler)).toBe(0);
        });
      });
    });

    it('and answers none of the look-ups that the subscriber takes back by leaving', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, at } = cacheOn(scheduler);
        store.behave = hangs;
        const started: string[] = [];
        from(['one', 'two'])
          .pipe(
            cacheLLM(
              mergeWithConcurrency((request: string) => {
                started.push(request);
                return of('answer');
              }),
              cache,
            ),
            take(1),
          )
          .subscribe();
        at(100, () => {
          expect(started).toEqual(['one']);
          expect(cache[internalsOf].flights.all()).toEqual([]);
        });
      });
    });

    it.each([
      ['a set', 'set', (cache: LLMResultCache) => cache.set('key', 1)],
      ['a delete', 'delete', (cache: LLMResultCache) => cache.delete('key')],
      ['a clear', 'clear', (cache: LLMResultCache) => cache.clear()],
      ['an iterator', 'delete', (cache: LLMResultCache) => cache.invalidate({ prefix: 'k' })],
    ])('for changes at the deadline of %s, 10 s', (_name, operation, act) => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, at } = cacheOn(scheduler);
        store.behave = hangs;
        act(cache);
        at(9999, () => expect(events).toEqual([]));
        at(10_001, () => {
          expect(events).toEqual([{ type: 'store-bypassed', at: 10_000, operation, reason: 'deadline' }]);
          cache.set('another', 1);
          expect(store.log).toHaveLength(1);
        });
      });
    });

    it('after three failures one after the other, and not after fewer', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, read } = cacheOn(scheduler);
        const fail = (times: number) => {
          store.behave = () => ({ throws: true });
          for (let time = 0; time < times; time++) {
            read('key');
          }
          store.behave = () => ({});
        };
        fail(2);
        read('key');
        fail(2);
        read('key');
        expect(events).toEqual([]);
        fail(3);
        expect(cache.stats.store).toMatchObject({ isBypassed: true, failures: 7 });
        expect(events).toMatchObject([{ type: 'store-bypassed', operation: 'get', reason: 'failed' }]);
        expect(events[0]).toHaveProperty('error', new Error('get failed'));
      });
    });

    it('when it blocks for longer than the deadline', () => {
      inVirtualTime((scheduler) => {
        let blocked = 0;
        scheduler.now = () => scheduler.frame + blocked;
        const store: CacheStore = { get: () => void (blocked += 5000), set: () => true, delete: () => true };
        const { read, events } = answersOver(store, { scheduler });
        read('key');
        read('key');
        expect(blocked).toBe(5000);
        expect(events).toMatchObject([{ operation: 'get', reason: 'deadline' }]);
      });
    });

    it('not when it was the process that blocked: an answer that is there is taken first', () => {
      inVirtualTime((scheduler) => {
        let blocked = 0;
        scheduler.now = () => scheduler.frame + blocked;
        const { cache, store, read, events, at } = cacheOn(scheduler);
        cache.set('key', 1);
        let taken: (text: string) => void = () => undefined;
        store.behave = () => ({ answers: { value: { then: (take: typeof taken) => (taken = take) } } });
        const one = read('key');
        at(99, () => (blocked = 1000));
        at(100, () => taken(store.texts.get('key')!));
        at(200, () => {
          expect(one.value).toBe(1);
          expect(events).toEqual([]);
        });
      });
    });

    it('and is as fast as without it after the first deadline, whatever hangs or throws', () => {
      for (const behaviour of [{ after: 5000 }, { after: Infinity }, { throws: true }, { rejects: true }]) {
        inVirtualTime((scheduler) => {
          const { cache, store, read, at } = cacheOn(scheduler);
          store.behave = () => behaviour;
          read('key');
          for (let time = 500; time < 200_000; time += 500) {
            at(time, () => {
              expect(read('key').answers.length === 1 || time % 1000 !== 0).toBe(true);
              cache.set(`key ${time}`, 1);
            });
          }
          at(200_000, () => {
            // It is probed with longer and longer pauses.
            expect(store.count('get')).toBeLessThan(20);
            cache.close();
          });
        });
      }
    });
  });

  describe('reads a store that can only be read', () => {
    it('all that it holds, but for keys that should have changed', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, events, at } = cacheOn(scheduler);
        for (let index = 0; index < 300; index++) {
          cache.set(`known ${index}`, index);
        }
        store.behave = (operation) => (operation === 'get' ? {} : { rejects: true });
        for (let index = 0; index < 1000; index++) {
          at(10 + 100 * index, () => {
            cache.set(`new ${index}`, index);
            expect(read(`known ${index % 300}`).value).toBe(index % 300);
            expect(read(`new ${index}`).value).toBeUndefined();
          });
        }
        at(50_000, () => expect(events).toMatchObject([{ type: 'store-bypassed', operation: 'set' }]));
        at(100_020, () => {
          cache.delete('known 1');
          expect(read('known 1').value).toBeUndefined();
          store.behave = () => ({});
        });
        at(200_000, () => read('known 2'));
        at(200_001, () => {
          expect(events).toMatchObject([{ type: 'store-bypassed' }, { type: 'store-restored' }]);
          expect(store.texts.size).toBe(299);
          cache.set('new 1', 'again');
          expect(read('new 1').value).toBe('again');
        });
      });
    });
  });

  describe('comes back by itself', () => {
    it('when somebody asks after a pause of 1 s that doubles up to 60 s, on the scheduler of a user', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, read, at } = cacheOn(scheduler);
        cache.set('key', 1);
        store.behave = hangs;
        read('key');
        for (let time = 150; time < 400_000; time += 50) {
          at(time, () => read('key'));
        }
        at(200_000, () => (store.behave = () => ({ after: 20 })));
        at(399_999, () => {
          const probes = store.log.filter((line) => line.includes('rxllm:probe'));
          const times = probes.map((line) => Number(line.split(' ').at(-1)));
          expect(times[0]).toBeGreaterThanOrEqual(1100);
          expect(times[0]).toBeLessThan(1200);
          expect(times).toHaveLength(9);
          const pauses = times.slice(1).map((time, index) => time - times[index]!);
          expect(Math.max(...pauses)).toBeLessThan(60_300);
          expect(events.map(({ type }) => type)).toEqual(['store-bypassed', 'store-restored']);
          expect(cache.stats.store!.isBypassed).toBe(false);
        });
      });
    });

    it('by a timer in the background where no scheduler is given', () => {
      jest.useFakeTimers();
      const store: CacheStore = {
        get: () => new Promise(() => undefined),
        set: () => true,
        delete: () => true,
      };
      const { read, events } = answersOver(store);
      read('key');
      jest.advanceTimersByTime(101);
      expect(events.map(({ type }) => type)).toEqual(['store-bypassed']);
      store.get = () => undefined;
      jest.advanceTimersByTime(1001);
      expect(events.map(({ type }) => type)).toEqual(['store-bypassed', 'store-restored']);
      jest.useRealTimers();
    });

    it('without that anyone waits for the probe', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 1);
        store.behave = hangs;
        read('key');
        at(1000, () => (store.behave = () => ({ after: 50 })));
        at(1200, () => {
          expect(read('key').answers).toEqual([{ value: undefined, at: 1200 }]);
          expect(store.count('get rxllm:probe')).toBe(0);
        });
        at(1201, () => expect(store.count('get rxllm:probe')).toBe(1));
        at(1301, () => expect(cache.stats.store!.isBypassed).toBe(false));
      });
    });

    it('and is not held to what fails then of before', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, read, at } = cacheOn(scheduler);
        store.behave = () => ({ after: 5000, rejects: true });
        for (const key of ['a', 'b', 'c', 'd']) {
          read(key);
        }
        at(200, () => (store.behave = () => ({})));
        at(1200, () => read('a'));
        at(6000, () => {
          expect(events.map(({ type }) => type)).toEqual(['store-bypassed', 'store-restored']);
          expect(cache.stats.store).toMatchObject({ failures: 0, timeouts: 1 });
        });
      });
    });

    it('for longer and longer pauses when it hangs again within a minute', () => {
      inVirtualTime((scheduler) => {
        const { store, events, read, at } = cacheOn(scheduler);
        store.behave = (_operation, key) => (key === 'key' ? hangs() : {});
        for (let time = 0; time < 40_000; time += 100) {
          at(time, () => read('key'));
        }
        at(40_000, () => {
          const back = events.filter(({ type }) => type === 'store-restored').map(({ at: when }) => when);
          expect(back).toHaveLength(5);
          expect(back[4]! - back[3]!).toBeGreaterThan(15_000);
        });
      });
    });
  });

  describe('never serves an answer that was replaced or purged', () => {
    it('though a set lands late: operations on one key follow each other', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        store.behave = (operation) => (operation === 'set' ? { after: 50 } : { after: 10 });
        cache.set('key', 1);
        expect(read('key').answers).toEqual([{ value: 1, at: 0 }]);
        at(5, () => {
          cache.delete('key');
          expect(read('key').answers).toEqual([{ value: undefined, at: 5 }]);
          expect(store.log).toEqual(['set key 0']);
        });
        at(55, () => {
          expect(store.log).toEqual(['set key 0', 'delete key 50']);
          expect(read('key').answers).toEqual([{ value: undefined, at: 55 }]);
        });
        at(61, () => {
          const one = read('key');
          at(10, () => expect(one.value).toBeUndefined());
          expect(store.count('get')).toBe(1);
        });
      });
    });

    it('and of many writes under way sends only the last one', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        store.behave = () => ({ after: 50 });
        for (let value = 0; value < 10; value++) {
          cache.set('key', value);
        }
        expect(read('key').value).toBe(9);
        at(200, () => {
          expect(store.count('set')).toBe(2);
          expect(decodeEntry(store.texts.get('key'))!.entry.value).toBe(9);
        });
      });
    });

    it.each<[string, (cache: LLMResultCache) => unknown, unknown]>([
      ['deleted', (cache) => cache.delete('key'), undefined],
      ['cleared', (cache) => cache.clear(), undefined],
      ['invalidated', (cache) => cache.invalidate({ tag: 'a' }), undefined],
      ['not invalidated', (cache) => cache.invalidate({ tag: 'b' }), 'old'],
      ['overwritten', (cache) => cache.set('key', 'new'), undefined],
    ])('to a look-up that was under way when its key was %s', (_name, act, expected) => {
      for (const landsAfter of [0, 50]) {
        inVirtualTime((scheduler) => {
          const { cache, store, read, at } = cacheOn(scheduler);
          cache.set('key', 'old', { tags: ['a'] });
          store.behave = (operation) => (operation === 'get' ? { after: 50, landsAfter } : { after: 50 });
          const one = read('key');
          at(20, () => act(cache));
          at(60, () => expect(one.value).toBe(expected));
        });
      }
    });

    it('to a look-up that was slower than the invalidation of what it brings', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 'old');
        store.behave = (operation) => ({ after: operation === 'get' ? 90 : 5, landsAfter: 0 });
        cache.invalidate({ predicate: ({ value }) => value === 'old' });
        const one = read('key');
        at(80, () => expect(store.texts.size).toBe(0));
        at(95, () => expect(one.value).toBeUndefined());
      });
    });

    it('while changes were bypassed', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, events, at } = cacheOn(scheduler);
        for (const key of ['written', 'deleted', 'kept']) {
          cache.set(key, 'old');
        }
        store.behave = (operation) => (operation === 'get' ? {} : hangs());
        cache.set('first', 'new');
        at(10_500, () => {
          cache.set('written', 'new');
          cache.delete('deleted');
          expect(['written', 'deleted', 'kept'].map((key) => read(key).value)).toEqual([
            undefined,
            undefined,
            'old',
          ]);
        });
        at(11_000, () => (store.behave = () => ({ after: 20 })));
        at(11_200, () => read('nothing'));
        at(11_225, () => {
          // The probe has answered, the deletions have not.
          expect(events.map(({ type }) => type)).toEqual(['store-bypassed', 'store-restored']);
          expect(store.texts.size).toBe(3);
          expect(read('written').answers).toEqual([{ value: undefined, at: 11_225 }]);
          expect(read('deleted').answers).toEqual([{ value: undefined, at: 11_225 }]);
        });
        at(11_300, () => {
          expect([...store.texts.keys()]).toEqual(['kept']);
          cache.set('written', 'newest');
        });
        at(11_350, () => {
          const written = read('written');
          at(20, () => expect(written.value).toBe('newest'));
        });
      });
    });

    it.each([
      ['cleared', (cache: LLMResultCache) => cache.clear(), 0],
      [
        'invalidated',
        (cache: LLMResultCache) => cache.invalidate({ predicate: ({ key }) => key !== 'kept' }),
        1,
      ],
    ])('when all was %s while changes were bypassed, also if that fails at first', (_name, act, left) => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        for (const key of ['a', 'b', 'kept']) {
          cache.set(key, 'old');
        }
        store.behave = (operation) => (operation === 'get' ? {} : hangs());
        cache.delete('another');
        at(10_500, () => act(cache));
        const refuses = (operation: string) =>
          operation === 'clear' || operation === 'next' ? { after: 5, rejects: true } : {};
        at(11_000, () => (store.behave = refuses));
        for (let time = 11_100; time < 30_000; time += 100) {
          at(time, () => expect(read('a').value).toBeUndefined());
        }
        at(15_000, () => expect(store.texts.size).toBe(3));
        at(19_000, () => (store.behave = () => ({})));
        at(40_000, () => read('nothing'));
        at(40_001, () => {
          expect(store.texts.size).toBe(left);
          cache.set('a', 'new');
          expect(read('a').value).toBe('new');
        });
      });
    });

    it.each<[string, (cache: LLMResultCache) => unknown]>([
      ['deleted', (cache) => cache.delete('key')],
      ['invalidated', (cache) => cache.invalidate({ prefix: 'key' })],
      ['written anew', (cache) => cache.set('key', 'newer')],
      ['cleared', (cache) => cache.clear()],
    ])('whose set missed its deadline and lands when the key was %s meanwhile', (_name, act) => {
      for (const time of [5000, 10_500, 12_000]) {
        inVirtualTime((scheduler) => {
          const { cache, store, read, at } = cacheOn(scheduler);
          store.behave = (operation) => (operation === 'set' ? { after: 20_000 } : {});
          cache.set('key', 'old');
          at(time, () => act(cache));
          at(10_500, () => (store.behave = () => ({})));
          for (let one = 12_100; one < 25_000; one += 100) {
            at(one, () => expect(read('key').value).not.toBe('old'));
          }
          at(25_000, () => expect(store.texts.get('key') ?? '').not.toContain('old'));
        });
      }
    });

    it('and serves one whose set was late but is the newest', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        store.behave = (operation) => (operation === 'set' ? { after: 15_000 } : {});
        cache.set('key', 'late');
        at(12_000, () => expect(read('key').value).toBeUndefined());
        at(15_001, () => expect(read('key').value).toBe('late'));
      });
    });

    it('though a set that failed lands all the same, after all was cleared', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        store.behave = (operation) =>
          operation === 'set' ? { after: 10, rejects: true, landsAfter: 50 } : {};
        cache.set('key', 'old');
        at(20, () => cache.clear());
        at(60, () => {
          expect(store.texts.size).toBe(1);
          expect(read('key').value).toBeUndefined();
        });
      });
    });

    it('though the set of its successor failed: the older one is deleted', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read } = cacheOn(scheduler);
        cache.set('key', 'old');
        store.behave = (operation) =>
          operation === 'set' ? { answers: { value: false }, landsAfter: Infinity } : {};
        cache.set('key', 'new');
        expect(store.texts.size).toBe(0);
        expect(read('key').value).toBeUndefined();
        expect(cache.stats.store).toMatchObject({ failures: 1, writes: 1 });
      });
    });

    it('though its deletion failed: it is tried again', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 'old');
        store.behave = () => ({ throws: true });
        cache.delete('key');
        store.behave = () => ({});
        const ask = () => expect(read('key').value).toBeUndefined();
        at(10, ask);
        at(990, () => expect(store.count('delete')).toBe(1));
        at(1010, ask);
        at(1020, () => {
          expect(store.count('delete')).toBe(2);
          expect(store.texts.size).toBe(0);
          expect(cache.stats.store!.isBypassed).toBe(false);
        });
      });
    });

    it('and takes a delete that answers false for done, as there was nothing', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events } = cacheOn(scheduler);
        for (let time = 0; time < 5; time++) {
          cache.delete('key');
        }
        expect(store.count('delete')).toBe(5);
        expect(cache.stats.store!.failures).toBe(0);
        expect(events).toEqual([]);
      });
    });

    it('though the store swallows its errors: calls that ran when it emitted one are in doubt', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, read, at } = cacheOn(scheduler);
        cache.set('key', 'old');
        store.emit(new Error('of nobody'));
        store.behave = () => ({ after: 10, landsAfter: Infinity });
        cache.set('key', 'new');
        at(5, () => store.emit(new Error('swallowed')));
        at(11, () => {
          store.behave = () => ({});
          expect(store.log).toEqual(['set key 0', 'set key 0', 'delete key 10']);
          expect(read('key').value).toBeUndefined();
          expect(cache.stats.store).toMatchObject({ failures: 1, writes: 1 });
        });
        at(25, () => {
          store.behave = () => ({ swallows: true, after: 10 });
          for (const key of ['a', 'b', 'c', 'd', 'e']) {
            cache.delete(key);
          }
        });
        at(40, () => {
          // One error is one failure, however many calls it puts in doubt.
          expect(events).toMatchObject([{ operation: 'delete', reason: 'failed' }]);
          expect(events[0]).toHaveProperty('error', new Error('delete failed'));
        });
      });
    });

    it('though 60,000 keys were written while it was bypassed, more than are remembered', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        const foreign = cacheOn(scheduler, store);
        cache.set('key', 'old');
        cache.set('untouched', 'old');
        foreign.cache.set('foreign', 'old');
        store.behave = (operation) => (operation === 'get' ? {} : { throws: true });
        at(200, () => {
          cache.set('key', 'new');
          for (let index = 0; index < 60_000; index++) {
            cache.set(`key ${index}`, 'new');
          }
          store.behave = () => ({});
        });
        at(5000, () => read('nothing'));
        at(5001, () => {
          expect(store.count('clear')).toBe(0);
          for (const key of ['key', 'untouched', 'foreign']) {
            expect(read(key).value).toBeUndefined();
          }
          expect(foreign.read('foreign').value).toBe('old');
          foreign.cache.set('foreign', 'new');
          expect(read('foreign').value).toBe('new');
        });
      });
    });

    it('though 60,000 keys were deleted while it was bypassed: the store is cleared', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key 0', 'old');
        store.behave = () => ({ throws: true });
        at(200, () => {
          for (let index = 0; index < 60_000; index++) {
            cache.delete(`key ${index}`);
          }
          store.behave = () => ({});
        });
        at(5000, () => read('nothing'));
        at(5001, () => {
          expect(store.texts.size).toBe(0);
          expect(store.count('clear')).toBe(1);
        });
      });
    });
  });

  describe('sends writes', () => {
    it('32 at a time, lets 1,000 wait, and deletes what it must drop', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        store.behave = () => ({ after: 10 });
        for (let index = 0; index < 2000; index++) {
          cache.set(`key ${index}`, index);
        }
        expect(store.count('set')).toBe(32);
        expect(read('key 1031').value).toBe(1031);
        expect(read('key 1032').value).toBeUndefined();
        at(10_000, () => {
          expect(store.count('set')).toBe(1032);
          expect(store.count('delete')).toBe(968);
          expect(cache.stats.store).toMatchObject({ writes: 1032, timeouts: 0, failures: 0 });
        });
      });
    });

    it('through a store that answers at once without a deep stack', () => {
      inVirtualTime((scheduler) => {
        const { cache, store } = cacheOn(scheduler);
        for (let index = 0; index < 20_000; index++) {
          cache.set(`key ${index}`, index);
        }
        expect(store.texts.size).toBe(20_000);
      });
    });
  });

  describe('purges', () => {
    it('all by clear, and writes after it only when it is done', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 'old');
        at(1, () => {
          store.behave = () => ({ after: 20 });
          cache.clear();
        });
        at(2, () => {
          cache.set('key', 'new');
          expect(read('key').value).toBe('new');
          expect(store.log).toEqual(['set key 0', 'clear  1']);
        });
        at(50, () => {
          expect(store.log).toEqual(['set key 0', 'clear  1', 'set key 21']);
          const one = read('key');
          at(20, () => expect(one.value).toBe('new'));
        });
      });
    });

    it('all anew if that is asked for while it is under way, one after the other', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, at } = cacheOn(scheduler);
        store.behave = () => ({ after: 20, landsAfter: 0 });
        cache.clear();
        at(5, () => store.texts.set('of another process', ''));
        at(10, () => cache.clear());
        at(15, () => expect(store.count('clear')).toBe(1));
        at(50, () => {
          expect(store.log).toEqual(['clear  0', 'clear  20']);
          expect(store.texts.size).toBe(0);
        });
      });
    });

    it('by all invalidations that were asked for while it was bypassed, and while one is under way', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
          cache.set(key, key);
        }
        store.behave = hangs;
        cache.invalidate({ prefix: 'a' });
        at(10_500, () => {
          cache.invalidate({ prefix: 'b' });
          store.behave = () => ({ after: 10 });
        });
        at(11_100, () => read('nothing'));
        at(11_150, () => {
          cache.invalidate({ prefix: 'c' });
          cache.invalidate({ prefix: 'd' });
        });
        at(12_000, () => expect([...store.texts.keys()]).toEqual(['e']));
      });
    });

    it('no newer answer that is on its way', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        cache.set('key', 'old', { tags: ['a'] });
        store.behave = (operation) => ({ after: operation === 'set' ? 50 : 5 });
        cache.invalidate({ tag: 'a' });
        cache.set('key', 'new', { tags: ['a'] });
        at(100, () => {
          expect(store.count('delete')).toBe(0);
          const one = read('key');
          at(10, () => expect(one.value).toBe('new'));
        });
      });
    });

    it('what matches, by going through the store, and serves meanwhile what does not', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        const other = cacheOn(scheduler, store);
        cache.set('a1', 'a1', { tags: ['a'] });
        other.cache.set('a2', 'a2', { tags: ['a'] });
        cache.set('b1', 'b1', { tags: ['b'] });
        store.texts.set('foreign', 'no entry');
        store.behave = (operation) => (operation === 'get' ? {} : { after: 10 });
        cache.invalidate({ tag: 'a' });
        const served = () => ['a1', 'a2', 'b1'].map((key) => read(key).value);
        expect(served()).toEqual([undefined, undefined, 'b1']);
        for (const time of [5, 15, 25, 35, 200]) {
          at(time, () => expect(served()).toEqual([undefined, undefined, 'b1']));
        }
        at(200, () => {
          expect([...store.texts.keys()].sort()).toEqual(['b1', 'foreign']);
          expect(store.count('next')).toBe(5);
        });
      });
    });

    it('what cannot be judged, too', () => {
      inVirtualTime((scheduler) => {
        const { cache, store } = cacheOn(scheduler);
        cache.set('a', null);
        cache.invalidate({ predicate: ({ value }) => (value as { text: string }).text === 'x' });
        expect(store.texts.size).toBe(0);
      });
    });

    it('a large store in slices, and no faster than it deletes', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        for (let index = 0; index < 1000; index++) {
          cache.set(`key ${index}`, index);
        }
        cache.invalidate({ prefix: 'key' });
        expect(store.texts.size).toBeGreaterThan(700);
        expect(read('key 999').value).toBeUndefined();
        at(1, () => {
          expect(store.texts.size).toBe(0);
          for (let index = 0; index < 1000; index++) {
            cache.set(`key ${index}`, index);
          }
          store.behave = (operation) => (operation === 'delete' ? { after: 1 } : {});
          cache.invalidate({ prefix: 'key' });
          expect(store.count('next')).toBeLessThan(1100);
        });
        at(100, () => {
          expect(store.texts.size).toBe(0);
          expect(timersOf(scheduler)).toBe(0);
        });
      });
    });

    it('everything if the store cannot list what it holds', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read } = cacheOn(scheduler);
        without(store, 'iterator');
        cache.set('a', 1);
        cache.set('b', 2);
        cache.invalidate({ prefix: 'a' });
        expect(store.count('clear')).toBe(1);
        expect([read('a').value, read('b').value]).toEqual([undefined, undefined]);
      });
    });

    it('by going through a store without clear', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        without(store, 'clear');
        cache.set('a', 1);
        cache.clear();
        at(1, () => {
          cache.set('b', 2);
          expect([...store.texts.keys()]).toEqual(['b']);
          expect(read('b').value).toBe(2);
        });
      });
    });

    it('for the life of the process what it can neither go through nor clear, to the millisecond', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        const other = cacheOn(scheduler, store);
        without(store, 'iterator', 'clear');
        const served = (...keys: string[]) => keys.map((key) => read(key).value);
        cache.set('a', 1);
        other.cache.set('c', 3);
        cache.invalidate({ prefix: 'a' });
        expect(served('a', 'c')).toEqual([undefined, undefined]);
        at(1, () => {
          cache.set('a', 4);
          other.cache.set('c', 5);
          expect(served('a', 'c')).toEqual([4, 5]);
          cache.clear();
          expect(served('a', 'c')).toEqual([undefined, undefined]);
          expect(other.read('c').value).toBe(5);
          expect(store.texts.size).toBe(2);
        });
        at(2, () => {
          other.cache.set('c', 9);
          expect(served('a', 'c')).toEqual([undefined, 9]);
        });
      });
    });

    it('again from the start when the iterator failed', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, read, at } = cacheOn(scheduler);
        for (const key of ['a', 'b', 'c']) {
          cache.set(key, key);
        }
        let steps = 0;
        store.behave = (operation) => ({ throws: operation === 'next' && ++steps === 2 });
        cache.invalidate({ predicate: ({ key }) => key !== 'b' });
        const served = () => ['a', 'b', 'c'].map((key) => read(key).value);
        expect([...store.texts.keys()]).toEqual(['b', 'c']);
        expect(served()).toEqual([undefined, 'b', undefined]);
        at(1001, served);
        at(1002, () => {
          expect([...store.texts.keys()]).toEqual(['b']);
          expect(cache.stats.store).toMatchObject({ failures: 1, isBypassed: false });
        });
      });
    });
  });

  describe('closes', () => {
    it('at once: open look-ups are answered, what waits is sent, and nothing happens later', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, events, read, at } = cacheOn(scheduler);
        store.behave = (operation) => (operation === 'get' ? hangs() : { after: 10 });
        const one = read('key');
        for (let index = 0; index < 100; index++) {
          cache.set(`key ${index}`, index);
        }
        cache.close();
        cache.close();
        expect(one.value).toBeUndefined();
        expect(read('key 99').value).toBeUndefined();
        cache.set('later', 1);
        cache.delete('key 1');
        cache.clear();
        cache.invalidate({ prefix: 'key' });
        at(10_000, () => {
          expect(store.texts.size).toBe(100);
          expect(events).toEqual([]);
          expect(store.listenerCount).toBe(0);
          expect(timersOf(scheduler)).toBe(0);
        });
      });
    });

    it.each<[string, (answers: StoredAnswers) => unknown]>([
      ['a look-up', ({ read }) => read('key')],
      ['a set', ({ cache }) => cache.set('key', 1)],
      ['a clear', ({ cache }) => cache.clear()],
      ['an invalidation', ({ cache }) => cache.invalidate({ prefix: 'key' })],
    ])('with %s that hangs, without a timer', (_name, act) => {
      for (const closesAt of [50, 10_100, 11_500]) {
        inVirtualTime((scheduler) => {
          const answers = cacheOn(scheduler);
          answers.store.behave = hangs;
          act(answers);
          answers.at(closesAt, () => {
            answers.cache.close();
            const asked = answers.store.log.length;
            expect(timersOf(scheduler)).toBe(0);
            answers.at(100_000, () => expect(answers.store.log).toHaveLength(asked));
          });
        });
      }
    });

    it('with a set that fails later, which is deleted then', () => {
      inVirtualTime((scheduler) => {
        const { cache, store, at } = cacheOn(scheduler);
        store.behave = (operation) => (operation === 'set' ? { after: 50, rejects: true } : hangs());
        cache.set('key', 1);
        cache.close();
        at(60, () => {
          expect(store.log).toEqual(['set key 0', 'delete key 50']);
          expect(timersOf(scheduler)).toBe(0);
        });
      });
    });
  });
});
