import { sizeOfAnswer } from '../../lib/cache/answer-size';

/** A number with a fraction, which stands in a box of its own where it is a field. */
const fraction = 0.25;

/** A value that breaks whoever looks at it. */
function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe('sizeOfAnswer', () => {
  // Each figure is a difference of the heap, in Node 20 on 64 bits, over thousands of such values.
  it.each<[string, unknown, number]>([
    ['undefined', undefined, 0],
    ['null', null, 0],
    ['a boolean', true, 0],
    ['a small integer', 7, 0],
    ['a number with a fraction', fraction, 16],
    ['a large integer', 2 ** 40, 16],
    ['a negative zero', -0, 16],
    ['an integer of 40 digits', 10n ** 40n, 40],
    ['an empty text', '', 0],
    ['one Latin-1 character', 'é', 0],
    ['8 Latin-1 characters', 'positive', 24],
    ['1,000 Latin-1 characters', 'é'.repeat(1_000), 1_016],
    ['1,000 Cyrillic characters', 'я'.repeat(1_000), 2_016],
    ['999 Latin-1 characters and one that is none', 'e'.repeat(999) + '→', 2_016],
    ['an empty object', {}, 56],
    ['an object with a field', { a: 1 }, 32],
    ['an object with three fields', { a: 1, b: 2, c: null }, 48],
    ['an object with three fractions', { a: fraction, b: fraction, c: fraction }, 96],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), 192],
    ['an empty array', [], 32],
    ['an array of three', [1, 2, 3], 72],
    ['an array of 100 integers', Array.from({ length: 100 }, (_, index) => index), 848],
    ['an array of 3 fractions', [fraction, fraction, fraction], 72],
    ['an array of 100 fractions', Array.from({ length: 100 }, () => fraction), 848],
    ['a frozen array of 3 fractions', Object.freeze([fraction, fraction, fraction]), 120],
    [
      'a frozen array of 1,536 fractions',
      Object.freeze(Array.from({ length: 1_536 }, () => fraction)),
      36_912,
    ],
    ['an array of texts and fractions', ['label', fraction, 'other', fraction], 160],
    ['an array of holes', new Array(100), 848],
    ['1,024 bytes in an ArrayBuffer', new ArrayBuffer(1_024), 1_112],
    ['1,024 bytes in a Uint8Array', new Uint8Array(1_024), 1_208],
    ['1,024 bytes in a Buffer', Buffer.alloc(1_024), 1_208],
    ['100 numbers in a Float64Array', new Float64Array(100), 984],
    ['16 bytes behind a DataView', new DataView(new ArrayBuffer(16)), 200],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(1_024)), 1_208],
    ['an empty Map', new Map(), 184],
    ['a Map of 10', new Map(Array.from({ length: 10 }, (_, index) => [index, index])), 520],
    ['a Map of 100', new Map(Array.from({ length: 100 }, (_, index) => [index, index])), 3_656],
    ['an empty Set', new Set(), 152],
    ['a Set of 100', new Set(Array.from({ length: 100 }, (_, index) => index)), 2_632],
    ['a Date', new Date(0), 96],
    ['a function', () => 1, 64],
    ['a symbol', Symbol('x'), 24],
  ])('of %s', (_name, value, size) => {
    expect(sizeOfAnswer(value)).toBe(size);
  });

  it('adds up what an answer holds', () => {
    const answer = { label: 'positive', score: 0.9, reasons: ['beats estimates', 'raises outlook'] };
    expect(sizeOfAnswer(answer)).toBe(48 + 24 + 16 + (32 + 16 + 16) + 32 + 32);
  });

  it('counts hidden classes and names where an object is a table by identifiers', () => {
    const table = (entries: number) =>
      Object.fromEntries(Array.from({ length: entries }, (_, index) => [`id-7-${index}`, index]));
    // The heap grows by about 134 and 76 bytes an entry.
    expect(sizeOfAnswer(table(50))).toBe(6_824);
    expect(sizeOfAnswer(table(500))).toBe(36_672);
  });

  it('counts own fields of a class instance, symbols and hidden ones too', () => {
    const secret = Symbol('secret');
    class Answer {
      readonly text = 'x'.repeat(80);
      readonly [secret] = 'y'.repeat(80);
    }
    const answer = new Answer();
    Object.defineProperty(answer, 'hidden', { value: 'z'.repeat(80), enumerable: false });
    expect(sizeOfAnswer(answer)).toBe(48 + 3 * 96);
  });

  it('counts keys and values of a Map, and what a Map of one’s own class has besides', () => {
    class Named extends Map<string, string> {}
    const entries: [string, string][] = [['the first key', 'the first value']];
    expect(sizeOfAnswer(new Map(entries))).toBe(184 + 32 + 32);
    expect(sizeOfAnswer(new Named(entries))).toBe(184 + 32 + 32);
  });

  it('counts what a Set holds', () => {
    expect(sizeOfAnswer(new Set(['the first text', { text: 'x'.repeat(80) }]))).toBe(152 + 32 + 32 + 96);
  });

  it('counts once what is referred to twice', () => {
    const shared = { text: 'x'.repeat(1_000) };
    expect(sizeOfAnswer([shared, shared])).toBe(64 + 32 + 1_016);
    expect(sizeOfAnswer(new Map([[shared, shared]]))).toBe(184 + 32 + 1_016);
  });

  it('counts no more of a buffer than its views show, and no more than it has', () => {
    const pool = new ArrayBuffer(8_192);
    const view = new Uint8Array(pool, 0, 100);
    expect(sizeOfAnswer(view)).toBe(96 + 88 + 100);
    expect(sizeOfAnswer([view, new Uint8Array(pool), new Uint8Array(pool)])).toBe(72 + 3 * 96 + 88 + 8_192);
  });

  it('ends where an answer refers to itself', () => {
    const node: Record<string, unknown> = { text: 'x'.repeat(80) };
    node['self'] = node;
    node['list'] = [node];
    expect(sizeOfAnswer(node)).toBe(48 + 96 + 56);
  });

  it('does not overflow the stack of 100,000 levels', () => {
    let deep: unknown = null;
    for (let level = 0; level < 100_000; level++) {
      deep = { deep };
    }
    expect(sizeOfAnswer(deep)).toBe(3_200_000);
  });

  it('runs no getter', () => {
    const ran: string[] = [];
    const trap = (name: string) => ({ enumerable: true, get: () => ran.push(name) });
    class Tagged {
      text = 'x'.repeat(80);
      get [Symbol.toStringTag]() {
        return String(ran.push('tag'));
      }
      get other() {
        return ran.push('prototype');
      }
    }
    class Sized extends Map {
      override get size() {
        return ran.push('size');
      }
    }
    class Bytes extends Uint8Array {
      override get byteLength() {
        return ran.push('byteLength');
      }
    }
    const long = Array.from({ length: 100 }, () => fraction);
    const values = [
      Object.defineProperty({ text: 'x'.repeat(80) }, 'boom', trap('own')),
      Object.defineProperty(['x'.repeat(80)], 1, trap('element')),
      Object.defineProperty(long, 0, trap('long array')),
      new Tagged(),
      new Sized(),
      new Bytes(100),
    ];
    expect(values.map((value) => sizeOfAnswer(value))).toEqual([
      40 + 96 + 24,
      64 + 96,
      848 + 99 * 16,
      32 + 96,
      184,
      284,
    ]);
    expect(ran).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['a revoked proxy', revokedProxy()],
    ['a revoked proxy within', { proxy: revokedProxy(), text: 'x'.repeat(80) }],
    ['a proxy that throws', new Proxy({}, { ownKeys: () => fail() })],
    ['an object that only looks like a Map', Object.create({ [Symbol.toStringTag]: 'Map' })],
    ['a weak map', new WeakMap()],
    ['a promise', Promise.resolve(1)],
    ['an error', new Error('x')],
    ['an iterator', [].values()],
    ['the global object', globalThis],
  ])('does not throw for %s', (_name, value) => {
    expect(sizeOfAnswer(value)).toBeGreaterThan(0);
  });

  function fail(): never {
    throw new Error('looked at');
  }
});
