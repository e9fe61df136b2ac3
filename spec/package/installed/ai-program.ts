/** The middleware of rxllm/ai in front of a model of the AI SDK, whole and streamed: typed as that major of it is. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText, wrapLanguageModel } from 'ai';
import { LLMCallOptimizer } from 'rxllm';
import { rxllmMiddleware } from 'rxllm/ai';

const model = 'model';

const completion = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model,
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Up.' } }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
};

const chunks = [
  { id: 'c', created: 1, model, choices: [{ index: 0, delta: { role: 'assistant', content: 'Up' } }] },
  { id: 'c', created: 1, model, choices: [{ index: 0, delta: { content: '.' }, finish_reason: 'stop' }] },
];

let calls = 0;

/** A `fetch` that ends here. */
const endpoint: typeof globalThis.fetch = async (_url, init) => {
  calls++;
  const { stream } = JSON.parse(init?.body as string) as { stream?: boolean };
  const events = [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'];
  const body = stream ? events.map((event) => `data: ${event}\n\n`).join('') : JSON.stringify(completion);
  const type = stream ? 'text/event-stream' : 'application/json';
  return Promise.resolve(new Response(body, { headers: { 'content-type': type } }));
};

async function main(): Promise<void> {
  const optimizer = new LLMCallOptimizer();
  const wrapped = wrapLanguageModel({
    model: createOpenAI({ apiKey: 'none', fetch: endpoint }).chat(model),
    middleware: rxllmMiddleware(optimizer),
  });
  const asked = { model: wrapped, prompt: 'Why?', maxRetries: 0 };
  const answers: string[] = [];
  for (let time = 0; time < 2; time++) {
    answers.push((await generateText(asked)).text, await streamText(asked).text);
  }
  optimizer.close();
  console.log(JSON.stringify({ answers, calls, inputTokens: optimizer.getStats().metrics.inputTokens }));
}

void main();
