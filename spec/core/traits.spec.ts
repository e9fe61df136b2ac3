import { isTrait, readTraits } from '../../lib/core/traits';

describe('readTraits', () => {
  it('reads the own fields of a request that are valid traits', () => {
    const traits = { priority: 'high', cacheKey: false, cacheTtl: 5, tokens: 0, maxWait: Infinity, lane: '' };
    expect(readTraits({ ...traits, prompt: 'p' })).toEqual(traits);
  });

  it('leaves out fields of these names that mean something else', () => {
    const request = { priority: 1, cacheKey: '', cacheTtl: 0, tokens: ['a'], maxWait: -1, lane: 5 };
    expect(readTraits(request)).toEqual({});
    expect(readTraits({ tokens: NaN, maxWait: NaN, cacheTtl: 'long', cacheKey: true })).toEqual({});
  });

  it('reads nothing that is inherited, nor anything off what is no object', () => {
    expect(readTraits(Object.create({ priority: 'high' }))).toEqual({});
    for (const request of ['prompt', 5, undefined, null]) {
      expect(readTraits(request)).toEqual({});
    }
  });

  it('does not take inherited names of objects for traits', () => {
    expect(isTrait('constructor', Object)).toBe(false);
    expect(isTrait('priority', 'critical')).toBe(true);
  });
});
