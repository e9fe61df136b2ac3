import { RequestKeys, type KeySpace } from '../../lib/cache/request-identity';
import { readTraits, traitsOfRequests, type CallTraits } from '../../lib/core/traits';

describe('RequestKeys', () => {
  it('gives requests with one cacheKey different keys where anything else of them differs', () => {
    const cases: [CallTraits, KeySpace][] = [
      [{}, {}],
      [{ sample: 0 }, {}],
      [{ sample: 1 }, {}],
      [{ cacheScope: '' }, {}],
      [{ cacheScope: 's' }, {}],
      [{}, { namespace: '' }],
      [{}, { namespace: 's' }],
      [{}, { version: '' }],
      [{}, { version: 's' }],
      [
        { sample: 0, cacheScope: 's' },
        { namespace: 'n', version: 'v' },
      ],
    ];
    const keys = cases.map(([traits, keySpace]) => {
      const request = { cacheKey: 'k', ...traits };
      return new RequestKeys(keySpace, traitsOfRequests()).of(request, readTraits(request)).key;
    });
    expect(keys[0]).toBe('k');
    expect(new Set(keys).size).toBe(cases.length);
  });
});

describe('readTraits', () => {
  it.each(['priority', 'cacheKey', 'lane'] as const)(
    'takes no %s that is not of the request itself',
    (name) => {
      const inherited: unknown = Object.create({ [name]: 'high' });
      expect(readTraits(inherited)[name]).toBeUndefined();
    },
  );

  it.each(['priority', 'cacheKey', 'lane'] as const)('asks for %s once', (name) => {
    const answers: unknown[] = ['high', 7];
    const request = Object.defineProperty({}, name, { enumerable: true, get: () => answers.shift() });
    expect(readTraits(request)[name]).toBe('high');
  });
});
