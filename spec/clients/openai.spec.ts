import OpenAI, { RateLimitError } from 'openai';
import type { CallContext, ProviderFeedback } from '../../lib/core/call';
import { NoAnswerError } from '../../lib/core/errors';
import { openaiCall } from '../../lib/openai';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { classifyError, type ErrorClassification } from '../../lib/provider/classify-error';

const body = {
  object: 'chat.completion',
  model: 'small-2026-01-01',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'yes' } }],
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
};

/** A client whose requests end here. */
function clientOf(answer: () => Response) {
  const requests: RequestInit[] = [];
  const client = new OpenAI({
    apiKey: 'key',
    fetch: (_url, request) => {
      requests.push(request!);
      request?.signal?.throwIfAborted();
      return Promise.resolve(answer());
    },
  });
  return { client, requests };
}

function contextOf(signal = new AbortController().signal) {
  const reported: ProviderFeedback[] = [];
  const context: CallContext = { signal, attempt: 1, report: (feedback) => reported.push(feedback) };
  return { context, reported };
}

const toParams = (content: string) => ({ model: 'small', messages: [{ role: 'user' as const, content }] });

describe('openaiCall', () => {
  it('answers with the completion, and reports headers and usage with the model that answered', async () => {
    const { client, requests } = clientOf(() =>
      Response.json(body, { headers: { 'x-ratelimit-limit-requests': '500' } }),
    );
    const { context, reported } = contextOf();
    await expect(openaiCall(client, toParams)('question', context)).resolves.toMatchObject(body);
    expect(JSON.parse(requests[0]!.body as string)).toEqual(toParams('question'));
    expect(reported).toHaveLength(1);
    expect(reported[0]!.usage).toEqual({ inputTokens: 7, outputTokens: 2, model: 'small-2026-01-01' });
    expect((reported[0]!.headers as Headers).get('x-ratelimit-limit-requests')).toBe('500');
  });

  it('leaves retries to rxllm, and reports the headers of a refusal too', async () => {
    const { client, requests } = clientOf(() =>
      Response.json(
        { error: { message: 'slow down' } },
        { status: 429, headers: { 'retry-after-ms': '250' } },
      ),
    );
    const { context, reported } = contextOf();
    const error: unknown = await openaiCall(client, toParams)('question', context).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(RateLimitError);
    expect(classifyError(error)).toEqual({ kind: 'wait', retryAfter: 250 });
    expect(requests).toHaveLength(1);
    expect((reported[0]!.headers as Headers).get('retry-after-ms')).toBe('250');
  });

  it('reports no usage where the answer has none', async () => {
    const { client } = clientOf(() => Response.json({ ...body, usage: undefined }));
    const { context, reported } = contextOf();
    await openaiCall(client, toParams)('question', context);
    expect(reported[0]).not.toHaveProperty('usage');
  });

  it('reports tokens of every kind', async () => {
    const usage = {
      prompt_tokens: 20_000,
      completion_tokens: 1,
      total_tokens: 20_100,
      prompt_tokens_details: { cached_tokens: 19_000 },
      completion_tokens_details: { reasoning_tokens: 99 },
    };
    const { client } = clientOf(() => Response.json({ ...body, usage }));
    const { context, reported } = contextOf();
    await openaiCall(client, toParams)('question', context);
    expect(reported[0]!.usage).toEqual({
      inputTokens: 20_000,
      outputTokens: 100,
      cachedInputTokens: 19_000,
      reasoningTokens: 99,
      model: 'small-2026-01-01',
    });
  });

  it('passes the signal on', async () => {
    const { client } = clientOf(() => Response.json(body));
    const { context, reported } = contextOf(AbortSignal.abort());
    await expect(openaiCall(client, toParams)('question', context)).rejects.toThrow(/abort/i);
    expect(reported).toHaveLength(0);
  });

  it('rejects with what toParams throws', async () => {
    const { client, requests } = clientOf(() => Response.json(body));
    const call = openaiCall(client, () => {
      throw new Error('no such template');
    });
    await expect(call('question', contextOf().context)).rejects.toThrow('no such template');
    expect(requests).toHaveLength(0);
  });

  it('refuses a promise of parameters, which would be sent as an empty body', async () => {
    const { client, requests } = clientOf(() => Response.json(body));
    const call = openaiCall(client, (() => Promise.resolve(toParams('question'))) as never);
    await expect(call('question', contextOf().context)).rejects.toThrow('toParams must not be asynchronous');
    expect(requests).toHaveLength(0);
  });
});

const json = (value: unknown, headers: Record<string, string> = {}) => Response.json(value, { headers });
const asText = (text: string, type = 'text/html') =>
  new Response(text, { headers: { 'content-type': type } });
const failed = (error: object) => ({ ...body, choices: [{ index: 0, finish_reason: 'error', error }] });
const brought = (what: string) => `The call succeeded, but it brought ${what}. It counts as failed.`;

describe('a 200 of openaiCall', () => {
  it.each<[string, () => Response, ErrorClassification, string]>([
    [
      'a refusal',
      () => json({ error: { code: 429, message: 'slow down' } }, { 'retry-after': '3' }),
      { kind: 'wait', retryAfter: 3000 },
      'an error in place of an answer (429)',
    ],
    [
      'a refusal with its hint within',
      () =>
        json({
          error: { code: 429, message: 'm', metadata: { headers: { 'retry-after-ms': '250' } } },
        }),
      { kind: 'wait', retryAfter: 250 },
      'an error in place of an answer (429)',
    ],
    [
      'a failure of the provider',
      () => json({ error: { code: 502, message: 'Provider returned error' } }),
      { kind: 'transient' },
      'an error in place of an answer (502)',
    ],
    [
      'an overload',
      () => json({ error: { type: 'overloaded_error', message: 'm' } }),
      { kind: 'overloaded' },
      'an error in place of an answer (overloaded_error)',
    ],
    [
      'a spent quota',
      () => json({ error: { message: 'm', type: 'insufficient_quota', code: 'insufficient_quota' } }),
      { kind: 'stop' },
      'an error in place of an answer (insufficient_quota)',
    ],
    [
      'a wrong key',
      () => json({ error: { code: 401, message: 'm' } }),
      { kind: 'stop' },
      'an error in place of an answer (401)',
    ],
    [
      'an error in words',
      () => json({ error: 'model not found' }),
      { kind: 'transient' },
      'an error in place of an answer',
    ],
    [
      'an error of vLLM',
      () => json({ object: 'error', message: 'm', type: 'BadRequestError', param: null, code: 400 }),
      { kind: 'stop' },
      'an error in place of an answer (400, BadRequestError)',
    ],
    [
      'an error of Gemini in a list',
      () => json([{ error: { code: 503, message: 'm', status: 'UNAVAILABLE' } }]),
      { kind: 'overloaded' },
      'an error in place of an answer (503, UNAVAILABLE)',
    ],
    [
      'an error in a choice',
      () => json(failed({ code: 502, message: 'm' })),
      { kind: 'transient' },
      'an error in place of an answer (502)',
    ],
    [
      'a choice that only says that it failed',
      () => json({ ...body, choices: [{ finish_reason: 'error', message: { content: 'half an' } }] }),
      { kind: 'transient' },
      'a choice that ended with an error',
    ],
    [
      'an error beside half an answer',
      () => json({ ...body, error: { code: 502, message: 'm' } }),
      { kind: 'transient' },
      'an error in place of an answer (502)',
    ],
    ['choices of null', () => json({ choices: null }), { kind: 'transient' }, 'no choices'],
    ['no choice', () => json({ ...body, choices: [] }), { kind: 'transient' }, 'no choices'],
    ['an empty object', () => json({}), { kind: 'transient' }, 'no choices'],
    ['a number', () => json(7), { kind: 'transient' }, 'no choices'],
    ['null', () => json(null), { kind: 'transient' }, 'an empty body'],
    [
      'no body',
      () => new Response(null, { headers: { 'content-type': 'application/json', 'content-length': '0' } }),
      { kind: 'transient' },
      'an empty body',
    ],
    ['no content', () => new Response(null, { status: 204 }), { kind: 'transient' }, 'an empty body'],
    ['an empty text', () => asText(''), { kind: 'transient' }, 'an empty body'],
    ['a page', () => asText('<html><h1>502 Bad Gateway</h1></html>'), { kind: 'transient' }, 'an HTML page'],
    ['a text', () => asText('upstream', 'text/plain'), { kind: 'transient' }, 'a text in place of JSON'],
    [
      'a refusal under the type of a text',
      () => asText('{"error":{"code":429,"message":"m"}}', 'text/plain'),
      { kind: 'wait' },
      'a text in place of JSON (429)',
    ],
  ])('with %s fails, and means what came', async (_name, answer, classification, what) => {
    const { client } = clientOf(answer);
    const { context, reported } = contextOf();
    const error: unknown = await openaiCall(client, toParams)('question', context).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(NoAnswerError);
    expect((error as Error).message).toBe(brought(what));
    expect(classifyError(error)).toEqual(classification);
    expect(reported).toHaveLength(1);
    expect(reported[0]!.headers).toBe((error as NoAnswerError).headers);
  });

  it.each([
    ['that was cut off', { finish_reason: 'length', message: { role: 'assistant', content: 'half an' } }],
    ['that is empty', { finish_reason: 'stop', message: { role: 'assistant', content: '' } }],
    ['that was filtered', { finish_reason: 'content_filter', message: { role: 'assistant', content: null } }],
    ['without an error', { finish_reason: 'stop', error: null, message: { content: 'x' } }],
  ])('with a choice %s is an answer', async (_name, choice) => {
    const { client } = clientOf(() => json({ ...body, error: null, choices: [choice] }));
    await expect(openaiCall(client, toParams)('question', contextOf().context)).resolves.toMatchObject({
      choices: [choice],
    });
  });

  it('reports what the failure used up, and shows nothing of the prompt', async () => {
    const secret = 'the merger of NRDX';
    const { client } = clientOf(() => json({ ...body, error: { code: 500, message: secret } }));
    const { context, reported } = contextOf();
    const error = await openaiCall(client, toParams)(secret, context).catch((reason: unknown) => reason);
    expect(reported[0]!.usage).toMatchObject({ inputTokens: 7 });
    expect(String(error)).not.toContain(secret);
  });

  it('with an error is asked for again, and never kept', async () => {
    const bodies: unknown[] = [{ error: { code: 503, message: 'm' } }, {}, body];
    const { client, requests } = clientOf(() => json(bodies.length > 1 ? bodies.shift() : bodies[0]));
    const optimizer = new LLMCallOptimizer({ baseInterval: 0, retry: { baseDelay: 0 } });
    const ask = openaiCall(client, toParams);
    const [first] = await optimizer.callBatch(ask, ['question']);
    const [second] = await optimizer.callBatch(ask, ['question']);
    expect([first, second]).toMatchObject([
      { ok: true, source: 'call', attempts: 3 },
      { ok: true, source: 'cache' },
    ]);
    expect(requests).toHaveLength(3);
    optimizer.close();
  });
});
