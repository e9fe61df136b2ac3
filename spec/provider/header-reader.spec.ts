import { countOf, headerOf } from '../../lib/provider/header-reader';

describe('headerOf', () => {
  it('reads Headers objects and plain records, whatever the case of the names', () => {
    expect(headerOf(new Headers({ 'Retry-After': '5' }), 'retry-after')).toBe('5');
    expect(headerOf({ 'retry-after': '5' }, 'retry-after')).toBe('5');
    expect(headerOf({ 'Retry-After': '5' }, 'retry-after')).toBe('5');
  });

  it('joins the lines of a header by commas, as a Headers object does (RFC 9110, 5.3)', () => {
    const headers = new Headers([
      ['ratelimit', '"a";r=1'],
      ['ratelimit', '"b";r=2'],
    ]);
    expect(headerOf(headers, 'ratelimit')).toBe('"a";r=1, "b";r=2');
    expect(headerOf({ ratelimit: ['"a";r=1', '"b";r=2'] }, 'ratelimit')).toBe('"a";r=1, "b";r=2');
  });

  it('takes a value that a gateway has added once more for one', () => {
    expect(headerOf({ 'x-ratelimit-limit-requests': '500, 500' }, 'x-ratelimit-limit-requests')).toBe('500');
    expect(headerOf({ 'retry-after': ['5', '5', '5'] }, 'retry-after')).toBe('5');
    expect(headerOf({ 'retry-after': '5, 6' }, 'retry-after')).toBe('5, 6');
  });

  it('takes an absent, empty or endless header for none', () => {
    expect(headerOf(new Headers(), 'retry-after')).toBeUndefined();
    expect(headerOf({ 'retry-after': '' }, 'retry-after')).toBeUndefined();
    expect(headerOf({ 'retry-after': undefined }, 'retry-after')).toBeUndefined();
    expect(headerOf({ 'retry-after': '5'.repeat(2000) }, 'retry-after')).toBeUndefined();
    expect(headerOf({}, 'constructor')).toBeUndefined();
  });

  it.each<[string, unknown]>([
    [
      'get throws',
      {
        get() {
          throw new Error('thrown');
        },
      },
    ],
    [
      'a getter throws',
      {
        get 'retry-after'() {
          throw new Error('thrown');
        },
      },
    ],
    [
      'a proxy throws',
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error('thrown');
          },
        },
      ),
    ],
    ['a value is of another type', { 'retry-after': 5 }],
    ['get answers another type', { get: () => 5 }],
    ['there are none', null],
  ])('takes it for none where %s', (_name, headers) => {
    expect(headerOf(headers as never, 'retry-after')).toBeUndefined();
  });
});

describe('countOf', () => {
  it('reads whole numbers from 0 on, and nothing else', () => {
    expect(['0', '60', ' 7 ', '123456789012345'].map(countOf)).toEqual([0, 60, 7, 123_456_789_012_345]);
    const nonsense = ['', '-1', '1.5', '1e9', 'inf', 'NaN', '0x10', '30,000', '60, 60', '1234567890123456'];
    expect(nonsense.map(countOf)).toEqual(nonsense.map(() => undefined));
  });
});
