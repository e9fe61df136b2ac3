import { missedBounds, missedFieldBound } from '../../bench/limits/bounds';
import type { Figures } from '../../bench/limits/figures';
import { oracleOf } from '../../bench/limits/oracle';
import type { Shape } from '../../bench/limits/shape';
import { shapes } from '../../bench/limits/shapes';

function shapeNamed(name: string): Shape {
  return shapes.find((shape) => shape.name === name)!;
}

describe('the shapes of the limits bench', () => {
  it.each(shapes)('$name asks nothing twice, so that no cache helps', ({ requests, arrivals }) => {
    expect(new Set(requests.map(({ prompt }) => prompt)).size).toBe(requests.length);
    expect(arrivals?.length ?? requests.length).toBe(requests.length);
  });

  it('cost about 900 tokens where tokens bind, heavy-tailed', () => {
    const { provider, requests } = shapeNamed('tokens');
    const costs = requests
      .map((request) => provider.tokensOf!(request))
      .map(({ input, output }) => input + output)
      .sort((one, other) => one - other);
    const mean = costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
    expect(mean).toBeGreaterThan(800);
    expect(mean).toBeLessThan(1_000);
    expect(costs.at(-1)!).toBeGreaterThan(8 * mean);
    expect(costs[500]!).toBeLessThan(0.75 * mean);
  });
});

describe('the oracle of the limits bench', () => {
  // The last request starts when all before it but the depth have been refilled, and is answered within 2.3 s.
  it.each([
    ['batch-180', (1_000 - 3) / 3],
    ['batch-300', (1_000 - 5) / 5],
    ['batch-600', (1_000 - 10) / 10],
    ['batch-3000', (5_000 - 50) / 50],
    ['fall', 180 + (3_000 - 10 - 600 - 240) / 10],
    ['fixed-windows', 240 + 4],
    ['minute-deep', (2_000 - 600) / 10],
    ['hidden-second', 199],
    ['neighbour', (1_000 - 10) / 6],
    ['outage', 299.8],
    ['shed-5-told', (2_000 - 20) / 20],
    ['shed-20-bare', (1_000 - 20) / 20],
    ['shed-20-steady', 599 / 5],
    ['shed-50-hint', 599 / 5],
    ['shed-70-bursts', 1_199 / 5],
    ['one-bad-in-100', 359 / 3],
    ['cap-10-short', 89.1],
    ['cap-10-long', 349],
  ])('finishes %s as the books allow', (name, lastStart) => {
    const { finished } = oracleOf(shapeNamed(name));
    expect(finished / 1_000).toBeGreaterThan(lastStart);
    expect(finished / 1_000).toBeLessThan(lastStart + (name === 'cap-10-long' ? 12.1 : 2.3));
  });

  it('spends all tokens there are', () => {
    const shape = shapeNamed('tokens');
    const spent = shape.requests
      .map((request) => shape.provider.tokensOf!(request))
      .reduce((sum, { input, output }) => sum + input + output, 0);
    const { finished } = oracleOf(shape);
    expect(finished).toBeGreaterThan((spent - 90_000) / 1.5);
    expect(finished).toBeLessThan((spent - 90_000) / 1.5 + 2_300);
  });
});

describe('the bounds of the limits bench', () => {
  const oracle = { requests: 1_000, finished: 100_000, timeToAnswer: 50_000, waitP95: 95_000 };
  const good: Figures = {
    requests: 1_000,
    finished: 103_000,
    timeToAnswer: 51_000,
    waitP95: 96_000,
    answered: 1_000,
    lost: 0,
    refused: 10,
    avoidable: 10,
    failed: 0,
    startsBefore: [],
    wall: 1,
  };

  it('are kept at the bound', () => {
    expect(missedBounds(good, oracle, 'headers', { ...good, startsBefore: [0, 2] })).toEqual([]);
  });

  it('are wider where the provider says less', () => {
    const slower = { ...good, finished: 110_000, refused: 30 };
    expect(missedBounds(slower, oracle, 'bare')).toEqual([]);
    expect(missedBounds(slower, oracle, 'headers')).toEqual(['1.100 × > 1.03 ×', '3.00 429s per 100 > 1']);
  });

  it.each([
    [{ ...good, lost: 1, answered: 999 }, '1 lost'],
    [{ ...good, stopped: 'after 6 h' }, 'stopped after 6 h'],
    [{ ...good, finished: NaN }, 'NaN × > 1.03 ×'],
  ])('are missed by what did not end well', (figures, reason) => {
    expect(missedBounds(figures, oracle, 'headers')).toEqual([reason]);
  });

  it('are missed by a CRITICAL request that came late or never', () => {
    const urgent = { ...good, startsBefore: [3, undefined] };
    expect(missedBounds(good, oracle, 'headers', urgent)).toEqual(['CRITICAL after 3 and – starts']);
  });

  it('are times of their own where calls are refused for other reasons than the pace', () => {
    const bound = { finished: 103_000, ofBestRival: 1.1, waitP95: 96_000 };
    expect(missedFieldBound(good, bound)).toEqual([]);
    expect(missedFieldBound(good, { ...bound, finished: 102_000 })).toEqual([
      'finished after 103.0 s > 102.0 s',
    ]);
    expect(missedFieldBound({ ...good, waitP95: 96_100, lost: 2 }, bound)).toEqual([
      '2 lost',
      'p95 wait 96.1 s > 96.0 s',
    ]);
  });

  it('follow the best rival where one ran', () => {
    const bound = { finished: 1_000, ofBestRival: 1.1 };
    expect(missedFieldBound(good, bound, 94_000)).toEqual([]);
    expect(missedFieldBound(good, bound, 93_000)).toEqual(['finished after 103.0 s > 102.3 s']);
  });
});
