import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { buildSync } from 'esbuild';
import { composeKey, generateKey, keyOfRequest } from '../../lib/cache/request-key';

/** As a browser bundle has it: all of it in one script. */
const bundle = buildSync({
  entryPoints: [join(__dirname, '../../lib/cache/request-key.ts')],
  bundle: true,
  write: false,
  metafile: true,
  platform: 'browser',
  format: 'iife',
  globalName: 'keys',
  logLevel: 'silent',
});
const script = bundle.outputFiles[0]!.text;

/** Where there is what a browser and its language have, and nothing of Node. */
function browser(): object {
  const window: Record<string, unknown> = { TextEncoder, URL, atob, btoa };
  window['window'] = window['self'] = window;
  return createContext(window);
}

/** Requests, written so that they can be made in either place. */
const requests: readonly (() => unknown)[] = [
  () => 'What moved gold today?',
  () => '',
  () => 'é e\u0301 \ud800 \udc00x 😀 \u0000 \u2028',
  () => 0,
  () => null,
  () => ({}),
  () => [1, '2', [null, true]],
  () => ({ z: 1, a: { '10': 1, '9': 2, b: undefined } }),
  () => ({
    model: 'gpt-4.1-mini',
    stream: true,
    temperature: 0,
    user: 'ada',
    messages: [
      { role: 'system', content: 'You are a careful analyst.' },
      {
        role: 'user',
        content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }],
      },
    ],
  }),
  () => ({ text: 't', priority: 'high', timeout: 5, lane: 'a' }),
  () => [NaN, Infinity, -Infinity, -0, 1e21, 5e-324, 2n ** 70n, undefined],
  () => [new Date(0), new Date(NaN), /a\/"b/giu, new URL('https://a.example/é?q=ü')],
  () => new Map<unknown, unknown>([['a', new Set([1, { b: 2 }])]]),
  () => [new ArrayBuffer(3), Uint8Array.of(1, 2, 255), new Float64Array([0.1]), new BigInt64Array([-1n])],
  () => new DataView(Uint8Array.from({ length: 100_000 }, (_, index) => index * 7).buffer, 1, 99_998),
  () => ({ '~': 1, '~Date': NaN }),
  () => JSON.parse('{"__proto__":{"a":1},"constructor":null}') as unknown,
  () => Object.assign(Object.create(null) as object, { a: 1 }),
  () => 'x'.repeat(100_000),
];

describe('a bundle for browsers', () => {
  it('imports nothing of Node and nothing that is not in it', () => {
    const imports = Object.values(bundle.metafile.inputs).flatMap((input) => input.imports);
    expect(imports.length).toBeGreaterThan(0);
    expect(imports.filter(({ external }) => external)).toEqual([]);
    expect(script).not.toMatch(/\b(?:require|import|from)\b[\s(]*["'`](?:node:|crypto|buffer)/);
    expect(Object.keys(bundle.metafile.inputs).filter((path) => path.includes('cryptoNode'))).toEqual([]);
  });

  it('runs where there is no process, no require and no Buffer', () => {
    const window = browser();
    runInContext(script, window);
    const types = 'typeof process + typeof require + typeof Buffer + typeof module + typeof global';
    expect(runInContext(types, window)).toBe('undefined'.repeat(5));
    expect(runInContext('typeof keys.keyOfRequest', window)).toBe('function');
  });

  it('makes the keys that Node makes', () => {
    const window = browser();
    runInContext(script, window);
    for (const request of requests) {
      const source = `(${request.toString()})()`;
      const inBrowser: unknown = runInContext(`keys.keyOfRequest(${source})`, window);
      expect([source, inBrowser]).toEqual([source, keyOfRequest(request())]);
      expect(runInContext(`keys.generateKey(${source}, [${source}])`, window)).toBe(
        generateKey(request(), [request()]),
      );
    }
    const distinct = new Set(requests.map((request) => keyOfRequest(request())));
    expect(distinct.size).toBe(requests.length);
    expect(runInContext('keys.composeKey({ scope: "é", sample: 1 }, "scope(")', window)).toBe(
      composeKey({ scope: 'é', sample: 1 }, 'scope('),
    );
  });

  it('refuses what Node refuses', () => {
    const window = browser();
    runInContext(script, window);
    const refused = [() => ({ a: [() => 1] }), () => ({ a: Promise.resolve() }), () => [Symbol('s')]];
    for (const request of refused) {
      const attempt = `try { keys.keyOfRequest((${request.toString()})()); } catch (error) { error.message }`;
      let message = '';
      try {
        keyOfRequest(request());
      } catch (error) {
        ({ message } = error as Error);
      }
      expect(message).toMatch('request');
      expect(runInContext(attempt, window)).toBe(message);
    }
  });
});
