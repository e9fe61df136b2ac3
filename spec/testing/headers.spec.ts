import * as fc from 'fast-check';
import type { SimulatedHeaders, SimulatedLimit } from '../../lib/testing';
import { made, type MadeCall, type PlannedConfig } from './calls';

type Headers = Readonly<Record<string, string>>;

function headersOf(call: MadeCall | undefined): Headers {
  return (call?.feedback?.headers ?? call?.error?.headers) as Headers;
}

/** The headers of calls that are admitted, made one after the other. */
function headersAfter(config: PlannedConfig, planned: readonly { at: number; input?: number }[]): Headers {
  return headersOf(made(config, planned).at(-1));
}

function goMilliseconds(text: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  return [...text.matchAll(/([\d.]+)(h|ms|m|s)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!,
    0,
  );
}

interface Reading {
  readonly limit: string | undefined;
  readonly remaining: string | undefined;
  /** Milliseconds. */
  readonly reset: number;
  /** How much later than the truth a reset may be stated. */
  readonly tolerance: number;
}

const readers: Record<'openai' | 'groq' | 'azure' | 'anthropic', (headers: Headers) => Reading> = {
  openai: (headers) => ({
    limit: headers['x-ratelimit-limit-tokens'],
    remaining: headers['x-ratelimit-remaining-tokens'],
    reset: goMilliseconds(headers['x-ratelimit-reset-tokens']!),
    tolerance: 1,
  }),
  groq: (headers) => readers.openai(headers),
  azure: (headers) => ({
    limit: headers['x-ratelimit-limit-tokens'],
    remaining: headers['x-ratelimit-remaining-tokens'],
    reset: Number(headers['x-ratelimit-reset-tokens']) * 1000,
    tolerance: 1000,
  }),
  anthropic: (headers) => ({
    limit: headers['anthropic-ratelimit-tokens-limit'],
    remaining: headers['anthropic-ratelimit-tokens-remaining'],
    reset: Date.parse(headers['anthropic-ratelimit-tokens-reset']!) - Date.parse(headers['date']!),
    tolerance: 2000,
  }),
};

describe('headers', () => {
  it.each(Object.keys(readers) as (keyof typeof readers)[])('of %s state the books', (headers) => {
    const calls = fc
      .array(fc.record({ at: fc.nat(90_000), input: fc.nat(150) }), { minLength: 1, maxLength: 30 })
      .map((planned) => planned.sort((one, other) => one.at - other.at));
    fc.assert(
      fc.property(
        calls,
        fc.integer({ min: 60, max: 100_000 }),
        fc.double({ min: 0.2, max: 2, noNaN: true }),
        (planned, limit, share) => {
          const depth = Math.max(1, Math.round(limit * share));
          const interval = 60_000 / limit;
          // The same books kept as GCRA keeps them: the time at which the bucket will be full.
          let fullAt = 0;
          for (const call of made({ headers, limits: [{ of: 'tokens', limit, depth }] }, planned)) {
            if (call.answer) {
              fullAt = Math.max(fullAt, call.at) + call.input * interval;
            }
            const untilFull = Math.max(0, fullAt - call.at);
            const reading = readers[headers](headersOf(call));
            expect(reading.limit).toBe(String(limit));
            // Less than a billionth of the depth is noise to the provider, so a level that close to a whole number is
            // stated as that number or as the one below it.
            const level = depth - untilFull / interval;
            const noise = 2e-9 * depth;
            expect(
              [Math.floor(level - noise), Math.floor(level + noise)].map((one) => Math.max(0, one)),
            ).toContain(Number(reading.remaining));
            expect(reading.reset).toBeGreaterThanOrEqual(untilFull - 1e-3);
            expect(reading.reset).toBeLessThan(untilFull + reading.tolerance);
          }
        },
      ),
      // Half a ten-thousandth of a token is missing.
      {
        examples: [
          [
            [
              { at: 2, input: 5 },
              { at: 5, input: 0 },
            ],
            99_999,
            0.5,
          ],
        ],
      },
    );
  });

  const bothLimits: SimulatedLimit[] = [
    { of: 'requests', limit: 3000 },
    { of: 'tokens', limit: 250_000 },
  ];

  it('of OpenAI are those of a call to it', () => {
    expect(headersAfter({ limits: bothLimits }, [{ at: 0, input: 11 }])).toEqual({
      'x-ratelimit-limit-requests': '3000',
      'x-ratelimit-remaining-requests': '2999',
      'x-ratelimit-reset-requests': '20ms',
      'x-ratelimit-limit-tokens': '250000',
      'x-ratelimit-remaining-tokens': '249989',
      'x-ratelimit-reset-tokens': '3ms',
    });
  });

  it('of Groq count requests by the day if the limit does', () => {
    const limits = [{ of: 'requests', limit: 14_400, window: 86_400_000 } as const];
    const thirty = Array.from({ length: 30 }, () => ({ at: 0 }));
    expect(headersAfter({ headers: 'groq', limits }, thirty)).toEqual({
      'x-ratelimit-limit-requests': '14400',
      'x-ratelimit-remaining-requests': '14370',
      'x-ratelimit-reset-requests': '3m0s',
    });
  });

  it('of Azure are bare seconds', () => {
    const limits = [{ of: 'requests', limit: 5 }] as const;
    expect(headersAfter({ headers: 'azure', limits }, [{ at: 0 }])).toEqual({
      'x-ratelimit-limit-requests': '5',
      'x-ratelimit-remaining-requests': '4',
      'x-ratelimit-reset-requests': '12',
      'x-ratelimit-renewalperiod-requests': '60',
    });
  });

  it('of Anthropic say when all will be there again', () => {
    const limits = [
      { of: 'requests', limit: 60 },
      { of: 'input-tokens', limit: 6000 },
      { of: 'output-tokens', limit: 6000 },
    ] as const;
    expect(headersAfter({ headers: 'anthropic', limits }, [{ at: 10_000, input: 200 }])).toEqual({
      date: 'Thu, 01 Jan 1970 00:00:10 GMT',
      'anthropic-ratelimit-requests-limit': '60',
      'anthropic-ratelimit-requests-remaining': '59',
      'anthropic-ratelimit-requests-reset': '1970-01-01T00:00:11Z',
      'anthropic-ratelimit-input-tokens-limit': '6000',
      'anthropic-ratelimit-input-tokens-remaining': '5800',
      'anthropic-ratelimit-input-tokens-reset': '1970-01-01T00:00:12Z',
      'anthropic-ratelimit-output-tokens-limit': '6000',
      'anthropic-ratelimit-output-tokens-remaining': '6000',
      'anthropic-ratelimit-output-tokens-reset': '1970-01-01T00:00:10Z',
    });
  });

  it('of Mistral know minutes only, no resets, and what the call cost', () => {
    const limits = [...bothLimits, { of: 'requests', limit: 5, window: 1000 } as const];
    expect(headersAfter({ headers: 'mistral', limits }, [{ at: 0, input: 11 }])).toEqual({
      'x-ratelimit-limit-req-minute': '3000',
      'x-ratelimit-remaining-req-minute': '2999',
      'x-ratelimit-limit-tokens-minute': '250000',
      'x-ratelimit-remaining-tokens-minute': '249989',
      'x-ratelimit-tokens-query-cost': '11',
    });
  });

  it('can be none at all', () => {
    const [call] = made({ headers: 'none', limits: bothLimits }, [{ at: 0, input: 11 }]);
    expect(call!.feedback).toEqual({ headers: {}, usage: { inputTokens: 11, outputTokens: 0 } });
  });

  it.each<[SimulatedHeaders, string]>([
    ['openai', '4.5s'],
    ['azure', '5'],
  ])('of %s reset at the end of a fixed window', (headers, reset) => {
    const limits = [{ of: 'requests', limit: 5, kind: 'fixed-window', window: 10_000 } as const];
    expect(headersAfter({ headers, limits }, [{ at: 5500 }])['x-ratelimit-reset-requests']).toBe(reset);
  });

  it('never state hidden limits, and the tighter one of two with the same name', () => {
    const limits = [
      { of: 'requests', limit: 100 },
      { of: 'requests', limit: 50, window: 86_400_000 },
      { of: 'requests', limit: 10, window: 1000, hidden: true },
    ] as const;
    expect(headersAfter({ limits }, [{ at: 0 }])).toMatchObject({
      'x-ratelimit-limit-requests': '50',
      'x-ratelimit-remaining-requests': '49',
      'x-ratelimit-reset-requests': '28m48s',
    });
  });

  it('state a limit as it is since it changed', () => {
    const limits = [{ of: 'requests', limit: 100, changes: [{ at: 1000, limit: 20 }] } as const];
    expect(headersAfter({ limits }, [{ at: 1000 }])).toMatchObject({
      'x-ratelimit-limit-requests': '20',
      'x-ratelimit-remaining-requests': '19',
    });
  });

  it('are those of the moment the call was billed, not of its answer', () => {
    const limits = [{ of: 'requests', limit: 60 } as const];
    const [first] = made({ limits, latency: { base: 10_000 } }, [{ at: 0 }, { at: 1 }]);
    expect(headersOf(first)['x-ratelimit-remaining-requests']).toBe('59');
  });

  it('write long times as Go does', () => {
    const limits = [{ of: 'requests', limit: 2, window: 3 * 3_600_000 } as const];
    expect(headersAfter({ limits }, [{ at: 0 }])['x-ratelimit-reset-requests']).toBe('1h30m0s');
  });
});
