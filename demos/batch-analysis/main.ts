/**
 * A list of articles in, a list of results out, in the same order. Articles that fail stand in their places with the
 * reason, and hold nobody up.
 *
 * Run it: npm run demo:batch-analysis
 */
import { LLMCallOptimizer } from '../../lib/index';
import { openaiCall } from '../../lib/openai';
import { DemoError } from '../shared/demo-error';
import { describeFailure, reasonInVain } from '../shared/failures';
import type { ModelConnection } from '../shared/model-connection';
import { runSmallDemo } from '../shared/small-demo';

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

/** Has every article analysed, and prints what became of each. */
async function run(connection: ModelConnection): Promise<void> {
  const optimizer = new LLMCallOptimizer({ baseInterval: 100, maxConcurrent: 4, timeout: 20_000, retry: 2 });

  const analyse = openaiCall(connection.client, (article: string) => {
    // What is thrown here fails this article alone.
    if (article === '') throw new Error('The article is empty.');
    return {
      model: connection.model,
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
  optimizer.close();
  if (!outcomes.some(({ ok }) => ok)) {
    const errors = outcomes.map((outcome) => (outcome.ok ? undefined : outcome.error));
    throw new DemoError(reasonInVain(errors, connection));
  }

  outcomes.forEach((outcome, index) => {
    console.log(`${index + 1}. ${outcome.request.slice(0, 70) || '(empty)'}`);
    if (outcome.ok) {
      console.log(`   ${outcome.value.choices[0]?.message.content ?? ''}  [${outcome.source}]`);
    } else {
      const { error, attempts } = outcome;
      console.log(
        `   failed after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${describeFailure(error).message}`,
      );
    }
  });

  const { answeredCalls, failedCalls, startedCalls, retriedCalls } = optimizer.getStats().metrics;
  console.log(
    `\n${answeredCalls} answered and ${failedCalls} failed, with ${startedCalls} calls, ${retriedCalls} of them retries.`,
  );
}

await runSmallDemo({
  name: 'batch-analysis',
  about:
    'A list of articles in, a list of results out, in the same order; articles that fail hold nobody up.',
  // A server on a bad day: two in five calls fail. With this seed the fifth answer comes before two failures in a row:
  // so of the six calls that the articles need, one fails in spite of its second attempt, whatever their order.
  ownServer: { failureRate: 0.4, seed: 252 },
  run,
});
