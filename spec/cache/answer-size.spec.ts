import { sizeOfAnswer } from '../../lib/cache/answer-size';

const fraction = 0.25;

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe('sizeOfAnswer', () => {
  // Each figure is a difference of the heap, in Node 20 on 64 bits, over thousands of such values.
  it.each<[string, unknown, number]>([
    ['1,000 Latin-1 characters', 'é'.repeat(1_000), 1_016],
    ['1,000 Cyrillic characters', 'я'.repeat(1_000), 2_016],
    ['a label and a score', { label: 'positive', score: 0.9, reasons: ['beats estimates'] }, 184],
    ['a message', { role: 'assistant', content: 'x'.repeat(800), refusal: null }, 888],
    ['a frozen vector', Object.freeze(Array.from({ length: 1_536 }, () => fraction)), 36_912],
    ['1,024 bytes in an ArrayBuffer', new ArrayBuffer(1_024), 1_112],
    ['1,024 bytes in a Uint8Array', new Uint8Array(1_024), 1_208],
    ['100 numbers in a Float64Array', new Float64Array(100), 984],
    ['a Map of 100', new Map(Array.from({ length: 100 }, (_, index) => [index, index])), 3_656],
    ['a Set of 100', new Set(Array.from({ length: 100 }, (_, index) => index)), 2_632],
  ])('estimates %s to a factor of 2', (_name, value, bytes) => {
    expect(sizeOfAnswer(value)).toBeGreaterThan(bytes / 2);
    expect(sizeOfAnswer(value)).toBeLessThan(bytes * 2);
  });

  it('grows by what is added, at any depth', () => {
    const answer = (text: string) => new Map([['a', [{ b: new Set([{ c: text }]) }]]]);
    expect(sizeOfAnswer(answer('x'.repeat(1_100))) - sizeOfAnswer(answer('x'.repeat(100)))).toBe(1_000);
  });

  it('counts the message of an error', () => {
    expect(sizeOfAnswer(new Error('x'.repeat(1_000)))).toBeGreaterThan(1_000);
  });

  it('counts once an object that is referred to twice, and ends where an answer refers to itself', () => {
    const shared = { text: 'x'.repeat(1_000) };
    expect(sizeOfAnswer([shared, shared])).toBeLessThan(1_500);
    const node: Record<string, unknown> = { text: 'x'.repeat(1_000) };
    node['self'] = node;
    node['list'] = [node];
    expect(sizeOfAnswer(node)).toBeLessThan(1_500);
  });

  it('counts of a buffer what a view shows', () => {
    expect(sizeOfAnswer(new Uint8Array(new ArrayBuffer(8_192), 0, 100))).toBeLessThan(500);
  });

  it('does not overflow the stack of 100,000 levels', () => {
    let deep: unknown = null;
    for (let level = 0; level < 100_000; level++) {
      deep = { deep };
    }
    expect(sizeOfAnswer(deep)).toBeGreaterThan(100_000);
  });

  it('runs no getter of an answer', () => {
    const answer = Object.defineProperty({ text: 'x' }, 'broken', {
      enumerable: true,
      get: () => {
        throw new Error('ran');
      },
    });
    expect(sizeOfAnswer(answer)).toBeLessThan(200);
  });

  it.each<[string, unknown]>([
    ['an object that only looks like a Map', Object.create({ [Symbol.toStringTag]: 'Map' })],
    ['a promise', Promise.resolve(1)],
    ['an iterator', [].values()],
  ])('takes %s', (_name, value) => {
    expect(sizeOfAnswer(value)).toBeGreaterThan(0);
  });

  it('throws the error of a proxy that forbids the look', () => {
    expect(() => sizeOfAnswer({ proxy: revokedProxy() })).toThrow('proxy');
  });
});
