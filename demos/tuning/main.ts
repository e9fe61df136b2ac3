/**
 * Reads the live statistics and says what to change: first with settings that waste calls, then with better ones.
 *
 * Run it: npm run demo:tuning
 */
import OpenAI from 'openai';
import { concatMap, delay, distinct, from, lastValueFrom, mergeMap, of } from 'rxjs';
import { LLMCallOptimizer, type StatsSnapshot } from '../../lib/index';
import { openaiCall } from '../../lib/openai';
import { startModelServer } from '../model-server/server';

interface Question {
  readonly story: string;
  /** Who carried the story; it makes no difference to the answer. */
  readonly outlet: string;
}

/** What the figures say that one should change; nothing while there are too few of them. */
function adviceOn({ metrics }: StatsSnapshot): string[] {
  const { cacheHits, cacheMisses, cacheHitRate, totalCalls, throttledCalls } = metrics;
  const advice: string[] = [];
  if (cacheHits + cacheMisses >= 20 && cacheHitRate < 0.3) {
    advice.push(
      'Few look-ups hit (under 30 %). Make the cacheKey of what decides the answer and of nothing else, ' +
        'or keep answers longer (cacheTtl).',
    );
  }
  if (totalCalls >= 20 && throttledCalls / totalCalls > 0.5) {
    advice.push(
      'More than half of the requests wait for the pace that the provider allows. ' +
        'Ask less often, let the cache answer more, or raise the limits at the provider.',
    );
  }
  return advice;
}

const isConfigured = Boolean(process.env['OPENAI_BASE_URL'] ?? process.env['OPENAI_API_KEY']);
const ownServer = isConfigured
  ? undefined
  : await startModelServer({
      requestsPerMinute: 600,
      burstSeconds: 0.5,
      latencyBase: 60,
      latencyPerToken: 1,
    });
const client = new OpenAI({
  apiKey: process.env['OPENAI_API_KEY'] ?? 'none',
  ...(ownServer && { baseURL: ownServer.url }),
});

const judge = openaiCall(client, ({ story }: Question) => ({
  model: process.env['OPENAI_MODEL'] ?? (ownServer ? 'sentiment-demo' : 'gpt-4o-mini'),
  messages: [{ role: 'user', content: `Is this good or bad for the share, in one sentence? ${story}` }],
  max_completion_tokens: 80,
}));

// Eight stories, carried by six outlets one after the other.
const stories = ['beats estimates', 'issues a profit warning', 'wins an order', 'recalls a product'].flatMap(
  (news) => [`Norrdex ${news}.`, `Calder Optics ${news}.`],
);
const questions = ['Tickerwell', 'Quayside', 'Foxglove', 'Meridian', 'Signal', 'Northgate'].flatMap(
  (outlet) => stories.map((story): Question => ({ story, outlet })),
);

/** Asks all questions, one every 40 ms, and prints each advice once, as soon as the figures give it. */
async function ask(title: string, keyOf: (question: Question) => string): Promise<void> {
  console.log(`\n${title}`);
  const optimizer = new LLMCallOptimizer({ baseInterval: 100, maxConcurrent: 8, sampleInterval: 250 });
  const outcomes$ = from(questions).pipe(
    concatMap((question) => of({ ...question, cacheKey: keyOf(question) }).pipe(delay(40))),
    optimizer.optimize(judge),
  );
  const advised = optimizer.stats$
    .pipe(mergeMap(adviceOn), distinct())
    .forEach((advice) => console.log(`  advice: ${advice}`));
  const startedAt = performance.now();
  await lastValueFrom(outcomes$, { defaultValue: undefined });
  const { metrics } = optimizer.getStats();
  optimizer.close();
  await advised;
  console.log(
    `  ${metrics.totalCalls} requests, ${metrics.startedCalls} calls, ` +
      `${Math.round(100 * metrics.cacheHitRate)} % hits, ${metrics.throttledCalls} throttled, ` +
      `${metrics.failedCalls} failed, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
  );
}

await ask(
  'The key holds the outlet, so no two questions share an answer:',
  ({ story, outlet }) => `${outlet}/${story}`,
);
await ask('The key is the story:', ({ story }) => story);
await ownServer?.close();
