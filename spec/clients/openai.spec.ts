import OpenAI, { RateLimitError } from 'openai';
import type { CallContext, ProviderFeedback } from '../../lib/core/call';
import { openaiCall } from '../../lib/openai';
import { classifyError } from '../../lib/provider/classify-error';

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
});
