/**
 * Reads the live statistics and says what to change: first with settings that waste calls, then with better ones.
 *
 * Run it: npm run demo:tuning
 */
import { concatMap, delay, distinct, from, lastValueFrom, mergeMap, of } from 'rxjs';
import { LLMCallOptimizer } from '../../lib/index';
import { openaiCall } from '../../lib/openai';
import type { ModelConnection } from '../shared/model-connection';
import { runSmallDemo } from '../shared/small-demo';
import { endIfInVain } from '../shared/vain-run';
import { adviceOn } from './advice';

interface Question {
  readonly story: string;
  /** Who carried the story; it makes no difference to the answer. */
  readonly outlet: string;
}

// Eight stories, carried by six outlets one after the other.
const stories = ['beats estimates', 'issues a profit warning', 'wins an order', 'recalls a product'].flatMap(
  (news) => [`Norrdex ${news}.`, `Calder Optics ${news}.`],
);
const questions = ['Tickerwell', 'Quayside', 'Foxglove', 'Meridian', 'Signal', 'Northgate'].flatMap(
  (outlet) => stories.map((story): Question => ({ story, outlet })),
);

/** The call for one question. */
function judgeOf({ client, model }: ModelConnection) {
  return openaiCall(client, ({ story }: Question) => ({
    model,
    messages: [{ role: 'user', content: `Is this good or bad for the share, in one sentence? ${story}` }],
    max_completion_tokens: 80,
  }));
}

/** Asks all questions, one every 40 ms, and prints each advice once, as soon as the figures give it. */
async function ask(
  connection: ModelConnection,
  title: string,
  keyOf: (question: Question) => string,
): Promise<void> {
  console.log(`\n${title}`);
  const optimizer = new LLMCallOptimizer({ baseInterval: 100, maxConcurrent: 8, sampleInterval: 250 });
  const outcomes$ = from(questions).pipe(
    concatMap((question) => of({ ...question, cacheKey: keyOf(question) }).pipe(delay(40))),
    optimizer.optimize(judgeOf(connection)),
    endIfInVain(connection),
  );
  const advised = optimizer.stats$
    .pipe(mergeMap(adviceOn), distinct())
    .forEach((advice) => console.log(`  advice: ${advice}`));
  const startedAt = performance.now();
  try {
    await lastValueFrom(outcomes$, { defaultValue: undefined });
  } finally {
    optimizer.close();
    await advised;
  }
  const { metrics } = optimizer.getStats();
  console.log(
    `  ${metrics.totalCalls} requests, ${metrics.startedCalls} calls, ` +
      `${Math.round(100 * metrics.cacheHitRate)} % hits, ${metrics.throttledCalls} held by the pace, ` +
      `${metrics.failedCalls} failed, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
  );
}

await runSmallDemo({
  name: 'tuning',
  about:
    'Reads the live statistics and says what to change: first with settings that waste calls, then with better ones.',
  ownServer: { requestsPerMinute: 600, burstSeconds: 0.5, latencyBase: 60, latencyPerToken: 1 },
  run: async (connection) => {
    await ask(
      connection,
      'The key holds the outlet, so no two questions share an answer:',
      ({ story, outlet }) => `${outlet}/${story}`,
    );
    await ask(connection, 'The key is the story:', ({ story }) => story);
  },
});
