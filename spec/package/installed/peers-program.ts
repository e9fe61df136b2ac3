/**
 * As program.ts, where the optional peers are installed too: a call by the official client in a span, answers on disk, and
 * the live view.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { LLMCallOptimizer } from 'rxllm';
import { diskStore } from 'rxllm/disk';
import { serveStats } from 'rxllm/live';
import { openaiCall } from 'rxllm/openai';
import { instrument } from 'rxllm/otel';

const answer = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4o-mini',
  choices: [
    { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Up.', refusal: null } },
  ],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
};

const respond = async () =>
  Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'content-type': 'application/json' } }));

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'rxllm-installed-'));
  const store = diskStore(directory);
  const client = new OpenAI({
    apiKey: 'none',
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion -- in openai 4 it is the fetch of a package
    fetch: respond as never,
  });
  const ask = openaiCall(client, (question: string) => ({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: question }],
  }));
  const optimizer = new LLMCallOptimizer({ cache: { store } });
  const live = await serveStats(optimizer, { port: 0 });
  const completion = await optimizer.call(instrument(optimizer)(ask), 'Why is gold up?');
  const page = await fetch(live.url);
  await live.close();
  optimizer.close();
  await store.set('kept', 'on disk');
  const found = {
    content: completion.choices[0]?.message.content,
    kept: store.get('kept'),
    page: page.status,
  };
  await store.close();
  rmSync(directory, { recursive: true, force: true });
  console.log(JSON.stringify(found));
}

void main();
