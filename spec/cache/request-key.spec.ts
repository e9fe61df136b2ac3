import { createHash } from 'node:crypto';
import { runInNewContext } from 'node:vm';
import { sha256 as portableSha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import fc from 'fast-check';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { keyOfRequest, namespacedKey, UnhashableValueError } from '../../lib/cache/request-key';
import { sha256 } from '../../lib/cache/sha256';

function pathOfRefusal(request: unknown): string {
  try {
    keyOfRequest(request);
  } catch (error) {
    if (error instanceof UnhashableValueError) {
      return error.path;
    }
    throw error;
  }
  return 'not refused';
}

describe('keyOfRequest', () => {
  it('is a version and a SHA-256', () => {
    expect(keyOfRequest('What moved gold today?')).toMatch(/^v1:[0-9a-f]{64}$/);
    expect(keyOfRequest({ b: 1, a: 2 })).toBe(
      `v1:${createHash('sha256').update('{"a":2,"b":1}').digest('hex')}`,
    );
  });

  it.each<[string, unknown, unknown]>([
    ['different users in { system, user }', { system: 's', user: 'one' }, { system: 's', user: 'other' }],
    ['P1 and P4, which are no priorities', { text: 't', priority: 'P1' }, { text: 't', priority: 'P4' }],
    ['different metadata of a question', { question: 'q', metadata: 1 }, { question: 'q', metadata: 2 }],
    ['an invalid cacheTtl', { text: 't', cacheTtl: 'long' }, { text: 't', cacheTtl: 'short' }],
    ['null and absent', { a: null }, {}],
    ['a number and its text', { a: 1 }, { a: '1' }],
    ['a string request and a quoted one', 'a', '"a"'],
    ['NaN and null', { a: NaN }, { a: null }],
    ['NaN and Infinity', { a: NaN }, { a: Infinity }],
    ['0 and -0', { a: 0 }, { a: -0 }],
    ['a bigint and a number', { a: 1n }, { a: 1 }],
    ['different bigints', { a: 2n ** 64n }, { a: 2n ** 64n + 1n }],
    ['different Dates', { a: new Date(1) }, { a: new Date(2) }],
    ['a Date and its text', { a: new Date(0) }, { a: new Date(0).toISOString() }],
    ['different Maps', { a: new Map([['k', 1]]) }, { a: new Map([['k', 2]]) }],
    ['different Sets', { a: new Set([1]) }, { a: new Set([2]) }],
    ['a Map, a Set and {}', { a: new Map() }, { a: new Set() }],
    ['an empty Map and {}', { a: new Map() }, { a: {} }],
    ['different bytes', { a: new Uint8Array([1]) }, { a: new Uint8Array([2]) }],
    ['typed arrays of different types', { a: new Uint8Array([1]) }, { a: new Int8Array([1]) }],
    ['bytes and an array', { a: new Uint8Array([1]) }, { a: [1] }],
    ['different buffers', { a: new Uint8Array([1]).buffer }, { a: new Uint8Array([2]).buffer }],
    ['different URLs', { a: new URL('https://a.example') }, { a: new URL('https://b.example') }],
    ['different regular expressions', { a: /x/g }, { a: /x/i }],
    ['own fields called __proto__', JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":2}')],
    ['a field called __proto__ and none', JSON.parse('{"a":{"__proto__":{"b":1}}}'), { a: {} }],
    ['a field called __proto__ beside what is marked', JSON.parse('{"__proto__":1}'), { a: NaN }],
    ['undefined and null in an array', [undefined], [null]],
    ['what is marked and what looks like it', { a: NaN }, { a: { '\u0000number': 'NaN' } }],
    ['the order of an array', [1, 2], [2, 1]],
    ['models of an LLM body', { model: 'm', input: 'i' }, { model: 'n', input: 'i' }],
    [
      'user where the model is no string',
      { model: 1, input: 'i', user: 'a' },
      { model: 1, input: 'i', user: 'b' },
    ],
    [
      'image parts',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'a' } }] }] },
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'b' } }] }] },
    ],
    [
      'users of nested messages',
      { model: 'm', messages: [{ user: 'a' }] },
      { model: 'm', messages: [{ user: 'b' }] },
    ],
  ])('tells apart %s', (_name, one, other) => {
    expect(keyOfRequest(one)).not.toBe(keyOfRequest(other));
  });

  it.each<[string, unknown, unknown]>([
    ['the order of fields', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
    ['absent and undefined', { a: 1, b: undefined }, { a: 1 }],
    ['absent and undefined further down', { a: { b: undefined } }, { a: {} }],
    ['priority', { text: 't', priority: 'low' }, { text: 't', priority: 'critical' }],
    [
      'every valid trait',
      { text: 't', cacheTtl: 5, tokens: 7, maxWait: 1, lane: 'l', cacheKey: false },
      { text: 't' },
    ],
    [
      'what steers a call',
      { text: 't', signal: new AbortController().signal, timeout: 5, maxRetries: 1, headers: new Map() },
      { text: 't' },
    ],
    ...['messages', 'input', 'contents', 'prompt'].map((field): [string, unknown, unknown] => [
      `user and metadata of a body with ${field}`,
      { model: 'm', [field]: 'text', user: 'one', metadata: { a: 1 } },
      { model: 'm', [field]: 'text', user: 'other' },
    ]),
    ['the realm of a plain object', runInNewContext('({ a: { b: [1] } })'), { a: { b: [1] } }],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
  ])('does not depend on %s', (_name, one, other) => {
    expect(keyOfRequest(one)).toBe(keyOfRequest(other));
  });

  class Person {
    readonly name = 'Ada';
  }
  const cycle: Record<string, unknown> = {};
  cycle['again'] = { cycle };
  let deep: unknown = 1;
  for (let level = 0; level < 600; level++) {
    deep = [deep];
  }

  it.each<[string, unknown, string]>([
    ['a function', { text: 't', tools: [{ run: () => 1 }] }, 'request.tools[0].run'],
    ['a symbol', { a: Symbol('s') }, 'request.a'],
    ['a class instance', { author: new Person() }, 'request.author'],
    ['a class instance as the request', new Person(), 'request'],
    ['a promise', { a: Promise.resolve() }, 'request.a'],
    ['a boxed string', { a: Object('s') as unknown }, 'request.a'],
    ['a cycle', cycle, 'request.again.cycle'],
    ['a key that is a symbol', { a: { [Symbol('s')]: 1 } }, 'request.a'],
  ])('refuses %s, with the path', (_name, request, path) => {
    expect(pathOfRefusal(request)).toBe(path);
  });

  it('refuses what is nested too deeply, rather than overflow the stack', () => {
    expect(pathOfRefusal({ deep })).toMatch(/^request\.deep(\[0\])+$/);
  });

  it('takes an object that appears twice without being part of itself', () => {
    const part = { a: 1 };
    expect(keyOfRequest({ one: part, other: part })).toBe(keyOfRequest({ one: { a: 1 }, other: { a: 1 } }));
  });

  it('gives different JSON values different keys, and equal ones the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        const wrapped = [{ content: one }, { content: other }] as const;
        const areEqual = sorted(one) === sorted(other);
        expect(keyOfRequest(wrapped[0]) === keyOfRequest(wrapped[1])).toBe(areEqual);
        expect(keyOfRequest({ content: JSON.parse(JSON.stringify(one)) as unknown })).toBe(
          keyOfRequest({ content: negativeZeroAsZero(one) }),
        );
      }),
    );
  });
});

/** Written down with sorted fields, where -0 is told apart from 0. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(sorted).join()}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
    return `{${fields.map(([name, content]) => `${JSON.stringify(name)}:${sorted(content)}`).join()}}`;
  }
  return Object.is(value, -0) ? '-0' : JSON.stringify(value);
}

function negativeZeroAsZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

describe('generateKey', () => {
  it('is the key of the request where there are no parameters', () => {
    expect(LLMResultCache.generateKey({ text: 't' })).toBe(keyOfRequest({ text: 't' }));
  });

  it('covers every parameter, and no pair is the key of a request', () => {
    const key = LLMResultCache.generateKey('p', { temperature: 0 });
    expect(key).not.toBe(LLMResultCache.generateKey('p', { temperature: 1 }));
    expect(key).not.toBe(LLMResultCache.generateKey('p'));
    expect(key).not.toBe(keyOfRequest({ prompt: 'p', params: { temperature: 0 } }));
    expect(key).toBe(LLMResultCache.generateKey('p', { temperature: 0 }));
  });
});

describe('namespacedKey', () => {
  it('never lets two pairs of namespace and key meet, none of them nor one that imitates the other', () => {
    const pieces = fc
      .array(fc.constantFrom('ns(', '0', '1', '3', ')', ':', 'a'))
      .map((parts) => parts.join(''));
    const text = fc.oneof(pieces, fc.string());
    const namespace = fc.option(text, { nil: undefined });
    fc.assert(
      fc.property(namespace, text, namespace, text, (space, key, otherSpace, otherKey) => {
        fc.pre(space !== otherSpace || key !== otherKey);
        expect(namespacedKey(space, key)).not.toBe(namespacedKey(otherSpace, otherKey));
      }),
      { numRuns: 2000 },
    );
    expect(namespacedKey(undefined, namespacedKey('a', 'b'))).not.toBe(namespacedKey('a', 'b'));
    expect(namespacedKey(undefined, 'a:b')).toBe('a:b');
  });
});

describe('sha256', () => {
  it('is the same from Node and from the portable implementation, lone surrogates included', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes));
    fc.assert(
      fc.property(fc.oneof(units, fc.string({ unit: 'binary' })), (text) => {
        const expected = createHash('sha256').update(text).digest('hex');
        expect(bytesToHex(portableSha256(text))).toBe(expected);
        expect(sha256(text)).toBe(expected);
      }),
    );
    expect(bytesToHex(portableSha256('\ud800'))).toBe(createHash('sha256').update('\ud800').digest('hex'));
  });
});
