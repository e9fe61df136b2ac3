import * as fc from 'fast-check';
import type { SimulatedLimit } from '../../lib/testing';
import { fates, made, times, type MadeCall, type PlannedCall } from './calls';

const arrivals = fc
  .array(fc.record({ at: fc.nat(20_000), input: fc.nat(60), output: fc.nat(60) }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((planned) => planned.sort((one, other) => one.at - other.at));

const resources = fc.constantFrom<SimulatedLimit['of'][]>(
  'requests',
  'tokens',
  'input-tokens',
  'output-tokens',
);

const costs: Record<SimulatedLimit['of'], (call: MadeCall) => number> = {
  requests: () => 1,
  tokens: (call) => call.input + call.output,
  'input-tokens': (call) => call.input,
  'output-tokens': (call) => call.output,
};

const bucket = fc.record({
  of: resources,
  limit: fc.integer({ min: 1, max: 500 }),
  window: fc.integer({ min: 100, max: 30_000 }),
  depth: fc.integer({ min: 120, max: 400 }),
});

const fixedWindow = fc.record({
  of: resources,
  limit: fc.integer({ min: 120, max: 500 }),
  window: fc.integer({ min: 100, max: 10_000 }),
  kind: fc.constant('fixed-window' as const),
});

describe('whatever is called when', () => {
  it('a bucket admits at most its depth and what flows in, in any window', () => {
    fc.assert(
      fc.property(arrivals, fc.array(bucket, { minLength: 1, maxLength: 3 }), (planned, limits) => {
        const admitted = made({ limits }, planned).filter((call) => call.answer);
        for (const { of, limit, window, depth } of limits) {
          for (let first = 0; first < admitted.length; first++) {
            let cost = 0;
            for (let last = first; last < admitted.length; last++) {
              cost += costs[of](admitted[last]!);
              const inflow = ((admitted[last]!.at - admitted[first]!.at) * limit) / window;
              expect(cost).toBeLessThanOrEqual(depth + inflow + 1e-6);
            }
          }
        }
      }),
    );
  });

  it('a fixed window admits at most its limit between two multiples of it', () => {
    fc.assert(
      fc.property(arrivals, fixedWindow, (planned, limit) => {
        const sums = new Map<number, number>();
        for (const call of made({ limits: [limit] }, planned)) {
          const index = Math.floor(call.at / limit.window);
          const sum = (sums.get(index) ?? 0) + (call.answer ? costs[limit.of](call) : 0);
          sums.set(index, sum);
          expect(sum).toBeLessThanOrEqual(limit.limit);
        }
      }),
    );
  });

  it('the books admit a call when they said they would, and no whole millisecond earlier', () => {
    const changing = fc.record({
      changes: fc.array(fc.record({ at: fc.nat(60_000), limit: fc.integer({ min: 120, max: 500 }) }), {
        maxLength: 3,
      }),
    });
    const limit = fc
      .tuple(fc.oneof(bucket, fixedWindow), changing)
      .map(([one, other]): SimulatedLimit => ({ ...one, ...other }));
    fc.assert(
      fc.property(
        arrivals,
        fc.array(limit, { minLength: 1, maxLength: 3 }),
        fc.record({ input: fc.nat(600), output: fc.nat(60) }),
        (planned, limits, request) => {
          const config = { limits, latency: { base: 0, perOutputToken: 0, refusal: 0 } };
          let opensAt = NaN;
          let now = NaN;
          made(config, planned, (provider, scheduler) => {
            opensAt = provider.admitsAt(request);
            now = scheduler.now();
          });
          const last = (at: number) => made(config, [...planned, { at, ...request }]).at(-1)!;
          expect(opensAt).toBeGreaterThanOrEqual(now);
          expect(last(opensAt).answer).toBeDefined();
          expect(opensAt - 1 >= now ? last(opensAt - 1).answer : undefined).toBeUndefined();
        },
      ),
    );
  });
});

describe('a bucket', () => {
  it('starts full and refills continuously', () => {
    const limits = [{ of: 'requests', limit: 60, depth: 2 } as const];
    const calls = made({ limits, refusedCallsCount: false }, [
      ...times(3, { at: 0 }),
      { at: 999 },
      { at: 1000 },
      { at: 1999 },
      ...times(3, { at: 9000 }),
    ]);
    expect(fates(calls)).toBe('++-' + '-+' + '-' + '++-');
  });

  it('is as deep as its limit unless told otherwise', () => {
    expect(fates(made({ limits: [{ of: 'requests', limit: 3 }] }, times(4, { at: 0 })))).toBe('+++-');
  });

  it('lets a cost above its depth through when it is full, and the debt is paid by those who come later', () => {
    const limits = [{ of: 'tokens', limit: 6000, depth: 100 } as const];
    const calls = made({ limits }, [
      { at: 0, input: 1 },
      { at: 9, input: 300 },
      { at: 10, input: 300 },
      { at: 2019, input: 1 },
      { at: 2020, input: 1 },
    ]);
    expect(fates(calls)).toBe('+-+-+');
  });

  it('is full with less when its limit falls, and refills slower', () => {
    const limits = [{ of: 'requests', limit: 60, depth: 10, changes: [{ at: 5000, limit: 12 }] } as const];
    const calls = made({ limits, refusedCallsCount: false }, [
      ...times(3, { at: 5000 }),
      { at: 9999 },
      { at: 10_000 },
    ]);
    expect(fates(calls)).toBe('++-' + '-+');
  });

  it('keeps its level when its limit rises, and takes the depth it is told', () => {
    const limits = [
      { of: 'requests', limit: 60, depth: 1, changes: [{ at: 5000, limit: 120, depth: 3 }] } as const,
    ];
    const calls = made({ limits, refusedCallsCount: false }, [
      ...times(2, { at: 5000 }),
      ...times(4, { at: 20_000 }),
    ]);
    expect(fates(calls)).toBe('+-' + '+++-');
  });
});

describe('changes', () => {
  it('come at their times in whatever order they are given', () => {
    const changes = [
      { at: 2000, limit: 3 },
      { at: 1000, limit: 2 },
    ];
    const limits = [{ of: 'requests', limit: 1, window: 1000, kind: 'fixed-window', changes } as const];
    const calls = made({ limits }, [
      ...times(4, { at: 0 }),
      ...times(4, { at: 1000 }),
      ...times(4, { at: 2000 }),
    ]);
    expect(fates(calls)).toBe('+---' + '++--' + '+++-');
  });
});

describe('a fixed window', () => {
  it('is full again at every multiple of it', () => {
    const limits = [{ of: 'requests', limit: 2, window: 1000, kind: 'fixed-window' } as const];
    const calls = made({ limits }, [
      { at: 500 },
      ...times(2, { at: 999 }),
      ...times(3, { at: 1000 }),
      { at: 5999 },
      { at: 6000 },
    ]);
    expect(fates(calls)).toBe('+' + '+-' + '++-' + '++');
  });

  it('keeps what was used of it when its limit changes', () => {
    const limits = [
      { of: 'requests', limit: 4, kind: 'fixed-window', changes: [{ at: 100, limit: 5 }] } as const,
    ];
    expect(fates(made({ limits }, [...times(5, { at: 0 }), ...times(2, { at: 100 })]))).toBe('++++-' + '+-');
  });
});

describe('several limits', () => {
  it('must all have room, and a call without room in one takes from none', () => {
    const calls = made(
      {
        limits: [
          { of: 'requests', limit: 3 },
          { of: 'output-tokens', limit: 100 },
        ],
        refusedCallsCount: false,
      },
      [{ at: 0, output: 90 }, ...times(5, { at: 0, output: 20 }), ...times(3, { at: 0, output: 5 })],
    );
    expect(fates(calls)).toBe('+' + '-----' + '++-');
  });

  it('are enforced hidden as well', () => {
    const limits = [
      { of: 'requests', limit: 600 },
      { of: 'requests', limit: 10, window: 1000, hidden: true },
    ] as const;
    expect(fates(made({ limits }, times(12, { at: 0 })))).toBe('++++++++++--');
  });
});

describe('refused calls', () => {
  const limits = [{ of: 'requests', limit: 60, depth: 2 } as const];
  const insisting: PlannedCall[] = [...times(2, { at: 0 }), { at: 900 }, { at: 1800 }, { at: 2800 }];

  it('take from limits of requests', () => {
    expect(fates(made({ limits }, insisting))).toBe('++--+');
  });

  it('take nothing if told so', () => {
    expect(fates(made({ limits, refusedCallsCount: false }, insisting))).toBe('++-++');
  });

  it('take no tokens, and never leave less than nothing', () => {
    const both = [...limits, { of: 'tokens', limit: 6000, depth: 100 } as const];
    const calls = made({ limits: both }, [
      { at: 0, input: 60 },
      ...times(9, { at: 0, input: 60 }),
      { at: 1000, input: 100 },
    ]);
    expect(fates(calls)).toBe('+' + '---------' + '+');
  });
});
