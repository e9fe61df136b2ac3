import { Belief, type Opinion } from '../../lib/limiter/belief';

const seeds = Array.from({ length: 5 }, (_, index) => index + 1);
/** Of five. */
const most = 4;

describe('Belief', () => {
  it.each([5, 20])('finds a limit of %i a second that is seen at twice its pace', (limit) => {
    const opinions = seeds.map((seed) => seeBucket(seed, limit, [{ pace: 2 * limit, count: 60 }]));
    expect(countOf(opinions, ({ limited }) => limited > 0.95)).toBeGreaterThanOrEqual(most);
  });

  it.each([5, 20])('measures a limit of %i a second that is seen at two paces', (limit) => {
    const opinions = seeds.map((seed) =>
      seeBucket(seed, limit, [
        { pace: 2 * limit, count: 40 },
        { pace: 0.8 * limit, count: 20 },
      ]),
    );
    const isRight = ({ limited, rate }: Opinion): boolean =>
      limited > 0.95 && Math.abs(rate / limit - 1) < 0.25;
    expect(countOf(opinions, isRight)).toBeGreaterThanOrEqual(most);
  });

  it('finds out that three in ten are shed at either of two paces', () => {
    const opinions = seeds.map((seed) => seeShedding(seed, 0.3));
    const isRight = ({ limited, shedding, shareIfShedding }: Opinion): boolean =>
      limited < 0.05 && shedding > 0.9 && Math.abs(shareIfShedding - 0.3) < 0.1;
    expect(countOf(opinions, isRight)).toBeGreaterThanOrEqual(most);
  });

  it('deems neither cause likelier before it sees a verdict', () => {
    expect(new Belief(10, 0, 0, undefined).opinion.limited).toBeCloseTo(0.5);
  });

  it('deems a limit likely that was measured before', () => {
    const { limited, low, rate, high } = new Belief(20, 0, 0, { rate: 10, count: 100 }).opinion;
    expect(limited).toBeGreaterThan(0.9);
    expect(Math.abs(rate / 10 - 1)).toBeLessThan(0.1);
    expect(low).toBeLessThanOrEqual(rate);
    expect(high).toBeGreaterThanOrEqual(rate);
  });
});

interface Leg {
  readonly pace: number;
  readonly count: number;
}

/** A bucket that is empty at first. */
function seeBucket(seed: number, limit: number, legs: readonly Leg[]): Opinion {
  let level = 0;
  let at = 0;
  return see(seed, legs, (startedAt) => {
    level = Math.min(limit, level + ((startedAt - at) * limit) / 1000);
    at = startedAt;
    if (level < 1) return true;
    level--;
    return false;
  });
}

function seeShedding(seed: number, share: number): Opinion {
  const random = mulberry32(1000 + seed);
  const legs = [
    { pace: 20, count: 40 },
    { pace: 8, count: 40 },
  ];
  return see(seed, legs, () => random() < share);
}

/** What is believed after calls whose gaps vary by half. */
function see(seed: number, legs: readonly Leg[], isRefused: (startedAt: number) => boolean): Opinion {
  const random = mulberry32(seed);
  const belief = new Belief(legs[0]!.pace, 0, 0, undefined);
  let now = 0;
  for (const { pace, count } of legs) {
    for (let call = 0; call < count; call++) {
      now += ((0.5 + random()) * 1000) / pace;
      belief.observe(now, isRefused(now));
    }
  }
  return belief.opinion;
}

function countOf(opinions: readonly Opinion[], isRight: (opinion: Opinion) => boolean): number {
  return opinions.filter(isRight).length;
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
