import { ignoredOf, isTrait, readTraits, traitsBeside, traitsOfRequests } from '../../lib/core/traits';

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

  it('leaves out fields of these names that mean something else, and names them', () => {
    const ignored = (request: unknown) => {
      const traits = readTraits(request);
      expect({ ...traits, ignored: undefined }).toEqual({});
      return ignoredOf(traits);
    };
    const request = { priority: 1, cacheKey: '', cacheTtl: -1, tokens: ['a'], maxWait: -1, lane: 5 };
    expect(ignored(request)).toEqual(Object.keys(request));
    expect(ignored({ priority: 'urgent', lane: null, tokens: undefined, text: 't' })).toEqual(['priority']);
    expect(ignored({ tokens: NaN, maxWait: NaN, cacheTtl: 'long', cacheKey: true })).toHaveLength(4);
    expect(ignored({ cacheTags: 'gold', cacheScope: 1, sample: -1 })).toHaveLength(3);
    expect(ignored({ cacheTags: ['gold', 1], cacheScope: null, sample: 1.5 })).toEqual([
      'cacheTags',
      'sample',
    ]);
    expect(ignored({ cacheTags: { 0: 'gold' }, sample: '0' })).toHaveLength(2);
    for (const sample of [NaN, Infinity, 2 ** 53]) {
      expect(ignored({ sample })).toEqual(['sample']);
    }
    expect(ignoredOf(readTraits({ priority: 'high', text: 't' }))).toBeUndefined();
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
      () => true,
    ]) {
      expect(readTraits({ bypass })).toEqual({ ignored: ['bypass'] });
    }
    expect(readTraits({ bypass: null })).toEqual({});
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

describe('traitsBeside', () => {
  it('are the options that have the names of traits', () => {
    expect(traitsBeside({ namespace: 'n', priority: undefined })).toBeUndefined();
    expect(traitsBeside({ namespace: 'n', priority: 'low', cacheKey: false, lane: undefined })).toEqual({
      priority: 'low',
      cacheKey: false,
    });
  });

  it.each<[string, unknown, string]>([
    ['priority', 'urgent', "'low', 'medium', 'high', 'critical', but is 'urgent'"],
    ['cacheKey', '', "a string that is not empty, or false, but is ''"],
    ['cacheTtl', -1, 'a number of at least 0, but is -1'],
    ['cacheTags', 'gold', "an array of strings, but is 'gold'"],
    ['cacheScope', 5, 'a string, but is 5'],
    ['sample', 1.5, 'a whole number of at least 0, but is 1.5'],
    ['bypass', { lookup: true }, 'an object with lookUp, write or sharing, true or false, but is an object'],
    ['tokens', Infinity, 'a finite number of at least 0, but is Infinity'],
    ['maxWait', NaN, 'a number of at least 0, but is NaN'],
    ['lane', null, 'a string, but is null'],
  ])('refuse a wrong %s', (name, value, message) => {
    expect(() => traitsBeside({ [name]: value })).toThrow(new TypeError(`${name} must be ${message}.`));
  });
});

describe('traitsOfRequests', () => {
  it('take those beside the requests before those in them, which are no traits then', () => {
    const request = { ticket: 't', priority: 'critical', lane: 'a', tokens: 'x' };
    const { read, isTrait: isTraitOf } = traitsOfRequests(undefined, { priority: 'low', tokens: 5 });
    expect(read(request)).toEqual({ priority: 'low', lane: 'a', tokens: 5, ignored: [] });
    expect([isTraitOf('priority', 'critical'), isTraitOf('lane', 'a')]).toEqual([false, true]);
  });

  it('take those of a function, and then none by name', () => {
    const { read, isTrait: isTraitOf } = traitsOfRequests(() => ({ lane: 'b', tokens: NaN }), {
      priority: 'low',
    });
    expect(read({ lane: 'a' })).toEqual({ lane: 'b', priority: 'low', ignored: ['tokens'] });
    expect(isTraitOf('lane', 'a')).toBe(false);
  });
});
