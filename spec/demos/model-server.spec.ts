import OpenAI, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  RateLimitError,
} from 'openai';
import { Bucket } from '../../demos/model-server/bucket';
import { formatGoDuration } from '../../demos/model-server/go-duration';
import { completeOptions } from '../../demos/model-server/options';
import { logNormalFactor, seededRandom } from '../../demos/model-server/random';
import { RateLimits } from '../../demos/model-server/rate-limits';
import type { ModelServer, ModelServerOptions } from '../../demos/model-server/server';
import { startModelServer } from '../../demos/model-server/server';

const model = 'sentiment-demo';
const instant: ModelServerOptions = { latencyBase: 0, latencyPerToken: 0, jitter: 0 };
const bad = [{ role: 'user' as const, content: 'Profit warning: shares plunge 12 %' }];

const servers: ModelServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(options: ModelServerOptions = {}): Promise<{ server: ModelServer; client: OpenAI }> {
  const server = await startModelServer({ ...instant, ...options });
  servers.push(server);
  return { server, client: new OpenAI({ apiKey: 'key', baseURL: server.url, maxRetries: 0 }) };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('answers', () => {
  it('judges the last user message', async () => {
    const { client, server } = await start();
    const completion = await client.chat.completions.create({
      model,
      messages: [
        { role: 'user', content: 'Record profit' },
        { role: 'assistant', content: 'positive' },
        ...bad,
      ],
    });
    expect(completion).toMatchObject({ object: 'chat.completion', model });
    expect(completion.id).toMatch(/^chatcmpl-/);
    expect(completion.choices[0]!.finish_reason).toBe('stop');
    expect(JSON.parse(completion.choices[0]!.message.content!)).toEqual({
      label: 'negative',
      score: -0.87,
      reason: 'Decided by "profit warning" (-4), "plunge" (-3).',
    });
    expect(server.statistics()).toMatchObject({ received: 1, answered: 1, running: 0 });
  });

  it('estimates usage at four characters a token, and counts it', async () => {
    const { client, server } = await start();
    const { usage, choices } = await client.chat.completions.create({ model, messages: bad });
    const prompt = Math.ceil(bad[0]!.content.length / 4);
    const completion = Math.ceil(choices[0]!.message.content!.length / 4);
    expect(usage).toEqual({
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    });
    expect(server.statistics()).toMatchObject({ promptTokens: prompt, completionTokens: completion });
  });

  it('reads content given in parts', async () => {
    const { client } = await start();
    const content = [
      { type: 'text' as const, text: 'Orders rose' },
      { type: 'text' as const, text: 'and the company beats estimates' },
    ];
    const { choices } = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content }],
    });
    expect(JSON.parse(choices[0]!.message.content!)).toMatchObject({ label: 'positive' });
  });

  it('cuts an answer off at the most tokens it may have', async () => {
    const { client } = await start();
    const { choices, usage } = await client.chat.completions.create({
      model,
      messages: bad,
      max_completion_tokens: 3,
    });
    expect(choices[0]).toMatchObject({ finish_reason: 'length' });
    expect(choices[0]!.message.content).toHaveLength(12);
    expect(usage!.completion_tokens).toBe(3);
  });

  it('streams the same answer in chunks, the usage last if asked for', async () => {
    const { client, server } = await start({ latencyBase: 2, latencyPerToken: 0.1 });
    const plain = await client.chat.completions.create({ model, messages: bad });
    const stream = await client.chat.completions.create({
      model,
      messages: bad,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(plain.choices[0]!.message.content);
    expect(chunks.length).toBeGreaterThan(10);
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant');
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: plain.usage });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(server.statistics()).toMatchObject({ received: 2, answered: 2 });
  });

  it('streams no usage unasked, and ends with [DONE]', async () => {
    const { server } = await start();
    const response = await fetch(`${server.url}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, messages: bad, stream: true }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text).not.toContain('usage');
  });

  it('lists its models', async () => {
    const { client } = await start({ models: ['small', 'large'] });
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['small', 'large']);
  });

  it('takes the stated time', async () => {
    const { client } = await start({ latencyBase: 30, latencyPerToken: 0.5 });
    const started = performance.now();
    await client.chat.completions.create({ model, messages: bad, max_completion_tokens: 20 });
    expect(performance.now() - started).toBeGreaterThanOrEqual(38);
  });
});

describe('budgets', () => {
  it('tells limits, what remains and when it is full in the headers of every answer', async () => {
    const { client, server } = await start({ requestsPerMinute: 300, tokensPerMinute: 60_000 });
    const { response } = await client.chat.completions
      .create({ model, messages: bad, max_completion_tokens: 91 })
      .withResponse();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-ratelimit-limit-requests': '300',
      'x-ratelimit-remaining-requests': '299',
      'x-ratelimit-reset-requests': '200ms',
      'x-ratelimit-limit-tokens': '60000',
      'x-ratelimit-remaining-tokens': '59900',
      'x-ratelimit-reset-tokens': '100ms',
      'x-request-id': expect.stringMatching(/^req_[0-9a-f]{32}$/) as unknown,
      'openai-processing-ms': expect.stringMatching(/^\d+$/) as unknown,
    });
    const missing = await fetch(`${server.url}/nothing`);
    expect(missing.headers.get('x-ratelimit-limit-requests')).toBe('300');
  });

  it('leaves out the headers of a budget without a limit', async () => {
    const { client } = await start({ requestsPerMinute: Infinity, tokensPerMinute: 60_000 });
    const { response } = await client.chat.completions.create({ model, messages: bad }).withResponse();
    expect(response.headers.has('x-ratelimit-limit-requests')).toBe(false);
    expect(response.headers.get('x-ratelimit-limit-tokens')).toBe('60000');
  });

  it('refuses with 429 when the requests are used up', async () => {
    const { client, server } = await start({ requestsPerMinute: 1 });
    await client.chat.completions.create({ model, messages: bad });
    const error = (await failureOf(
      client.chat.completions.create({ model, messages: bad }),
    )) as RateLimitError;
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ status: 429, type: 'requests', code: 'rate_limit_exceeded', param: null });
    expect(error.message).toMatch(
      /Rate limit reached for sentiment-demo in organization org-demo on requests per min \(RPM\): Limit 1, Used 1, Requested 1\. Please try again in (59\.\d+s|1m0s)\./,
    );
    const wait = Number(error.headers.get('retry-after-ms'));
    expect(wait).toBeGreaterThan(50_000);
    expect(wait).toBeLessThanOrEqual(60_000);
    expect(error.headers.get('retry-after')).toBe(String(Math.ceil(wait / 1_000)));
    expect(error.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(server.statistics()).toMatchObject({
      received: 2,
      answered: 1,
      refused: { requests: 1, tokens: 0 },
    });
  });

  it('refuses with 429 when the tokens are used up', async () => {
    const { client, server } = await start({ tokensPerMinute: 200 });
    await client.chat.completions.create({ model, messages: bad, max_completion_tokens: 150 });
    const error = await failureOf(
      client.chat.completions.create({ model, messages: bad, max_completion_tokens: 150 }),
    );
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({
      type: 'tokens',
      message: expect.stringContaining('Requested 159') as unknown,
    });
    expect(server.statistics().refused).toEqual({ requests: 0, tokens: 1 });
  });

  it('refuses what no minute can hold, without asking to come back', async () => {
    const { client } = await start({ tokensPerMinute: 100 });
    const error = (await failureOf(
      client.chat.completions.create({ model, messages: bad, max_completion_tokens: 150 }),
    )) as RateLimitError;
    expect(error.message).toContain('Request too large');
    expect(error.headers.has('retry-after')).toBe(false);
  });

  it('lets a client in again after the time it named', async () => {
    const { client } = await start({ requestsPerMinute: 1_200, burstSeconds: 0.05 });
    await client.chat.completions.create({ model, messages: bad });
    const error = await failureOf(client.chat.completions.create({ model, messages: bad }));
    // On a machine that dawdles the budget is back before the second call arrives; there is nothing to wait for then.
    if (error === undefined) return;
    const wait = Number((error as RateLimitError).headers.get('retry-after-ms'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(50);
    await new Promise((resolve) => setTimeout(resolve, wait + 2));
    const again = await client.chat.completions.create({ model, messages: bad });
    expect(again.choices).toHaveLength(1);
  });

  it('stays coherent with buckets shallower than a minute', () => {
    const limits = new RateLimits(completeOptions({ requestsPerMinute: 300, burstSeconds: 5 }), 0);
    for (let call = 0; call < 10; call += 1) limits.admit(model, 10, 0);
    const headers = limits.headers(0);
    expect(headers).toMatchObject({
      'x-ratelimit-limit-requests': '300',
      'x-ratelimit-remaining-requests': '15',
      'x-ratelimit-reset-requests': '2s',
    });
    // remaining + reset × limit / 60 s is the depth.
    expect(15 + (2 * 300) / 60).toBe(25);
    for (let call = 0; call < 15; call += 1) limits.admit(model, 10, 0);
    expect(() => limits.admit(model, 10, 0)).toThrow(
      /Limit 300, Used 300, Requested 1. Please try again in 200ms\./,
    );
    expect(() => limits.admit(model, 10, 199)).toThrow(/try again in 1ms/);
    expect(() => limits.admit(model, 10, 200)).not.toThrow();
    expect(limits.headers(60_000)['x-ratelimit-remaining-requests']).toBe('25');
  });

  it('charges refused calls only if told to', () => {
    for (const [refusedCallsCount, expected] of [
      [false, '1'],
      [true, '0'],
    ] as const) {
      const limits = new RateLimits(
        completeOptions({ requestsPerMinute: 60, tokensPerMinute: 60, burstSeconds: 2, refusedCallsCount }),
        0,
      );
      limits.admit(model, 2, 0);
      expect(() => limits.admit(model, 2, 0)).toThrow(/tokens per min/);
      expect(limits.headers(0)['x-ratelimit-remaining-requests']).toBe(expected);
    }
  });

  it('lets a full bucket owe what a call needs beyond its depth', () => {
    const bucket = new Bucket(60, 5, 0);
    expect(bucket.waitFor(8, 0)).toBe(0);
    bucket.take(8, 0);
    expect(bucket.remaining(0)).toBe(0);
    expect(bucket.untilFull(0)).toBeCloseTo(8_000);
    expect(bucket.waitFor(1, 0)).toBeCloseTo(4_000);
  });
});

describe('errors', () => {
  it('answers a wrong key with 401', async () => {
    const { client, server } = await start({ apiKey: 'right' });
    const error = await failureOf(client.chat.completions.create({ model, messages: bad }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key', type: 'invalid_request_error' });
    expect(await failureOf(client.models.list())).toBeInstanceOf(AuthenticationError);
    await client.withOptions({ apiKey: 'right' }).chat.completions.create({ model, messages: bad });
    expect(server.statistics()).toMatchObject({ received: 2, answered: 1, unauthorized: 1 });
  });

  it.each([
    ['broken JSON', '{"model":', null],
    ['no object', '[]', null],
    ['no model', '{"messages":[{"role":"user","content":"a"}]}', null],
    ['no messages', '{"model":"m"}', 'messages'],
    ['empty messages', '{"model":"m","messages":[]}', 'messages'],
    ['a message without role', '{"model":"m","messages":[{}]}', 'messages[0]'],
    [
      'a bad max_tokens',
      '{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":0}',
      'max_tokens',
    ],
  ])('answers %s with 400', async (_, body, param) => {
    const { server } = await start();
    const response = await fetch(`${server.url}/chat/completions`, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param } });
    expect(server.statistics()).toMatchObject({ received: 1, invalid: 1 });
  });

  it('raises the error class of the official client for 400', async () => {
    const { client } = await start();
    const error = await failureOf(client.chat.completions.create({ model, messages: [] }));
    expect(error).toBeInstanceOf(BadRequestError);
  });

  it('answers unknown routes with 404', async () => {
    const { server } = await start();
    for (const [method, path] of [
      ['GET', '/chat/completions'],
      ['POST', '/models'],
      ['GET', '/elsewhere'],
    ] as const) {
      const response = await fetch(server.url + path, { method });
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    }
    expect(server.statistics().received).toBe(0);
  });

  it('fails the stated share of calls', async () => {
    const { client, server } = await start({ failureRate: 1 });
    const error = await failureOf(client.chat.completions.create({ model, messages: bad }));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(server.statistics()).toMatchObject({ received: 1, failed: 1 });
  });

  it('names an option that cannot be used', async () => {
    await expect(startModelServer({ failureRate: 2 })).rejects.toThrow(
      'failureRate must be a number from 0 to 1, got 2.',
    );
    await expect(startModelServer({ port: 1.5 })).rejects.toThrow(RangeError);
    await expect(startModelServer({ requestsPerMinute: NaN })).rejects.toThrow('requestsPerMinute');
  });

  it('says when its port is taken', async () => {
    const { server } = await start();
    await expect(startModelServer({ port: Number(new URL(server.url).port) })).rejects.toThrow('EADDRINUSE');
  });
});

describe('endings', () => {
  it.each([false, true])('stops working for a client that leaves (stream: %s)', async (stream) => {
    const { client, server } = await start({ latencyBase: 60_000 });
    const leaving = new AbortController();
    const call = failureOf(
      client.chat.completions.create({ model, messages: bad, stream }, { signal: leaving.signal }),
    );
    await until(() => server.statistics().running === 1);
    leaving.abort();
    expect(await call).toBeInstanceOf(APIUserAbortError);
    await until(() => server.statistics().running === 0);
    expect(server.statistics()).toMatchObject({ received: 1, answered: 0, aborted: 1, running: 0 });
  });

  it('counts a client that leaves in the middle of a stream', async () => {
    const { client, server } = await start({ latencyPerToken: 10 });
    const stream = await client.chat.completions.create({ model, messages: bad, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]!.delta.content !== '') break;
    await until(() => server.statistics().running === 0);
    expect(server.statistics()).toMatchObject({ answered: 0, aborted: 1 });
  });

  it('never answers a call that hangs, and ends it on close', async () => {
    const { client, server } = await start({ hangRate: 1 });
    const call = failureOf(client.chat.completions.create({ model, messages: bad }));
    await until(() => server.statistics().hung === 1);
    const started = performance.now();
    await server.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(await call).toBeInstanceOf(Error);
    expect(server.statistics()).toMatchObject({ received: 1, hung: 1, aborted: 0 });
  });

  it('ends running calls and idle connections on close, as often as it is called', async () => {
    const { client, server } = await start({ latencyBase: 60_000 });
    await client.models.list();
    const call = failureOf(client.chat.completions.create({ model, messages: bad }));
    await until(() => server.statistics().running === 1);
    await Promise.all([server.close(), server.close()]);
    expect(await call).toBeInstanceOf(Error);
    expect(server.statistics()).toMatchObject({ received: 1, answered: 0, aborted: 1, running: 0 });
  });
});

describe('Go durations', () => {
  it.each([
    [0, '0s'],
    [0.2, '1ms'],
    [20, '20ms'],
    [1_000, '1s'],
    [8_640, '8.64s'],
    [60_000, '1m0s'],
    [86_400, '1m26.4s'],
    [360_000, '6m0s'],
    [3_600_000, '1h0m0s'],
  ])('prints %d ms as %s', (milliseconds, text) => {
    expect(formatGoDuration(milliseconds)).toBe(text);
  });
});

describe('chance', () => {
  it('repeats itself for the same seed', () => {
    const draw = (seed: number): number[] => Array.from({ length: 5 }, seededRandom(seed));
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('spreads latency around its mean', () => {
    const random = seededRandom(1);
    const factors = Array.from({ length: 20_000 }, () => logNormalFactor(random, 0.5));
    const mean = factors.reduce((sum, factor) => sum + factor, 0) / factors.length;
    expect(mean).toBeCloseTo(1, 1);
    expect(Math.min(...factors)).toBeGreaterThan(0);
    expect(logNormalFactor(random, 0)).toBe(1);
  });
});
