import { setTimeout as pause } from 'node:timers/promises';
import { LLMCallOptimizer } from 'rxllm';
import { Endpoint, text, words } from './endpoint';
import { realClients, type RealClient } from './real-clients';

jest.setTimeout(30_000);

let endpoint: Endpoint;
let optimizer: LLMCallOptimizer;
let clients: RealClient[];

beforeEach(async () => {
  endpoint = await Endpoint.start();
  optimizer = new LLMCallOptimizer({ maxConcurrent: 1, retry: { baseDelay: 10, maxDelay: 20 } });
  clients = realClients(optimizer, endpoint.url);
});

afterEach(async () => {
  optimizer.close();
  await endpoint.close();
});

const names = [
  'openai',
  'groq-sdk',
  '@anthropic-ai/sdk, `fetch`',
  '@anthropic-ai/sdk, `middleware`',
  '@google/genai',
  '@mistralai/mistralai',
  '@langchain/openai',
  'ai, `fetch`',
  'ai, `middleware`',
];

const client = (name: string) => clients.find((one) => one.name === name)!;

/** Waits until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await pause(5);
  }
}

async function all(pieces: AsyncIterable<string>): Promise<string[]> {
  const list: string[] = [];
  for await (const piece of pieces) {
    list.push(piece);
  }
  return list.filter((piece) => piece !== '');
}

describe.each(names)('%s through an optimizer', (name) => {
  it('is answered, and what the answer cost is known', async () => {
    expect(await client(name).whole('Why is gold up?')).toBe(text);
    expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 10, outputTokens: 6 });
  });

  it('is answered after two refusals, by its third attempt', async () => {
    endpoint.script.push({ status: 429, headers: { 'retry-after-ms': '5' } }, { status: 503 });
    expect(await client(name).whole('Why is gold up?')).toBe(text);
    expect(endpoint.seen.map(({ body }) => body)).toEqual(Array(3).fill(endpoint.seen[0]!.body));
  });

  it('gets the refusal of a bad request as the endpoint gave it', async () => {
    endpoint.script.push({ status: 400, body: '{"error":{"message":"no such model","code":400}}' });
    await expect(client(name).whole('Why is gold up?')).rejects.toMatchObject({
      message: expect.stringContaining('no such model') as string,
    });
    expect(endpoint.seen).toHaveLength(1);
  });

  it('makes one call for 50 equal requests at once', async () => {
    endpoint.script.push({ delay: 50 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => client(name).whole('The same?')));
    expect(answers).toEqual(Array(50).fill(text));
    expect(endpoint.seen).toHaveLength(1);
    expect(await client(name).whole('The same?')).toBe(text);
    expect(endpoint.seen).toHaveLength(1);
  });

  it('sends nothing for a request that is aborted while it waits', async () => {
    endpoint.script.push({ delay: 100 });
    const first = client(name).whole('first');
    await until(() => endpoint.seen.length === 1);
    const leaving = new AbortController();
    const second = client(name).whole('second', leaving.signal);
    const failed = expect(second).rejects.toThrow();
    await until(() => optimizer.getStats().executor.queued === 1);
    leaving.abort();
    await failed;
    expect(await first).toBe(text);
    expect(endpoint.seen).toHaveLength(1);
  });

  it('streams, and streams again from the cache', async () => {
    expect(await all(client(name).streamed('Why is gold up?'))).toEqual(words);
    await until(() => optimizer.getStats().cache.size === 1);
    expect((await all(client(name).streamed('Why is gold up?'))).join('')).toBe(text);
    expect(endpoint.seen).toHaveLength(1);
  });

  it('has a second reader join a stream that runs', async () => {
    endpoint.script.push({ pace: 20 });
    const first = client(name).streamed('The same?')[Symbol.asyncIterator]();
    const begun = await first.next();
    const [joined, rest] = await Promise.all([
      all(client(name).streamed('The same?')),
      all({ [Symbol.asyncIterator]: () => first }),
    ]);
    expect([begun.value, ...rest].join('')).toBe(text);
    expect(joined.join('')).toBe(text);
    expect(endpoint.seen).toHaveLength(1);
  });

  it('closes the socket of a stream that is aborted, and frees its slot', async () => {
    endpoint.script.push({ pace: 100 });
    const leaving = new AbortController();
    const pieces = client(name).streamed('Why is gold up?', leaving.signal)[Symbol.asyncIterator]();
    await pieces.next();
    leaving.abort();
    await until(() => endpoint.seen[0]!.isLeft);
    expect(endpoint.seen[0]!.isAnswered).toBe(false);
    expect(await client(name).whole('next')).toBe(text);
  });

  // The SDK of Google and the AI SDK read on when their reader has broken off: only a signal stops them.
  if (!/google|^ai,/.test(name)) {
    it('closes the socket of a stream that its reader breaks off, and frees its slot', async () => {
      endpoint.script.push({ pace: 100 });
      let read = 0;
      for await (const piece of client(name).streamed('Why is gold up?')) {
        read += piece === '' ? 0 : 1;
        if (read === 2) {
          break;
        }
      }
      await until(() => endpoint.seen[0]!.isLeft);
      expect(endpoint.seen[0]!.isAnswered).toBe(false);
      expect(await client(name).whole('next')).toBe(text);
    });
  }

  it('fails a stream that dies on its way, and frees its slot', async () => {
    endpoint.script.push({ diesAfter: 4, pace: 5 });
    await expect(all(client(name).streamed('Why is gold up?'))).rejects.toThrow();
    expect(await client(name).whole('next')).toBe(text);
    expect(endpoint.seen).toHaveLength(2);
  });
});
