import {
  durationOf,
  epochOf,
  httpDateOf,
  internetDateOf,
  millisecondsOf,
  untilOf,
} from '../../lib/provider/durations';

describe('durationOf', () => {
  it.each([
    ['56', 56_000],
    ['0.5', 500],
    ['0', 0],
    ['33011.382867', 33_011_382.867],
    ['1s', 1000],
    ['20ms', 20],
    ['8.64s', 8640],
    ['34.4s', 34_400],
    ['45.837906927s', 45_837.906927],
    ['6m0s', 360_000],
    ['2m59.56s', 179_560],
    ['1h2m3s', 3_723_000],
    ['1h53m56.832s', 6_836_832],
    ['12h30m', 45_000_000],
    ['90m', 5_400_000],
    ['845s', 845_000],
    ['500us', 0.5],
    ['500µs', 0.5],
    ['500ns', 0.0005],
    [' 7 ', 7000],
  ])('reads %p as %p ms', (text, milliseconds) => {
    expect(durationOf(text)).toBeCloseTo(milliseconds, 6);
  });

  it.each([
    undefined,
    '',
    ' ',
    'soon',
    '-5',
    '-1s',
    '+5',
    '5 s',
    '5x',
    '5.',
    '.5s',
    '1e9',
    '1s ago',
    '1s2s',
    '0s6m',
    '6m90s',
    '1h75m',
    '1.5m0s',
    '20ms5s',
    'inf',
    'NaN',
    '60, 60',
    '٣s',
    '3000000s',
    '3000000',
    '900h',
    '40d',
    '1d24h',
    '1741305600',
    '2026-01-01T00:00:00Z',
    '9'.repeat(400),
  ])('reads %p as no duration', (text) => {
    expect(durationOf(text)).toBeUndefined();
  });

  it('reads a long nonsense fast', () => {
    const start = process.hrtime.bigint();
    expect(durationOf(`${'1m'.repeat(100_000)}!`)).toBeUndefined();
    expect(durationOf('9'.repeat(1_000_000))).toBeUndefined();
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(200);
  });
});

describe('millisecondsOf', () => {
  it('reads bare milliseconds up to a month', () => {
    expect(['0', '634', '12.5'].map(millisecondsOf)).toEqual([0, 634, 12.5]);
    expect(['', '-1', '5s', '1e3', '9999999999'].map(millisecondsOf)).toEqual(Array(5).fill(undefined));
  });
});

describe('moments', () => {
  const moment = Date.UTC(2026, 1, 28, 23, 59, 58);

  it('are read from HTTP dates', () => {
    expect(httpDateOf('Sat, 28 Feb 2026 23:59:58 GMT')).toBe(moment);
  });

  it.each([
    ['Saturday, 28-Feb-26 23:59:58 GMT', moment],
    ['Sat Feb 28 23:59:58 2026', moment],
    ['Mon Jun  3 11:30:12 2019', Date.UTC(2019, 5, 3, 11, 30, 12)],
    ['Monday, 03-Jun-19 11:30:12 GMT', Date.UTC(2019, 5, 3, 11, 30, 12)],
    ['Mon, 3 Jun 2019 12:00:00 UTC', Date.UTC(2019, 5, 3, 12)],
  ])('are read from the other forms of RFC 9110: %p', (text, at) => {
    expect(httpDateOf(text)).toBe(at);
  });

  it.each([
    '',
    'Sat, 30 Feb 2026 23:59:58 GMT',
    'Mon, 28 Feb 2026 23:59:58 GMT',
    'Sat, 28 Feb 2026 24:59:58 GMT',
    'Sat, 28 Feb 2026 23:59:58 PST',
    'Sat, 28 Feb 2026 23:59:5 GMT',
    'Sunday, 28-Feb-26 23:59:58 GMT',
    'Saturday, 28-Feb-2026 23:59:58 GMT',
    'Mon Feb 28 23:59:58 2026',
    'Sat, 28 Foo 2026 23:59:58 GMT',
    '28 Feb 2026',
    '5',
  ])('but not from %p', (text) => {
    expect(httpDateOf(text)).toBeUndefined();
  });

  it.each([
    ['2026-02-28T23:59:58Z', moment],
    ['2026-02-28T23:59:58.25Z', moment + 250],
    ['2026-03-01T01:29:58+01:30', moment],
    ['2026-02-28T20:59:58-03:00', moment],
    ['2026-02-28t23:59:58z', moment],
  ])('are read from %p', (text, at) => {
    expect(internetDateOf(text)).toBe(at);
  });

  it.each([
    '',
    '2026-02-28',
    '2026-02-30T23:59:58Z',
    '2026-13-01T23:59:58Z',
    '2026-02-28T24:00:00Z',
    '2026-02-28T23:60:00Z',
    '2026-02-28T23:59:61Z',
    '2026-02-28T23:59:58',
    '2026-02-28T23:59:58+25:00',
    '2026-02-28T23:59:58ZZ',
    '26-02-28T23:59:58Z',
  ])('but not from %p', (text) => {
    expect(internetDateOf(text)).toBeUndefined();
  });

  it('are read from seconds and milliseconds since the epoch', () => {
    expect(epochOf('1741305600')).toBe(1_741_305_600_000);
    expect(epochOf('1741305600.5')).toBe(1_741_305_600_500);
    expect(epochOf('1741305600123')).toBe(1_741_305_600_123);
    expect(['60', '17413056001', '-1741305600', ''].map(epochOf)).toEqual(Array(4).fill(undefined));
  });

  it('are in the future, give or take two seconds, and within a month', () => {
    expect(untilOf(5000, 2000)).toBe(3000);
    expect(untilOf(2000, 4000)).toBe(0);
    expect(untilOf(2000, 4001)).toBeUndefined();
    expect(untilOf(33 * 86_400_000, 0)).toBeUndefined();
    expect(untilOf(undefined, 0)).toBeUndefined();
    expect(untilOf(5000, undefined)).toBeUndefined();
  });
});
