import fc from 'fast-check';
import { decodeEntry } from '../../lib/cache/entry-text';
import { StoreTier } from '../../lib/cache/store-tier';
import { countedClock, ScriptedStore, type Behaviour } from '../cache/scripted-store';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';

const deadline = 50;

const names = ['a', 'b', 'c'];

interface Answer {
  readonly name: string;
  readonly version: number;
}

const soon = fc.integer({ min: 0, max: 30 });
const late = fc.integer({ min: 51, max: 3000 });

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Behaviour>({}) },
  {
    weight: 6,
    arbitrary: soon.chain((after) =>
      fc.integer({ min: 0, max: after }).map((landsAfter) => ({ after, landsAfter })),
    ),
  },
  {
    weight: 4,
    arbitrary: late.chain((after) =>
      fc.integer({ min: 0, max: after }).map((landsAfter) => ({ after, landsAfter })),
    ),
  },
  // Never answers, and may land at any time, or never.
  {
    weight: 3,
    arbitrary: fc.oneof(late, fc.constant(Infinity)).map((landsAfter) => ({ after: Infinity, landsAfter })),
  },
  // Fails, and has landed all the same, or has not.
  { weight: 1, arbitrary: fc.constantFrom<Behaviour>({ throws: true }, { throws: true, landsAfter: 0 }) },
  {
    weight: 2,
    arbitrary: fc
      .oneof(soon, late)
      .chain((after) =>
        fc.constantFrom<Behaviour>(
          { after, rejects: true },
          { after, rejects: true, landsAfter: after },
          { after, swallows: true },
          { after, swallows: true, landsAfter: 0 },
        ),
      ),
  },
  { weight: 1, arbitrary: soon.map((after) => ({ after, answers: { value: false }, landsAfter: Infinity })) },
);

const at = fc.integer({ min: 0, max: 6000 });
const name = fc.constantFrom(...names);
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      at,
      name,
      leavesAfter: fc.option(fc.integer({ min: 0, max: 60 }), { nil: Infinity, freq: 8 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      at,
      name,
      isStorable: fc.integer({ min: 0, max: 9 }).map((chance) => chance > 0),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), at, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('clear' as const), at }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('invalidate' as const),
      at,
      remainder: fc.integer({ min: 0, max: 2 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

interface Shape {
  readonly canClear: boolean;
  readonly canIterate: boolean;
  readonly background: boolean;
}

/** What is true of a key: its newest answer, and whether that may still be given. */
class Truth {
  readonly #versions = new Map<string, number>();
  readonly #purged = new Set<string>();

  written(key: string, version: number): void {
    this.#versions.set(key, version);
    this.#purged.delete(key);
  }

  purged(applies: (version: number, key: string) => boolean): void {
    for (const [key, version] of this.#versions) {
      if (applies(version, key)) {
        this.#purged.add(key);
      }
    }
  }

  current(key: string): number | undefined {
    return this.#purged.has(key) ? undefined : this.#versions.get(key);
  }
}

function play(
  scheduler: WatchedTestScheduler,
  steps: readonly Step[],
  behaviours: readonly Behaviour[],
  shape: Shape,
) {
  const store = new ScriptedStore(scheduler);
  for (const [method, isThere] of [
    ['clear', shape.canClear],
    ['iterator', shape.canIterate],
  ] as const) {
    if (!isThere) {
      Object.defineProperty(store, method, { value: undefined });
    }
  }
  const clock = countedClock(scheduler, shape.background);
  const transitions: string[] = [];
  const tier = new StoreTier({ store, clock, deadline, notify: ({ type }) => transitions.push(type) });
  const truth = new Truth();
  /** Keys with a set that never answers: nobody can know when it lands. */
  const haunted = new Set<string>();
  let next = 0;
  let isWell = false;
  store.behave = (operation, key) => {
    const drawn = isWell ? { after: 2 } : behaviours[next++ % behaviours.length]!;
    // Only of these does false say that they failed.
    const chosen = drawn.answers && operation !== 'set' && operation !== 'clear' ? {} : drawn;
    if (operation === 'set' && chosen.after === Infinity) {
      haunted.add(key);
    }
    return chosen;
  };

  const reads: { answered: number; isWaiting: boolean }[] = [];
  const read = (key: string, leavesAfter: number) => {
    const one = { answered: 0, isWaiting: true };
    reads.push(one);
    const askedAt = scheduler.now();
    const cancel = tier.read(key, (entry) => {
      one.answered++;
      expect(one.isWaiting).toBe(true);
      expect(scheduler.now() - askedAt).toBeLessThanOrEqual(deadline);
      if (entry) {
        const answer = entry.value as Answer;
        expect(answer).toMatchObject({ name: key, version: truth.current(key) });
      }
    });
    if (leavesAfter !== Infinity) {
      scheduler.schedule(() => {
        cancel();
        one.isWaiting = one.answered > 0;
      }, leavesAfter);
    }
  };

  const write = (key: string, version: number, isStorable: boolean) => {
    truth.written(key, version);
    const value = { name: key, version, ...(!isStorable && { call: () => version }) };
    tier.write(
      key,
      { value, storedAt: scheduler.now(), freshUntil: Infinity, usage: undefined, latency: 0, tags: [] },
      undefined,
    );
  };

  const act = (one: Step, version: number) => {
    switch (one.do) {
      case 'read':
        read(one.name, one.leavesAfter);
        break;
      case 'write':
        write(one.name, version, one.isStorable);
        break;
      case 'delete':
        truth.purged((_version, key) => key === one.name);
        tier.delete(one.name);
        break;
      case 'clear':
        truth.purged(() => true);
        tier.clear();
        break;
      case 'invalidate':
        // A store that cannot be gone through loses more, but never less.
        truth.purged((written) => written % 3 === one.remainder);
        tier.invalidate(({ value }) => (value as Answer).version % 3 === one.remainder);
    }
  };

  steps.forEach((one, version) => {
    scheduler.schedule(() => act(one, version), one.at);
    if ('name' in one) {
      for (const delay of [1, 60, 1300, 3500]) {
        scheduler.schedule(() => read(one.name, Infinity), one.at + delay);
      }
    }
  });
  scheduler.schedule(() => (isWell = true), 6500);
  // Whoever comes by, where no timer runs in the background.
  scheduler.schedule(function () {
    read('a', Infinity);
    if (scheduler.now() < 180_000) {
      this.schedule(undefined, 10_000);
    }
  }, 7000);
  return { tier, store, truth, haunted, reads, read, write, clock, transitions };
}

const script = fc.tuple(
  // By default fast-check makes arrays of at most ten.
  fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }),
  fc.array(behaviour, { minLength: 1, maxLength: 30, size: 'max' }),
  fc.record({ canClear: fc.boolean(), canIterate: fc.boolean(), background: fc.boolean() }),
);

describe('StoreTier over a store that is slow, hangs, throws, rejects, lies and swallows', () => {
  it('serves only the newest answers, answers every look-up once and in time, and holds no timer in the end', () => {
    fc.assert(
      fc.property(script, ([steps, behaviours, shape]) => {
        inVirtualTime((scheduler) => {
          const { tier, store, truth, haunted, reads, read, write, clock, transitions } = play(
            scheduler,
            steps,
            behaviours,
            shape,
          );
          scheduler.schedule(() => {
            // It has come back, has no debts, and serves what is written now.
            expect(tier.isBypassed).toBe(false);
            expect(clock.held).toBe(0);
            expect(transitions.length % 2).toBe(0);
            for (const [key, text] of store.texts) {
              const stored = decodeEntry(text)!.entry.value as Answer;
              if (!haunted.has(key) && (shape.canClear || shape.canIterate)) {
                expect(stored.version).toBe(truth.current(key));
              }
            }
            write('fresh', 9999, true);
          }, 200_000);
          scheduler.schedule(() => {
            const before = tier.statistics.found;
            read('fresh', Infinity);
            scheduler.schedule(() => {
              expect(tier.statistics.found).toBe(before + 1);
              for (const key of names) {
                read(key, Infinity);
              }
            }, 10);
          }, 200_100);
          scheduler.schedule(() => {
            for (const { answered, isWaiting } of reads) {
              expect(answered).toBe(Number(isWaiting));
            }
            tier.close();
            expect(clock.held).toBe(0);
          }, 200_200);
        });
      }),
      { numRuns: 250 },
    );
  });

  it('leaves no timer and calls nobody after it is closed at any moment', () => {
    fc.assert(
      fc.property(script, at, ([steps, behaviours, shape], closesAt) => {
        inVirtualTime((scheduler) => {
          const { tier, reads, clock, transitions } = play(scheduler, steps, behaviours, shape);
          scheduler.schedule(() => {
            tier.close();
            expect(clock.held).toBe(0);
            const told = transitions.length;
            for (const { answered, isWaiting } of reads) {
              expect(answered).toBe(Number(isWaiting));
            }
            scheduler.schedule(() => {
              expect(transitions).toHaveLength(told);
              expect(clock.held).toBe(0);
            }, 100_000);
          }, closesAt);
        });
      }),
      { numRuns: 100 },
    );
  });
});
