import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { decodeText, encodeText, plainJson, UnreadableValueError } from '../../lib/cache/plain-json';

function refusalOf(value: unknown, write: (value: unknown) => string = encodeText): UnreadableValueError {
  try {
    write(value);
  } catch (error) {
    if (error instanceof UnreadableValueError) {
      return error;
    }
    throw error;
  }
  throw new Error('It was not refused.');
}

/** Whether two values are the same in every type and value, at every depth; the order of fields does not count. */
function areSame(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) {
    return Object.is(one, other);
  }
  if (Object.prototype.toString.call(one) !== Object.prototype.toString.call(other)) {
    return false;
  }
  if (Buffer.isBuffer(one) !== Buffer.isBuffer(other)) {
    return false;
  }
  const [parts, otherParts] = [partsOf(one), partsOf(other)];
  return (
    parts.length === otherParts.length &&
    parts.every(([name, part], index) => {
      const [otherName, otherPart] = otherParts[index]!;
      return areSame(name, otherName) && areSame(part, otherPart);
    })
  );
}

/** What a value is made of, with names. */
function partsOf(value: object): [unknown, unknown][] {
  const type = Object.prototype.toString.call(value);
  if (type === '[object Map]') {
    return [...(value as Map<unknown, unknown>)];
  }
  if (type === '[object Set]') {
    return [...(value as Set<unknown>)].map((item) => ['', item]);
  }
  if (type === '[object Date]') {
    return [['time', (value as Date).getTime()]];
  }
  if (type === '[object RegExp]') {
    return [
      ['source', (value as RegExp).source],
      ['flags', (value as RegExp).flags],
    ];
  }
  if (type === '[object URL]') {
    return [['href', (value as URL).href]];
  }
  if (type === '[object ArrayBuffer]') {
    return [...new Uint8Array(value as ArrayBuffer).entries()];
  }
  if (ArrayBuffer.isView(value)) {
    return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength).entries()];
  }
  return Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** A value below so many arrays. */
function nested(levels: number, value: unknown = 1): unknown {
  let outermost = value;
  for (let level = 0; level < levels; level++) {
    outermost = [outermost];
  }
  return outermost;
}

class Person {
  readonly name = 'Ada';
}
class Pairs extends Map {}
class Bytes extends Uint8Array {}
class List extends Array<unknown> {}
class Impostor {
  readonly #tag: string;
  constructor(tag: string) {
    this.#tag = tag;
  }
  get buffer() {
    return new ArrayBuffer(1);
  }
  get [Symbol.toStringTag]() {
    return this.#tag;
  }
}

describe('encodeText and decodeText', () => {
  it('write plain data as JSON', () => {
    expect(encodeText({ b: [1, 'x', true, null], a: {} })).toBe('{"b":[1,"x",true,null],"a":{}}');
  });

  it.each<[string, unknown]>([
    ['text, lone surrogates included', ['', 'é', 'e\u0301', '\u0000', '\ud800', '\udc00x', '😀']],
    ['numbers', [0, -0, 1.5, -1e300, 5e-324, NaN, Infinity, -Infinity, 2 ** 53]],
    ['bigints', [0n, -1n, 2n ** 200n]],
    ['booleans, null and undefined', [true, false, null, undefined]],
    ['undefined by itself', undefined],
    ['fields that are undefined', { a: undefined, b: { c: undefined } }],
    ['dates', [new Date(0), new Date(-1), new Date(8.64e15), new Date(NaN)]],
    ['maps', new Map<unknown, unknown>([[{ a: 1 }, new Map([[NaN, undefined]])], ['b', [new Set()]]])], // prettier-ignore
    ['sets', new Set<unknown>([1, '1', 1n, new Set([new Date(1)]), undefined])],
    ['regular expressions', [/a"b\/c[/]\n/giu, new RegExp(''), new RegExp('[\\p{L}--[a]]', 'v')]],
    ['URLs', [new URL('https://user@a.example:81/é?q=ü#x'), new URL('data:text/plain,x')]],
    ['bytes', [new ArrayBuffer(0), new Uint8Array([0, 127, 255]).buffer, new Uint8ClampedArray([300])]],
    ['typed arrays of whole numbers', [new Int8Array([-1]), new Int16Array([-2]), new Uint16Array([3]), new Int32Array([4]), new Uint32Array([5])]], // prettier-ignore
    ['typed arrays of bigints', [new BigInt64Array([-1n]), new BigUint64Array([2n ** 64n - 1n])]],
    ['typed arrays of fractions', [new Float32Array([0.1, NaN]), new Float64Array([-0, 0.1, Infinity])]],
    ['a DataView', new DataView(new Uint8Array([1, 2, 3]).buffer)],
    ["Node's Buffer", Buffer.from('answer')],
    ['a field called __proto__', JSON.parse('{"a":{"__proto__":{"b":1}},"c":{"__proto__":null}}')],
    ['a field called __proto__ beside what is marked', JSON.parse('{"__proto__":{"~a":1},"b":{"~":2}}')],
    ['fields called as methods are', { constructor: 1, toString: NaN, hasOwnProperty: 2, toJSON: 'x' }],
    ['fields that begin with the mark', { '~': 1, '~~': NaN, '~Date': 0, '~~Date': { '~Map': [] } }],
    ['fields that look like what is marked', { '~number': 'NaN' }],
    ['text that looks like a mark', ['"~Date"', '~Date', '{"~Date":0}']],
    ['five hundred levels', nested(500)],
  ])('bring back %s', (_name, value) => {
    expect(areSame(decodeText(encodeText(value)), value)).toBe(true);
  });

  it('keep the order of fields, of a Map and of a Set', () => {
    const value = { z: NaN, a: new Map([['z', 1], ['a', 2]]), m: new Set(['z', 'a']) }; // prettier-ignore
    const back = decodeText(encodeText(value)) as typeof value;
    expect(Object.keys(back)).toEqual(['z', 'a', 'm']);
    expect([...back.a.keys()]).toEqual(['z', 'a']);
    expect([...back.m]).toEqual(['z', 'a']);
  });

  it('bring back only what a view shows of its buffer', () => {
    const view = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
    const back = decodeText(encodeText(view)) as Uint8Array;
    expect([...back]).toEqual([2, 3]);
    expect(back.buffer.byteLength).toBe(2);
  });

  it('take plain data of another realm', () => {
    const value: unknown = runInNewContext(
      '({ a: [new Map([["b", new Date(5)]]), /x/g, new Set([1]), NaN] })',
    );
    const expected = { a: [new Map([['b', new Date(5)]]), /x/g, new Set([1]), NaN] };
    expect(encodeText(value)).toBe(encodeText(expected));
    expect(areSame(decodeText(encodeText(value)), expected)).toBe(true);
  });

  it('never touch a prototype', () => {
    for (const text of [
      '{"__proto__":{"polluted":1}}',
      '{"~Set":[{"__proto__":{"polluted":1}}]}',
      '{"a":{"~number":"NaN"},"__proto__":{"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}},"b":{"~number":"NaN"}}',
    ]) {
      const value = decodeText(text) as { polluted?: unknown };
      expect(value.polluted).toBeUndefined();
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    }
    expect(Object.getPrototypeOf(decodeText('{"__proto__":{"a":{"~bigint":"1"}}}'))).toBe(Object.prototype);
  });

  it('bring back exactly what they were given, or refuse it', () => {
    const anything = fc.anything({
      key: fc.oneof(fc.constantFrom('~', '~Map', '~~', '__proto__', 'constructor', '0'), fc.string()),
      maxDepth: 5,
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      stringUnit: 'binary',
    });
    let kept = 0;
    fc.assert(
      fc.property(anything, (value) => {
        if (hasHoles(value)) {
          expect(refusalOf(value).what).toMatch('holes');
        } else {
          expect(areSame(decodeText(encodeText(value)), value)).toBe(true);
          kept++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(kept).toBeGreaterThan(1000);
  });

  it('bring back every date and every URL', () => {
    const url = fc
      .oneof(
        fc.webUrl({ withFragments: true, withQueryParameters: true }),
        fc.string().map((path) => `a:${path}`),
      )
      .filter((address) => URL.canParse(address))
      .map((address) => new URL(address));
    fc.assert(
      fc.property(fc.array(fc.oneof(url, fc.date({ noInvalidDate: false }))), (values) => {
        expect(areSame(decodeText(encodeText(values)), values)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('are told apart by the spec itself', () => {
    const values = [0, -0, NaN, 1n, '', null, undefined, [], {}, new Map(), new Set(), new Date(NaN)];
    const more = [
      new Date(0),
      /a/,
      /a/g,
      Buffer.of(1),
      Uint8Array.of(1),
      Int8Array.of(1),
      Uint8Array.of(2).buffer,
    ];
    const all: unknown[] = [
      ...values,
      ...more,
      [undefined],
      { a: undefined },
      new Map([[1, 2]]),
      new Set([1]),
    ];
    all.forEach((one, index) =>
      all.forEach((other, otherIndex) => expect(areSame([one], [other])).toBe(index === otherIndex)),
    );
  });

  it.each([
    '',
    'x',
    '{"secret',
    '{"~Date":"secret"}',
    '{"~Date":[1]}',
    '{"~Map":{"a":1}}',
    '{"~Map":[["secret"]]}',
    '{"~Map":["ab"]}',
    '{"~Set":"secret"}',
    '{"~RegExp":["(","g"]}',
    '{"~RegExp":["a","secret"]}',
    '{"~URL":"secret"}',
    '{"~Uint8Array":"*secret*"}',
    '{"~Uint8Array":[1]}',
    '{"~Float64Array":"AAAA"}',
    '{"~ArrayBuffer":1}',
    '{"~number":"12"}',
    '{"~number":5}',
    '{"~bigint":"secret"}',
    '{"~bigint":""}',
    '{"~secret":1}',
    '{"~constructor":1}',
    '{"~":1}',
    '{"~Date":0,"secret":1}',
    '{"1":1,"~Date":0}',
    `${'{"~Set":['.repeat(20_000)}${']}'.repeat(20_000)}`,
  ])('refuse %s, without showing it', (text) => {
    let refusal: unknown;
    try {
      decodeText(text);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toEqual(new SyntaxError('The text is not one that encodeText has written.'));
    expect(refusal).not.toHaveProperty('cause');
  });

  it('refuse any other text, or take it for the value that they write so', () => {
    const mark = fc.constantFrom('~Date', '~Map', '~Set', '~number', '~undefined', '~RegExp', '~~a');
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>(0, null, 'NaN', '', 'a'),
        fc.array(tie('tree'), { maxLength: 2 }),
        fc.dictionary(fc.oneof(mark, fc.constantFrom('a', '0')), tie('tree'), { maxKeys: 2 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        let decoded: unknown;
        try {
          decoded = decodeText(JSON.stringify(value));
        } catch {
          return;
        }
        expect(areSame(decodeText(encodeText(decoded)), decoded)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what text can neither tell apart nor bring back', () => {
  const cycle: Record<string, unknown> = {};
  cycle['again'] = { cycle };
  const cyclicMap = new Map<string, unknown>();
  cyclicMap.set('self', [cyclicMap]);
  const unreadable = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error('a secret');
      },
    },
  );
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();

  it.each<[string, unknown, string, string]>([
    ['a function', { tools: [{ run: () => 1 }] }, 'value.tools[0].run', 'a function'],
    ['a class', { a: Person }, 'value.a', 'a function'],
    ['a method', { a: { toJSON: () => 1 } }, 'value.a.toJSON', 'a function'],
    ['a symbol', { a: Symbol('s') }, 'value.a', 'a symbol'],
    ['a symbol by itself', Symbol.iterator, 'value', 'a symbol'],
    [
      'a key that is a symbol',
      [{ a: { [Symbol('s')]: 1 } }],
      'value[0].a',
      'an object with symbols for keys',
    ],
    ['a class instance', { author: new Person() }, 'value.author', 'of the class Person'],
    ['a class instance by itself', new Person(), 'value', 'of the class Person'],
    [
      'an instance of a class without a name',
      new (class {
        a = 1;
      })(),
      'value',
      'of a class',
    ],
    ['what inherits from an object', Object.create({ a: 1 }), 'value', 'of the class Object'],
    ['a promise', { a: Promise.resolve() }, 'value.a', 'of the class Promise'],
    ['an Error', { a: new RangeError('a secret') }, 'value.a', 'of the class RangeError'],
    ['a WeakMap', { a: new WeakMap() }, 'value.a', 'of the class WeakMap'],
    ['a WeakRef', { a: new WeakRef({}) }, 'value.a', 'of the class WeakRef'],
    ['a Blob', { a: new Blob(['a secret']) }, 'value.a', 'of the class Blob'],
    ['an AbortSignal', { a: new AbortController().signal }, 'value.a', 'of the class AbortSignal'],
    ['Headers', { a: new Headers() }, 'value.a', 'of the class Headers'],
    ['a Response', { a: new Response() }, 'value.a', 'of the class Response'],
    ['URLSearchParams', { a: new URLSearchParams('b=1') }, 'value.a', 'of the class URLSearchParams'],
    ['a boxed string', { a: Object('s') as unknown }, 'value.a', 'of the class String'],
    ['a boxed number', { a: Object(1) as unknown }, 'value.a', 'of the class Number'],
    ['a boxed boolean', { a: Object(true) as unknown }, 'value.a', 'of the class Boolean'],
    ['a boxed bigint', { a: Object(1n) as unknown }, 'value.a', 'of the class BigInt'],
    ['a boxed symbol', { a: Object(Symbol('s')) as unknown }, 'value.a', 'of the class Symbol'],
    ['a class derived from Map', [new Pairs()], 'value[0]', 'of the class Pairs'],
    ['a class derived from bytes', [new Bytes(1)], 'value[0]', 'of the class Bytes'],
    ['a class derived from Array', { a: List.of(1) }, 'value.a', 'of the class List'],
    ['what calls itself a Map', new Impostor('Map'), 'value', 'of the class Impostor'],
    ['what calls itself a Date', new Impostor('Date'), 'value', 'of the class Impostor'],
    ['what calls itself a RegExp', new Impostor('RegExp'), 'value', 'of the class Impostor'],
    ['what calls itself bytes', new Impostor('Uint8Array'), 'value', 'of the class Impostor'],
    ['what calls itself a URL', new Impostor('URL'), 'value', 'of the class Impostor'],
    ['what calls itself anything', new Impostor('x'), 'value', 'of the class Impostor'],
    [
      'a Map with a field',
      Object.assign(new Map(), { a: 1 }),
      'value',
      'of the class Map, with additional fields',
    ],
    [
      'a Date with a field',
      [Object.assign(new Date(), { a: 1 })],
      'value[0]',
      'of the class Date, with additional fields',
    ],
    ['a Set with a symbol', Object.assign(new Set(), { [Symbol('s')]: 1 }), 'value', 'an object with symbols for keys'], // prettier-ignore
    ['shared memory', new SharedArrayBuffer(1), 'value', 'of the class SharedArrayBuffer'],
    ['a view of shared memory', new Uint8Array(new SharedArrayBuffer(1)), 'value', 'of the class Uint8Array, but cannot be copied'], // prettier-ignore
    ['memory that can grow', resizable(), 'value', 'of the class ArrayBuffer, but cannot be copied'],
    ['an array with holes', { a: [1, , 2] }, 'value.a', 'an array with holes or with named fields'],
    ['an array of holes', new Array(4_000_000_000), 'value', 'an array with holes or with named fields'],
    ['an array with a field', [/(?<x>a)/.exec('a')], 'value[0]', 'an array with holes or with named fields'],
    [
      'an array with as many fields as holes',
      Object.assign([, 1], { a: 1 }),
      'value',
      'an array with holes or with named fields',
    ], // prettier-ignore
    ['a value in a Map', { a: new Map([['k', [Symbol('s')]]]) }, 'value.a[0][1][0]', 'a symbol'],
    ['a key of a Map', new Map([['k', 1], [new Person(), 2]] as [unknown, number][]), 'value[1][0]', 'of the class Person'], // prettier-ignore
    ['a value in a Set', [new Set([1, () => 1])], 'value[0][1]', 'a function'],
    ['a cycle', cycle, 'value.again.cycle', 'a reference back to an object it is part of'],
    ['a cycle further down', { a: [1, cycle] }, 'value.a[1].again.cycle', 'a reference back to an object it is part of'], // prettier-ignore
    ['a cycle of a Map', cyclicMap, 'value[0][1][0]', 'a reference back to an object it is part of'],
    ['what follows on something that is no leaf', [{ a: { b: 1 } }, () => 1], 'value[1]', 'a function'],
    ['a proxy that throws', { a: [unreadable] }, 'value.a[0]', 'something that cannot be read'],
    ['a revoked proxy', { a: revoked }, 'value.a', 'something that cannot be read'],
  ])('is %s, and refused with its path', (_name, value, path, what) => {
    for (const write of [encodeText, (one: unknown) => keyText(one)]) {
      const refusal = refusalOf(value, write);
      expect([refusal.path, refusal.what]).toEqual([path, what]);
      expect(refusal.message).toMatch(`The value at ${path} is ${what}, `);
      expect(refusal.message).toMatch(/plain data/);
      expect(refusal.message).not.toMatch(/secret/);
      expect(refusal).not.toHaveProperty('cause');
    }
  });

  it('is what is nested deeper than 500 levels', () => {
    expect(encodeText(nested(500))).toHaveLength(1001);
    const { path, what } = refusalOf(nested(501));
    expect(what).toBe('nested deeper than 500 levels');
    expect(path).toBe(`value${'[0]'.repeat(20)}…`);
    expect(refusalOf(nested(100_000)).what).toBe(what);
    let list: unknown;
    for (let level = 0; level < 501; level++) {
      list = { next: list };
    }
    expect(refusalOf(list).what).toBe(what);
  });

  it('is found at once in cycles that branch', () => {
    const branch: Record<string, unknown> = {};
    Object.assign(branch, { a: branch, b: branch, c: [branch] });
    expect(refusalOf(branch).path).toBe('value.a');
  });

  it('has a path that shows no names that may be content', () => {
    const run = () => 1;
    expect(refusalOf({ 'x-tool_1': { run } }).path).toBe('value.x-tool_1.run');
    expect(refusalOf({ 'ada@example.com': [run] }).path).toBe('value["…"][0]');
    expect(refusalOf({ ['p'.repeat(50)]: run }).path).toBe('value["…"]');
    expect(refusalOf({ a: 1 / 0, b: { '': run } }).path).toBe('value.b["…"]');
  });

  it('is called what the caller calls it', () => {
    expect(refusalOf([Symbol('s')], (value) => encodeText(value, 'answer')).path).toBe('answer[0]');
    const refusal = refusalOf([Symbol('s')], (value) => keyText(value, 'request'));
    expect(refusal.message).toBe(
      'The value at request[0] is a symbol, which has no unique JSON form. Give the request a cacheKey, or make the value plain data.',
    );
  });

  it('is not what stands in two places without being part of itself', () => {
    const part = { a: [NaN] };
    expect(areSame(decodeText(encodeText([part, part])), [part, part])).toBe(true);
  });
});

describe('accessors and proxies', () => {
  it('are read once, and what they said then counts', () => {
    for (const write of [encodeText, (one: unknown) => keyText(one)]) {
      let reads = 0;
      const value = {
        get a(): number {
          reads++;
          return reads === 1 ? 5 : NaN;
        },
      };
      expect(write([value])).toBe('[{"a":5}]');
      expect(reads).toBe(1);
      const read: PropertyKey[] = [];
      const proxy = new Proxy(
        { a: 1, b: [2] },
        {
          get(target, name, receiver) {
            read.push(name);
            return Reflect.get(target, name, receiver) as unknown;
          },
        },
      );
      expect(write(proxy)).toBe('{"a":1,"b":[2]}');
      expect(read).toEqual(['a', 'b']);
    }
  });

  it('that throw are refused, and what they say is not shown', () => {
    const value = {
      fine: { a: 1 },
      nested: [
        {
          get broken(): never {
            throw new TypeError('a secret');
          },
        },
      ],
    };
    const refusal = refusalOf(value);
    expect(refusal.path).toBe('value.nested[0].broken');
    expect(refusal.what).toBe('something that cannot be read');
    expect(String(refusal.stack)).not.toMatch(/secret/);
  });

  it('may write another value meanwhile', () => {
    const value = {
      get a(): string {
        return encodeText({ b: [new Date(0)] });
      },
      c: 1n,
    };
    expect(areSame(decodeText(encodeText([value])), [{ a: '{"b":[{"~Date":0}]}', c: 1n }])).toBe(true);
  });

  it('are as any field when they come back, and fields that are not enumerable do not', () => {
    const answer = Object.defineProperty({ text: 'x' }, '_request_id', { value: 'req_1', enumerable: false });
    expect(decodeText(encodeText(answer))).toStrictEqual({ text: 'x' });
  });
});

describe('plainJson', () => {
  const options = { isForKey: true };

  it('leaves fields out that are undefined, if it is told to', () => {
    expect(plainJson({ a: undefined, b: [undefined] }, 'value', options)).toEqual({
      b: [{ '~undefined': null }],
    });
    expect(plainJson({ a: undefined }, 'value')).toEqual({ a: { '~undefined': null } });
  });

  it('takes an object without a prototype for one with it', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(plainJson([bare], 'value')).toStrictEqual([{ a: 1 }]);
  });

  it('leaves out the outermost fields that it is told to, which may be of any type', () => {
    const leaveOut = (fields: Record<string, unknown>) => (fields['a'] = undefined);
    const all = { ...options, leaveOut };
    expect(plainJson({ a: () => 1, b: { a: 1 } }, 'value', all)).toEqual({ b: { a: 1 } });
    expect(plainJson([{ a: 1 }], 'value', all)).toEqual([{ a: 1 }]);
  });
});

function keyText(value: unknown, root = 'value'): string {
  return JSON.stringify(plainJson(value, root, { isForKey: true }));
}

/** Whether there is an array with holes anywhere in it. */
function hasHoles(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) {
    return false;
  }
  if (Array.isArray(value) && Object.keys(value).length < value.length) {
    return true;
  }
  const parts: unknown[] =
    value instanceof Map ? [...(value as Map<unknown, unknown>)].flat() : value instanceof Set ? [...(value as Set<unknown>)] : Object.values(value); // prettier-ignore
  return parts.some(hasHoles);
}

/** A buffer that can grow, where the engine knows such. */
function resizable(): ArrayBuffer {
  return new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(1, { maxByteLength: 2 });
}
