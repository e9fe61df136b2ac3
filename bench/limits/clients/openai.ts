import OpenAI from 'openai';
import type { SimulatedProviderError } from '../../../lib/testing';
import { tallyOf, type Client } from '../client';
import { mostRunning } from '../most-running';
import { retriesFor } from '../retries';
import type { ShapeRequest } from '../shape';
import type { WatchedProvider } from '../watched-provider';

// The SDK's readme: connection errors, 408, 409, 429 and 5xx "will be automatically retried 2 times by default, with a
// short exponential backoff"; Retry-After comes first.
export const openai: Client = {
  name: 'openai',
  title: 'OpenAI SDK',
  setUp:
    'its own retries (2, the default; 30 where more than limits refuses calls), under `mergeMap(…, 100)`',
  readsAnswers: true,
  hasPriorities: false,
  run(requests$, provider, shape) {
    const asked = new Map<string, ShapeRequest>();
    const client = new OpenAI({
      apiKey: 'simulated',
      maxRetries: retriesFor(shape, 2),
      baseURL: 'http://simulated.invalid/v1',
      fetch: (_url, init) => {
        const { messages } = JSON.parse(init?.body as string) as { messages: [{ content: string }] };
        return responseTo(asked.get(messages[0].content)!, provider);
      },
    });
    return tallyOf(
      requests$,
      (request) => {
        asked.set(request.prompt, request);
        return client.chat.completions.create({
          model: 'simulated',
          max_completion_tokens: request.max_tokens,
          messages: [{ role: 'user', content: request.prompt }],
        });
      },
      mostRunning,
    );
  },
};

async function responseTo(request: ShapeRequest, provider: WatchedProvider): Promise<Response> {
  try {
    const { content, usage } = await provider.ask(request);
    return Response.json({
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: { prompt_tokens: usage.inputTokens, completion_tokens: usage.outputTokens },
    });
  } catch (error) {
    const { status, headers, error: body } = error as SimulatedProviderError;
    return Response.json({ error: body }, { status, headers: { ...headers } });
  }
}
