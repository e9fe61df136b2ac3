import { textLength } from '../../lib/core/text-length';

describe('textLength', () => {
  it.each([
    ['a text', 'abc', 3],
    ['nothing', undefined, 0],
    ['a number', 12345, 0],
    [
      'all strings in objects and lists',
      { model: 'ab', messages: [{ role: 'c', content: ['de', { text: 'f' }] }] },
      6,
    ],
    ['no names of fields', { prompt: '' }, 0],
    [
      'nothing in what is not plain',
      { at: new Date(), map: new Map([['a', 'b']]), bytes: new Uint8Array(9) },
      0,
    ],
    ['objects without a prototype', Object.assign(Object.create(null) as object, { prompt: 'abc' }), 3],
  ])('counts %s', (_, request, length) => {
    expect(textLength(request)).toBe(length);
  });

  it('ends with an object that holds itself', () => {
    const request: Record<string, unknown> = { prompt: 'abc' };
    request['self'] = request;
    expect(textLength(request)).toBeGreaterThanOrEqual(3);
  });

  it('looks at so many values and no more', () => {
    expect(textLength(Array.from({ length: 1_000_000 }, () => 'a'))).toBeLessThan(20_000);
  });
});
