import * as fc from 'fast-check';
import type { SimulatedLimit, SimulatedNeighbour } from '../../lib/testing';
import { fates, made } from './calls';

const account: SimulatedLimit = { of: 'requests', limit: 600, kind: 'fixed-window' };

/** What neighbours took of an account until a time, as its headers tell who calls first then. */
function takenBy(
  neighbours: readonly SimulatedNeighbour[],
  at: number,
  limits = [account],
  seed = 1,
): number {
  const [call] = made({ limits, neighbours, seed }, [{ at }]);
  const headers = (call!.feedback?.headers ?? call!.error?.headers) as Record<string, string>;
  const name = limits[0]!.of;
  const own = name === 'requests' && call!.answer ? 1 : 0;
  return (
    Number(headers[`x-ratelimit-limit-${name}`]) - own - Number(headers[`x-ratelimit-remaining-${name}`])
  );
}

describe('a neighbour', () => {
  it('takes its share', () => {
    expect(takenBy([{ requestsPerMinute: 240 }], 59_999)).toBe(239);
    expect(takenBy([{ requestsPerMinute: 240 }], 250)).toBe(1);
    expect(takenBy([{ requestsPerMinute: 240 }], 249)).toBe(0);
  });

  it('comes and goes', () => {
    const neighbour = { requestsPerMinute: 60, from: 10_000, until: 20_000 };
    expect(takenBy([neighbour], 10_999)).toBe(0);
    expect(takenBy([neighbour], 11_000)).toBe(1);
    expect(takenBy([neighbour], 59_999)).toBe(9);
  });

  it('takes tokens of the prompt too', () => {
    const neighbours = [{ requestsPerMinute: 60, tokensPerRequest: 50 }];
    const tokens = (of: 'tokens' | 'input-tokens' | 'output-tokens'): SimulatedLimit[] => [
      { of, limit: 1000, kind: 'fixed-window' },
    ];
    expect(takenBy(neighbours, 3000, tokens('tokens'))).toBe(150);
    const headersOf = (of: 'input-tokens' | 'output-tokens') =>
      made({ headers: 'anthropic', limits: tokens(of), neighbours }, [{ at: 3000 }])[0]!.feedback!.headers;
    expect(headersOf('input-tokens')).toMatchObject({ 'anthropic-ratelimit-input-tokens-remaining': '850' });
    expect(headersOf('output-tokens')).toMatchObject({
      'anthropic-ratelimit-output-tokens-remaining': '1000',
    });
  });

  it('leaves the rest to others', () => {
    const planned = Array.from({ length: 600 }, (_, index) => ({ at: 99 + index * 100 }));
    const admitted = (neighbours: SimulatedNeighbour[]) =>
      fates(made({ limits: [account], neighbours, refusedCallsCount: false }, planned)).replaceAll('-', '')
        .length;
    expect(admitted([])).toBe(600);
    expect(admitted([{ requestsPerMinute: 240 }])).toBeLessThan(600 - 150);
    expect(admitted([{ requestsPerMinute: 240 }, { requestsPerMinute: 240 }])).toBeLessThan(
      admitted([{ requestsPerMinute: 240 }]),
    );
  });

  it('drops what is refused to it, and that costs nothing', () => {
    expect(takenBy([{ requestsPerMinute: 6000 }], 30_000)).toBe(600);
    const full: SimulatedLimit[] = [account, { of: 'tokens', limit: 100, kind: 'fixed-window' }];
    expect(takenBy([{ requestsPerMinute: 60, tokensPerRequest: 40 }], 30_000, full)).toBe(2);
  });

  it('comes before the calls of its moment, and others of its moment in their order', () => {
    const limits: SimulatedLimit[] = [{ of: 'tokens', limit: 100, kind: 'fixed-window' }];
    const neighbours = [
      { requestsPerMinute: 60, tokensPerRequest: 70 },
      { requestsPerMinute: 60, tokensPerRequest: 60 },
    ];
    expect(takenBy(neighbours, 1000, limits)).toBe(70);
  });

  it('lives by the limit of its time', () => {
    const limits: SimulatedLimit[] = [
      { of: 'requests', limit: 60, depth: 1, changes: [{ at: 30_000, limit: 6 }] },
      { of: 'tokens', limit: 1_000_000, kind: 'fixed-window' },
    ];
    const neighbours = [{ requestsPerMinute: 600, tokensPerRequest: 1 }];
    const [call] = made({ limits, neighbours }, [{ at: 59_999 }]);
    const headers = call!.error!.headers;
    // One at once, one each second until 30 s, and then one each ten.
    expect(1_000_000 - Number(headers['x-ratelimit-remaining-tokens'])).toBeGreaterThanOrEqual(29 + 2);
    expect(1_000_000 - Number(headers['x-ratelimit-remaining-tokens'])).toBeLessThanOrEqual(30 + 3);
  });

  it('may come by chance, at the same mean rate and the same times with the same seed', () => {
    const neighbours: SimulatedNeighbour[] = [{ requestsPerMinute: 6000, arrivals: 'poisson' }];
    const limits = [{ ...account, limit: 100_000 }];
    const counts = [1, 2, 3, 4].map((seed) => takenBy(neighbours, 30_000, limits, seed));
    for (const count of counts) {
      // Six standard deviations.
      expect(Math.abs(count - 3000)).toBeLessThan(6 * Math.sqrt(3000));
    }
    expect(new Set(counts).size).toBeGreaterThan(1);
    expect(takenBy(neighbours, 30_000, limits, 3)).toBe(counts[2]);
  });

  it('takes the same however often somebody looks at the books', () => {
    const looks = fc
      .array(fc.nat(59_998), { maxLength: 20 })
      .map((at) => at.sort((one, other) => one - other));
    fc.assert(
      fc.property(looks, fc.constantFrom('even' as const, 'poisson' as const), (at, arrivals) => {
        const limits: SimulatedLimit[] = [{ of: 'tokens', limit: 3000, kind: 'fixed-window' }];
        const neighbours = [{ requestsPerMinute: 240, tokensPerRequest: 10, arrivals }];
        const remaining = (planned: readonly number[]) => {
          const last = made(
            { limits, neighbours },
            [...planned, 59_999].map((time) => ({ at: time })),
          ).at(-1);
          return (last!.feedback!.headers as Record<string, string>)['x-ratelimit-remaining-tokens'];
        };
        expect(remaining(at)).toBe(remaining([]));
      }),
    );
  });
});
