import { retryAfterOf, statedLimitsOf, type StatedLimit } from '../../lib/provider/rate-limit-headers';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const date = 'Thu, 01 Jan 2026 00:00:00 GMT';

type Row = [
  name: string,
  dimension: StatedLimit['dimension'],
  limit: number,
  remaining: number | undefined,
  reset: number | undefined,
  window: number,
];

const stated = (...rows: Row[]): StatedLimit[] =>
  rows.map(([name, dimension, limit, remaining, reset, window]) => ({
    name,
    dimension,
    limit,
    remaining,
    reset: reset === undefined ? undefined : (expect.closeTo(reset, 6) as number),
    window,
  }));

/** OpenAI's headers of one limit. */
const limitHeaders = (name: string, limit: string, remaining: string, reset?: string) => ({
  [`x-ratelimit-limit-${name}`]: limit,
  [`x-ratelimit-remaining-${name}`]: remaining,
  ...(reset !== undefined && { [`x-ratelimit-reset-${name}`]: reset }),
});

const anthropicHeaders = (name: string, limit: string, remaining: string, reset: string) => ({
  [`anthropic-ratelimit-${name}-limit`]: limit,
  [`anthropic-ratelimit-${name}-remaining`]: remaining,
  [`anthropic-ratelimit-${name}-reset`]: reset,
});

describe('retryAfterOf', () => {
  it.each<[string, Record<string, string>, number | undefined]>([
    ['whole seconds', { 'retry-after': '56' }, 56_000],
    ['decimal seconds', { 'retry-after': '7.66' }, 7660],
    ['milliseconds before seconds', { 'retry-after-ms': '1500', 'retry-after': '7' }, 1500],
    ['Azure’s other name', { 'x-ms-retry-after-ms': '250', 'retry-after': '7' }, 250],
    ['seconds where the milliseconds are nonsense', { 'retry-after-ms': 'soon', 'retry-after': '7' }, 7000],
    ['a captured 429 of Azure: zero is no hint', { 'retry-after': '1', 'retry-after-ms': '0' }, 1000],
    ['zero alone', { 'retry-after': '0' }, undefined],
    ['a day', { 'retry-after': '86400' }, day],
    ['an HTTP date', { date, 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
    ['a date as in RFC 3339', { date, 'retry-after': '2026-01-01T00:00:30Z' }, 30_000],
    ['a date of RFC 850', { date, 'retry-after': 'Thursday, 01-Jan-26 00:00:30 GMT' }, 30_000],
    ['a date of asctime', { date, 'retry-after': 'Thu Jan  1 00:00:30 2026' }, 30_000],
    ['a date that is past', { date, 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, undefined],
    ['a date without a date to count from', { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, undefined],
    ['more than a month', { 'retry-after': '99999999' }, undefined],
    ['nothing', {}, undefined],
    ['words', { 'retry-after': 'later' }, undefined],
    ['a negative number', { 'retry-after': '-1', 'retry-after-ms': '-1' }, undefined],
  ])('reads %s', (_name, headers, milliseconds) => {
    expect(retryAfterOf(headers)).toBe(milliseconds);
    expect(retryAfterOf(new Headers(headers))).toBe(milliseconds);
  });

  it('counts a date from the caller’s clock only where the response has no date', () => {
    const now = Date.UTC(2026, 0, 1, 0, 0, 10);
    const until = 'Thu, 01 Jan 2026 00:00:30 GMT';
    expect(retryAfterOf({ 'retry-after': until }, now)).toBe(20_000);
    expect(retryAfterOf({ date, 'retry-after': until }, now)).toBe(30_000);
    expect(retryAfterOf({ 'retry-after': until }, NaN)).toBeUndefined();
  });
});

describe('statedLimitsOf', () => {
  it.each<[string, Record<string, string>, StatedLimit[]]>([
    [
      'OpenAI (realtime-console#42)',
      {
        ...limitHeaders('requests', '5000', '4999', '0.012s'),
        ...limitHeaders('tokens', '20000', '15482', '13.554s'),
      },
      stated(
        ['requests', 'requests', 5000, 4999, 12, minute],
        ['tokens', 'tokens', 20_000, 15_482, 13_554, minute],
      ),
    ],
    [
      'OpenAI (fixture)',
      {
        ...limitHeaders('requests', '3000', '2999', '20ms'),
        ...limitHeaders('tokens', '250000', '249989', '2ms'),
      },
      stated(
        ['requests', 'requests', 3000, 2999, 20, minute],
        ['tokens', 'tokens', 250_000, 249_989, 2, minute],
      ),
    ],
    [
      'OpenAI (its documentation, whose six minutes are no minute’s and fit nothing else)',
      {
        ...limitHeaders('requests', '60', '59', '1s'),
        ...limitHeaders('tokens', '150000', '149984', '6m0s'),
      },
      stated(['requests', 'requests', 60, 59, 1000, minute]),
    ],
    [
      'OpenAI with a limit of the project',
      {
        ...limitHeaders('tokens', '200000', '150000', '15s'),
        ...limitHeaders('project-tokens', '1000000', '990000', '600ms'),
      },
      stated(
        ['tokens', 'tokens', 200_000, 150_000, 15_000, minute],
        ['project-tokens', 'tokens', 1_000_000, 990_000, 600, minute],
      ),
    ],
    [
      'OpenAI with a limit per day',
      limitHeaders('requests', '10000', '9999', '8.64s'),
      stated(['requests-day', 'requests', 10_000, 9999, 8640, day]),
    ],
    [
      'Groq (the tokens of its documentation fit no bucket, but a minute)',
      {
        ...limitHeaders('requests', '14400', '14370', '2m59.56s'),
        ...limitHeaders('tokens', '18000', '17997', '7.66s'),
      },
      stated(
        ['requests-day', 'requests', 14_400, 14_370, 179_560, day],
        ['tokens', 'tokens', 18_000, 17_997, 7660, minute],
      ),
    ],
    [
      'Groq (captured)',
      {
        ...limitHeaders('requests', '14400', '14399', '6s'),
        ...limitHeaders('tokens', '6000', '5956', '440ms'),
      },
      stated(
        ['requests-day', 'requests', 14_400, 14_399, 6000, day],
        ['tokens', 'tokens', 6000, 5956, 440, minute],
      ),
    ],
    [
      'Azure with little left',
      {
        ...limitHeaders('requests', '9000', '8999', '0'),
        ...limitHeaders('tokens', '1500000', '745399', '30'),
        'x-ratelimit-renewalperiod-requests': '10',
        'x-ratelimit-renewalperiod-tokens': '60',
      },
      stated(
        ['requests', 'requests', 9000, 8999, 0, minute],
        ['tokens', 'tokens', 1_500_000, 745_399, 30_000, minute],
      ),
    ],
    [
      'Azure’s captured 429, whose reset of zero contradicts an empty budget',
      {
        'retry-after': '1',
        'retry-after-ms': '0',
        ...limitHeaders('requests', '5', '4', '12'),
        ...limitHeaders('tokens', '5000', '0', '0'),
        'x-ratelimit-renewalperiod-requests': '60',
        'x-ratelimit-renewalperiod-tokens': '60',
        'x-ratelimit-type': 'Tokens',
      },
      stated(
        ['requests', 'requests', 5, 4, 12_000, minute],
        ['tokens', 'tokens', 5000, 0, undefined, minute],
      ),
    ],
    [
      'Azure’s Responses API (openai-dotnet#838)',
      { ...limitHeaders('tokens', '-1', '-1', '0'), ...limitHeaders('requests', '0', '0', '0') },
      [],
    ],
    [
      'an older deployment of Azure, which states no limits',
      { 'x-ratelimit-remaining-requests': '79', 'x-ratelimit-remaining-tokens': '61353' },
      [],
    ],
    [
      'GitHub Models, whose bare counts are milliseconds',
      {
        ...limitHeaders('requests', '2500', '2499', '24'),
        'x-ratelimit-renewalperiod-requests': '60',
      },
      stated(['requests', 'requests', 2500, 2499, undefined, minute]),
    ],
    [
      'a period of a day',
      { ...limitHeaders('requests', '1000', '400', '3600'), 'x-ratelimit-renewalperiod-requests': '86400' },
      stated(['requests-day', 'requests', 1000, 400, 3_600_000, day]),
    ],
    [
      'Mistral',
      {
        ...limitHeaders('tokens-minute', '500000', '499000'),
        ...limitHeaders('req-minute', '60', '59'),
        'x-ratelimit-tokens-query-cost': '1000',
      },
      stated(
        ['req-minute', 'requests', 60, 59, undefined, minute],
        ['tokens-minute', 'tokens', 500_000, 499_000, undefined, minute],
      ),
    ],
    [
      'Mistral’s older headers',
      {
        'ratelimitbysize-limit': '500000',
        'ratelimitbysize-remaining': '499900',
        'ratelimitbysize-reset': '28',
        'ratelimitbysize-query-cost': '100',
        'x-ratelimitbysize-limit-minute': '500000',
        'x-ratelimitbysize-remaining-minute': '499900',
        'x-ratelimitbysize-limit-month': '1000000000',
        'x-ratelimitbysize-remaining-month': '999999900',
      },
      stated(
        ['tokens', 'tokens', 500_000, 499_900, 28_000, minute],
        ['tokens-minute', 'tokens', 500_000, 499_900, undefined, minute],
      ),
    ],
    [
      'Cerebras',
      {
        ...limitHeaders('requests-day', '10000', '9500', '33011.382867'),
        ...limitHeaders('tokens-minute', '60000', '50', '26.5'),
      },
      stated(
        ['requests-day', 'requests', 10_000, 9500, 33_011_382.867, day],
        ['tokens-minute', 'tokens', 60_000, 50, 26_500, minute],
      ),
    ],
    [
      'Anthropic, whose tokens are the most restrictive of the others',
      {
        date,
        ...anthropicHeaders('requests', '50', '49', '2026-01-01T00:00:01Z'),
        ...anthropicHeaders('tokens', '8000', '8000', '2026-01-01T00:00:00Z'),
        ...anthropicHeaders('input-tokens', '40000', '39000', '2026-01-01T00:00:02Z'),
        ...anthropicHeaders('output-tokens', '8000', '8000', '2026-01-01T00:00:00Z'),
      },
      stated(
        ['requests', 'requests', 50, 49, 1000, minute],
        ['input-tokens', 'input-tokens', 40_000, 39_000, 2000, minute],
        ['output-tokens', 'output-tokens', 8000, 8000, 0, minute],
      ),
    ],
    [
      'Anthropic with nothing but tokens',
      { date, ...anthropicHeaders('tokens', '8000', '4000', '2026-01-01T00:00:30Z') },
      stated(['tokens', 'tokens', 8000, 4000, 30_000, minute]),
    ],
    [
      'Anthropic, whose tokens are rounded to a thousand',
      { date, ...anthropicHeaders('input-tokens', '8500', '9000', '2026-01-01T00:00:00Z') },
      stated(['input-tokens', 'input-tokens', 8500, 8500, 0, minute]),
    ],
    [
      'Anthropic’s other figures, which bound a part of the calls',
      {
        'anthropic-priority-input-tokens-limit': '10000',
        'anthropic-fast-input-tokens-limit': '10000',
        'anthropic-ratelimit-unified-5h-utilization': '0.5',
      },
      [],
    ],
    [
      'OpenRouter, which does not say for how long',
      {
        'x-ratelimit-limit': '20',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Date.parse(date) + 30_000),
      },
      [],
    ],
    [
      'an epoch as the end of a fixed window',
      { date, ...limitHeaders('requests', '60', '10', String(Date.parse(date) / 1000 + 20)) },
      stated(['requests', 'requests', 60, 10, 20_000, minute]),
    ],
    [
      'a fixed window that is longer than an hour',
      limitHeaders('requests', '1000', '10', '5h0m0s'),
      stated(['requests-day', 'requests', 1000, 10, 5 * hour, day]),
    ],
    [
      'an hour',
      limitHeaders('requests', '1000', '500', '30m0s'),
      stated(['requests-hour', 'requests', 1000, 500, 30 * minute, hour]),
    ],
    ['what is longer than a minute and fits nothing', limitHeaders('requests', '1000', '900', '10m0s'), []],
    ['what is longer than a day', limitHeaders('requests', '1000', '900', '48h0m0s'), []],
    [
      'a fixed minute that looks like a day by chance',
      limitHeaders('tokens', '500000', '499826', '30'),
      stated(['tokens', 'tokens', 500_000, 499_826, 30_000, minute]),
    ],
    [
      'a reset longer than the window that the name tells',
      limitHeaders('tokens-minute', '500000', '0', '3600'),
      stated(['tokens-minute', 'tokens', 500_000, 0, undefined, minute]),
    ],
    [
      'a policy of the IETF’s older drafts',
      {
        'ratelimit-limit': '100',
        'ratelimit-policy': '100;w=30, 1000;w=3600',
        'ratelimit-remaining': '50',
        'ratelimit-reset': '15',
      },
      stated(['policy', 'requests', 100, 50, 15_000, 30_000]),
    ],
    [
      'a policy beside its limit',
      { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '50' },
      stated(['policy', 'requests', 100, 50, undefined, minute]),
    ],
    [
      'a policy of the newer drafts',
      {
        'ratelimit-policy': '"burst";q=100;w=60, "daily";q=1000;w=86400',
        ratelimit: '"burst";r=50;t=30, "daily";r=0',
      },
      stated(
        ['policy-burst', 'requests', 100, 50, 30_000, minute],
        ['policy-daily', 'requests', 1000, 0, undefined, day],
      ),
    ],
    [
      'a policy of two names',
      {
        'ratelimit-policy': '"fixed window";"api";q=500;w=300, "fixed window";"day";q=9000;w=86400',
        ratelimit: '"api";r=50;t=30',
      },
      stated(['policy-api', 'requests', 500, 50, 30_000, 5 * minute]),
    ],
    [
      'a policy whose name has a comma and a semicolon',
      { 'ratelimit-policy': '"a,b";q=100;w=60, "c;d";q=5;w=1', ratelimit: '"a,b";r=50;t=30' },
      stated(['policy-a,b', 'requests', 100, 50, 30_000, minute]),
    ],
    [
      'the combined header of draft 7 (express-rate-limit)',
      { 'ratelimit-policy': '100;w=60', ratelimit: 'limit=100, remaining=50, reset=30' },
      stated(['policy', 'requests', 100, 50, 30_000, minute]),
    ],
    [
      'headers that a gateway has added once more',
      {
        'x-ratelimit-limit-requests': '500, 500',
        'x-ratelimit-remaining-requests': '400,400',
        'x-ratelimit-reset-requests': '12s, 12s',
      },
      stated(['requests', 'requests', 500, 400, 12_000, minute]),
    ],
    [
      'a policy that counts something else',
      { 'ratelimit-policy': '"size";q=100;w=60;qu="content-bytes"', ratelimit: '"size";r=50;t=30' },
      [],
    ],
    [
      'a limit whose window no policy tells',
      { 'ratelimit-limit': '100', 'ratelimit-remaining': '50', 'ratelimit-reset': '15' },
      [],
    ],
    [
      'a policy with more left than there can be',
      { 'ratelimit-limit': '9, 9;w=60', 'ratelimit-remaining': '10' },
      [],
    ],
    [
      'a policy that is stated twice, so that nothing tells for how long',
      { 'ratelimit-limit': '9', 'ratelimit-policy': '9;w=60, 9;w=3600', 'ratelimit-remaining': '5' },
      [],
    ],
    [
      'one name stated twice: the first that is known',
      {
        date,
        ...limitHeaders('requests', '60', '30', '30s'),
        ...anthropicHeaders('requests', '50', '49', date),
      },
      stated(['requests', 'requests', 60, 30, 30_000, minute]),
    ],
    [
      'a limit alone',
      { 'x-ratelimit-limit-requests': '60' },
      stated(['requests', 'requests', 60, undefined, undefined, minute]),
    ],
    [
      'a limit whose rest is not known',
      limitHeaders('requests', '60', '-1', '-1'),
      stated(['requests', 'requests', 60, undefined, undefined, minute]),
    ],
    [
      'more left than there can be: nothing tells which figure is wrong',
      limitHeaders('requests', '60', '99', '1s'),
      [],
    ],
    ['nothing', {}, []],
  ])('reads %s', (_name, headers, limits) => {
    expect(statedLimitsOf(headers)).toEqual(limits);
    expect(statedLimitsOf(new Headers(headers))).toEqual(limits);
  });

  it.each(['-1', '0', 'many', '', 'inf', 'NaN', '1e9', '6.5', '60, 61', '30,000'])(
    'leaves out a limit of %p',
    (limit) => {
      expect(statedLimitsOf(limitHeaders('requests', limit, '0', '1s'))).toEqual([]);
    },
  );

  it('reads all lines of a header', () => {
    const headers = {
      'ratelimit-policy': ['"permin";q=50;w=60', '"perhr";q=1000;w=3600'],
      ratelimit: ['"permin";r=10;t=30', '"perhr";r=900;t=3000'],
    };
    const limits = stated(
      ['policy-permin', 'requests', 50, 10, 30_000, minute],
      ['policy-perhr', 'requests', 1000, 900, 3_000_000, hour],
    );
    expect(statedLimitsOf(headers)).toEqual(limits);
    const lines = Object.entries(headers).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    );
    expect(statedLimitsOf(new Headers(lines))).toEqual(limits);
  });

  it('counts a moment from the caller’s clock only where the response has no date', () => {
    const now = Date.UTC(2026, 0, 1, 0, 0, 10);
    const headers = anthropicHeaders('requests', '50', '25', '2026-01-01T00:00:30Z');
    expect(statedLimitsOf(headers, now)).toMatchObject([{ reset: 20_000 }]);
    expect(statedLimitsOf({ date, ...headers }, now)).toMatchObject([{ reset: 30_000 }]);
    expect(statedLimitsOf(headers)).toMatchObject([{ reset: undefined, window: minute }]);
  });
});
