import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import type OpenAI from 'openai';
import { lastValueFrom, toArray } from 'rxjs';
import { LLMCallOptimizer, type CallContext, type StreamCall } from 'rxllm';
import { anthropicCall, anthropicStreamCall } from 'rxllm/anthropic';
import { googleCall, googleStreamCall } from 'rxllm/google';
import {
  openaiCall,
  openaiEmbeddingsCall,
  openaiResponsesCall,
  openaiResponsesStreamCall,
  openaiStreamCall,
} from 'rxllm/openai';
import { Endpoint, text } from './endpoint';
import { openaiMajors } from './openai-majors';

const model = 'model';
const chat = (content: string) => ({ model, messages: [{ role: 'user' as const, content }] });

let endpoint: Endpoint;
let optimizer: LLMCallOptimizer;

beforeEach(async () => {
  endpoint = await Endpoint.start();
  optimizer = new LLMCallOptimizer({ maxConcurrent: 1, retry: { baseDelay: 1, maxDelay: 2 } });
});
afterEach(async () => {
  optimizer.close();
  await endpoint.close();
});

const anthropic = () => new Anthropic({ apiKey: 'none', baseURL: endpoint.url });
// Without a `fetch` the SDK looks for a dispatcher that there is none of in Jest.
const google = () =>
  new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: endpoint.url, fetch: globalThis.fetch } });
const message = (question: string) => ({ ...chat(question), max_tokens: 100_000 });
const contents = (question: string) => ({ model, contents: question });

/** A call, and how the text of its answer is read. */
type Whole = readonly [
  name: string,
  call: () => (request: string, context: CallContext) => Promise<unknown>,
  textOf: (answer: never) => unknown,
];

const wholesOfOpenAI = openaiMajors.flatMap(([major, SDK]): readonly Whole[] => {
  const openai = () => new SDK({ apiKey: 'none', baseURL: `${endpoint.url}/v1` });
  return [
    [
      `openaiCall of openai ${major}`,
      () => openaiCall(openai(), chat),
      ({ choices }: OpenAI.ChatCompletion) => choices[0]!.message.content,
    ],
    [
      `openaiResponsesCall of openai ${major}`,
      () => openaiResponsesCall(openai(), (input: string) => ({ model, input })),
      ({ output_text: answer }: OpenAI.Responses.Response) => answer,
    ],
    [
      `openaiEmbeddingsCall of openai ${major}`,
      () => openaiEmbeddingsCall(openai(), (input: string) => ({ model, input })),
      ({ data }: OpenAI.CreateEmbeddingResponse) => (data[0]!.embedding.length === 2 ? text : data),
    ],
  ];
});

const wholes: readonly Whole[] = [
  ...wholesOfOpenAI,
  [
    'anthropicCall',
    () => anthropicCall(anthropic(), message),
    ({ content }: Anthropic.Message) => (content[0] as Anthropic.TextBlock).text,
  ],
  [
    'googleCall',
    () => googleCall(google(), contents),
    ({ candidates }: { candidates: { content: { parts: { text: string }[] } }[] }) =>
      candidates[0]!.content.parts[0]!.text,
  ],
];

describe.each(wholes)('%s', (_name, callOf, textOf) => {
  it('is answered by one call, is known by what it sends, and reports what it cost', async () => {
    expect(textOf((await optimizer.call(callOf(), 'Why?')) as never)).toBe(text);
    // Another function that sends the same body to the same endpoint.
    await optimizer.call(callOf(), 'Why?');
    expect(endpoint.seen).toHaveLength(1);
    expect(optimizer.getStats().metrics).toMatchObject({ inputTokens: 10, cacheHits: 1 });
    await optimizer.call(callOf(), 'Who?');
    expect(endpoint.seen).toHaveLength(2);
  });

  it('is tried again by rxllm alone, and so is a success that is no answer', async () => {
    endpoint.script.push({ status: 503 }, { body: '{}' }, { body: '{"error":{"code":500,"message":"no"}}' });
    const patient = new LLMCallOptimizer({ retry: { attempts: 4, baseDelay: 1, maxDelay: 2 } });
    expect(textOf((await patient.call(callOf(), 'Why?')) as never)).toBe(text);
    patient.close();
    expect(endpoint.seen).toHaveLength(4);
  });
});

describe.each(openaiMajors)('the responses of openai %s', (_major, SDK) => {
  it.each([
    ['conversation', { conversation: 'c1' }, 4],
    ['background', { background: true }, 4],
    ['previous_response_id', { previous_response_id: 'r1' }, 2],
  ])('with %s share no answer that depends on a state', async (_name, state, calls) => {
    const client = new SDK({ apiKey: 'none', baseURL: `${endpoint.url}/v1` });
    const toParams = (input: string) => ({ model, input, ...state });
    const whole = openaiResponsesCall(client, toParams);
    const streamed = openaiResponsesStreamCall(client, toParams);
    await Promise.all([optimizer.call(whole, 'Yes.'), optimizer.call(whole, 'Yes.')]);
    await lastValueFrom(optimizer.stream(streamed, 'Yes.'), { defaultValue: undefined });
    await lastValueFrom(optimizer.stream(streamed, 'Yes.'), { defaultValue: undefined });
    expect(endpoint.seen).toHaveLength(calls);
  });
});

/** A stream call, and how the text of its outcome is read. */
type Streamed = readonly [
  name: string,
  call: () => StreamCall<string, unknown, unknown>,
  textOf: (value: never) => unknown,
];

const streamsOfOpenAI = openaiMajors.flatMap(([major, SDK]): readonly Streamed[] => {
  const openai = () => new SDK({ apiKey: 'none', baseURL: `${endpoint.url}/v1` });
  return [
    [
      `openaiStreamCall of openai ${major}`,
      () => openaiStreamCall(openai(), chat) as StreamCall<string, unknown, unknown>,
      ({ choices }: OpenAI.ChatCompletion) => choices[0]!.message.content,
    ],
    [
      `openaiResponsesStreamCall of openai ${major}`,
      () =>
        openaiResponsesStreamCall(openai(), (input: string) => ({ model, input })) as StreamCall<
          string,
          unknown,
          unknown
        >,
      ({ output_text: answer }: OpenAI.Responses.Response) => answer,
    ],
  ];
});

const streams: readonly Streamed[] = [
  ...streamsOfOpenAI,
  [
    'anthropicStreamCall',
    () => anthropicStreamCall(anthropic(), message) as StreamCall<string, unknown, unknown>,
    ({ content }: Anthropic.Message) => (content[0] as Anthropic.TextBlock).text,
  ],
  [
    'googleStreamCall',
    () => googleStreamCall(google(), contents) as StreamCall<string, unknown, unknown>,
    (value: string) => value,
  ],
];

describe.each(streams)('%s', (_name, callOf, textOf) => {
  const ask = (call: StreamCall<string, unknown, unknown>) =>
    lastValueFrom(optimizer.stream(call, 'Why?').pipe(toArray()), { defaultValue: [] });

  it('streams, collects the whole answer, and streams it again from the cache', async () => {
    const call = callOf();
    const chunks = await ask(call);
    expect(chunks.length).toBeGreaterThan(1);
    expect(textOf(call.collect(chunks) as never)).toBe(text);
    expect(call.isWhole?.(chunks)).toBe(true);
    expect(call.isWhole?.(chunks.slice(0, 2))).toBe(false);
    expect(await ask(callOf())).toEqual(chunks);
    expect(endpoint.seen).toHaveLength(1);
  });

  it.each([
    ['a page', { body: '<!doctype html><p>Sign in', headers: { 'content-type': 'text/html' } }],
    ['nothing', { body: '', headers: { 'content-type': 'text/event-stream' } }],
  ])('is tried again if %s came in place of a stream', async (_name, answer) => {
    endpoint.script.push(answer);
    const call = callOf();
    expect(textOf(call.collect(await ask(call)) as never)).toBe(text);
    expect(endpoint.seen).toHaveLength(2);
  });

  it('is tried again before its first chunk, and fails with what had come after it', async () => {
    endpoint.script.push({ status: 503 }, { diesAfter: 4, pace: 5 });
    await expect(ask(callOf())).rejects.toThrow();
    expect(endpoint.seen).toHaveLength(2);
  });
});

describe('anthropicStreamCall', () => {
  it('is tried again if Anthropic is overloaded after the head of its message', async () => {
    const events = [
      {
        type: 'message_start',
        message: { id: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } },
      },
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    ];
    const body = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    endpoint.script.push({ body, headers: { 'content-type': 'text/event-stream' } });
    const call = anthropicStreamCall(anthropic(), message);
    const chunks = await lastValueFrom(optimizer.stream(call, 'Why?').pipe(toArray()), { defaultValue: [] });
    expect(call.collect(chunks)).toMatchObject({ content: [{ text }] });
    expect(endpoint.seen).toHaveLength(2);
  });
});

describe('openaiResponsesStreamCall', () => {
  type Event = OpenAI.Responses.ResponseStreamEvent;
  const call = openaiResponsesStreamCall({ responses: { create: () => undefined } } as never, () => ({
    model,
  }));
  const started = { type: 'response.created', response: { id: 'r', status: 'in_progress', output: [] } };
  const delta = (words: string, output_index: number) => ({
    type: 'response.output_text.delta',
    item_id: `i${output_index}`,
    output_index,
    content_index: 0,
    delta: words,
  });
  const item = (type: 'added' | 'done', output_index: number, its: object) => ({
    type: `response.output_item.${type}`,
    output_index,
    item: its,
  });
  const said = (words: string) => ({ type: 'message', content: [{ type: 'output_text', text: words }] });
  const collected = (...events: object[]) => call.collect(events as readonly Event[]);

  it('makes the words so far of a stream that broke off, and leaves its events as they are', () => {
    const added = item('added', 1, { id: 'i1', type: 'message', content: [] });
    const events = [started, item('done', 0, said('One. ')), added, delta('Gold ', 1), delta('is', 1)];
    const before = structuredClone(events);
    const partial = collected(...events);
    expect(partial).toMatchObject({
      id: 'r',
      status: 'in_progress',
      output: [said('One. '), said('Gold is')],
    });
    expect(partial.output_text).toBe('One. Gold is');
    expect(events).toEqual(before);
  });

  it('makes a message of words whose item was not told, and text of messages alone', () => {
    const partial = collected(started, item('done', 0, { type: 'reasoning' }), delta('Gold', 2));
    expect(partial.output).toMatchObject([{ type: 'reasoning' }, { id: 'i2', ...said('Gold') }]);
    expect(partial.output_text).toBe('Gold');
  });

  it('takes the output of the last event for the whole', () => {
    const response = { id: 'r', status: 'completed', output: [said('Gold is up.')] };
    const whole = collected(started, delta('Gold', 0), { type: 'response.completed', response });
    expect(whole).toEqual({ ...response, output_text: 'Gold is up.' });
  });

  it('throws without a response', () => {
    expect(() => collected(delta('Gold', 0))).toThrow('events without a response');
  });
});
