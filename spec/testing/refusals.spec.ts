import * as fc from 'fast-check';
import { classifyError } from '../../lib';
import {
  SimulatedProviderError,
  type SimulatedProviderConfig,
  type SimulatedSituation,
} from '../../lib/testing';
import { fates, made, times, type PlannedCall, type PlannedConfig } from './calls';

/** Three requests a minute, used up; the next is refused, and told to wait for 19.5 s. */
function refusedBy(config: Partial<PlannedConfig>): SimulatedProviderError {
  const planned: PlannedCall[] = [...times(3, { at: 0 }), { at: 500 }];
  const [, , , last] = made({ headers: 'none', limits: [{ of: 'requests', limit: 3 }], ...config }, planned);
  // The request that came at 500 ms drained what had flowed in by then.
  return last!.error!;
}

describe('a refusal', () => {
  it('is an error as the OpenAI SDK throws it', () => {
    const error = refusedBy({ headers: 'openai' });
    expect(error).toBeInstanceOf(SimulatedProviderError);
    expect(error).toMatchObject({
      status: 429,
      name: 'SimulatedProviderError',
      code: 'rate_limit_exceeded',
      type: 'requests',
      headers: { 'x-ratelimit-remaining-requests': '0', 'retry-after': '20' },
      error: { type: 'requests', param: null, code: 'rate_limit_exceeded' },
    });
    expect(error.message).toBe('429 Rate limit reached on requests per min (RPM).');
  });

  it('hints in whole seconds by default', () => {
    expect(refusedBy({}).headers).toEqual({ 'retry-after': '20' });
    expect(refusedBy({ refusedCallsCount: false }).headers).toEqual({ 'retry-after': '20' });
  });

  it('hints in milliseconds', () => {
    expect(refusedBy({ retryAfter: 'milliseconds' }).headers).toEqual({ 'retry-after-ms': '20000' });
    expect(refusedBy({ retryAfter: 'milliseconds', refusedCallsCount: false }).headers).toEqual({
      'retry-after-ms': '19500',
    });
  });

  it("hints in the body, as Gemini's do", () => {
    const { headers, error } = refusedBy({ retryAfter: 'body', refusedCallsCount: false });
    expect(headers).toEqual({});
    expect(error).toEqual({
      code: 429,
      message: 'Rate limit reached on requests per min (RPM).',
      status: 'RESOURCE_EXHAUSTED',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
          violations: [{ quotaId: 'GenerateRequestsPerMinutePerProjectPerModel' }],
        },
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '19.5s' },
      ],
    });
  });

  it("hints in the message, as OpenAI's do", () => {
    const { headers, message } = refusedBy({ retryAfter: 'message' });
    expect(headers).toEqual({});
    expect(message).toBe(
      '429 Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.',
    );
  });

  it('names the numbers of the limit that takes longest, in the words of its window', () => {
    const [, last] = made(
      {
        retryAfter: 'message',
        limits: [
          { of: 'requests', limit: 1 },
          { of: 'input-tokens', limit: 1000, window: 86_400_000 },
        ],
      },
      times(2, { at: 0, input: 600, output: 9 }),
    );
    expect(last!.error).toMatchObject({
      type: 'tokens',
      message:
        '429 Rate limit reached on input tokens per day (ITPD): Limit 1000, Used 600, Requested 600. Please try again in 4h48m0s.',
    });
  });

  it('says nothing of the numbers of a hidden limit, but when to come back', () => {
    const limits = [{ of: 'requests', limit: 3, hidden: true } as const];
    expect(refusedBy({ limits, retryAfter: 'message' }).message).toBe(
      '429 Rate limit reached. Please try again in 20s.',
    );
    expect(refusedBy({ limits }).headers).toEqual({ 'retry-after': '20' });
    expect(refusedBy({ limits, retryAfter: 'body' }).error).toMatchObject({
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '20s' }],
    });
  });

  it('need not hint at all', () => {
    const { headers, message, error } = refusedBy({ retryAfter: 'none' });
    expect(headers).toEqual({});
    expect(`${message}${JSON.stringify(error)}`).not.toMatch(/\d{2} ?m?s/);
  });

  it('is what rxllm waits for', () => {
    expect(classifyError(refusedBy({}))).toMatchObject({ kind: 'wait', retryAfter: 20_000 });
    expect(classifyError(refusedBy({ retryAfter: 'milliseconds' }))).toMatchObject({
      kind: 'wait',
      retryAfter: 20_000,
    });
  });

  it.each<NonNullable<SimulatedProviderConfig['retryAfter']>>(['seconds', 'milliseconds'])(
    'is over for who comes back when told (%s), whatever was called before',
    (retryAfter) => {
      const calls = fc
        .array(fc.record({ at: fc.nat(3000), input: fc.nat(300) }), { minLength: 5, maxLength: 30 })
        .map((planned) => planned.sort((one, other) => one.at - other.at));
      fc.assert(
        fc.property(calls, fc.boolean(), (planned, isFixed) => {
          const config: PlannedConfig = {
            retryAfter,
            limits: [
              { of: 'requests', limit: 30, ...(isFixed ? { kind: 'fixed-window' } : { depth: 4 }) },
              { of: 'tokens', limit: 3000, ...(isFixed ? { kind: 'fixed-window' } : { depth: 250 }) },
            ],
          };
          const last = made(config, planned).at(-1)!;
          if (last.error) {
            const { headers } = last.error;
            const wait = Number(headers['retry-after-ms'] ?? Number(headers['retry-after']) * 1000);
            const again = { at: last.at + wait, input: last.input };
            expect(made(config, [...planned, again]).at(-1)!.answer).toBeDefined();
          }
        }),
      );
    },
  );

  it('never holds the request', () => {
    const error = refusedBy({ tokensOf: () => ({ input: 0, output: 0 }) });
    expect(Object.keys(error).sort()).toEqual(['code', 'error', 'headers', 'name', 'status', 'type']);
  });
});

describe('a refusal for another reason than the limits', () => {
  const limits = [{ of: 'requests', limit: 3 } as const];

  it('costs nothing of the limits, and its headers state them as they are', () => {
    const calls = made({ limits, refuse: ({ input }) => input === 7 }, [
      { at: 0 },
      ...times(5, { at: 0, input: 7 }),
      ...times(3, { at: 0 }),
    ]);
    expect(fates(calls)).toBe('+' + '-----' + '++-');
    expect(calls[1]!.error).toMatchObject({
      status: 429,
      message: '429 The request was refused.',
      headers: { 'x-ratelimit-limit-requests': '3', 'x-ratelimit-remaining-requests': '2' },
    });
    expect(calls[1]!.error!.headers).not.toHaveProperty('retry-after');
    expect(calls[1]!.endedAt).toBe(100);
  });

  it('is told when the call comes, and how many admitted calls run', () => {
    const refuse = jest.fn<boolean, [unknown, SimulatedSituation]>((_, { running }) => running >= 2);
    const calls = made({ refuse }, [...times(3, { at: 0 }), { at: 299 }, { at: 301 }]);
    expect(fates(calls)).toBe('++-' + '-' + '+');
    expect(refuse.mock.calls.map(([, situation]) => situation)).toEqual([
      { at: 0, running: 0 },
      { at: 0, running: 1 },
      { at: 0, running: 2 },
      { at: 299, running: 2 },
      { at: 301, running: 0 },
    ]);
  });

  it.each<[NonNullable<PlannedConfig['retryAfter']>, object]>([
    ['seconds', { headers: { 'retry-after': '2' } }],
    ['milliseconds', { headers: { 'retry-after-ms': '1500' } }],
    ['message', { headers: {}, message: '429 The request was refused. Please try again in 1.5s.' }],
    [
      'body',
      {
        headers: {},
        error: { details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' }] },
      },
    ],
    ['none', { headers: {}, message: '429 The request was refused.' }],
  ])('hints in the form that the config names: %s', (retryAfter, expected) => {
    const [call] = made({ headers: 'none', retryAfter, refuse: () => ({ retryAfter: 1500 }) }, [{ at: 0 }]);
    expect(call!.error).toMatchObject(expected);
    expect(classifyError(call!.error)).toMatchObject({
      kind: 'wait',
      ...(retryAfter !== 'none' && { retryAfter: retryAfter === 'seconds' ? 2000 : 1500 }),
    });
  });

  it('is not foreseen by admitsAt', () => {
    made({ refuse: () => true }, [{ at: 0 }], (provider, scheduler) => {
      expect(provider.admitsAt({ input: 1, output: 1 })).toBe(scheduler.now());
    });
  });

  it('hints of a time that can be waited for, or the call fails as with any mistake in a config', () => {
    const [call] = made({ refuse: () => ({ retryAfter: -1 }) }, [{ at: 0 }]);
    expect(call!.error).toEqual(
      new RangeError('The retryAfter that refuse returns must be a finite number of at least 0, but is -1.'),
    );
  });
});
