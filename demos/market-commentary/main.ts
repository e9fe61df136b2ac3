/**
 * Commentary on a moving market: a sentence about a symbol whenever its price moves. It is nice to have, so it runs at
 * LOW priority and gives way to everything else that shares the optimizer; and a sentence stays good for a while, so
 * it is cached for each symbol, whatever the exact price is.
 *
 * Run it: npm run demo:market-commentary
 */
import type OpenAI from 'openai';
import { from, map, timer, zip } from 'rxjs';
import { CallPriority, LLMCallOptimizer } from '../../lib/index';
import { openaiCall } from '../../lib/openai';
import type { ModelConnection } from '../shared/model-connection';
import { runSmallDemo } from '../shared/small-demo';
import { endIfInVain } from '../shared/vain-run';

interface Move {
  readonly symbol: string;
  readonly percent: number;
}

// A tape of forty moves, one every tenth of a second: two symbols rise and three fall.
const trends: readonly Move[] = [
  { symbol: 'NRDX', percent: 0.8 },
  { symbol: 'HXGV', percent: -0.6 },
  { symbol: 'ZPHY', percent: -1.1 },
  { symbol: 'ORLC', percent: 0.5 },
  { symbol: 'SNDE', percent: -0.7 },
];
const tape = Array.from({ length: 40 }, (_, index): Move => {
  const { symbol, percent } = trends[(index * 7 + Math.floor(index / 5)) % trends.length]!;
  return { symbol, percent: Math.round(10 * percent * (1 + index / 10)) / 10 };
});
const moves$ = zip(from(tape), timer(0, 100)).pipe(map(([move]) => move));

/** Comments on every move of the tape, as it comes. */
async function run(connection: ModelConnection): Promise<void> {
  const optimizer = new LLMCallOptimizer({ baseInterval: 200, maxConcurrent: 2, timeout: 20_000 });

  const comment = openaiCall(connection.client, ({ symbol, percent }: Move) => ({
    model: connection.model,
    messages: [
      { role: 'system', content: 'Comment on the move of a share in one plain sentence.' },
      {
        role: 'user',
        content: `${symbol} ${percent < 0 ? 'falls, down' : 'gains, up'} ${Math.abs(percent)} % today.`,
      },
    ],
    max_completion_tokens: 80,
  }));

  const outcomes$ = moves$.pipe(
    // The fields that rxllm reads off a request: how urgent it is, and under what name and how long it is cached.
    map((move) => ({
      ...move,
      priority: CallPriority.LOW,
      cacheKey: `commentary:${move.symbol}`,
      cacheTtl: 1_500,
    })),
    optimizer.optimize(comment),
    endIfInVain(connection),
  );

  try {
    await outcomes$.forEach((outcome) => {
      const { symbol, percent } = outcome.request;
      const sentence = outcome.ok
        ? `${outcome.source.padEnd(6)}  ${textOf(outcome.value)}`
        : `failed  ${outcome.error instanceof Error ? outcome.error.constructor.name : 'for no known reason'}`;
      console.log(`${symbol}  ${percent.toFixed(1).padStart(4)} %  ${sentence}`);
    });
  } finally {
    optimizer.close();
  }

  const { totalCalls, startedCalls, cacheHits, sharedCalls } = optimizer.getStats().metrics;
  console.log(
    `\n${totalCalls} moves, ${startedCalls} calls; ${cacheHits} answered by the cache, ${sharedCalls} by a call that ran.`,
  );
}

/** The model server answers with JSON whose reason is the sentence; other models answer with the sentence. */
function textOf(completion: OpenAI.Chat.ChatCompletion): string {
  const content = completion.choices[0]?.message.content ?? '';
  try {
    return (JSON.parse(content) as { reason?: string }).reason ?? content;
  } catch {
    return content;
  }
}

await runSmallDemo({
  name: 'market-commentary',
  about:
    'Commentary on a moving market: a sentence about a symbol whenever its price moves, cached for each symbol.',
  ownServer: { requestsPerMinute: 300, burstSeconds: 2 },
  run,
});
