import fc from 'fast-check';
import { keys, live, type Step, type WorldConfig } from './cache-model';
import { runs } from './runs';

/** Dense, and again after a pause in which a store is probed. */
const at = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1100, max: 1160 }) },
);
const key = fc.constantFrom('a1' as const, ...keys);
const off = fc.constant(0);
const time = (max: number) => fc.integer({ min: 1, max });

const bypass = fc.oneof(
  { weight: 8, arbitrary: fc.constant(undefined) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      { lookUp: true },
      { write: true },
      { sharing: true },
      { lookUp: true, sharing: true },
      { lookUp: true, write: true, sharing: true },
      { write: true, sharing: true },
      'all' as const,
    ),
  },
);

const ask = fc.record({
  do: fc.constant('ask' as const),
  at,
  key,
  via: fc.constantFrom(0 as const, 1 as const, 2 as const),
  latency: fc.oneof({ weight: 1, arbitrary: off }, { weight: 5, arbitrary: time(30) }),
  failures: fc.constantFrom(0, 0, 0, 1, 9),
  leavesAfter: fc.constantFrom(Infinity, 0, 3, 8, 15, 30),
  bypass,
  maxWait: fc.constantFrom(undefined, undefined, undefined, 0, 5, 12),
  cacheTtl: fc.constantFrom(undefined, undefined, 4, 50),
  priority: fc.constantFrom('low' as const, 'medium' as const, 'critical' as const),
  reaction: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    undefined,
    'ask' as const,
    'leave' as const,
    'delete' as const,
  ),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: ask },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('leave' as const),
      at,
      via: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'set' as const), at, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('invalidate' as const),
      at,
      by: fc.constantFrom(
        'tag' as const,
        'prefix' as const,
        'key' as const,
        'value' as const,
        'value' as const,
      ),
    }),
  },
);

const slots = fc.integer({ min: 1, max: 2 });

const withoutStore: fc.Arbitrary<WorldConfig> = fc.record({
  ttl: time(40),
  ttlJitter: fc.constantFrom(0, 0, 0.5),
  staleWhileRevalidate: fc.oneof(off, time(40)),
  staleIfError: fc.oneof(off, time(40)),
  errorTtl: fc.oneof(off, time(20)),
  keepAlive: fc.boolean(),
  sharedCallTimeout: fc.oneof(fc.constant(Infinity), time(40)),
  maxSize: fc.integer({ min: 1, max: 3 }),
  maxBytes: fc.constantFrom(Infinity, Infinity, 600, 1000),
  attempts: fc.integer({ min: 1, max: 2 }),
  maxConcurrent: fc.tuple(slots, slots, slots),
  store: fc.constant(undefined),
});

const plain: fc.Arbitrary<WorldConfig> = fc.record({
  ttl: time(40),
  ttlJitter: off,
  staleWhileRevalidate: off,
  staleIfError: off,
  errorTtl: off,
  keepAlive: fc.constant(false),
  sharedCallTimeout: fc.constant(Infinity),
  maxSize: fc.constant(1000),
  maxBytes: fc.constant(Infinity),
  attempts: fc.constant(1),
  maxConcurrent: fc.tuple(slots, slots, slots),
  store: fc.constant(undefined),
});

const soundStore = fc.record({
  latency: fc.integer({ min: 0, max: 15 }),
  deadline: fc.constant(20),
  fates: fc.constant(['answers' as const]),
});

const brokenStore = fc.record({
  latency: fc.integer({ min: 0, max: 15 }),
  deadline: fc.integer({ min: 1, max: 20 }),
  fates: fc.array(
    fc.constantFrom('answers' as const, 'rejects' as const, 'throws' as const, 'hangs' as const),
    {
      minLength: 1,
      maxLength: 5,
    },
  ),
});

const withStore = (store: fc.Arbitrary<WorldConfig['store']>): fc.Arbitrary<WorldConfig> =>
  fc.tuple(withoutStore, store).map(([config, its]) => ({ ...config, store: its }));

/**
 * No wrong value, no lost waiter, at most one running call per key, no write after its fence, no call that nobody
 * wants, and nothing left behind: 10,000 interleavings of requests, leaves, failures, expiries, deletes, clears,
 * invalidations and answers that a user sets.
 */
describe('a cache, whatever happens to it and in whatever order,', () => {
  it.each([
    ['with plain expiry', plain, 2000],
    ['with every rule of freshness, of flights and of size', withoutStore, 4000],
    ['with a slow store', withStore(soundStore), 2000],
    ['with a store that fails, hangs and recovers', withStore(brokenStore), 2000],
  ] as const)('gives right answers to all, %s', (_name, config, numRuns) => {
    fc.assert(fc.property(config, fc.array(step, { maxLength: 14, size: 'max' }), live), {
      numRuns: runs(numRuns),
    });
  });
});
