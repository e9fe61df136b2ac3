/**
 * A list of articles in, a list of results out, in the same order. Articles that fail stand in their places with the
 * reason, and hold nobody up.
 *
 * Run it: npm run demo:batch-analysis
 */
import OpenAI from 'openai';
import { LLMCallOptimizer } from '../../lib/index';
import { openaiCall } from '../../lib/openai';
import { startModelServer } from '../model-server/server';

const articles = [
  'Halvorsen Shipping lifts its full-year forecast after record bookings on northern routes.',
  'Brackwater Mining halts its copper project; the regulator opens an investigation.',
  '',
  'Ostrava Rail keeps its dividend unchanged and confirms its plans for the year.',
  'Pinewell Foods recalls two lines of frozen meals after a supplier reported contamination.',
  'Calder Optics wins a five-year order worth 400 million from three hospital groups.',
  'Halvorsen Shipping lifts its full-year forecast after record bookings on northern routes.',
  'Marrow & Finch misses estimates as weak demand weighs on margins.',
];

const isConfigured = Boolean(process.env['OPENAI_BASE_URL'] ?? process.env['OPENAI_API_KEY']);
// A server on a bad day: two in five calls fail, so that some articles fail in spite of the second attempt.
const ownServer = isConfigured ? undefined : await startModelServer({ failureRate: 0.4, seed: 4 });
const client = new OpenAI({
  apiKey: process.env['OPENAI_API_KEY'] ?? 'none',
  ...(ownServer && { baseURL: ownServer.url }),
});

const optimizer = new LLMCallOptimizer({ baseInterval: 100, maxConcurrent: 4, timeout: 20_000, retry: 2 });

const analyse = openaiCall(client, (article: string) => {
  // What is thrown here fails this article alone.
  if (article === '') throw new Error('The article is empty.');
  return {
    model: process.env['OPENAI_MODEL'] ?? (ownServer ? 'sentiment-demo' : 'gpt-4o-mini'),
    messages: [
      {
        role: 'system' as const,
        content: 'What does this article mean for the share? Answer in one sentence.',
      },
      { role: 'user' as const, content: article },
    ],
    max_completion_tokens: 80,
  };
});

const outcomes = await optimizer.callBatch(analyse, articles);

outcomes.forEach((outcome, index) => {
  console.log(`${index + 1}. ${outcome.request.slice(0, 70) || '(empty)'}`);
  if (outcome.ok) {
    console.log(`   ${outcome.value.choices[0]?.message.content ?? ''}  [${outcome.source}]`);
  } else {
    const { error, attempts } = outcome;
    // What a provider says may repeat parts of the key or of the article.
    const reason =
      error instanceof OpenAI.APIError ? `the endpoint answered ${error.status ?? 'nothing'}` : String(error);
    console.log(`   failed after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${reason}`);
  }
});

const { answeredCalls, failedCalls, startedCalls, retriedCalls } = optimizer.getStats().metrics;
console.log(
  `\n${answeredCalls} answered and ${failedCalls} failed, with ${startedCalls} calls, ${retriedCalls} of them retries.`,
);
optimizer.close();
await ownServer?.close();
