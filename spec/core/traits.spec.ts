import { isTrait, readTraits } from '../../lib/core/traits';

describe('readTraits', () => {
  it('reads the own fields of a request that are valid traits', () => {
    const traits = {
      priority: 'high',
      cacheKey: false,
      cacheTtl: 5,
      cacheTags: ['gold', ''],
      cacheScope: '',
      sample: 0,
      bypass: { lookUp: true, write: false },
      tokens: 0,
      maxWait: Infinity,
      lane: '',
    };
    expect(readTraits({ ...traits, prompt: 'p' })).toEqual(traits);
    expect(readTraits({ cacheTags: [], sample: Number.MAX_SAFE_INTEGER })).toEqual({
      cacheTags: [],
      sample: Number.MAX_SAFE_INTEGER,
    });
  });

  it('leaves out fields of these names that mean something else', () => {
    const request = { priority: 1, cacheKey: '', cacheTtl: -1, tokens: ['a'], maxWait: -1, lane: 5 };
    expect(readTraits(request)).toEqual({});
    expect(readTraits({ tokens: NaN, maxWait: NaN, cacheTtl: 'long', cacheKey: true })).toEqual({});
    expect(readTraits({ cacheTags: 'gold', cacheScope: 1, sample: -1 })).toEqual({});
    expect(readTraits({ cacheTags: ['gold', 1], cacheScope: null, sample: 1.5 })).toEqual({});
    expect(readTraits({ cacheTags: { 0: 'gold' }, sample: '0' })).toEqual({});
    for (const sample of [NaN, Infinity, 2 ** 53]) {
      expect(readTraits({ sample })).toEqual({});
    }
  });

  it('takes for a bypass an object that holds nothing but its switches, and one of them at least', () => {
    for (const bypass of [
      { lookUp: true },
      { write: false },
      { lookUp: true, write: true, sharing: true },
      { sharing: true, write: undefined },
    ]) {
      expect(readTraits({ bypass })).toEqual({ bypass });
    }
    for (const bypass of [
      {},
      { lookUp: undefined },
      { lookUp: 'yes' },
      { lookUp: true, road: true },
      { lookup: true },
      [true],
      ['lookUp'],
      'lookUp',
      true,
      null,
      () => true,
    ]) {
      expect(readTraits({ bypass })).toEqual({});
    }
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
