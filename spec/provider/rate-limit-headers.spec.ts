import { durationOf, headerOf, retryAfterOf, statedLimitsOf } from '../../lib/provider/rate-limit-headers';

describe('headerOf', () => {
  it('reads Headers objects and plain records, whatever the case of the names', () => {
    expect(headerOf(new Headers({ 'Retry-After': '5' }), 'retry-after')).toBe('5');
    expect(headerOf({ 'retry-after': '5' }, 'retry-after')).toBe('5');
    expect(headerOf({ 'Retry-After': '5' }, 'retry-after')).toBe('5');
    expect(headerOf({ 'retry-after': ['5', '6'] }, 'retry-after')).toBe('5');
  });

  it('takes an absent or empty header for none', () => {
    expect(headerOf(new Headers(), 'retry-after')).toBeUndefined();
    expect(headerOf({ 'retry-after': '' }, 'retry-after')).toBeUndefined();
    expect(headerOf({ 'retry-after': undefined }, 'retry-after')).toBeUndefined();
    expect(headerOf({}, 'constructor')).toBeUndefined();
  });
});

describe('durationOf', () => {
  it.each([
    ['56', 56_000],
    ['0.5', 500],
    ['0', 0],
    ['20ms', 20],
    ['8.64s', 8640],
    ['34.4s', 34_400],
    ['6m0s', 360_000],
    ['1h2m3s', 3_723_000],
    ['1m30.5s', 90_500],
    ['500us', 0.5],
    ['500µs', 0.5],
    [' 7 ', 7000],
  ])('reads %p as %p ms', (text, milliseconds) => {
    expect(durationOf(text)).toBeCloseTo(milliseconds, 9);
  });

  it.each([
    undefined,
    '',
    'soon',
    '-5',
    '5 s',
    '5x',
    '1e9',
    '1s ago',
    '2026-01-01T00:00:00Z',
    '9'.repeat(400),
  ])('reads %p as no duration', (text) => {
    expect(durationOf(text)).toBeUndefined();
  });
});

describe('retryAfterOf', () => {
  it('reads milliseconds first, then seconds', () => {
    expect(retryAfterOf({ 'retry-after-ms': '1500', 'retry-after': '7' })).toBe(1500);
    expect(retryAfterOf({ 'retry-after': '7' })).toBe(7000);
    expect(retryAfterOf({ 'retry-after-ms': 'soon', 'retry-after': '7' })).toBe(7000);
  });

  it('reads a date, counted from the date of the answer and so not from the own clock', () => {
    const date = 'Wed, 21 Oct 2015 07:28:00 GMT';
    expect(retryAfterOf({ date, 'retry-after': 'Wed, 21 Oct 2015 07:28:30 GMT' })).toBe(30_000);
    expect(retryAfterOf({ 'retry-after': 'Wed, 21 Oct 2015 07:28:30 GMT' })).toBeUndefined();
    expect(retryAfterOf({ date, 'retry-after': 'Wed, 21 Oct 2015 07:27:00 GMT' })).toBeUndefined();
  });

  it('takes what it does not understand for no hint', () => {
    expect(retryAfterOf({})).toBeUndefined();
    expect(retryAfterOf({ 'retry-after': 'later' })).toBeUndefined();
    expect(retryAfterOf({ 'retry-after': '-1' })).toBeUndefined();
  });
});

describe('statedLimitsOf', () => {
  it('reads the headers that OpenAI and others send', () => {
    const limits = statedLimitsOf({
      'x-ratelimit-limit-requests': '600',
      'x-ratelimit-remaining-requests': '599',
      'x-ratelimit-reset-requests': '100ms',
      'x-ratelimit-limit-tokens': '60000',
      'x-ratelimit-remaining-tokens': '30000',
      'x-ratelimit-reset-tokens': '30s',
    });
    expect(limits).toEqual({
      requests: { limit: 600, remaining: 599, reset: 100, window: 60_000 },
      tokens: { limit: 60_000, remaining: 30_000, reset: 30_000, window: 60_000 },
    });
  });

  it('reads the headers that Anthropic sends', () => {
    const limits = statedLimitsOf({
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:01Z',
    });
    expect(limits).toEqual({ requests: { limit: 50, remaining: 49, reset: undefined, window: 60_000 } });
  });

  it('tells a limit per day from one per minute by its figures', () => {
    const limits = statedLimitsOf({
      'x-ratelimit-limit-requests': '14400',
      'x-ratelimit-remaining-requests': '14370',
      'x-ratelimit-reset-requests': '3m0s',
    });
    expect(limits.requests).toMatchObject({ limit: 14_400, window: 86_400_000 });
  });

  it('leaves out what is absent, unknown (-1), zero or nonsense', () => {
    expect(statedLimitsOf({})).toEqual({});
    for (const limit of ['-1', '0', 'many', '']) {
      expect(statedLimitsOf({ 'x-ratelimit-limit-requests': limit })).toEqual({});
    }
    const unknownRest = { 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '-1' };
    expect(statedLimitsOf(unknownRest).requests).toMatchObject({ limit: 60, remaining: undefined });
  });

  it('takes no more for remaining than the limit', () => {
    const headers = { 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '99' };
    expect(statedLimitsOf(headers).requests).toMatchObject({ remaining: 60 });
  });
});
