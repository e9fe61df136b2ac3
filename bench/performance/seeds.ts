import { setTimeout as pause } from 'node:timers/promises';
import { AsyncLLMExecutor, LLMCallOptimizer } from 'rxllm';
import { footprintOf } from '../cache/footprint';
import { entries, keepers } from '../cache/keepers';
import { measureDesk } from '../cache/news-desk';
import { median } from '../shared/medians';
import { progress } from '../shared/progress';
import type { Effort, SectionReport } from '../shared/section';
import { atLeast, atMost } from '../shared/verdicts';
import { bounds } from './bounds';

/** Milliseconds of a call. */
const callTime = 50;
const concurrencies = [1, 3, 10, 50] as const;

type Executor = (maxConcurrent: number) => {
  batch(
    call: (request: number) => Promise<number>,
    requests: readonly number[],
  ): Promise<readonly { readonly ok: boolean }[]>;
  close(): void;
};

const executors: readonly (readonly [name: string, make: Executor])[] = [
  [
    '`executeBatch`',
    (maxConcurrent) => {
      const executor = new AsyncLLMExecutor({ maxConcurrent });
      return {
        batch: (call, requests) => executor.executeBatch(call, requests),
        close: () => executor.close(),
      };
    },
  ],
  [
    '`callBatch`',
    (maxConcurrent) => {
      const optimizer = new LLMCallOptimizer({ maxConcurrent, enableRateLimit: false });
      return {
        batch: (call, requests) => optimizer.callBatch(call, requests),
        close: () => optimizer.close(),
      };
    },
  ],
];

/** What cache and batches are worth: the two ideas that the library began with. */
export async function measureSeeds(sample: string, effort: Effort): Promise<SectionReport[]> {
  progress('the news desk');
  const desk = measureDesk(sample);
  const sections = [desk, await measureBatches(effort), await measureAnswers(effort)];
  progress('');
  return sections;
}

async function measureBatches({ isQuick }: Effort): Promise<SectionReport> {
  const rounds = isQuick ? 1 : 3;
  // So many that every concurrency divides them, and that they take about a second in a batch.
  const callsFor = (maxConcurrent: number) => maxConcurrent * (isQuick ? 6 : 20);
  const call = async (request: number) => {
    await pause(callTime);
    return request;
  };
  const oneByOne: number[] = [];
  const timesOf = new Map<string, number[]>();
  for (let round = 0; round < rounds; round += 1) {
    progress(`batches, round ${round + 1} of ${rounds}`);
    const alone = await milliseconds(async () => {
      for (const request of numbers(callsFor(1))) await call(request);
    });
    oneByOne.push(alone / callsFor(1));
    for (const [name, make] of executors) {
      for (const maxConcurrent of concurrencies) {
        const requests = numbers(callsFor(maxConcurrent));
        const executor = make(maxConcurrent);
        let answered = 0;
        const time = await milliseconds(async () => {
          const outcomes = await executor.batch(call, requests);
          answered = outcomes.filter(({ ok }) => ok).length;
        });
        executor.close();
        if (answered !== requests.length) throw new Error(`${name}: only ${answered} calls were answered.`);
        const key = `${name} ${maxConcurrent}`;
        timesOf.set(key, [...(timesOf.get(key) ?? []), oneByOne.at(-1)! / (time / requests.length)]);
      }
    }
  }
  const speedUp = (name: string, maxConcurrent: number) => median(timesOf.get(`${name} ${maxConcurrent}`)!);
  return {
    title: 'A batch against one by one',
    about:
      `Equal calls of ${callTime} ms (a timer, in real time) in a batch, beside a bare loop that awaits one after the other: ${median(oneByOne).toFixed(1)} ms a call there. ` +
      `${callsFor(1)} calls for each slot. How many times as fast; the median of ${rounds === 1 ? 'one round' : `${rounds} rounds`}.`,
    tables: [
      {
        head: ['Times as fast', ...concurrencies.map((count) => `\`maxConcurrent: ${count}\``)],
        rows: executors.map(([name]) => [
          name,
          ...concurrencies.map((count) => speedUp(name, count).toFixed(2)),
        ]),
      },
    ],
    reading:
      'With n slots a batch is n times as fast as a loop, as long as the provider lets n calls run at once; what rxllm adds does not show.',
    verdicts: executors.flatMap(([name]) =>
      concurrencies.map((count) =>
        atLeast(
          `${name}, ${count} ${count === 1 ? 'slot' : 'slots'}`,
          speedUp(name, count),
          Number((bounds.batch * count).toFixed(2)),
          2,
          '×',
        ),
      ),
    ),
  };
}

async function measureAnswers({ isQuick }: Effort): Promise<SectionReport> {
  progress('cached answers');
  const optimizer = new LLMCallOptimizer({ enableRateLimit: false });
  const answer = async (question: string) => {
    await pause(callTime);
    return `An answer to ${question}`;
  };
  const ask = (prompt: string) => optimizer.call(answer, prompt);
  const calls: number[] = [];
  for (let question = 0; question < (isQuick ? 5 : 20); question += 1) {
    calls.push(await milliseconds(() => ask(`question ${question}`)));
  }
  const hits: number[] = [];
  const batch = 200;
  for (let round = 0; round < (isQuick ? 20 : 50); round += 1) {
    const time = await milliseconds(async () => {
      for (let time = 0; time < batch; time += 1) await ask('question 0');
    });
    hits.push(time / batch);
  }
  const { metrics } = optimizer.getStats();
  optimizer.close();
  if (metrics.cacheHits !== batch * hits.length) throw new Error('An answer was not kept.');
  const call = median(calls);
  const hit = median(hits);

  progress('memory of cached answers');
  const caches = isQuick ? 5 : 20;
  const megabytes: number[] = [];
  const judged = keepers.filter(({ isJudged }) => isJudged);
  for (const keeper of judged) {
    await footprintOf(keeper, 1);
    const { contents, structure } = await footprintOf(keeper, caches);
    megabytes.push(((contents + structure) * entries) / 1e6);
  }
  return {
    title: 'A cached answer',
    about:
      `\`await optimizer.call(…)\` with a text as the request, its key made each time: a call of ${callTime} ms, and the same request again. ` +
      `The memory of 1,000 answers of 1 KB is that of ${caches} caches of so many, filled in this process; [caching-figures.md](caching-figures.md) ` +
      'has it in parts.',
    tables: [
      {
        head: ['A request', 'Milliseconds'],
        rows: [
          [`that is called for`, call.toFixed(2)],
          ['that is answered from the cache', hit.toFixed(4)],
        ],
      },
      {
        head: ['1,000 answers of 1 KB', 'MB, keys and answers included'],
        rows: judged.map(({ name }, index) => [name, megabytes[index]!.toFixed(2)]),
      },
    ],
    reading:
      'Caching pays from the first repeat on: what an answer costs in memory is little more than the answer itself.',
    verdicts: [
      atLeast(`A cached answer, beside a call of ${callTime} ms`, call / hit, bounds.cachedAnswer, 0, '×'),
      ...judged.map(({ name }, index) =>
        atMost(`1,000 answers of ${name}`, megabytes[index]!, bounds.thousandAnswers, 2, 'MB'),
      ),
    ],
  };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

async function milliseconds(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}
