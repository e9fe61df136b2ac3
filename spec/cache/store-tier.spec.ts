import type { CacheEntry } from '../../lib/cache/cache-entry';
import type { CacheStore } from '../../lib/cache/cache-store';
import { decodeEntry, storeKeyOf } from '../../lib/cache/entry-text';
import { StoreTier, type StoreEvent } from '../../lib/cache/store-tier';
import type { Clock } from '../../lib/core/clock';
import { clockFrom } from '../../lib/core/scheduler-clock';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';
import { countedClock, ScriptedStore } from './scripted-store';

const deadline = 100;

function entryOf(value: unknown, change: Partial<CacheEntry> = {}): CacheEntry {
  return {
    value,
    storedAt: 0,
    freshUntil: Infinity,
    usage: undefined,
    latency: 5,
    tags: [],
    ...change,
  };
}

interface Options {
  readonly deadline?: number;
  /** Whether the clock has timers in the background. */
  readonly background?: boolean;
  readonly store?: CacheStore;
}

/** A tier over a scripted store, with everything it says. */
function tierOn(scheduler: WatchedTestScheduler, options: Options = {}) {
  const store = new ScriptedStore(scheduler);
  const clock = countedClock(scheduler, options.background ?? false);
  const events: StoreEvent[] = [];
  const tier = new StoreTier({
    store: options.store ?? store,
    clock,
    deadline: options.deadline ?? deadline,
    notify: (event) => events.push(event),
  });
  /** What came of a look-up: the value and when, or `undefined` as long as there is no answer. */
  const read = (key: string) => {
    const answers: { value: unknown; at: number }[] = [];
    const cancel = tier.read(key, (entry) => answers.push({ value: entry?.value, at: scheduler.now() }));
    return {
      cancel,
      answers,
      get value() {
        expect(answers).toHaveLength(1);
        return answers[0]!.value;
      },
    };
  };
  const at = (time: number, work: () => void) => scheduler.schedule(work, time);
  const every = (interval: number, until: number, work: () => void) =>
    scheduler.schedule(function () {
      work();
      if (scheduler.now() + interval < until) {
        this.schedule(undefined, interval);
      }
    }, interval);
  return { store, tier, clock, events, read, at, every };
}

const hangs = () => ({ after: Infinity });

/** A clock on which so much more time has passed. */
function aheadOf(clock: Clock, by: () => number): Clock {
  return {
    now: () => clock.now() + by(),
    schedule: (delay, task, options) => clock.schedule(delay, task, options),
  };
}

describe('StoreTier', () => {
  describe('keeps entries as texts', () => {
    it('that come back as they were, with types, times, usage and tags', () => {
      inVirtualTime((scheduler) => {
        const { tier, store } = tierOn(scheduler);
        const entry = entryOf(
          { when: new Date(5), set: new Set([1]), bytes: new Uint8Array([1, 2]), none: undefined, not: NaN },
          {
            storedAt: 3,
            freshUntil: 17.5,
            usage: { inputTokens: 1, outputTokens: 2, model: 'm' },
            tags: ['a', 'b'],
          },
        );
        tier.write('key', entry, undefined);
        let found: CacheEntry | undefined;
        tier.read('key', (one) => (found = one));
        expect(found).toEqual(entry);
        expect(JSON.parse(store.texts.get('key')!)).toMatchObject({ rxllm: 1, key: 'key' });

        tier.write('for ever', entryOf(undefined), undefined);
        tier.read('for ever', (one) => (found = one));
        expect(found).toEqual(entryOf(undefined));
        expect(found!.freshUntil).toBe(Infinity);
        expect(tier.statistics).toMatchObject({ reads: 2, found: 2, writes: 2, failures: 0 });
      });
    });

    it('and takes for absent what it has not written so, or not under this key', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        tier.write('key', entryOf({ text: 'whole', list: [1, 2, 3] }), undefined);
        const text = store.texts.get('key')!;
        for (let length = 0; length < text.length; length++) {
          store.texts.set('key', text.slice(0, length));
          expect(read('key').value).toBeUndefined();
        }
        const fields = JSON.parse(text) as Record<string, unknown>;
        const foreign: unknown[] = [
          { ...fields, rxllm: 0 },
          { ...fields, rxllm: '1' },
          { ...fields, key: 'another' },
          { ...fields, freshUntil: null },
          { ...fields, tags: [1] },
          { ...fields, tags: 'a' },
          { ...fields, writer: 1 },
          { value: 1 },
          [],
          null,
          7,
        ];
        for (const one of foreign) {
          store.texts.set('key', JSON.stringify(one));
          expect(read('key').value).toBeUndefined();
        }
        for (const value of [undefined, null, 7, Buffer.from(text), {}, false]) {
          store.behave = () => ({ answers: { value } });
          expect(read('key').value).toBeUndefined();
        }
        expect(tier.statistics).toMatchObject({ failures: 0, isBypassed: false });
        store.behave = () => ({});
        store.texts.set('key', text);
        expect(read('key').value).toEqual({ text: 'whole', list: [1, 2, 3] });
      });
    });

    it('under keys that any store takes', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        const keys = ['a'.repeat(500), 'a'.repeat(501), 'a\nb', '\u0000', 'ü', '\ud800', '\ud801', '', 'b c'];
        keys.push(storeKeyOf('a'.repeat(501)));
        for (const key of keys) {
          tier.write(key, entryOf(key), undefined);
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
        expect(decodeEntry(store.texts.get(storeKeyOf('\u0000')))?.key).toBe('\u0000');
      });
    });

    it('for whole milliseconds, and not at all when their time has passed', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        for (const ttl of [undefined, 1000, 0.2, 1e300, Infinity]) {
          tier.write('key', entryOf(1), ttl);
        }
        expect(store.ttls).toEqual([undefined, 1000, 1, undefined, undefined]);
        tier.write('key', entryOf(2), 0);
        expect(read('key').value).toBeUndefined();
        expect(store.texts.size).toBe(0);
      });
    });

    it('unless they cannot be written exactly: then the older answer goes, too', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        class Answer {
          readonly text = 'new';
        }
        tier.write('key', entryOf('old'), undefined);
        tier.write('key', entryOf(new Answer()), undefined);
        expect(store.texts.size).toBe(0);
        expect(read('key').value).toBeUndefined();
        tier.write(
          'another',
          entryOf(() => 1),
          undefined,
        );
        expect(tier.statistics).toMatchObject({ unstorable: 2, writes: 1, failures: 0 });
      });
    });
  });

  describe('reads', () => {
    it('at once where the store answers at once, and when it answers where it does not', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        tier.write('key', entryOf(1), undefined);
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
        const { tier, store, read, at } = tierOn(scheduler);
        tier.write('key', entryOf(1), undefined);
        store.behave = () => ({ throws: true });
        expect(read('key').value).toBeUndefined();
        store.behave = () => ({ after: 5, rejects: true });
        const one = read('key');
        at(5, () => {
          expect(one.value).toBeUndefined();
          expect(tier.statistics).toMatchObject({ failures: 2, isBypassed: false });
        });
      });
    });

    it('by a promise', async () => {
      const promised = new Map<string, string>();
      const store: CacheStore = {
        get: (key) => Promise.resolve(promised.get(key)),
        set: (key, text) => Promise.resolve(promised.set(key, text)),
        delete: (key) => Promise.resolve(promised.delete(key)),
      };
      const tier = new StoreTier({ store, clock: clockFrom(), deadline, notify: () => undefined });
      tier.write('key', entryOf(1), undefined);
      await Promise.resolve();
      const entry = await new Promise<CacheEntry | undefined>((resolve) => tier.read('key', resolve));
      expect(entry?.value).toBe(1);
      tier.close();
    });

    it('nothing for who has left, and leaves no timer', () => {
      inVirtualTime((scheduler) => {
        const { store, tier, clock, read, at } = tierOn(scheduler);
        store.behave = hangs;
        const one = read('key');
        const late = { after: 50 };
        store.behave = () => late;
        const another = read('key');
        at(10, () => {
          one.cancel();
          one.cancel();
          another.cancel();
          expect(clock.held).toBe(0);
        });
        at(1000, () => {
          expect([one.answers, another.answers]).toEqual([[], []]);
          expect(tier.statistics).toMatchObject({ timeouts: 0, isBypassed: false });
        });
      });
    });

    it('whatever a hostile thenable does, once', () => {
      inVirtualTime((scheduler) => {
        let then: unknown;
        const store: CacheStore = {
          get: () => ({ then }),
          set: () => true,
          delete: () => true,
        };
        const { read } = tierOn(scheduler, { store });
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
    it('at the deadline of an operation, when all look-ups are answered and no more are sent', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, clock, events, read, at } = tierOn(scheduler);
        tier.write('key', entryOf(1), undefined);
        store.behave = hangs;
        const first = read('key');
        expect(clock.held).toBe(1);
        let second: ReturnType<typeof read>;
        at(60, () => (second = read('key')));
        at(99, () => expect([tier.isBypassed, first.answers]).toEqual([false, []]));
        at(100, () => {
          expect(first.answers).toEqual([{ value: undefined, at: 100 }]);
          expect(second.answers).toEqual([{ value: undefined, at: 100 }]);
          expect(tier.isBypassed).toBe(true);
          expect(events).toEqual([{ type: 'store-bypassed', at: 100, operation: 'get', reason: 'deadline' }]);
          expect(read('key').answers).toEqual([{ value: undefined, at: 100 }]);
          tier.write('another', entryOf(2), undefined);
          expect(store.log).toEqual(['set key 0', 'get key 0', 'get key 60']);
          expect(tier.statistics).toMatchObject({ reads: 2, timeouts: 1, isBypassed: true });
        });
        at(101, () => expect(clock.held).toBe(0));
      });
    });

    it.each([
      ['a set', 'set', (tier: StoreTier) => tier.write('key', entryOf(1), undefined)],
      ['a delete', 'delete', (tier: StoreTier) => tier.delete('key')],
      ['a clear', 'clear', (tier: StoreTier) => tier.clear()],
      ['an iterator', 'delete', (tier: StoreTier) => tier.invalidate(() => true)],
    ])('at the deadline of %s', (_name, operation, act) => {
      inVirtualTime((scheduler) => {
        const { tier, store, events, at } = tierOn(scheduler);
        store.behave = hangs;
        act(tier);
        at(99, () => expect(events).toEqual([]));
        at(101, () =>
          expect(events).toEqual([{ type: 'store-bypassed', at: 100, operation, reason: 'deadline' }]),
        );
      });
    });

    it('after three failures one after the other, and not after fewer', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, events, read } = tierOn(scheduler);
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
        expect(tier.isBypassed).toBe(false);
        fail(3);
        expect(tier.isBypassed).toBe(true);
        expect(events).toMatchObject([{ type: 'store-bypassed', operation: 'get', reason: 'failed' }]);
        expect(events[0]).toHaveProperty('error', new Error('get failed'));
      });
    });

    it('when it blocks for longer than the deadline', () => {
      inVirtualTime((scheduler) => {
        let blocked = 0;
        const clock = clockFrom(scheduler);
        const store: CacheStore = { get: () => void (blocked += 5000), set: () => true, delete: () => true };
        const events: StoreEvent[] = [];
        const tier = new StoreTier({
          store,
          clock: aheadOf(clock, () => blocked),
          deadline,
          notify: (event) => events.push(event),
        });
        tier.read('key', () => undefined);
        tier.read('key', () => undefined);
        expect(blocked).toBe(5000);
        expect(events).toMatchObject([{ operation: 'get', reason: 'deadline' }]);
      });
    });

    it('not when it was the process that blocked: what has been answered is taken first', () => {
      inVirtualTime((scheduler) => {
        let blocked = 0;
        const clock = clockFrom(scheduler);
        const { store, at } = tierOn(scheduler);
        const events: StoreEvent[] = [];
        const tier = new StoreTier({
          store,
          clock: aheadOf(clock, () => blocked),
          deadline,
          notify: (event) => events.push(event),
        });
        tier.write('key', entryOf(1), undefined);
        let taken: (text: string) => void = () => undefined;
        store.behave = () => ({ answers: { value: { then: (take: typeof taken) => (taken = take) } } });
        const found: unknown[] = [];
        tier.read('key', (entry) => found.push(entry?.value));
        at(99, () => (blocked = 1000));
        at(100, () => taken(store.texts.get('key')!));
        at(200, () => {
          expect(found).toEqual([1]);
          expect(events).toEqual([]);
          tier.read('key', (entry) => found.push(entry?.value));
          tier.read('key', (entry) => found.push(entry?.value));
        });
        at(299, () => (blocked = 2000));
        at(301, () => {
          expect(found).toEqual([1, undefined, undefined]);
          expect(events).toMatchObject([{ type: 'store-bypassed', reason: 'deadline' }]);
          expect(tier.statistics.timeouts).toBe(1);
          tier.close();
        });
      });
    });

    it('and is as fast as without it after the first deadline, whatever hangs or throws', () => {
      for (const behaviour of [{ after: 5000 }, { after: Infinity }, { throws: true }, { rejects: true }]) {
        inVirtualTime((scheduler) => {
          const { tier, store, read, at, every } = tierOn(scheduler, { background: true });
          store.behave = () => behaviour;
          read('key');
          every(500, 200_000, () => {
            expect(read('key').answers).toHaveLength(1);
            tier.write(`key ${scheduler.now()}`, entryOf(1), undefined);
          });
          at(200_000, () => {
            expect(store.log.length).toBeLessThan(20);
            tier.close();
          });
        });
      }
    });
  });

  describe('comes back by itself', () => {
    it.each([
      ['a timer in the background', true],
      ['whoever comes by', false],
    ])('by %s, after a pause of 1 s that doubles up to 60 s', (_name, background) => {
      inVirtualTime((scheduler) => {
        const { tier, store, events, read, at, every } = tierOn(scheduler, { background });
        tier.write('key', entryOf(1), undefined);
        store.behave = hangs;
        read('key');
        if (!background) {
          every(50, 400_000, () => read('key'));
        }
        at(200_000, () => (store.behave = () => ({ after: 20 })));
        at(399_999, () => {
          const probes = store.log.filter((line) => line.includes('rxllm:probe'));
          // Each pause begins when the probe before it was overdue; whoever comes by does so every 50 ms.
          expect(probes.map((line) => Number(line.split(' ').at(-1)))).toEqual([
            1100, 3200, 7300, 15_400, 31_500, 63_600, 123_700, 183_800, 243_900, 243_920,
          ]);
          expect(events.map(({ type }) => type)).toEqual(['store-bypassed', 'store-restored']);
          expect(tier.isBypassed).toBe(false);
          tier.close();
        });
      });
    });

    it('without that anyone waits for the probe', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        tier.write('key', entryOf(1), undefined);
        store.behave = hangs;
        read('key');
        at(1000, () => (store.behave = () => ({ after: 50 })));
        at(1200, () => {
          expect(read('key').answers).toEqual([{ value: undefined, at: 1200 }]);
          expect(store.count('delete')).toBe(0);
        });
        at(1201, () => expect(store.count('delete')).toBe(1));
        at(1301, () => expect(tier.isBypassed).toBe(false));
      });
    });

    it('only when the probe answers in time, though no timer watches over it', () => {
      inVirtualTime((scheduler) => {
        const { store, tier, events, read, at } = tierOn(scheduler);
        store.behave = hangs;
        read('key');
        at(1000, () => (store.behave = () => ({ after: 101 })));
        at(1200, () => read('key'));
        at(2000, () => {
          expect(events).toHaveLength(1);
          expect(tier.isBypassed).toBe(true);
        });
      });
    });

    it('not when it answers look-ups only', () => {
      inVirtualTime((scheduler) => {
        const { store, tier, read, at } = tierOn(scheduler, { background: true });
        store.behave = hangs;
        read('key');
        at(1000, () => (store.behave = (operation) => (operation === 'get' ? {} : { throws: true })));
        at(10_000, () => {
          expect(tier.isBypassed).toBe(true);
          tier.close();
        });
      });
    });

    it('and is not held to what fails then of before', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, events, read, at } = tierOn(scheduler, { background: true });
        store.behave = () => ({ after: 5000, rejects: true });
        for (const key of ['a', 'b', 'c', 'd']) {
          read(key);
          tier.write(key, entryOf(1), undefined);
        }
        at(200, () => (store.behave = () => ({})));
        at(6000, () => {
          expect(events.map(({ type }) => type)).toEqual(['store-bypassed', 'store-restored']);
          expect(tier.statistics).toMatchObject({ failures: 0, timeouts: 1 });
          expect(read('a').value).toBeUndefined();
          tier.close();
        });
      });
    });

    it('for longer and longer pauses when it hangs again within a minute', () => {
      inVirtualTime((scheduler) => {
        const { store, tier, events, read, at, every } = tierOn(scheduler, { background: true });
        store.behave = (_operation, key) => (key === 'key' ? hangs() : {});
        read('key');
        every(100, 40_000, () => read('key'));
        at(30_000, () => {
          expect(events.filter(({ type }) => type === 'store-restored').map(({ at: when }) => when)).toEqual([
            1100, 3200, 7300, 15_400,
          ]);
          tier.close();
        });
      });
    });
  });

  describe('never serves an answer that was replaced or purged', () => {
    it('though a set lands late: operations on one key follow each other', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = (operation) => (operation === 'set' ? { after: 50 } : { after: 10 });
        tier.write('key', entryOf(1), undefined);
        expect(read('key').answers).toEqual([{ value: 1, at: 0 }]);
        at(5, () => {
          tier.delete('key');
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
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = () => ({ after: 50 });
        for (let value = 0; value < 10; value++) {
          tier.write('key', entryOf(value), undefined);
        }
        expect(read('key').value).toBe(9);
        at(200, () => {
          expect(store.count('set')).toBe(2);
          expect(decodeEntry(store.texts.get('key'))!.entry.value).toBe(9);
        });
      });
    });

    it.each([
      ['deleted', (tier: StoreTier) => tier.delete('key'), undefined],
      ['cleared', (tier: StoreTier) => tier.clear(), undefined],
      ['invalidated', (tier: StoreTier) => tier.invalidate(({ tags }) => tags.includes('a')), undefined],
      ['not invalidated', (tier: StoreTier) => tier.invalidate(({ tags }) => tags.includes('b')), 'old'],
      ['overwritten', (tier: StoreTier) => tier.write('key', entryOf('new'), undefined), 'new'],
      [
        'overwritten and deleted',
        (tier: StoreTier) => {
          tier.write('key', entryOf('new'), undefined);
          tier.delete('key');
        },
        undefined,
      ],
      [
        'overwritten and invalidated',
        (tier: StoreTier) => {
          tier.write('key', entryOf('new'), undefined);
          tier.invalidate(({ value }) => value === 'new');
        },
        undefined,
      ],
    ])('to a look-up that was under way when its key was %s', (_name, act, expected) => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        tier.write('key', entryOf('old', { tags: ['a'] }), undefined);
        store.behave = (operation) => (operation === 'get' ? { after: 50, landsAfter: 0 } : {});
        const one = read('key');
        at(20, () => act(tier));
        at(60, () => expect(one.value).toBe(expected));
      });
    });

    it('that is invalidated in the moment in which the store fails once too often', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = (operation) => (operation === 'get' ? { after: 50 } : { throws: true });
        const one = read('key');
        at(10, () => {
          tier.write('key', entryOf('new'), undefined);
          expect(tier.isBypassed).toBe(false);
          tier.invalidate(({ value }) => value === 'new');
          expect(tier.isBypassed).toBe(true);
          expect(one.answers).toEqual([{ value: undefined, at: 10 }]);
        });
      });
    });

    it('while the store was bypassed', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        for (const key of ['written', 'deleted', 'kept', 'read']) {
          tier.write(key, entryOf('old'), undefined);
        }
        store.behave = hangs;
        read('read');
        at(500, () => {
          tier.write('written', entryOf('new'), undefined);
          tier.delete('deleted');
          expect(read('written').value).toBeUndefined();
        });
        at(1000, () => (store.behave = () => ({ after: 20 })));
        at(1145, () => {
          // The probe has answered, the deletions have not.
          expect(tier.isBypassed).toBe(false);
          expect(store.texts.size).toBe(4);
          expect(read('written').answers).toEqual([{ value: undefined, at: 1145 }]);
          expect(read('deleted').answers).toEqual([{ value: undefined, at: 1145 }]);
          const kept = read('kept');
          at(20, () => expect(kept.value).toBe('old'));
        });
        at(1200, () => {
          expect([...store.texts.keys()]).toEqual(['kept', 'read']);
          const written = read('written');
          at(20, () => expect(written.value).toBeUndefined());
        });
        at(1250, () => tier.write('written', entryOf('newest'), undefined));
        at(1300, () => {
          const written = read('written');
          at(20, () => expect(written.value).toBe('newest'));
          at(20, () => expect(store.texts.size).toBe(3));
        });
      });
    });

    it.each([
      ['cleared', (tier: StoreTier) => tier.clear(), 0],
      ['invalidated', (tier: StoreTier) => tier.invalidate((_entry, key) => key !== 'kept'), 1],
    ])('when all was %s while it was bypassed, also if that fails at first', (_name, act, left) => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        for (const key of ['a', 'b', 'kept']) {
          tier.write(key, entryOf('old'), undefined);
        }
        store.behave = hangs;
        read('a');
        at(500, () => act(tier));
        at(
          1000,
          () =>
            (store.behave = (operation) =>
              operation === 'clear' || operation === 'next' ? { after: 5, rejects: true } : { after: 5 }),
        );
        at(1200, () => {
          expect(tier.isBypassed).toBe(false);
          expect(store.texts.size).toBe(3);
          const one = read('a');
          at(10, () => expect(one.value).toBeUndefined());
        });
        at(5000, () => {
          const one = read('a');
          at(10, () => expect(one.value).toBeUndefined());
        });
        at(9000, () => (store.behave = () => ({ after: 5 })));
        at(30_000, () => {
          expect(store.texts.size).toBe(left);
          tier.write('a', entryOf('new'), undefined);
        });
        at(30_100, () => {
          const one = read('a');
          at(10, () => expect(one.value).toBe('new'));
        });
      });
    });

    it('whose set hung and lands after the store came back', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        store.behave = () => ({ after: 5000 });
        tier.write('key', entryOf('old'), undefined);
        at(200, () => {
          tier.delete('key');
          store.behave = () => ({});
        });
        at(2000, () => {
          expect(tier.isBypassed).toBe(false);
          expect(read('key').value).toBeUndefined();
          tier.write('key', entryOf('meanwhile'), undefined);
          expect(store.texts.size).toBe(0);
        });
        at(5001, () => {
          expect(store.texts.size).toBe(0);
          expect(read('key').value).toBeUndefined();
        });
      });
    });

    it.each([
      ['its successor was dropped', (tier: StoreTier) => tier.write('key', entryOf('new'), undefined), 0],
      ['it was invalidated', (tier: StoreTier) => tier.invalidate((_entry, key) => key === 'key'), 2000],
    ])('whose set hung and lands late, when %s meanwhile', (_name, act, time) => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        store.behave = () => ({ after: 5000 });
        tier.write('key', entryOf('old'), undefined);
        at(time, () => act(tier));
        at(200, () => (store.behave = () => ({})));
        at(5001, () => {
          expect(tier.isBypassed).toBe(false);
          expect(read('key').value).toBeUndefined();
          expect(store.texts.size).toBe(0);
        });
      });
    });

    it('though the answer to a delete of long ago comes while a set is under way', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        store.behave = () => ({ after: 5000 });
        tier.delete('key');
        at(200, () => (store.behave = (operation) => (operation === 'set' ? { after: 90 } : {})));
        at(4950, () => tier.write('key', entryOf('old'), undefined));
        at(5010, () => {
          expect(read('key').value).toBe('old');
          tier.delete('key');
        });
        at(5100, () => {
          expect(read('key').value).toBeUndefined();
          expect(store.texts.size).toBe(0);
        });
      });
    });

    it('though a set that failed lands all the same, after all was cleared', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = (operation) =>
          operation === 'set' ? { after: 10, rejects: true, landsAfter: 50 } : {};
        tier.write('key', entryOf('old'), undefined);
        at(20, () => tier.clear());
        at(60, () => {
          expect(store.texts.size).toBe(1);
          expect(read('key').value).toBeUndefined();
        });
      });
    });

    it('and serves one whose set was late but is the newest', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        store.behave = () => ({ after: 5000 });
        tier.write('key', entryOf('late'), undefined);
        at(200, () => (store.behave = () => ({})));
        at(2000, () => expect(read('key').value).toBeUndefined());
        at(5001, () => expect(read('key').value).toBe('late'));
      });
    });

    it('though the set of its successor failed: the older one is deleted', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        tier.write('key', entryOf('old'), undefined);
        store.behave = (operation) =>
          operation === 'set' ? { answers: { value: false }, landsAfter: Infinity } : {};
        tier.write('key', entryOf('new'), undefined);
        expect(store.texts.size).toBe(0);
        expect(read('key').value).toBeUndefined();
        expect(tier.statistics).toMatchObject({ failures: 1, writes: 1 });
      });
    });

    it.each([
      ['a timer in the background', true],
      ['whoever comes by', false],
    ])('though its deletion failed: it is tried again by %s', (_name, background) => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background });
        tier.write('key', entryOf('old'), undefined);
        store.behave = () => ({ throws: true });
        tier.delete('key');
        store.behave = () => ({});
        const passBy = () => expect(read('key').value).toBeUndefined();
        at(10, passBy);
        at(990, () => expect(store.count('delete')).toBe(1));
        at(1010, passBy);
        at(1020, () => {
          expect(store.count('delete')).toBe(2);
          expect(store.texts.size).toBe(0);
          expect(tier.isBypassed).toBe(false);
        });
      });
    });

    it('and takes a delete that answers false for done, as there was nothing', () => {
      inVirtualTime((scheduler) => {
        const { tier, store } = tierOn(scheduler);
        for (let time = 0; time < 5; time++) {
          tier.delete('key');
        }
        expect(store.count('delete')).toBe(5);
        expect(tier.statistics).toMatchObject({ failures: 0, isBypassed: false });
      });
    });

    it('though the store swallows its errors: what was under way when it emitted one is in doubt', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, events, read, at } = tierOn(scheduler);
        tier.write('key', entryOf('old'), undefined);
        store.emit(new Error('of nobody'));
        store.behave = () => ({ after: 10, landsAfter: Infinity });
        tier.write('key', entryOf('new'), undefined);
        at(5, () => store.emit(new Error('swallowed')));
        at(11, () => {
          store.behave = () => ({});
          expect(store.log).toEqual(['set key 0', 'set key 0', 'delete key 10']);
          expect(read('key').value).toBeUndefined();
          expect(tier.statistics).toMatchObject({ failures: 1, writes: 1 });
        });
        at(25, () => {
          store.behave = () => ({ after: 10 });
          tier.delete('a');
          tier.delete('b');
          store.emit(new Error('first'));
          store.emit(new Error('second'));
          expect(tier.isBypassed).toBe(false);
          store.emit(new Error('third'));
          expect(events).toMatchObject([
            { operation: 'delete', reason: 'failed', error: new Error('third') },
          ]);
        });
      });
    });

    it('though 60,000 keys were written while it was bypassed, more than are remembered', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        const foreign = tierOn(scheduler, { store });
        tier.write('key', entryOf('old'), undefined);
        tier.write('untouched', entryOf('old'), undefined);
        foreign.tier.write('foreign', entryOf('old'), undefined);
        store.behave = hangs;
        read('key');
        at(200, () => {
          tier.write('key', entryOf('new'), undefined);
          for (let index = 0; index < 60_000; index++) {
            tier.write(`key ${index}`, entryOf('new'), undefined);
          }
          store.behave = () => ({});
        });
        at(5000, () => {
          expect(tier.isBypassed).toBe(false);
          expect(store.count('clear')).toBe(0);
          for (const key of ['key', 'untouched', 'foreign']) {
            expect(read(key).value).toBeUndefined();
          }
          expect(foreign.read('foreign').value).toBe('old');
          foreign.tier.write('foreign', entryOf('new'), undefined);
          expect(read('foreign').value).toBe('new');
          tier.close();
        });
      });
    });

    it('though 60,000 keys were deleted while it was bypassed: the store is cleared', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        tier.write('key 0', entryOf('old'), undefined);
        store.behave = hangs;
        read('key 0');
        at(200, () => {
          for (let index = 0; index < 60_000; index++) {
            tier.delete(`key ${index}`);
          }
          store.behave = () => ({});
        });
        at(5000, () => {
          expect(store.texts.size).toBe(0);
          expect(store.count('clear')).toBe(1);
          tier.close();
        });
      });
    });
  });

  describe('sends writes', () => {
    it('32 at a time, lets 1,000 wait, and deletes what it must drop', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = () => ({ after: 10 });
        for (let index = 0; index < 2000; index++) {
          tier.write(`key ${index}`, entryOf(index), undefined);
        }
        expect(store.count('set')).toBe(32);
        expect(read('key 1031').value).toBe(1031);
        expect(read('key 1032').value).toBeUndefined();
        at(10_000, () => {
          expect(store.count('set')).toBe(1032);
          expect(store.count('delete')).toBe(968);
          expect(tier.statistics).toMatchObject({ writes: 1032, timeouts: 0, failures: 0 });
        });
      });
    });

    it('through a store that answers at once without a deep stack', () => {
      inVirtualTime((scheduler) => {
        const { tier, store } = tierOn(scheduler);
        for (let index = 0; index < 20_000; index++) {
          tier.write(`key ${index}`, entryOf(index), undefined);
        }
        expect(store.texts.size).toBe(20_000);
        tier.invalidate(({ value }) => (value as number) % 2 === 0);
      });
    });
  });

  describe('purges', () => {
    it('all by clear, and writes after it only when it is done', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        tier.write('key', entryOf('old'), undefined);
        store.behave = () => ({ after: 20 });
        tier.clear();
        tier.write('key', entryOf('new'), undefined);
        expect(read('key').value).toBe('new');
        expect(read('another').value).toBeUndefined();
        expect(store.log).toEqual(['set key 0', 'clear  0']);
        at(50, () => {
          expect(store.log).toEqual(['set key 0', 'clear  0', 'set key 20']);
          const one = read('key');
          at(20, () => expect(one.value).toBe('new'));
        });
      });
    });

    it('all anew where that is asked for while it is under way, one after the other', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, at } = tierOn(scheduler);
        store.behave = () => ({ after: 20, landsAfter: 0 });
        tier.clear();
        at(5, () => store.texts.set('of another process', ''));
        at(10, () => tier.clear());
        at(15, () => expect(store.count('clear')).toBe(1));
        at(50, () => {
          expect(store.log).toEqual(['clear  0', 'clear  20']);
          expect(store.texts.size).toBe(0);
        });
      });
    });

    it.each([
      ['a clear', (tier: StoreTier) => tier.clear()],
      ['an invalidation', (tier: StoreTier) => tier.invalidate(() => true)],
    ])('again when the store comes back where %s hung', (_name, act) => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        tier.write('key', entryOf('old'), undefined);
        store.behave = hangs;
        act(tier);
        at(200, () => (store.behave = () => ({})));
        at(2000, () => {
          expect(store.texts.size).toBe(0);
          tier.write('key', entryOf('new'), undefined);
          expect(read('key').value).toBe('new');
        });
      });
    });

    it('by all invalidations that were asked for while it was bypassed, and while one is under way', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, at } = tierOn(scheduler, { background: true });
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
          tier.write(key, entryOf(key), undefined);
        }
        store.behave = hangs;
        const forget = (key: string) => tier.invalidate(({ value }) => value === key);
        forget('a');
        at(200, () => {
          forget('b');
          store.behave = () => ({ after: 10 });
        });
        at(1150, () => {
          forget('c');
          forget('d');
        });
        at(2000, () => expect([...store.texts.keys()]).toEqual(['e']));
      });
    });

    it('no newer answer that is on its way', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        tier.write('key', entryOf('old'), undefined);
        store.behave = (operation) => ({ after: operation === 'set' ? 50 : 5 });
        tier.invalidate(() => true);
        tier.write('key', entryOf('new'), undefined);
        at(100, () => {
          expect(store.count('delete')).toBe(0);
          const one = read('key');
          at(10, () => expect(one.value).toBe('new'));
        });
      });
    });

    it('what was on its way when all was cleared', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = (operation) => (operation === 'set' ? { after: 50 } : {});
        tier.write('key', entryOf('old'), undefined);
        at(10, () => {
          tier.clear();
          expect(read('key').value).toBeUndefined();
        });
        at(60, () => {
          expect(store.texts.size).toBe(0);
          expect(store.log).toEqual(['set key 0', 'clear  10', 'delete key 50']);
        });
      });
    });

    it('what matches, by going through the store, and serves meanwhile what does not', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        for (const key of ['a1', 'a2', 'b1']) {
          tier.write(key, entryOf(key, { tags: [key[0]!] }), undefined);
        }
        store.texts.set('foreign', 'no entry');
        store.behave = (operation) => (operation === 'get' ? {} : { after: 10 });
        tier.invalidate(({ tags }) => tags.includes('a'));
        const served = () => ['a1', 'a2', 'b1'].map((key) => read(key).value);
        expect(served()).toEqual([undefined, undefined, 'b1']);
        // Written after it, it stays although it matches.
        tier.write('a2', entryOf('new', { tags: ['a'] }), undefined);
        at(5, () => expect(read('a2').value).toBe('new'));
        at(35, () => expect(served()).toEqual([undefined, 'new', 'b1']));
        at(200, () => {
          expect(served()).toEqual([undefined, 'new', 'b1']);
          expect([...store.texts.keys()].sort()).toEqual(['a2', 'b1', 'foreign']);
          expect(store.count('next')).toBe(5);
        });
      });
    });

    it('what matches of what others have written', () => {
      inVirtualTime((scheduler) => {
        const { tier, store } = tierOn(scheduler);
        const other = tierOn(scheduler, { store });
        other.tier.write('a', entryOf(1), undefined);
        other.tier.write('b', entryOf(2), undefined);
        tier.invalidate(({ value }) => value === 1);
        expect(other.read('a').value).toBeUndefined();
        expect(other.read('b').value).toBe(2);
      });
    });

    it('what matches of what is on its way, too', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        store.behave = (operation) => (operation === 'set' ? { after: 50 } : {});
        tier.write('a', entryOf(1), undefined);
        tier.write('b', entryOf(2), undefined);
        tier.invalidate(({ value }) => value === 1);
        expect([read('a').value, read('b').value]).toEqual([undefined, 2]);
        at(60, () => {
          expect([read('a').value, read('b').value]).toEqual([undefined, 2]);
          expect(store.texts.size).toBe(1);
        });
      });
    });

    it('what cannot be judged, too', () => {
      inVirtualTime((scheduler) => {
        const { tier, store } = tierOn(scheduler);
        tier.write('a', entryOf(null), undefined);
        tier.invalidate(({ value }) => (value as { text: string }).text === 'x');
        expect(store.texts.size).toBe(0);
      });
    });

    it('a large store in slices, though it answers at once', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, clock, read, at } = tierOn(scheduler);
        for (let index = 0; index < 1000; index++) {
          tier.write(`key ${index}`, entryOf(index), undefined);
        }
        tier.invalidate(() => true);
        expect(store.texts.size).toBeGreaterThan(700);
        expect(read('key 999').value).toBeUndefined();
        at(1, () => {
          expect(store.texts.size).toBe(0);
          for (let index = 0; index < 1000; index++) {
            tier.write(`key ${index}`, entryOf(index), undefined);
          }
          tier.invalidate(() => true);
          expect(clock.held).toBe(1);
          tier.close();
          expect(clock.held).toBe(0);
        });
      });
    });

    it('everything where it cannot be gone through', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        delete (store as { iterator?: unknown }).iterator;
        Object.defineProperty(store, 'iterator', { value: undefined });
        tier.write('a', entryOf(1), undefined);
        tier.write('b', entryOf(2), undefined);
        tier.invalidate(({ value }) => value === 1);
        expect(store.count('clear')).toBe(1);
        expect([read('a').value, read('b').value]).toEqual([undefined, undefined]);
      });
    });

    it('by going through it where there is no clear', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read } = tierOn(scheduler);
        Object.defineProperty(store, 'clear', { value: undefined });
        tier.write('a', entryOf(1), undefined);
        tier.clear();
        tier.write('b', entryOf(2), undefined);
        expect([...store.texts.keys()]).toEqual(['b']);
        expect(read('b').value).toBe(2);
      });
    });

    it('for the life of the process what it can neither go through nor clear, to the write', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler);
        const other = tierOn(scheduler, { store });
        Object.defineProperty(store, 'iterator', { value: undefined });
        Object.defineProperty(store, 'clear', { value: undefined });
        const served = (...keys: string[]) => keys.map((key) => read(key).value);
        tier.write('a', entryOf(1, { tags: ['x'] }), undefined);
        tier.write('b', entryOf(2), undefined);
        other.tier.write('c', entryOf(3, { tags: ['x'] }), undefined);
        tier.invalidate(({ tags }) => tags.includes('x'));
        expect(served('a', 'b', 'c')).toEqual([undefined, 2, undefined]);
        // In the same millisecond: one's own writes are told apart, those of others are not trusted.
        tier.write('a', entryOf(4, { tags: ['x'] }), undefined);
        other.tier.write('c', entryOf(5, { tags: ['x'] }), undefined);
        expect(served('a', 'b', 'c')).toEqual([4, 2, undefined]);
        at(1, () => {
          other.tier.write('c', entryOf(6, { tags: ['x'] }), undefined);
          expect(served('a', 'b', 'c')).toEqual([4, 2, 6]);
          tier.clear();
          expect(served('a', 'b', 'c')).toEqual([undefined, undefined, undefined]);
          expect(other.read('b').value).toBe(2);
          tier.write('a', entryOf(7), undefined);
          other.tier.write('c', entryOf(8), undefined);
          expect(served('a', 'b', 'c')).toEqual([7, undefined, undefined]);
          expect(store.texts.size).toBe(3);
        });
        at(2, () => {
          other.tier.write('c', entryOf(9), undefined);
          expect(served('a', 'b', 'c')).toEqual([7, undefined, 9]);
          for (let index = 0; index < 3000; index++) {
            tier.invalidate(({ value }) => value === index + 100);
          }
          expect(read('a').value).toBeUndefined();
          tier.write('a', entryOf(10), undefined);
          expect(read('a').value).toBe(10);
        });
      });
    });

    it('again from the start when the iterator failed', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, read, at } = tierOn(scheduler, { background: true });
        for (const key of ['a', 'b', 'c']) {
          tier.write(key, entryOf(key), undefined);
        }
        let steps = 0;
        store.behave = (operation) => ({ throws: operation === 'next' && ++steps === 2 });
        tier.invalidate((_entry, key) => key !== 'b');
        expect([...store.texts.keys()]).toEqual(['b', 'c']);
        expect(['a', 'b', 'c'].map((key) => read(key).value)).toEqual([undefined, 'b', undefined]);
        at(999, () => expect(steps).toBe(2));
        at(1001, () => {
          expect([...store.texts.keys()]).toEqual(['b']);
          expect(tier.statistics).toMatchObject({ failures: 1, isBypassed: false });
        });
      });
    });
  });

  describe('closes', () => {
    it('at once: open look-ups are answered, what waits is sent, and nothing happens later', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, events, read, at } = tierOn(scheduler, { background: true });
        store.behave = (operation) => (operation === 'get' ? hangs() : { after: 10 });
        const one = read('key');
        for (let index = 0; index < 100; index++) {
          tier.write(`key ${index}`, entryOf(index), undefined);
        }
        tier.close();
        tier.close();
        expect(one.value).toBeUndefined();
        expect(read('key 99').value).toBeUndefined();
        tier.write('later', entryOf(1), undefined);
        tier.delete('key 1');
        tier.clear();
        tier.invalidate(() => true);
        at(10_000, () => {
          expect(store.texts.size).toBe(100);
          expect(events).toEqual([]);
          expect(store.listenerCount).toBe(0);
        });
      });
    });

    it('while bypassed, without a timer or a probe', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, clock, read, at } = tierOn(scheduler, { background: true });
        store.behave = hangs;
        read('key');
        at(200, () => {
          expect(clock.held).toBe(1);
          tier.close();
          expect(clock.held).toBe(0);
        });
        at(100_000, () => expect(store.log).toEqual(['get key 0']));
      });
    });

    it('with what hangs or fails later, without a timer', () => {
      inVirtualTime((scheduler) => {
        const { tier, store, clock, at } = tierOn(scheduler, { background: true });
        store.behave = (operation) => (operation === 'set' ? { after: 50, rejects: true } : hangs());
        tier.write('key', entryOf(1), undefined);
        tier.close();
        expect(clock.held).toBe(0);
        at(60, () => {
          expect(store.log).toEqual(['set key 0', 'delete key 50']);
          expect(clock.held).toBe(0);
        });
      });
    });
  });
});
