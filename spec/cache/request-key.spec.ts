import { createHash } from 'node:crypto';
import { runInNewContext } from 'node:vm';
import { sha256 as portableSha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import fc from 'fast-check';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { UnreadableValueError } from '../../lib/cache/plain-json';
import {
  composeContentKey,
  composeKey,
  keyOfRequest,
  partsOfKey,
  type KeyParts,
} from '../../lib/cache/request-key';
import { sha256 } from '../../lib/cache/sha256';

function pathOfRefusal(request: unknown): string {
  try {
    keyOfRequest(request);
  } catch (error) {
    if (error instanceof UnreadableValueError) {
      return error.path;
    }
    throw error;
  }
  return 'not refused';
}

const bytes = new Uint8Array([1, 2]);

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
    ['NFC and NFD', { text: '\u00e9' }, { text: 'e\u0301' }],
    ['lone surrogates', { text: '\ud800' }, { text: '\ud801' }],
    ['a lone surrogate and what UTF-8 puts in its place', { text: '\ud800' }, { text: '\ufffd' }],
    ['lone surrogates in names', { '\ud800': 1 }, { '\ud801': 1 }],
    ['upper and lower case', { text: 'Gold' }, { text: 'gold' }],
    ['spaces', { text: 'a b' }, { text: 'a  b' }],
    ['a name and a value', { a: 'b' }, { b: 'a' }],
    ['nesting', { a: [[1], 2] }, { a: [[1, 2]] }],
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
    ["bytes and Node's Buffer", { a: new Uint8Array([1]) }, { a: Buffer.of(1) }],
    ['different views of a buffer', { a: bytes.subarray(0, 1) }, { a: bytes.subarray(1, 2) }],
    ['objects as keys of Maps', { a: new Map([[{ b: 1 }, 1]]) }, { a: new Map([[{ b: 2 }, 1]]) }],
    ['typed arrays of different types', { a: new Uint8Array([1]) }, { a: new Int8Array([1]) }],
    ['bytes and an array', { a: new Uint8Array([1]) }, { a: [1] }],
    ['different buffers', { a: new Uint8Array([1]).buffer }, { a: new Uint8Array([2]).buffer }],
    ['different URLs', { a: new URL('https://a.example') }, { a: new URL('https://b.example') }],
    ['different regular expressions', { a: /x/g }, { a: /x/i }],
    ['own fields called __proto__', JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":2}')],
    ['a field called __proto__ and none', JSON.parse('{"a":{"__proto__":{"b":1}}}'), { a: {} }],
    ['a field called __proto__ beside what is marked', JSON.parse('{"__proto__":1}'), { a: NaN }],
    ['undefined and null in an array', [undefined], [null]],
    ['what is marked and what looks like it', { a: NaN }, { a: { '~number': 'NaN' } }],
    ['the order of an array', [1, 2], [2, 1]],
    ['models of an LLM body', { model: 'm', input: 'i' }, { model: 'n', input: 'i' }],
    ['signals of a strategy', { symbol: 's', signal: 'buy' }, { symbol: 's', signal: 'sell' }],
    ['signals in data', { a: 1, signal: { aborted: false } }, { a: 1, signal: { aborted: true } }],
    ['a signal and none', { symbol: 's', signal: 'buy' }, { symbol: 's' }],
    ['columns of a table', { rows: 1, headers: ['a', 'b'] }, { rows: 1, headers: ['a', 'c'] }],
    [
      'headers of a letter',
      { subject: 's', headers: { from: 'a' } },
      { subject: 's', headers: { from: 'b' } },
    ],
    ['timeouts of an incident', { incident: 'i', timeout: 30 }, { incident: 'i', timeout: 60 }],
    ['retries of a config under review', { config: 'c', maxRetries: 0 }, { config: 'c', maxRetries: 3 }],
    [
      'named users in a body',
      { model: 'm', prompt: 'p', user: { name: 'Ada' } },
      { model: 'm', prompt: 'p', user: { name: 'Bob' } },
    ],
    [
      'metadata with structure in a body',
      { model: 'm', prompt: 'p', metadata: { page: { title: 'a' } } },
      { model: 'm', prompt: 'p', metadata: { page: { title: 'b' } } },
    ],
    [
      'metadata in a list in a body',
      { model: 'm', prompt: 'p', metadata: ['a'] },
      { model: 'm', prompt: 'p', metadata: ['b'] },
    ],
    [
      'columns in a body',
      { model: 'm', prompt: 'p', headers: ['a'] },
      { model: 'm', prompt: 'p', headers: ['b'] },
    ],
    [
      'times out in a body',
      { model: 'm', prompt: 'p', timeout: '5 s' },
      { model: 'm', prompt: 'p', timeout: '6 s' },
    ],
    [
      'cars with a model',
      { model: 'A', prompt: { of: 1 }, user: 'a' },
      { model: 'A', prompt: { of: 1 }, user: 'b' },
    ],
    ['users of what has a model but no prompt', { model: 'm', user: 'a' }, { model: 'm', user: 'b' }],
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

  describe('of a chat request', () => {
    const image = (url: string) => ({ type: 'image_url', image_url: { url } });
    const chat = {
      model: 'gpt-4.1-mini',
      seed: 7,
      temperature: 0.2,
      messages: [
        { role: 'system', content: 'You are a careful analyst.' },
        {
          role: 'user',
          content: [{ type: 'text', text: 'What is this?' }, image('data:image/png;base64,iVBORw0KGgo=')],
        },
      ],
      tools: [
        {
          type: 'function',
          function: { name: 'price', parameters: { type: 'object', properties: { of: { type: 'string' } } } },
        },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
    };
    const [system, user] = chat.messages;
    const [text] = user!.content as [object, object];
    const withPart = (part: unknown) => ({
      ...chat,
      messages: [system, { role: 'user', content: [text, part] }],
    });
    const withTool = (tool: object) => ({ ...chat, tools: [{ type: 'function', function: tool }] });
    const { temperature, ...withoutTemperature } = chat;
    const withSchema = (schema: object) => ({
      ...chat,
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
    });

    const different: readonly (readonly [string, unknown])[] = [
      ['itself', chat],
      ['another model', { ...chat, model: 'gpt-4.1' }],
      ['another question', { ...chat, messages: [system, { role: 'user', content: 'What is that?' }] }],
      ['another system prompt', { ...chat, messages: [{ role: 'system', content: 'You guess.' }, user] }],
      ['the same messages in another order', { ...chat, messages: [user, system] }],
      ['another image, in base64', withPart(image('data:image/png;base64,iVBORw0KGg4='))],
      ['another type of the image', withPart(image('data:image/jpg;base64,iVBORw0KGgo='))],
      ['an image at an address', withPart(image('https://a.example/cat.png'))],
      ['an image at another address', withPart(image('https://a.example/dog.png'))],
      ['an image at a URL', withPart({ type: 'image', image: new URL('https://a.example/cat.png') })],
      ['an image at another URL', withPart({ type: 'image', image: new URL('https://a.example/dog.png') })],
      ['an image at the text of that URL', withPart({ type: 'image', image: 'https://a.example/dog.png' })],
      ['an image in bytes', withPart({ type: 'image', image: Uint8Array.of(137, 80) })],
      ['an image in other bytes', withPart({ type: 'image', image: Uint8Array.of(137, 81) })],
      ['an image in a buffer', withPart({ type: 'image', image: Uint8Array.of(137, 80).buffer })],
      ['an image in a list', withPart({ type: 'image', image: [137, 80] })],
      ['no image', { ...chat, messages: [system, { role: 'user', content: [text] }] }],
      ['another name of a tool', withTool({ name: 'cost', parameters: { type: 'object' } })],
      ['another description of a tool', withTool({ name: 'price', description: 'of a share' })],
      ['no tools', { ...chat, tools: [] }],
      ['another schema', withSchema({ type: 'object', required: ['a'] })],
      ['a schema that allows null', withSchema({ type: ['object', 'null'] })],
      ['another seed', { ...chat, seed: 8 }],
      ['a seed that is null', { ...chat, seed: null }],
      ['no temperature', withoutTemperature],
      ['a temperature of 0', { ...chat, temperature: 0 }],
      ['a temperature of 1, which often is the default', { ...chat, temperature: 1 }],
      ['a temperature that is null', { ...chat, temperature: null }],
      ['a temperature that is a text', { ...chat, temperature: String(temperature) }],
      ['a parameter of one provider', { ...chat, num_ctx: 2048 }],
      ['another value of that parameter', { ...chat, num_ctx: 4096 }],
      [
        'a tenant in a message',
        { ...chat, messages: [system, user, { role: 'user', content: 'For Acme.' }] },
      ],
      [
        'another tenant in a message',
        { ...chat, messages: [system, user, { role: 'user', content: 'For Bcme.' }] },
      ],
      ['a wish for a stream, whose end is no whole answer', { ...chat, stream: true }],
      ['a wish for no stream', { ...chat, stream: false }],
      ['options of a stream', { ...chat, stream: true, stream_options: { include_usage: true } }],
      ['a field of no name', { ...chat, '': 1 }],
    ];

    it('changes with whatever changes the answer, and never meets another', () => {
      const names = new Map<string, string>();
      for (const [name, request] of different) {
        const key = keyOfRequest(request);
        expect([name, names.get(key)]).toEqual([name, undefined]);
        names.set(key, name);
      }
      expect(names.size).toBe(different.length);
    });

    it('is the same in any order of its fields, at any depth', () => {
      for (const [, request] of different) {
        expect(keyOfRequest(reversed(request))).toBe(keyOfRequest(request));
      }
      expect(JSON.stringify(reversed(chat))).not.toBe(JSON.stringify(chat));
    });

    it('is the same for a copy that came over the wire', () => {
      expect(keyOfRequest(JSON.parse(JSON.stringify(chat)))).toBe(keyOfRequest(chat));
    });
  });

  it('tells a million prompts apart', () => {
    const count = 1_000_000;
    // The first 64 of the 256 bits: if these differ all, so do the keys.
    const beginnings = new BigUint64Array(count);
    for (let number = 0; number < count; number++) {
      const content = `Summarize ticket #${number} for customer ${number % 1000}.`;
      // A chat takes longer than a text.
      const request = number % 10 > 0 ? content : { model: 'm', messages: [{ role: 'user', content }] };
      const key = keyOfRequest(request);
      beginnings[number] = BigInt(`0x${key.slice(3, 19)}`);
    }
    beginnings.sort();
    let equal = 0;
    for (let number = 1; number < count; number++) {
      equal += beginnings[number] === beginnings[number - 1] ? 1 : 0;
    }
    expect(equal).toBe(0);
  }, 60_000);

  it('tells apart or refuses whatever JSON.stringify takes for {}', () => {
    const alike: unknown[] = [
      {},
      new Map(),
      new Set(),
      new Map([[1, 2]]),
      new Set([1]),
      new ArrayBuffer(1),
      new ArrayBuffer(2),
      /a/,
      /b/,
      new Blob(['a']),
      new Blob(['b']),
      new Error('a'),
      new Error('b'),
      new AbortController().signal,
      new WeakMap(),
      Promise.resolve(1),
    ];
    const keys: string[] = [];
    const refused: unknown[] = [];
    for (const a of alike) {
      expect(['{}', '{"a":{}}']).toContain(JSON.stringify({ a }).replace(/"size":\d+,?/, ''));
      try {
        keys.push(keyOfRequest({ a }));
      } catch {
        refused.push(a);
      }
    }
    expect(new Set(keys).size).toBe(9);
    expect(refused).toEqual(alike.slice(9));
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
    ['a signal', { text: 't', signal: new AbortController().signal }, { text: 't' }],
    [
      'a signal of another maker',
      { text: 't', signal: { aborted: false, addEventListener: () => undefined } },
      { text: 't' },
    ],
    ...['messages', 'input', 'contents', 'prompt'].flatMap((field): [string, unknown, unknown][] => [
      [
        `user and metadata of a body with ${field}`,
        { model: 'm', [field]: ['text'], user: 'one', metadata: { a: 1, b: null } },
        { model: 'm', [field]: ['text'], user: 'other', metadata: {} },
      ],
      [
        `what steers a call, beside ${field}`,
        { model: 'm', [field]: 'text', timeout: 5, maxRetries: 1, headers: { from: 'a@b.example' } },
        { model: 'm', [field]: 'text' },
      ],
    ]),
    [
      'headers of the platform',
      { model: 'm', input: 'i', headers: new Headers({ a: 'b' }) },
      { model: 'm', input: 'i' },
    ],
    ['the realm of a plain object', runInNewContext('({ a: { b: [1] } })'), { a: { b: [1] } }],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
  ])('does not depend on %s', (_name, one, other) => {
    expect(keyOfRequest(one)).toBe(keyOfRequest(other));
  });

  it('reads each field once, even one that would say something else the next time', () => {
    let reads = 0;
    const request = {
      get model(): unknown {
        reads++;
        return reads === 1 ? 'm' : 5;
      },
      prompt: 'p',
      user: 'ada',
    };
    expect(keyOfRequest(request)).toBe(keyOfRequest({ model: 'm', prompt: 'p' }));
    expect(reads).toBe(1);
  });

  it('covers a field that has the name of an option, but another value', () => {
    const body = { model: 'm', input: 'i' };
    expect(pathOfRefusal({ ...body, signal: () => 1 })).toBe('request.signal');
    expect(pathOfRefusal({ ...body, timeout: Symbol('s') })).toBe('request.timeout');
    expect(pathOfRefusal({ ...body, maxRetries: cycle })).toBe('request.maxRetries.again.cycle');
    expect(pathOfRefusal({ text: 't', options: { headers: new Headers() } })).toBe('request.options.headers');
  });

  it('tells which fields it leaves out', () => {
    const leftOutOf = (request: unknown) => {
      const leftOut: string[] = [];
      keyOfRequest(request, { leftOut });
      return leftOut;
    };
    const { signal } = new AbortController();
    expect(leftOutOf({ symbol: 'NRDX', signal: 'buy', headers: ['a'] })).toEqual([]);
    expect(leftOutOf({ ticket: 't', priority: 'critical', signal, timeout: 5 })).toEqual([
      'priority',
      'signal',
    ]);
    expect(leftOutOf({ model: 'm', input: 'i', user: 'ada', metadata: { trace: '1' }, timeout: 5 })).toEqual([
      'user',
      'metadata',
      'timeout',
    ]);
    expect(leftOutOf('a text')).toEqual([]);
  });

  it('covers every field where a function reads the traits', () => {
    const keys = [{ t: 1, priority: 'low' }, { t: 1, priority: 'high' }, { t: 1 }].map((request) =>
      keyOfRequest(request, { isTrait: () => false }),
    );
    expect(new Set(keys).size).toBe(3);
  });

  class Person {
    readonly name = 'Ada';
  }
  const cycle: Record<string, unknown> = {};
  cycle['again'] = { cycle };
  const broken = {
    get prompt(): never {
      throw new Error('a secret');
    },
  };
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
    ['a key of the request that is a symbol', { [Symbol('s')]: 1 }, 'request'],
    ['a field that throws', broken, 'request.prompt'],
    ['a field that throws further down', { a: [broken] }, 'request.a[0].prompt'],
  ])('refuses %s, with the path', (_name, request, path) => {
    expect(pathOfRefusal(request)).toBe(path);
  });

  it('refuses what is nested too deeply, rather than overflow the stack', () => {
    expect(pathOfRefusal({ deep })).toMatch(/^request\.deep(\[0\])+…$/);
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

/** The same with the fields of all objects in reverse order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(reversed);
  }
  if (Object.prototype.toString.call(value) !== '[object Object]') {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value as object)
      .reverse()
      .map(([name, content]) => [name, reversed(content)]),
  );
}

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
    const numbers = [[1, 23], [12, 3], [1, 2], [12]].map(([one, other]) =>
      LLMResultCache.generateKey(one, other),
    );
    expect(new Set(numbers).size).toBe(4);
  });
});

describe('composeKey and partsOfKey', () => {
  it.each<[KeyParts, string, string]>([
    [{}, 'k', 'k'],
    [{ namespace: 'titles' }, 'k', 'namespace(6):titles:k'],
    [
      { sample: 2, scope: 'acme', version: '3', namespace: 'a:b', call: 'function:7' },
      'k',
      'namespace(3):a:b:call(10):function:7:version(1):3:scope(4):acme:sample(1):2:k',
    ],
    [{}, 'v1:abc', 'key():v1:abc'],
    [{ call: 'c' }, 'v1:abc', 'call(1):c:key():v1:abc'],
    [{ namespace: '' }, '', 'namespace(0)::'],
    [{ sample: 0 }, 'k', 'sample(1):0:k'],
    [{}, 'scope(4):acme:k', 'key():scope(4):acme:k'],
    [{}, 'key():k', 'key():key():k'],
    [{ version: '1' }, 'scope(4):acme:k', 'version(1):1:key():scope(4):acme:k'],
    [{}, 'a scope(4):acme:k', 'a scope(4):acme:k'],
  ])('make of %j and %j one key, and these again of it', (parts, key, composed) => {
    expect(composeKey(parts, key)).toBe(composed);
    expect(partsOfKey(composed)).toEqual({ ...parts, key });
  });

  it.each([
    'scope(4):acme',
    'scope(9):acme:k',
    'scope():acme:k',
    'scope(04):acme:k',
    'scope(4):acme-k',
    'scope(-1):k',
    'sample(1):x:k',
    'sample(3):1.0:k',
    'sample(2):-0:k',
    'version(1):1:namespace(1):n:k',
    'scope(1):a:scope(1):a:k',
    'key():k',
    'key(',
    'namespace(99999999999999999999):n:k',
  ])('take %s, which composeKey never makes, for a key without parts', (composed) => {
    expect(partsOfKey(composed)).toEqual({ key: composed });
  });

  it.each<[KeyParts, string, string]>([
    [{}, 'v1:abc', 'v1:abc'],
    [{ namespace: 'n', sample: 1 }, 'v1:abc', 'namespace(1):n:sample(1):1:v1:abc'],
  ])('leave a key that was made from content apart from all keys of users', (parts, key, composed) => {
    expect(composeContentKey(parts, key)).toBe(composed);
    expect(partsOfKey(composed)).toEqual({ ...parts, key });
    expect(composeKey(parts, key)).not.toBe(composed);
  });

  it('do without parts that are not there', () => {
    expect(Object.keys(partsOfKey(composeKey({ scope: 'a' }, 'k')))).toEqual(['scope', 'key']);
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
