/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import fc from 'fast-check';
import { of, timer } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { ScriptedStore, type Behaviour } from '../cache/scripted-store';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';
import { runs } from './runs';

const storeDeadline = 50;
const names = ['a', 'b', 'c'];

/** What a cache is given, and must give back only while it is the newest and not purged. */
interface Answer {
  readonly name: string;
  readonly version: number;
  /** The number of the cache that stored it. */
  readonly by: number;
  /** Until when it is fresh. */
  readonly until: number;
}

const soon = fc.integer({ min: 0, max: 30 });
/** Too late for a look-up, and at times for a write, which has 10 s. */
const late = fc.oneof(fc.integer({ min: 51, max: 3000 }), fc.integer({ min: 10_001, max: 15_000 }));

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
  // Never answers, and lands at any time or never.
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

/** Mostly close together: at the start, after the first probe, and after the deadline of a write. */
const at = fc.oneof(
  fc.nat(100),
  fc.nat(300),
  fc.integer({ min: 1000, max: 1200 }),
  fc.integer({ min: 10_000, max: 10_200 }),
  fc.nat(26_000),
);
const by = fc.constantFrom(0, 0, 0, 1);
const name = fc.constantFrom(...names);
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      at,
      by,
      name,
      leavesAfter: fc.option(fc.integer({ min: 0, max: 60 }), { nil: Infinity, freq: 8 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      at,
      by,
      name,
      /** Whether the answer comes from a call, and not from `set`. */
      isCalled: fc.boolean(),
      isStorable: fc.integer({ min: 0, max: 9 }).map((chance) => chance > 0),
      ttl: fc.constantFrom(1_000_000, 1_000_000, 1_000_000, 70, 2000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), at, by, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('clear' as const), at, by }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('invalidate' as const),
      at,
      by,
      remainder: fc.integer({ min: 0, max: 2 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

interface Write {
  readonly by: number;
  readonly name: string;
  readonly isCalled: boolean;
  readonly isStorable: boolean;
  readonly ttl: number;
}

interface Shape {
  readonly canClear: boolean;
  readonly canIterate: boolean;
  /** Answers that each cache keeps in memory in front of the store. */
  readonly memory: 0 | 1 | 1000;
}

interface Asked extends CallTraits {
  readonly cacheKey: string;
  /** What the call gives; without it, the call gives nothing that is kept. */
  readonly answer?: Answer;
}

/** What one cache knows: its newest answer for each key, whether that was purged, and when it purged what. */
class Truth {
  readonly #versions = new Map<string, number>();
  readonly #purged = new Set<string>();
  readonly #purges: { readonly moment: number; applies(version: number, key: string): boolean }[] = [];

  written(key: string, version: number): void {
    this.#versions.set(key, version);
    this.#purged.delete(key);
  }

  purged(moment: number, applies: (version: number, key: string) => boolean): void {
    this.#purges.push({ moment, applies });
    for (const [key, version] of this.#versions) {
      if (applies(version, key)) {
        this.#purged.add(key);
      }
    }
  }

  /** The version of its own that it may still give. */
  current(key: string): number | undefined {
    return this.#purged.has(key) ? undefined : this.#versions.get(key);
  }

  /** Whether it purged a version of another cache that the store had held by `moment`. */
  hasPurgedSince(moment: number, { name: key, version }: Answer): boolean {
    return this.#purges.some((purge) => moment < purge.moment && purge.applies(version, key));
  }
}

/** Two caches over one store, and all that is known about them beside them. */
class World {
  readonly store: ScriptedStore;
  readonly caches: readonly LLMResultCache[];
  readonly truths = [new Truth(), new Truth()];
  /** Keys with a set that never answers: nobody can know when it lands. */
  readonly haunted = new Set<string>();
  readonly reads: { answered: number; isWaiting: boolean }[] = [];
  readonly transitions: string[] = [];
  isWell = false;
  readonly #scheduler: WatchedTestScheduler;
  readonly #landed = new Map<number, number>();
  #moments = 0;
  #operations = 0;

  constructor(scheduler: WatchedTestScheduler, behaviours: readonly Behaviour[], shape: Shape) {
    this.#scheduler = scheduler;
    this.store = new ScriptedStore(scheduler);
    for (const [method, isThere] of [
      ['clear', shape.canClear],
      ['iterator', shape.canIterate],
    ] as const) {
      if (!isThere) {
        Object.defineProperty(this.store, method, { value: undefined });
      }
    }
    this.store.behave = (operation, key) => {
      const drawn = this.isWell ? { after: 2 } : behaviours[this.#operations++ % behaviours.length]!;
      // Only of these does false say that they failed.
      const chosen = drawn.answers && operation !== 'set' && operation !== 'clear' ? {} : drawn;
      if (operation === 'set' && chosen.after === Infinity) {
        this.haunted.add(key);
      }
      return chosen;
    };
    const { texts } = this.store;
    const set = texts.set.bind(texts);
    texts.set = (key, text) => {
      const { version } = answerIn(text);
      this.#landed.set(version, this.#landed.get(version) ?? ++this.#moments);
      return set(key, text);
    };
    const events = {
      next: ({ type }: CallEvent) => type.startsWith('store-') && this.transitions.push(type),
    };
    const bound = shape.memory === 0 ? { maxBytes: 1 } : { maxSize: shape.memory };
    this.caches = this.truths.map(
      () => new LLMResultCache({ scheduler, store: this.store, storeDeadline, events, ...bound }),
    );
  }

  read(number: number, key: string, leavesAfter = Infinity): void {
    const one = { answered: 0, isWaiting: true };
    this.reads.push(one);
    const askedAt = this.#scheduler.now();
    const reading = this.#ask(number, { cacheKey: key, bypass: { write: true, sharing: true } }, (answer) => {
      one.answered++;
      demand(one.isWaiting, () => `an answer for ${key} that nobody waits for`);
      demand(this.#scheduler.now() <= askedAt + storeDeadline, () => `a late answer for ${key}`);
      if (answer) {
        this.#judge(number, key, answer);
      }
    });
    if (leavesAfter !== Infinity) {
      this.#scheduler.schedule(() => {
        reading.unsubscribe();
        one.isWaiting = one.answered > 0;
      }, leavesAfter);
    }
  }

  act(one: Step, version: number): void {
    const cache = this.caches[one.by]!;
    const truth = this.truths[one.by]!;
    switch (one.do) {
      case 'read':
        this.read(one.by, one.name, one.leavesAfter);
        break;
      case 'write':
        this.write(one, version);
        break;
      case 'delete':
        truth.purged(++this.#moments, (_version, key) => key === one.name);
        cache.delete(one.name);
        break;
      case 'clear':
        truth.purged(++this.#moments, () => true);
        cache.clear();
        break;
      case 'invalidate':
        // A store that cannot be gone through loses more, but never less.
        truth.purged(++this.#moments, (written) => written % 3 === one.remainder);
        cache.invalidate({ predicate: ({ value }) => (value as Answer).version % 3 === one.remainder });
    }
  }

  write({ by: number, name: key, isCalled, isStorable, ttl }: Write, version: number): void {
    const answer: Answer = {
      ...{ name: key, version, by: number, until: this.#scheduler.now() + ttl },
      ...(!isStorable && { call: () => version }),
    };
    this.truths[number]!.written(key, version);
    if (isCalled) {
      const bypass = { lookUp: true, sharing: true };
      this.#ask(number, { cacheKey: key, cacheTtl: ttl, bypass, answer }, () => undefined);
    } else {
      this.caches[number]!.set(key, answer, { ttl });
    }
  }

  /** What the store holds for a key. */
  held(key: string): Answer | undefined {
    const text = this.store.texts.get(key);
    return text === undefined ? undefined : answerIn(text);
  }

  expectAllAnswered(): void {
    for (const { answered, isWaiting } of this.reads) {
      demand(answered === Number(isWaiting), () => `a request has ${answered} answers`);
    }
  }

  #ask(number: number, request: Asked, hear: (answer: Answer | undefined) => void) {
    return of(request)
      .pipe(
        cacheLLM(
          mergeWithConcurrency(({ answer }: Asked) => of<Answer | null>(answer ?? null)),
          this.caches[number],
        ),
      )
      .subscribe((outcome) => {
        demand(outcome.ok, () => 'a call failed');
        hear(outcome.ok && outcome.source === 'cache' ? (outcome.value ?? undefined) : undefined);
      });
  }

  #judge(number: number, key: string, answer: Answer): void {
    const truth = this.truths[number]!;
    const what = () => `cache ${number} gave ${JSON.stringify(answer)} at ${this.#scheduler.now()}`;
    demand(answer.name === key, () => `${what()} for ${key}`);
    demand(this.#scheduler.now() < answer.until, () => `${what()}: expired`);
    if (answer.by === number) {
      demand(answer.version === truth.current(key), () => `${what()}: stale`);
    } else {
      const landedAt = this.#landed.get(answer.version);
      demand(landedAt !== undefined && !truth.hasPurgedSince(landedAt, answer), () => `${what()}: purged`);
    }
  }
}

/** A plain check, as an \`expect\` for each of millions would take minutes. */
function demand(isTrue: boolean, what: () => string): void {
  if (!isTrue) {
    throw new Error(what());
  }
}

function answerIn(text: string): Answer {
  return (JSON.parse(text) as { value: Answer }).value;
}

function play(
  scheduler: WatchedTestScheduler,
  steps: readonly Step[],
  behaviours: readonly Behaviour[],
  shape: Shape,
): World {
  const world = new World(scheduler, behaviours, shape);
  const agenda: { readonly at: number; work(): void }[] = [];
  const later = (time: number, work: () => void) => agenda.push({ at: time, work });
  steps.forEach((one, version) => {
    later(one.at, () => world.act(one, version));
    if ('name' in one) {
      for (const delay of [1, 60, 1300, 3500, 11_500]) {
        later(one.at + delay, () => world.read(one.by, one.name));
        later(one.at + delay, () => world.read(1 - one.by, one.name));
      }
    }
  });
  later(42_000, () => (world.isWell = true));
  // On a scheduler no timer runs in the background: what is due is done when somebody asks.
  for (let time = 1000; time < 180_000; time += 10_000) {
    later(time, () => [0, 1].forEach((number) => world.read(number, 'nothing')));
  }
  agenda.sort((one, other) => one.at - other.at);
  // One action for all: a virtual scheduler sorts all that are planned whenever one is added.
  scheduler.schedule(function () {
    while (agenda.length > 0 && agenda[0]!.at <= scheduler.now()) {
      agenda.shift()!.work();
    }
    if (agenda.length > 0) {
      this.schedule(undefined, agenda[0]!.at - scheduler.now());
    }
  });
  return world;
}

const script = fc.tuple(
  // By default fast-check makes arrays of at most ten.
  fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }),
  fc.array(behaviour, { minLength: 1, maxLength: 30, size: 'max' }),
  fc.record({
    canClear: fc.boolean(),
    canIterate: fc.boolean(),
    memory: fc.constantFrom(0 as const, 0 as const, 1 as const, 1000 as const),
  }),
);

describe('two caches over a store that is slow, hangs, throws, rejects, lies and swallows', () => {
  it('serve only the newest answers, answer all in time, come back, and hold no timer in the end', () => {
    fc.assert(
      fc.property(script, ([steps, behaviours, shape]) => {
        inVirtualTime((scheduler) => {
          const world = play(scheduler, steps, behaviours, shape);
          const { caches, haunted, store, truths } = world;
          const fresh = { isCalled: false, isStorable: true, ttl: 1_000_000 };
          timer(200_000).subscribe(() => {
            for (const { stats } of caches) {
              expect(stats.store?.isBypassed).toBe(false);
            }
            expect(world.transitions.length % 2).toBe(0);
            for (const key of store.texts.keys()) {
              const held = world.held(key)!;
              if (!haunted.has(key) && (shape.canClear || shape.canIterate)) {
                expect(held.version).toBe(truths[held.by]!.current(key));
              }
            }
            world.write({ ...fresh, name: 'fresh', by: 0 }, 9999);
          });
          timer(200_100).subscribe(() => {
            const { found } = caches[1]!.stats.store!;
            world.read(1, 'fresh');
            timer(10).subscribe(() => {
              expect(caches[1]!.stats.store!.found).toBe(found + 1);
              names.forEach((key) => [0, 1].forEach((number) => world.read(number, key)));
            });
          });
          timer(200_200).subscribe(() => {
            expect(scheduler.actions).toHaveLength(1);
            world.expectAllAnswered();
            caches.forEach((cache) => cache.close());
          });
        });
      }),
      { numRuns: runs(300) },
    );
  });

  it('leave no timer and tell nobody anything after they are closed at any moment', () => {
    fc.assert(
      fc.property(script, at, ([steps, behaviours, shape], closesAt) => {
        inVirtualTime((scheduler) => {
          const world = play(scheduler, steps, behaviours, { ...shape, memory: 0 });
          timer(closesAt).subscribe(() => {
            world.caches.forEach((cache) => cache.close());
            const told = world.transitions.length;
            world.expectAllAnswered();
            timer(300_000).subscribe(() => {
              expect(world.transitions).toHaveLength(told);
              expect(scheduler.actions).toHaveLength(1);
            });
          });
        });
      }),
      { numRuns: runs(100) },
    );
  });
});
