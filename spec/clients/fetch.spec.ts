import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { ClosedError, LLMCallOptimizer } from 'rxllm';
import { anthropicMiddleware } from 'rxllm/anthropic';
import { llmFetch, type EndpointTarget, type LLMFetchOptions } from 'rxllm/fetch';
import { rethrow } from '../test-scheduler';

const base = 'https://api.example.com/v1';
const address = `${base}/chat/completions`;
const body = (prompt: string, model = 'small') =>
  JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] });
const answer = { choices: [{ message: { content: 'It is up.' }, finish_reason: 'stop' }] };

/** A `fetch` that answers by a script, and notes what it was asked. */
function sender(...script: (() => Response | Promise<Response>)[]) {
  const sent: { readonly url: string; readonly init: RequestInit | undefined }[] = [];
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    sent.push({ url: input instanceof Request ? input.url : String(input), init });
    return (script.shift() ?? (() => Response.json(answer, { headers: { 'set-cookie': 'a=b' } })))();
  };
  return { fetch, sent };
}

const post = (prompt: string, init: RequestInit = {}): RequestInit => ({
  method: 'POST',
  body: body(prompt),
  ...init,
});

describe('llmFetch', () => {
  let optimizer: LLMCallOptimizer;
  beforeEach(() => {
    optimizer = new LLMCallOptimizer({ maxConcurrent: 1, retry: { baseDelay: 1 } });
  });
  afterEach(() => optimizer.close());

  it.each([
    ['a GET', address, { method: 'GET' }],
    ['a list of models', 'https://api.example.com/v1/models', undefined],
    ['an upload', 'https://api.example.com/v1/files', { method: 'POST', body: new FormData() }],
    ['a body that is no JSON', address, { method: 'POST', body: 'a=b' }],
    ['a body that is no object', address, { method: 'POST', body: '[1]' }],
    ['a message for a thread', `${base}/threads/t1/messages`, { method: 'POST', body: body('Yes.') }],
    [
      'an item of a conversation',
      `${base}/conversations/c1/messages`,
      { method: 'POST', body: body('Yes.') },
    ],
    ['a message of a chat of people', `${base}/messages`, { method: 'POST', body: '{"content":"Yes."}' }],
    ['a reply to a form', `${base}/responses`, { method: 'POST', body: '{"prompt":"Yes."}' }],
    ['a stream as a body', address, { method: 'POST', body: new Uint8Array(3) }],
  ])('hands %s on as it is', async (_name, url, init) => {
    const { fetch, sent } = sender(() => new Response('as it is'));
    const response = await llmFetch(optimizer, { fetch })(url, init);
    expect(await response.text()).toBe('as it is');
    expect(sent).toEqual([{ url, init }]);
    expect(response.headers.get('x-rxllm-source')).toBeNull();
  });

  it('answers with what the endpoint said, and tells where it came from', async () => {
    const { fetch, sent } = sender();
    const asking = llmFetch(optimizer, { fetch });
    const first = await asking(address, post('Why?'));
    const second = await asking(address, post('Why?'));
    expect(await first.json()).toEqual(answer);
    expect(await second.json()).toEqual(answer);
    expect([first, second].map(({ headers }) => headers.get('x-rxllm-source'))).toEqual(['call', 'cache']);
    expect([first, second].map(({ headers }) => headers.get('set-cookie'))).toEqual(['a=b', null]);
    expect(first.url).toBe(address);
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['a conversation', { conversation: 'c1' }],
    ['a job', { background: true }],
  ])('sends each request of %s, also equal ones at once', async (_name, state) => {
    const { fetch, sent } = sender();
    const asking = llmFetch(optimizer, { fetch, traits: () => ({ cacheKey: 'mine' }) });
    const asked = post('', { body: JSON.stringify({ model: 'small', input: 'Yes.', ...state }) });
    await Promise.all([asking(`${base}/responses`, asked), asking(`${base}/responses`, asked)]);
    await asking(`${base}/responses`, asked);
    expect(sent).toHaveLength(3);
  });

  it('shares the answers to what follows a previous response', async () => {
    const { fetch, sent } = sender();
    const body = '{"model":"small","input":"Yes.","previous_response_id":"r1","conversation":null}';
    const asking = llmFetch(optimizer, { fetch });
    await asking(`${base}/responses`, post('', { body }));
    await asking(`${base}/responses`, post('', { body }));
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['an unknown address', `${base}/models`, 'GET', undefined],
    ['a body that is no object', address, 'POST', '[1]'],
  ])('does not send a priority on to %s', async (_name, url, method, content) => {
    const { fetch, sent } = sender();
    const headers = { 'x-rxllm-priority': 'high', 'x-trace': '1' };
    const init: RequestInit = { method, headers, body: content ?? null };
    await llmFetch(optimizer, { fetch })(url, init);
    await llmFetch(optimizer, { fetch })(new Request(url, init));
    expect(sent.map(({ init: its }) => [...new Headers(its?.headers).keys()])).not.toContainEqual(
      expect.arrayContaining(['x-rxllm-priority']),
    );
    expect(sent.map(({ init: its }) => new Headers(its?.headers).get('x-trace'))).toEqual(['1', '1']);
  });

  it('does not send a priority on to an unknown address of the SDK of Anthropic', async () => {
    const sent: Headers[] = [];
    await anthropicMiddleware(optimizer)(
      { url: `${base}/models`, headers: new Headers({ 'x-rxllm-priority': 'high', 'x-trace': '1' }) },
      ({ headers }) => {
        sent.push(headers);
        return Promise.resolve(new Response('{}'));
      },
    );
    expect(sent.map((headers) => [...headers.keys()])).toEqual([['x-trace']]);
  });

  it('throws what it refuses in the SDK of Anthropic if `refuse` is undefined', async () => {
    optimizer.close();
    const asked = anthropicMiddleware(optimizer, { refuse: undefined })(
      {
        url: `${base}/messages`,
        method: 'POST',
        headers: new Headers(),
        body: '{"model":"small","messages":[]}',
      },
      () => Promise.resolve(new Response('{}')),
    );
    await expect(asked).rejects.toThrow(ClosedError);
  });

  it.each([
    ['whose call failed', { staleIfError: 1000 }],
    ['that a call renews', { staleWhileRevalidate: 1000 }],
  ])('tells that an answer is stale %s', async (_name, cache) => {
    let now = 0;
    const scheduler: SchedulerLike = {
      now: () => now,
      schedule: asyncScheduler.schedule.bind(asyncScheduler),
    };
    const lenient = new LLMCallOptimizer({ cache, cacheTtl: 1, scheduler, enableRateLimit: false });
    const { fetch } = sender(
      () => Response.json(answer),
      () => new Response('', { status: 400 }),
    );
    const asking = llmFetch(lenient, { fetch });
    await asking(address, post('Why?'));
    now = 5;
    const response = await asking(address, post('Why?'));
    lenient.close();
    expect(response.headers.get('x-rxllm-source')).toBe('stale');
    expect(await response.json()).toEqual(answer);
  });

  it.each([
    ['a chat without a model', address, '{"messages":[]}'],
    ['a message to a model', `${base}/messages`, '{"model":"small","messages":[]}'],
    ['a stored prompt', `${base}/responses`, '{"prompt":{"id":"p1"}}'],
    ['a deployment', 'https://api.example.com/openai/deployments/small/embeddings', '{"input":"Gold"}'],
    ['a tuned model', `${base}/tunedModels/t1:generateContent`, '{"contents":[]}'],
  ])('sends %s through the optimizer', async (_name, url, content) => {
    const { fetch } = sender();
    const response = await llmFetch(optimizer, { fetch })(url, { method: 'POST', body: content });
    expect(response.headers.get('x-rxllm-source')).toBe('call');
  });

  it('takes a Request, and keeps what else it asks for', async () => {
    const bodies: string[] = [];
    const requests: Request[] = [];
    const fetch = async (input: string | URL | Request): Promise<Response> => {
      const request = input as Request;
      requests.push(request);
      bodies.push(await request.text());
      return bodies.length === 1 ? new Response('', { status: 503 }) : Response.json(answer);
    };
    const request = new Request(address, {
      ...post('Why?', { headers: { 'content-type': 'application/json', 'x-trace': '1' } }),
      redirect: 'manual',
    });
    const response = await llmFetch(optimizer, { fetch })(request, { keepalive: true });
    expect(await response.json()).toEqual(answer);
    expect(bodies).toEqual([body('Why?'), body('Why?')]);
    expect(requests).toMatchObject(Array(2).fill({ url: address, redirect: 'manual', keepalive: true }));
    expect(requests[0]!.headers.get('x-trace')).toBe('1');
  });

  it('does not read the body of a Request that it hands on', async () => {
    const { fetch } = sender();
    const request = new Request('https://api.example.com/v1/files', { method: 'POST', body: 'a file' });
    const clone = jest.spyOn(request, 'clone');
    await llmFetch(optimizer, { fetch })(request);
    expect(clone).not.toHaveBeenCalled();
    expect(request.bodyUsed).toBe(false);
  });

  it('reads a priority off its header, and does not send it on', async () => {
    const { fetch, sent } = sender();
    const heard: string[] = [];
    optimizer.events$.subscribe({
      next: (event) => event.type === 'received' && heard.push(event.priority),
      error: rethrow,
    });
    await llmFetch(optimizer, { fetch })(
      address,
      post('Why?', { headers: { 'x-rxllm-priority': 'critical' } }),
    );
    await llmFetch(optimizer, { fetch, traits: () => ({ priority: 'low' }) })(address, post('Who?'));
    expect(heard).toEqual(['critical', 'low']);
    expect(new Headers(sent[0]!.init?.headers).has('x-rxllm-priority')).toBe(false);
  });

  it('keeps the answers of different credentials apart', async () => {
    const { fetch, sent } = sender();
    for (const key of ['a', 'b', 'a']) {
      await llmFetch(optimizer, { fetch })(
        address,
        post('Why?', { headers: { authorization: `Bearer ${key}` } }),
      );
    }
    expect(sent).toHaveLength(2);
  });

  it.each([
    ['anthropic-beta', 'anthropic-beta'],
    ['openai-organization', 'openai-organization'],
  ])('keeps answers apart that %s may have changed', async (_name, header) => {
    const { fetch, sent } = sender();
    for (const value of ['a', 'b', 'a']) {
      await llmFetch(optimizer, { fetch })(address, post('Why?', { headers: { [header]: value } }));
    }
    expect(sent).toHaveLength(2);
  });

  it('shares answers that differ only in what an SDK tells of itself', async () => {
    const { fetch, sent } = sender();
    for (const count of ['0', '1']) {
      await llmFetch(optimizer, { fetch })(
        address,
        post('Why?', { headers: { 'x-stainless-retry-count': count } }),
      );
    }
    expect(sent).toHaveLength(1);
  });

  it('takes the key in an address of Google for a credential', async () => {
    const { fetch } = sender();
    const credentials: (string | undefined)[] = [];
    const optimizerFor = ({ credential }: EndpointTarget) => {
      credentials.push(credential);
      return optimizer;
    };
    for (const key of ['a', 'b']) {
      await llmFetch({ optimizerFor }, { fetch })(
        `https://g.example.com/v1beta/models/m:generateContent?key=${key}`,
        post('', { body: '{"contents":[]}' }),
      );
    }
    expect(new Set(credentials).size).toBe(2);
    expect(credentials).not.toContain(undefined);
  });

  it('hands on a refusal whose status has no body', async () => {
    const { fetch } = sender(() => new Response(null, { status: 304 }));
    expect((await llmFetch(optimizer, { fetch })(address, post('Why?'))).status).toBe(304);
  });

  it('refuses a priority that is none, by its name', async () => {
    const { fetch } = sender();
    const asked = post('Why?', { headers: { 'x-rxllm-priority': 'urgent' } });
    await expect(llmFetch(optimizer, { fetch })(address, asked)).rejects.toThrow(/priority.*urgent/);
  });

  it('asks for an optimizer by origin, model and credential, which it does not show', async () => {
    const { fetch } = sender();
    const targets: EndpointTarget[] = [];
    const optimizerFor = (target: EndpointTarget) => {
      targets.push(target);
      return optimizer;
    };
    const asking = llmFetch({ optimizerFor }, { fetch });
    await asking(address, post('Why?', { headers: { 'x-api-key': 'secret' } }));
    await asking(
      `https://g.example.com/v1beta/models/gemini:generateContent`,
      post('', { body: '{"contents":[]}' }),
    );
    expect(targets).toMatchObject([
      { origin: 'https://api.example.com', model: 'small' },
      { origin: 'https://g.example.com', model: 'gemini', credential: undefined },
    ]);
    expect(targets[0]!.credential).toMatch(/./);
    expect(JSON.stringify(targets)).not.toContain('secret');
  });

  it('hands the refusal of the endpoint on when it is final', async () => {
    const { fetch } = sender(() => Response.json({ error: { message: 'bad' } }, { status: 400 }));
    const response = await llmFetch(optimizer, { fetch })(address, post('Why?'));
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: { message: 'bad' } });
  });

  it('refuses by a response that is not tried again, or by the error', async () => {
    const { fetch } = sender();
    optimizer.close();
    const response = await llmFetch(optimizer, { fetch })(address, post('Why?'));
    expect(response.status).toBe(429);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await response.json()).toMatchObject({ error: { type: 'ClosedError', code: 'closed' } });
    await expect(
      llmFetch(optimizer, { fetch, refuse: 'throw' })(address, post('Why?')),
    ).rejects.toMatchObject({
      code: 'closed',
    });
  });

  it('rejects with the reason of its signal', async () => {
    const { fetch, sent } = sender();
    const signal = AbortSignal.abort(new Error('not any more'));
    await expect(llmFetch(optimizer, { fetch })(address, post('Why?', { signal }))).rejects.toThrow(
      'not any more',
    );
    expect(sent).toEqual([]);
  });

  it('tries a 200 that holds an error or nothing again', async () => {
    const { fetch, sent } = sender(
      () => Response.json({ error: { code: 502, message: 'upstream' } }),
      () => new Response('', { headers: { 'content-type': 'application/json' } }),
    );
    const response = await llmFetch(optimizer, { fetch })(address, post('Why?'));
    expect(await response.json()).toEqual(answer);
    expect(sent).toHaveLength(3);
  });

  const stop = (delta: object) => ({ choices: [{ delta, finish_reason: 'stop' }] });
  const messageStop = { type: 'message_delta', delta: { stop_reason: 'end_turn' } };
  const text = (word: string) => ({ type: 'content_block_delta', delta: { type: 'text_delta', text: word } });
  const tool = { type: 'content_block_start', content_block: { type: 'tool_use', name: 't' } };
  const candidate = (part: object) => ({
    candidates: [{ content: { parts: [part] }, finishReason: 'STOP' }],
  });
  const response = (output: object[]) => ({
    type: 'response.completed',
    response: { status: 'completed', output },
  });

  it.each<[string, object[], 'kept' | 'not kept']>([
    ['words of OpenAI', [stop({ content: 'Up.' })], 'kept'],
    ['words of completions', [{ choices: [{ text: 'Up.', finish_reason: 'stop' }] }], 'kept'],
    ['a tool call of OpenAI', [stop({ tool_calls: [{ index: 0, function: { name: 't' } }] })], 'kept'],
    ['no words of OpenAI', [stop({ content: '' })], 'not kept'],
    ['a refusal of OpenAI', [{ choices: [{ delta: { refusal: 'No.' } }] }, stop({})], 'not kept'],
    ['words of a response', [response([{ type: 'message' }])], 'kept'],
    ['a response that only thinks', [response([{ type: 'reasoning' }])], 'not kept'],
    [
      'a refusal in a response',
      [{ type: 'response.refusal.done' }, response([{ type: 'message' }])],
      'not kept',
    ],
    ['words of Anthropic', [text('Up.'), messageStop, { type: 'message_stop' }], 'kept'],
    ['a tool call of Anthropic', [tool, messageStop, { type: 'message_stop' }], 'kept'],
    ['no words of Anthropic', [messageStop, { type: 'message_stop' }], 'not kept'],
    ['words of Gemini', [candidate({ text: 'Up.' })], 'kept'],
    ['a thought of Gemini', [candidate({ text: 'Hm.', thought: true })], 'not kept'],
  ])('hands on a stream of %s, and keeps it if it is an answer', async (_name, events, kept) => {
    const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
    const answered = () => new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    const { fetch, sent } = sender(answered, answered);
    const asking = llmFetch(optimizer, { fetch });
    expect(await (await asking(address, post('Why?'))).text()).toBe(body);
    expect(await (await asking(address, post('Why?'))).text()).toBe(body);
    expect(sent).toHaveLength(kept === 'kept' ? 1 : 2);
  });

  const sse = (...events: (object | string)[]) =>
    events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
  const choice = (index: number, delta: object, reason: string | null = null) => ({
    choices: [{ index, delta, finish_reason: reason }],
  });
  const [one, two] = [choice(0, { content: 'Up.' }), choice(1, { content: 'Down.' })];

  it.each<[string, string, 'kept' | 'not kept']>([
    ['two choices', sse(one, two, choice(0, {}, 'stop'), choice(1, {}, 'stop'), '[DONE]'), 'kept'],
    ['two choices of which one never ends', sse(one, two, choice(0, {}, 'stop'), '[DONE]'), 'not kept'],
    [
      'two choices of which one is cut off',
      sse(one, two, choice(0, {}, 'stop'), choice(1, {}, 'length'), '[DONE]'),
      'not kept',
    ],
    [
      'two choices of which one is filtered',
      sse(one, two, choice(1, {}, 'content_filter'), choice(0, {}, 'stop'), '[DONE]'),
      'not kept',
    ],
    ['two choices of which one is empty', sse(one, choice(1, {}, 'stop'), choice(0, {}, 'stop')), 'not kept'],
    ['words without a reason for their end', sse(one, '[DONE]'), 'kept'],
    ['an error that is a text', sse(one, { error: 'worker died' }, '[DONE]'), 'not kept'],
    [
      'an error in a choice',
      sse(one, { choices: [{ index: 0, error: { code: 502 } }] }, '[DONE]'),
      'not kept',
    ],
    ['a last line without its end', sse(choice(0, { content: 'Up.' }, 'stop')).trimEnd(), 'kept'],
    [
      'events over several lines',
      'data: {"choices": [\r\ndata: {"text": "Up.", "finish_reason": "stop"}]}',
      'kept',
    ],
  ])('keeps a stream of %s only if it is whole', async (_name, body, kept) => {
    const answered = () => {
      // Each byte comes alone.
      const bytes = [...new TextEncoder().encode(body)].map((byte) => Uint8Array.of(byte));
      return new Response(ReadableStream.from(bytes) as ReadableStream<Uint8Array>, {
        headers: { 'content-type': 'text/event-stream' },
      });
    };
    const { fetch, sent } = sender(answered, answered);
    const asking = llmFetch(optimizer, { fetch });
    for (const times of [1, 2]) {
      // Nothing is read after the last event, not even the end of its line.
      expect((await (await asking(address, post('Why?'))).text()).trimEnd()).toBe(body.trimEnd());
      expect(sent).toHaveLength(kept === 'kept' ? 1 : times);
    }
  });

  const messageStart = { type: 'message_start', message: { usage: { input_tokens: 1 } } };
  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

  it.each([
    ['an error with a status', sse({ error: { code: 503, message: 'no' } })],
    ['an error that is a text', sse({ error: 'worker died' }, '[DONE]')],
    ['an overloaded Anthropic', sse(overloaded)],
    [
      'an overloaded Anthropic after the head of its message',
      sse(messageStart, { type: 'ping' }, overloaded),
    ],
    ['a failed response', sse({ type: 'response.created' }, { type: 'response.failed', response: {} })],
    ['an error in a choice', sse({ choices: [{ index: 0, error: { code: 502 } }] })],
    ['a page', '<html>Sign in</html>'],
    ['a ping alone', ': ping\n\n'],
    ['a role alone', sse(choice(0, { role: 'assistant', content: '' }))],
    ['an end alone', sse('[DONE]')],
    ['nothing', ''],
  ])('tries a stream again that holds %s before its first words', async (_name, body) => {
    const streamed = (text: string) => () =>
      new Response(text, { headers: { 'content-type': 'text/event-stream' } });
    const good = sse(choice(0, { role: 'assistant' }), choice(0, { content: 'Up.' }, 'stop'), '[DONE]');
    const { fetch, sent } = sender(streamed(body), streamed(good));
    const response = await llmFetch(optimizer, { fetch })(address, post('Why?'));
    expect(await response.text()).toBe(good);
    expect(sent).toHaveLength(2);
  });

  it('tries a stream again that dies before its first words', async () => {
    const start = new TextEncoder().encode(sse(choice(0, { role: 'assistant' })));
    const dying = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(start),
      pull: (controller) => controller.error(new TypeError('terminated')),
    });
    const { fetch, sent } = sender(
      () => new Response(dying, { headers: { 'content-type': 'text/event-stream' } }),
    );
    expect(await (await llmFetch(optimizer, { fetch })(address, post('Why?'))).json()).toEqual(answer);
    expect(sent).toHaveLength(2);
  });

  it('hands a stream of another dialect on', async () => {
    const body = 'data: Up.\n\n';
    const { fetch } = sender(() => new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
    expect(await (await llmFetch(optimizer, { fetch })(address, post('Why?'))).text()).toBe(body);
  });

  it.each([
    [
      'OpenAI',
      [choice(0, { role: 'assistant', content: 'Up, up.!' }), choice(0, { reasoning_content: 'Hm, hm.!' })],
    ],
    ['Anthropic', [text('Up, up.!'), { type: 'content_block_delta', delta: { thinking: 'Hm, hm.!' } }]],
    ['responses', [{ type: 'response.output_text.delta', delta: 'Up, up.!Hm, hm.!' }]],
    [
      'Gemini',
      [{ candidates: [{ content: { parts: [{ text: 'Up, up.!' }, { text: 'Hm, hm.!', thought: true }] } }] }],
    ],
    [
      'tools',
      [choice(0, { tool_calls: [{ id: 'c', function: { name: 't', arguments: '0123456789abcdef' } }] })],
    ],
  ])('estimates what a stream of %s used that its reader leaves', async (_name, events) => {
    const start = new TextEncoder().encode(sse(...events));
    const endless = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(start) });
    const { fetch } = sender(
      () => new Response(endless, { headers: { 'content-type': 'text/event-stream' } }),
    );
    const response = await llmFetch(optimizer, { fetch })(address, post('Why?'));
    await response.body!.cancel();
    // Sixteen characters.
    expect(optimizer.getStats().metrics.outputTokens).toBe(4);
  });

  it.each([
    ['STOP', 'kept'],
    ['MAX_TOKENS', 'not kept'],
  ])('takes a list of Gemini that ends by %s for a stream', async (finishReason, kept) => {
    const content = { parts: [{ text: 'Up.' }] };
    const answered = () =>
      Response.json([{ candidates: [{ content }] }, { candidates: [{ content, finishReason }] }]);
    const { fetch, sent } = sender(answered, answered);
    for (const times of [1, 2]) {
      await llmFetch(optimizer, { fetch })(
        'https://g.example.com/v1beta/models/m:streamGenerateContent',
        post('', { body: '{"contents":[]}' }),
      );
      expect(sent).toHaveLength(kept === 'kept' ? 1 : times);
    }
  });

  it.each<[object, string]>([
    [{ refuse: 'thow' }, "refuse must be 'response' or 'throw'"],
    [{ firstChunkTimout: 5 }, "llmFetch has no field 'firstChunkTimout'. Did you mean 'firstChunkTimeout'?"],
    [{ firstChunkTimeout: -1 }, 'firstChunkTimeout must be a number above 0'],
    [{ chunkTimeout: '5' }, 'chunkTimeout must be a number'],
    [{ traits: 5 }, 'traits must be a function'],
    [{ fetch: null }, 'fetch must be a function'],
  ])('refuses the options %j', (options, message) => {
    expect(() => llmFetch(optimizer, options as LLMFetchOptions)).toThrow(message);
  });

  it.each([
    [undefined, 'must be given an LLMCallOptimizer or optimizerFor, but got undefined'],
    [null, 'but got null'],
    [{}, 'but got an object'],
    [{ optimizerFor: 5 }, 'optimizerFor must be a function'],
  ])('refuses %j in place of an optimizer', (none, message) => {
    expect(() => llmFetch(none as never)).toThrow(message);
    expect(() => anthropicMiddleware(none as never)).toThrow(message);
  });

  it('rejects if optimizerFor returns no optimizer', async () => {
    const asking = llmFetch({ optimizerFor: () => undefined as never });
    await expect(asking(address, post('Why?'))).rejects.toThrow(
      'optimizerFor must return an LLMCallOptimizer',
    );
  });

  it('frees the slot when a body that nobody reads has ended', async () => {
    const stream = 'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const { fetch } = sender(
      () => new Response(stream, { headers: { 'content-type': 'text/event-stream' } }),
    );
    const asking = llmFetch(optimizer, { fetch });
    await asking(address, post('unread'));
    expect(await (await asking(address, post('Why?'))).json()).toEqual(answer);
  });
});
