/** Every call of rxllm/openai, and `llmFetch`, with the official client: typed as that major of it is. */
import OpenAI from 'openai';
import { lastValueFrom, toArray } from 'rxjs';
import { LLMCallOptimizer } from 'rxllm';
import { llmFetch } from 'rxllm/fetch';
import {
  openaiCall,
  openaiEmbeddingsCall,
  openaiResponsesCall,
  openaiResponsesStreamCall,
  openaiStreamCall,
} from 'rxllm/openai';

const model = 'model';

/** What the endpoint answers, by the end of the address; a list is a stream. */
const answers: Readonly<Record<string, object>> = {
  completions: {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Up.' } }],
  },
  'streamed completions': [
    { id: 'c', created: 1, model, choices: [{ index: 0, delta: { content: 'Up' } }] },
    { id: 'c', created: 1, model, choices: [{ index: 0, delta: { content: '.' }, finish_reason: 'stop' }] },
  ],
  responses: response('completed'),
  'streamed responses': [
    { type: 'response.created', response: response('in_progress') },
    { type: 'response.completed', response: response('completed') },
  ],
  embeddings: vector([0.5, 0.25]),
  'embeddings in base64': vector('AAAAPwAAgD4='),
};

function vector(embedding: unknown): object {
  return { object: 'list', model, data: [{ object: 'embedding', index: 0, embedding }] };
}

function response(status: string): object {
  const content = [{ type: 'output_text', text: 'Up.', annotations: [] }];
  return {
    id: 'r',
    object: 'response',
    status,
    model,
    output: [{ id: 'o', type: 'message', status, content }],
  };
}

/** A `fetch` that ends here. */
const endpoint: typeof globalThis.fetch = async (url, init) => {
  const asked = JSON.parse(init?.body as string) as { stream?: boolean; encoding_format?: string };
  const name = (url as string).split('/').pop() ?? '';
  const kept = asked.stream ? `streamed ${name}` : asked.encoding_format ? `${name} in base64` : name;
  const answer = answers[kept];
  const isStream = Array.isArray(answer);
  const body = isStream
    ? [...(answer as object[]), '[DONE]']
        .map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`)
        .join('')
    : JSON.stringify(answer);
  const type = isStream ? 'text/event-stream' : 'application/json';
  return Promise.resolve(new Response(body, { headers: { 'content-type': type } }));
};

async function main(): Promise<void> {
  const optimizer = new LLMCallOptimizer();
  const client = new OpenAI({
    apiKey: 'none',
    fetch: llmFetch(optimizer, { fetch: endpoint }),
    maxRetries: 0,
    timeout: 86_400_000,
  });
  const direct = new OpenAI({ apiKey: 'none', fetch: endpoint });
  const messages = (content: string) => ({ model, messages: [{ role: 'user' as const, content }] });
  const input = (text: string) => ({ model, input: text });

  const completion = await optimizer.call(openaiCall(direct, messages), 'Why?');
  const { output_text: text } = await optimizer.call(openaiResponsesCall(direct, input), 'Why?');
  const { data } = await optimizer.call(openaiEmbeddingsCall(direct, input), 'Why?');
  const chunks = await lastValueFrom(
    optimizer.stream(openaiStreamCall(direct, messages), 'Who?').pipe(toArray()),
    { defaultValue: [] },
  );
  const events = await lastValueFrom(
    optimizer.stream(openaiResponsesStreamCall(direct, input), 'Who?').pipe(toArray()),
    { defaultValue: [] },
  );
  const fetched = await client.chat.completions.create(messages('When?'));
  const streamed: string[] = [];
  for await (const { choices } of await client.chat.completions.create({
    ...messages('Where?'),
    stream: true,
  })) {
    streamed.push(choices[0]?.delta.content ?? '');
  }
  optimizer.close();
  console.log(
    JSON.stringify({
      completion: completion.choices[0]?.message.content,
      response: text,
      embedding: data[0]?.embedding.length,
      chunks: chunks.map(({ choices }) => choices[0]?.delta.content),
      events: events.map(({ type }) => type),
      fetched: fetched.choices[0]?.message.content,
      streamed: streamed.join(''),
    }),
  );
}

void main();
