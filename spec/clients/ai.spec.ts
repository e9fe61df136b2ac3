import { LLMCallOptimizer } from 'rxllm';
import { rxllmMiddleware, type AIModel } from 'rxllm/ai';

const usage = {
  inputTokens: { total: 10, noCache: 6, cacheRead: 4, cacheWrite: 0 },
  outputTokens: { total: 6, text: 4, reasoning: 2 },
};
const finish = (unified: string) => ({ type: 'finish', usage, finishReason: { unified, raw: unified } });
const word = (delta: string) => ({ type: 'text-delta', id: 't', delta });

type Parts = readonly object[];

/** A model as the SDK of a major makes it: 6 has the version 3 of the specification, 7 the version 4. */
class Model implements AIModel {
  readonly provider = 'house';
  readonly modelId = 'small';
  readonly asked: object[] = [];

  constructor(
    readonly specificationVersion: 'v3' | 'v4',
    /** The streams to come. */
    readonly script: Parts[],
  ) {}

  readonly doGenerate = (parameters: object): Promise<unknown> => {
    this.asked.push(parameters);
    return Promise.resolve({
      content: [{ type: 'text', text: 'Up.' }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage,
      warnings: [],
      response: { id: 'r', timestamp: new Date(0), headers: { 'x-ratelimit-limit-requests': '500' } },
    });
  };

  readonly doStream = (parameters: object): Promise<unknown> => {
    this.asked.push(parameters);
    return Promise.resolve({
      stream: ReadableStream.from(this.script.shift() ?? []),
      request: { body: 'sent' },
    });
  };
}

describe.each(['v3', 'v4'] as const)('rxllmMiddleware around a model of the specification %s', (version) => {
  let optimizer: LLMCallOptimizer;
  beforeEach(() => {
    optimizer = new LLMCallOptimizer({ retry: { baseDelay: 1 } });
  });
  afterEach(() => optimizer.close());

  const generate = (model: Model, params: object) =>
    rxllmMiddleware(optimizer).wrapGenerate({
      model,
      params,
      doGenerate: () => model.doGenerate(params) as Promise<{ response: { timestamp: Date } }>,
    });
  const stream = async (model: Model, params: object = { prompt: 'Why?' }) => {
    const answer = await rxllmMiddleware(optimizer).wrapStream({
      model,
      params,
      doStream: () => model.doStream(params) as Promise<{ stream: ReadableStream<object>; request: unknown }>,
    });
    const parts: object[] = [];
    for await (const part of answer.stream) {
      parts.push(part);
    }
    return { ...answer, parts };
  };

  it('keeps a result, with the time at which it came, and knows what it cost', async () => {
    const model = new Model(version, []);
    const first = await generate(model, { prompt: 'Why?' });
    const second = await generate(model, { prompt: 'Why?', abortSignal: new AbortController().signal });
    expect(second).toEqual(first);
    expect(second.response.timestamp).toEqual(new Date(0));
    expect(model.asked).toHaveLength(1);
    expect(optimizer.getStats().metrics).toMatchObject({
      inputTokens: 10,
      outputTokens: 6,
      cachedInputTokens: 4,
      reasoningTokens: 2,
    });
  });

  it('keeps answers apart that an option of the call may have changed', async () => {
    const model = new Model(version, []);
    for (const reasoning of ['low', 'high', 'low']) {
      await generate(model, { prompt: 'Why?', reasoning });
    }
    expect(model.asked).toHaveLength(2);
  });

  it('hands out every part, and again from the cache', async () => {
    const parts = [
      { type: 'stream-start', warnings: [] },
      { type: 'ping' },
      { type: 'response-metadata', timestamp: new Date(0) },
      { type: 'text-start', id: 't' },
      word('Up'),
      { type: 'ping' },
      { type: 'custom', kind: 'house.note' },
      word('.'),
      { type: 'text-end', id: 't' },
      finish('stop'),
    ];
    const model = new Model(version, [parts]);
    const first = await stream(model);
    expect(first).toMatchObject({ parts, request: { body: 'sent' } });
    expect((await stream(model)).parts).toEqual(parts);
    expect(model.asked).toHaveLength(1);
  });

  it('tries a stream again that fails before its first word, although the provider has given signs of life', async () => {
    const error = Object.assign(new Error('busy'), { statusCode: 503 });
    const begun = [{ type: 'stream-start', warnings: [] }, { type: 'ping' }, { type: 'text-start', id: 't' }];
    const model = new Model(version, [
      [...begun, { type: 'error', error }],
      [...begun, word('Up.'), finish('stop')],
    ]);
    expect((await stream(model)).parts).toEqual([...begun, word('Up.'), finish('stop')]);
    expect(model.asked).toHaveLength(2);
  });

  it.each<[string, Parts]>([
    ['by other', [finish('other')]],
    ['by interrupted', [finish('interrupted')]],
    ['without a last part', []],
  ])('tries a stream again that ends %s before its first word', async (_name, end) => {
    const begun = [{ type: 'stream-start', warnings: [] }];
    const parts = [...begun, word('Up.'), finish('stop')];
    const model = new Model(version, [[...begun, ...end], parts]);
    expect((await stream(model)).parts).toEqual(parts);
    expect(model.asked).toHaveLength(2);
  });

  it.each<[string, Parts, 'kept' | 'not kept']>([
    ['its words', [word('Up'), word('.'), finish('stop')], 'kept'],
    [
      'a tool call',
      [{ type: 'tool-call', toolCallId: 'c', toolName: 't', input: '{}' }, finish('tool-calls')],
      'kept',
    ],
    [
      'no words',
      [{ type: 'text-start', id: 't' }, { type: 'text-end', id: 't' }, finish('stop')],
      'not kept',
    ],
    ['a thought alone', [{ type: 'reasoning-delta', id: 't', delta: 'Hm.' }, finish('stop')], 'not kept'],
    ['words cut off', [word('Up'), finish('length')], 'not kept'],
    ['words filtered', [word('Up'), finish('content-filter')], 'not kept'],
    ['words and an error', [word('Up'), finish('error')], 'not kept'],
    ['words of a stream that broke off', [word('Up'), finish('interrupted')], 'not kept'],
    ['words that ended somehow', [word('Up'), finish('other')], 'not kept'],
  ])('hands out a stream of %s', async (_name, parts, kept) => {
    const model = new Model(version, [parts, parts]);
    expect((await stream(model)).parts).toEqual(parts);
    expect((await stream(model)).parts).toEqual(parts);
    expect(model.asked).toHaveLength(kept === 'kept' ? 1 : 2);
  });

  it('does not keep a stream that ends without a last part', async () => {
    const model = new Model(version, [[word('Up')], [word('Up'), finish('stop')]]);
    await stream(model);
    await stream(model);
    expect(model.asked).toHaveLength(2);
  });
});

describe('rxllmMiddleware', () => {
  it.each<[object, string]>([
    [{ replay: 'whole' }, "replay must be 'chunks'"],
    [{ replay: { chunkDelay: -1 } }, 'replay.chunkDelay must be'],
    [{ traits: 5 }, 'traits must be a function'],
    [{ namespace: '' }, 'namespace must be a string that is not empty'],
    [{ name: 'a' }, "Did you mean 'namespace'?"],
  ])('refuses the options %j', (options, message) => {
    const optimizer = new LLMCallOptimizer();
    expect(() => rxllmMiddleware(optimizer, options)).toThrow(message);
    optimizer.close();
  });

  it('refuses what is no optimizer', () => {
    expect(() => rxllmMiddleware({} as never)).toThrow(
      'must be given an LLMCallOptimizer, but got an object',
    );
  });
});
