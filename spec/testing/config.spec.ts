import { SimulatedProvider, type SimulatedProviderConfig } from '../../lib/testing';

const wrong: readonly [wrong: unknown, error: typeof TypeError | typeof RangeError, message: string][] = [
  [null, TypeError, 'The config of SimulatedProvider must be an object'],
  [{ limts: [] }, TypeError, "The config of SimulatedProvider must not have a field 'limts'"],
  [{ limits: {} }, TypeError, 'limits must be an array'],
  [{ limits: [5] }, TypeError, 'limits[0] must be an object'],
  [{ limits: [{ limit: 5 }] }, TypeError, "limits[0].of must be 'requests' or"],
  [{ limits: [{ of: 'calls', limit: 5 }] }, TypeError, "but is 'calls'"],
  [{ limits: [{ of: 'requests' }] }, TypeError, 'limits[0].limit must be a number'],
  [{ limits: [{ of: 'requests', limit: 0 }] }, RangeError, 'limits[0].limit must be a finite number above 0'],
  [{ limits: [{ of: 'requests', limit: 5, per: 1 }] }, TypeError, "limits[0] must not have a field 'per'"],
  [{ limits: [{ of: 'requests', limit: 5, window: 0 }] }, RangeError, 'limits[0].window'],
  [{ limits: [{ of: 'requests', limit: 5, kind: 'leaky' }] }, TypeError, 'limits[0].kind'],
  [{ limits: [{ of: 'requests', limit: 5, depth: -1 }] }, RangeError, 'limits[0].depth'],
  [
    { limits: [{ of: 'requests', limit: 5, kind: 'fixed-window', depth: 5 }] },
    TypeError,
    'limits[0].depth must be left out',
  ],
  [{ limits: [{ of: 'requests', limit: 5, hidden: 1 }] }, TypeError, 'limits[0].hidden'],
  [{ limits: [{ of: 'requests', limit: 5, changes: 1 }] }, TypeError, 'limits[0].changes must be an array'],
  [{ limits: [{ of: 'requests', limit: 5, changes: [{}] }] }, TypeError, 'limits[0].changes[0].limit'],
  [{ limits: [{ of: 'requests', limit: 5, changes: [{ limit: 1 }] }] }, TypeError, 'limits[0].changes[0].at'],
  [
    { limits: [{ of: 'requests', limit: 5, changes: [{ at: 0, limit: 1, to: 1 }] }] },
    TypeError,
    "limits[0].changes[0] must not have a field 'to'",
  ],
  [
    { limits: [{ of: 'requests', limit: 5, changes: [{ at: 0, limit: 1, depth: 0 }] }] },
    RangeError,
    'limits[0].changes[0].depth',
  ],
  [{ headers: 'gemini' }, TypeError, 'headers must be'],
  [{ retryAfter: 'minutes' }, TypeError, 'retryAfter must be'],
  [{ refusedCallsCount: 'yes' }, TypeError, 'refusedCallsCount must be'],
  [{ refuse: true }, TypeError, 'refuse must be a function'],
  [{ tokensOf: 5 }, TypeError, 'tokensOf must be'],
  [{ latency: 5 }, TypeError, 'latency must be an object'],
  [{ latency: { base: -1 } }, RangeError, 'latency.base'],
  [{ latency: { perToken: 1 } }, TypeError, "latency must not have a field 'perToken'"],
  [{ latency: { perOutputToken: NaN } }, RangeError, 'latency.perOutputToken'],
  [{ latency: { refusal: '5' } }, TypeError, 'latency.refusal'],
  [{ latency: { knee: 0 } }, RangeError, 'latency.knee'],
  [{ outages: [{ until: 5, failureRate: 1 }] }, TypeError, 'outages[0].from'],
  [{ outages: [{ from: 6, until: 5, failureRate: 1 }] }, RangeError, 'outages[0].until'],
  [{ outages: [{ from: 0, until: 5 }] }, TypeError, 'outages[0].failureRate'],
  [
    { outages: [{ from: 0, until: 5, failureRate: 2 }] },
    RangeError,
    'outages[0].failureRate must be at most 1',
  ],
  [{ outages: [{ from: 0, until: 5, failureRate: 1, status: 429 }] }, RangeError, 'outages[0].status'],
  [{ outages: [{ from: 0, until: 5, failureRate: 1, retryAfter: -1 }] }, RangeError, 'outages[0].retryAfter'],
  [
    { outages: [{ from: 0, until: 5, failureRate: 1, to: 5 }] },
    TypeError,
    "outages[0] must not have a field 'to'",
  ],
  [{ neighbours: [{}] }, TypeError, 'neighbours[0].requestsPerMinute'],
  [{ neighbours: [{ requestsPerMinute: 0 }] }, RangeError, 'neighbours[0].requestsPerMinute'],
  [
    { neighbours: [{ requestsPerMinute: 1, tokens: 0 }] },
    TypeError,
    "neighbours[0] must not have a field 'tokens'",
  ],
  [
    { neighbours: [{ requestsPerMinute: 1, tokensPerRequest: -1 }] },
    RangeError,
    'neighbours[0].tokensPerRequest',
  ],
  [{ neighbours: [{ requestsPerMinute: 1, from: -1 }] }, RangeError, 'neighbours[0].from'],
  [{ neighbours: [{ requestsPerMinute: 1, from: 2, until: 1 }] }, RangeError, 'neighbours[0].until'],
  [{ neighbours: [{ requestsPerMinute: 1, arrivals: 'bursts' }] }, TypeError, 'neighbours[0].arrivals'],
  [{ streaming: { rate: 1 } }, TypeError, "streaming must not have a field 'rate'"],
  [{ streaming: { tokensPerSecond: 0 } }, RangeError, 'streaming.tokensPerSecond'],
  [{ streaming: { deathRate: 1.1 } }, RangeError, 'streaming.deathRate'],
  [{ seed: 1.5 }, RangeError, 'seed must be'],
  [{ scheduler: {} }, TypeError, 'scheduler must be an RxJS scheduler'],
];

describe('a wrong config', () => {
  it.each(wrong)('%j names the field', (config, type, message) => {
    const make = () => new SimulatedProvider(config as SimulatedProviderConfig);
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });
});

describe('a config', () => {
  it('may be left out', () => {
    expect(new SimulatedProvider().statistics.calls).toBe(0);
  });

  it('is read once: changing it later changes nothing', () => {
    const changes = [
      { at: 2000, limit: 1 },
      { at: 1000, limit: 2 },
    ];
    new SimulatedProvider({ limits: [{ of: 'requests', limit: 5, changes }] });
    expect(changes.map(({ at }) => at)).toEqual([2000, 1000]);
  });
});
