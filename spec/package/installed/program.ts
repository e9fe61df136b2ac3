/** What a user may write, run in projects into which the package was installed: prints what came out, as JSON. */
import { from, lastValueFrom, map, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  AdaptiveRateLimiter,
  adaptiveThrottle,
  cacheLLM,
  CallPriority,
  ClosedError,
  LLMCallOptimizer,
  LLMResultCache,
  mergeWithConcurrency,
  unwrapOutcomes,
  type CallContext,
  type CallOutcome,
  type StatsSnapshot,
} from 'rxllm';
import { DiskStoreError, diskStore } from 'rxllm/disk';
import { SimulatedProvider, type SimulatedProviderStatistics } from 'rxllm/testing';

interface Question {
  readonly text: string;
  readonly priority: CallPriority;
}

const lettersOf = async (
  question: Question,
  { attempt, report }: CallContext,
): Promise<{ letters: number }> => {
  await Promise.resolve();
  report({ headers: { 'x-request-id': String(attempt) }, usage: { inputTokens: 1, outputTokens: 1 } });
  return { letters: question.text.length };
};

/** The chain, put together by hand. */
async function chain(): Promise<number[]> {
  const limiter = new AdaptiveRateLimiter({ baseInterval: 1, maxInterval: 1 });
  const cache = new LLMResultCache({ maxSize: 10 });
  const letters = await lastValueFrom(
    from(['gold', 'silver', 'gold', 'tin']).pipe(
      map((text): Question => ({ text, priority: CallPriority.HIGH })),
      cacheLLM(
        (misses$) =>
          misses$.pipe(
            adaptiveThrottle(limiter),
            mergeWithConcurrency(lettersOf, { maxConcurrent: 3, limiter }),
          ),
        cache,
      ),
      unwrapOutcomes(),
      map((answer) => answer.letters),
      toArray(),
    ),
    { defaultValue: [] },
  );
  return letters.sort((a, b) => a - b);
}

/** The optimizer, by promises; closed after that. */
async function optimizer(): Promise<unknown> {
  const calls = new LLMCallOptimizer({ baseInterval: 1, maxInterval: 1 });
  const outcomes: CallOutcome<string, { upper: string }>[] = await calls.callBatch(
    async (text: string) => Promise.resolve({ upper: text.toUpperCase() }),
    ['a', 'b', 'a'],
  );
  const { metrics }: StatsSnapshot = calls.getStats();
  calls.close();
  const late: unknown = await calls
    .call(async (text: string) => Promise.resolve({ text }), 'late')
    .catch((error: unknown) => error);
  return {
    answers: outcomes.map((outcome) => (outcome.ok ? outcome.value.upper : 'failed')),
    totalCalls: metrics.totalCalls,
    sharedCalls: metrics.sharedCalls,
    late: late instanceof ClosedError && late.code,
  };
}

/** A simulated provider, in virtual time. */
function simulation(): Pick<SimulatedProviderStatistics, 'answered'> {
  let answered = 0;
  new TestScheduler(() => undefined).run(({ flush }) => {
    const provider = new SimulatedProvider({ limits: [{ of: 'requests', limit: 600 }] });
    const calls = new LLMCallOptimizer({ maxConcurrent: 10 });
    from(Array.from({ length: 50 }, (_, number) => `question ${number}`))
      .pipe(calls.optimize(provider.call))
      .subscribe();
    flush();
    ({ answered } = provider.statistics);
  });
  return { answered };
}

/** Why there is no disk store: the program runs where lmdb is not installed. */
function disk(): string {
  try {
    diskStore('never-made');
    return 'made';
  } catch (error) {
    return error instanceof DiskStoreError ? error.code : String(error);
  }
}

async function main(): Promise<void> {
  const key = LLMResultCache.generateKey('Why is gold up?', { model: 'm', temperature: 0 });
  const found = {
    chain: await chain(),
    optimizer: await optimizer(),
    simulation: simulation(),
    disk: disk(),
    key,
  };
  console.log(JSON.stringify(found));
}

void main();
