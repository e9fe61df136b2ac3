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
  'openai 4',
  'openai 5',
  'openai 6',
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
  return list;
}

/** How an answer is asked for. */
const forms = ['whole', 'streamed'] as const;
type Form = (typeof forms)[number];

/** The text of an answer that is asked for whole or streamed. */
async function answer(one: RealClient, form: Form, prompt: string, signal?: AbortSignal): Promise<string> {
  return form === 'whole'
    ? ((await one.whole(prompt, signal)) ?? '')
    : (await all(await one.streamed(prompt, signal))).join('');
}

/** What SDKs throw if their own timer rings. In Jest some take the abort of a `fetch` for a lost connection. */
const timedOut = /timed out|timeout|aborted|Connection error/;

describe.each(names)('%s through an optimizer', (name) => {
  // At the other seams the timer of the SDK runs while a request waits.
  const isPatient = name === '@anthropic-ai/sdk, `middleware`';

  it('is answered, and what the answer cost is known', async () => {
    expect(await client(name).whole('Why is gold up?')).toBe(text);
    expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 10, outputTokens: 6 });
  });

  describe.each(forms)('%s', (form) => {
    it('is answered after two refusals, by its third attempt', async () => {
      endpoint.script.push({ status: 429, headers: { 'retry-after-ms': '5' } }, { status: 503 });
      expect(await answer(client(name), form, 'Why is gold up?')).toBe(text);
      expect(endpoint.seen.map(({ body }) => body)).toEqual(Array(3).fill(endpoint.seen[0]!.body));
    });

    it('asks again if a page came in place of the answer', async () => {
      endpoint.script.push({ body: '<!doctype html><p>Sign in', headers: { 'content-type': 'text/html' } });
      expect(await answer(client(name), form, 'Why is gold up?')).toBe(text);
      expect(endpoint.seen).toHaveLength(2);
    });

    it('gets the refusal of a bad request as the endpoint gave it', async () => {
      endpoint.script.push({ status: 400, body: '{"error":{"message":"no such model","code":400}}' });
      await expect(answer(client(name), form, 'Why is gold up?')).rejects.toMatchObject({
        message: expect.stringContaining('no such model') as string,
      });
      expect(endpoint.seen).toHaveLength(1);
    });

    it('makes one call for 50 equal requests at once', async () => {
      endpoint.script.push({ delay: 50, pace: 5 });
      const answers = Array.from({ length: 50 }, () => answer(client(name), form, 'The same?'));
      expect(await Promise.all(answers)).toEqual(Array(50).fill(text));
      expect(endpoint.seen).toHaveLength(1);
      await until(() => optimizer.getStats().cache.size === 1);
      expect(await answer(client(name), form, 'The same?')).toBe(text);
      expect(endpoint.seen).toHaveLength(1);
    });

    it('sends nothing for a request that is aborted while it waits', async () => {
      endpoint.script.push({ delay: 100 });
      const first = client(name).whole('first');
      await until(() => endpoint.seen.length === 1);
      const leaving = new AbortController();
      const failed = expect(answer(client(name), form, 'second', leaving.signal)).rejects.toThrow();
      await until(() => optimizer.getStats().executor.queued === 1);
      leaving.abort();
      await failed;
      expect(optimizer.getStats().executor.queued).toBe(0);
      expect(await first).toBe(text);
      expect(endpoint.seen).toHaveLength(1);
    });

    it('closes the socket of a request that is aborted before the head, and frees its slot', async () => {
      endpoint.script.push({ delay: 10_000 });
      const leaving = new AbortController();
      const failed = expect(answer(client(name), form, 'first', leaving.signal)).rejects.toThrow();
      await until(() => endpoint.seen.length === 1);
      leaving.abort();
      await failed;
      await until(() => endpoint.seen[0]!.isLeft);
      expect(await answer(client(name), form, 'next')).toBe(text);
    });

    it('waits longer than the SDK has patience, and is answered or costs nothing', async () => {
      let answerFirst!: () => void;
      endpoint.script.push({ delay: new Promise((resolve) => (answerFirst = resolve)) });
      const first = client(name).whole('first');
      await until(() => endpoint.seen.length === 1);
      const patience = 150;
      const impatient = realClients(optimizer, endpoint.url, patience).find((one) => one.name === name)!;
      const second = answer(impatient, form, 'second');
      if (isPatient) {
        await pause(patience + 50);
        answerFirst();
        expect(await second).toBe(text);
        expect(endpoint.seen).toHaveLength(2);
      } else {
        await expect(second).rejects.toThrow(timedOut);
        expect(optimizer.getStats().executor.queued).toBe(0);
        answerFirst();
        expect(await answer(client(name), form, 'third')).toBe(text);
        expect(endpoint.seen.map(({ body }) => body.includes('second'))).toEqual([false, false]);
      }
      expect(await first).toBe(text);
    });
  });

  it('asks again for a whole answer whose connection dies', async () => {
    endpoint.script.push({ diesAfter: 1 });
    expect(await client(name).whole('Why is gold up?')).toBe(text);
    expect(endpoint.seen).toHaveLength(2);
  });

  it('fails a stream that dies on its way, and frees its slot', async () => {
    endpoint.script.push({ diesAfter: 4, pace: 5 });
    await expect(answer(client(name), 'streamed', 'Why is gold up?')).rejects.toThrow();
    expect(await client(name).whole('next')).toBe(text);
    expect(endpoint.seen).toHaveLength(2);
  });

  it('streams, and streams again from the cache', async () => {
    expect(await all(await client(name).streamed('Why is gold up?'))).toEqual(words);
    await until(() => optimizer.getStats().cache.size === 1);
    expect((await all(await client(name).streamed('Why is gold up?'))).join('')).toBe(text);
    expect(endpoint.seen).toHaveLength(1);
  });

  it('has a second reader join a stream that runs', async () => {
    endpoint.script.push({ pace: 20 });
    const first = (await client(name).streamed('The same?'))[Symbol.asyncIterator]();
    const begun = await first.next();
    const [joined, rest] = await Promise.all([
      answer(client(name), 'streamed', 'The same?'),
      all({ [Symbol.asyncIterator]: () => first }),
    ]);
    expect([begun.value, ...rest].join('')).toBe(text);
    expect(joined).toBe(text);
    expect(endpoint.seen).toHaveLength(1);
  });

  it('closes the socket of a stream that is aborted before its next word, and frees its slot', async () => {
    endpoint.script.push({ pace: 100 });
    const leaving = new AbortController();
    const pieces = (await client(name).streamed('Why?', leaving.signal))[Symbol.asyncIterator]();
    await pieces.next();
    const { events } = endpoint.seen[0]!;
    leaving.abort();
    await until(() => endpoint.seen[0]!.isLeft);
    expect(endpoint.seen[0]!.events).toBeLessThanOrEqual(events + 1);
    expect(await client(name).whole('next')).toBe(text);
  });

  // The SDK of Google and the AI SDK do not cancel a stream that its reader breaks off: only a signal stops them.
  const isCancelled = !/google|^ai,/.test(name);
  it(`${isCancelled ? 'leaves' : 'reads and keeps'} the rest of a stream that its reader breaks off`, async () => {
    endpoint.script.push({ pace: isCancelled ? 100 : 10 });
    let read = 0;
    for await (const word of await client(name).streamed('Why is gold up?')) {
      read += word.length;
      if (word === words[2]) {
        break;
      }
    }
    expect(read).toBe(words.slice(0, 3).join('').length);
    const { events } = endpoint.seen[0]!;
    if (isCancelled) {
      await until(() => endpoint.seen[0]!.isLeft);
      expect(endpoint.seen[0]!.events).toBeLessThanOrEqual(events + 1);
    } else {
      await until(() => optimizer.getStats().cache.size === 1);
      expect(await answer(client(name), 'streamed', 'Why is gold up?')).toBe(text);
      expect(endpoint.seen).toHaveLength(1);
    }
    expect(await client(name).whole('next')).toBe(text);
  });

  it('frees the slot of a stream that nobody reads when its answer has come', async () => {
    endpoint.script.push({ pace: 10 });
    const unread = await client(name).streamed('unread');
    expect(await client(name).whole('next')).toBe(text);
    expect(unread).toBeDefined();
  });
});
