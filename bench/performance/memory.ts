import { setTimeout as pause } from 'node:timers/promises';
import Bottleneck from 'bottleneck';
import { bulkhead } from 'cockatiel';
import pLimit from 'p-limit';
import PQueue from 'p-queue';
import { concat, from, mergeMap, NEVER } from 'rxjs';
import { LLMCallOptimizer, mergeWithConcurrency } from 'rxllm';
import { median } from '../shared/medians';
import { progress } from '../shared/progress';
import type { Effort, SectionReport } from '../shared/section';
import { usedBytes } from '../shared/used-bytes';
import { atMost } from '../shared/verdicts';
import { written } from '../shared/written';
import { bounds } from './bounds';
import { requestsOf, type BenchRequest, type RequestKind } from './requests';

/** A call that never ends. */
export type EndlessCall = (request: BenchRequest) => Promise<number>;

/** Something that makes calls which never end, so that requests wait and calls run until it is closed. */
export interface Holder extends RequestKind {
  readonly name: string;
  /** Whether the bounds are meant for it. */
  readonly isJudged?: boolean;
  /** Takes requests in and returns what closes it, which also keeps it alive. */
  readonly hold: (requests: readonly BenchRequest[], call: EndlessCall, slots: number) => () => void;
}

const urgency: Readonly<Record<string, number>> = { low: 0, medium: 1, high: 2, critical: 3 };

const bareMergeMap: Holder = {
  name: '`mergeMap`',
  priorities: 'one',
  hold: (requests, call, slots) => {
    const running = endless(requests).pipe(mergeMap(call, slots)).subscribe();
    return () => running.unsubscribe();
  },
};
const onePriority: Holder = { ...concurrency('one'), isJudged: true };
const fourPriorities: Holder = { ...concurrency('four'), isJudged: true };
const wholeOptimizer: Holder = {
  name: 'rxllm, the whole optimizer, a cache key each',
  priorities: 'four',
  keys: 'all',
  isJudged: true,
  hold: (requests, call, slots) => {
    const optimizer = new LLMCallOptimizer({ maxConcurrent: slots, enableRateLimit: false });
    const running = endless(requests).pipe(optimizer.optimize(call)).subscribe();
    return () => {
      running.unsubscribe();
      optimizer.close();
    };
  },
};
const pLimited = promises('p-limit', 'one', (slots) => {
  const limit = pLimit(slots);
  return (_request, task) => limit(task);
});
const pQueue = promises('p-queue', 'one', (slots) => {
  const queue = new PQueue({ concurrency: slots });
  return (_request, task) => queue.add(task);
});
const pQueueWithPriorities = promises('p-queue, four priorities', 'four', (slots) => {
  const queue = new PQueue({ concurrency: slots });
  return ({ priority }, task) => queue.add(task, { priority: urgency[priority]! });
});
const cockatiel = promises('cockatiel, `bulkhead`', 'one', (slots) => {
  const policy = bulkhead(slots, Infinity);
  return (_request, task) => policy.execute(task);
});
const bottleneck = promises('Bottleneck', 'one', (slots) => {
  const limiter = new Bottleneck({ maxConcurrent: slots === Infinity ? null : slots });
  return (_request, task) => limiter.schedule(task);
});

/** All whose waiting requests are weighed; Bottleneck is too slow for more than a few. */
export const holders: readonly Holder[] = [
  bareMergeMap,
  onePriority,
  fourPriorities,
  wholeOptimizer,
  pLimited,
  pQueue,
  pQueueWithPriorities,
  cockatiel,
  bottleneck,
];

/** All whose running calls are weighed. */
export const runners: readonly Holder[] = [
  bareMergeMap,
  fourPriorities,
  wholeOptimizer,
  pLimited,
  pQueue,
  cockatiel,
];

const slots = 3;
const running = 10_000;
const fewForSlow = 5_000;

/** What waiting requests and running calls take in memory. */
export async function measureMemory({ isQuick }: Effort): Promise<SectionReport> {
  const rounds = isQuick ? 1 : 3;
  const sizes = isQuick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000];
  const waiting: string[][] = [];
  const most = new Map<Holder, number>();
  for (const holder of holders) {
    const bytes: number[] = [];
    const isSlow = holder === bottleneck;
    for (const size of isSlow ? [fewForSlow] : holder.isJudged ? sizes : sizes.slice(1, 2)) {
      progress(`${holder.name}: ${written(size)} waiting`);
      bytes.push(await medianOf(rounds, () => bytesEach(holder, size, slots)));
    }
    most.set(holder, Math.max(...bytes));
    const middle = isSlow ? `${written(bytes[0]!)} (of ${written(fewForSlow)})` : bytes[0]!;
    const cells = holder.isJudged ? bytes : [undefined, middle];
    waiting.push([
      holder.name,
      ...sizes.map((_, index) => {
        const cell = cells[index];
        return typeof cell === 'number' ? written(cell) : (cell ?? '–');
      }),
    ]);
  }
  const runningRows: string[][] = [];
  for (const holder of runners) {
    progress(`${holder.name}: running calls`);
    const bytes = await medianOf(rounds, () => bytesEach(holder, running, Infinity));
    runningRows.push([holder.name, written(bytes)]);
  }
  progress('');
  return {
    title: 'Memory',
    about:
      'Bytes beyond the request, the difference of the heap and of all buffers after garbage collection: requests, and the promises ' +
      'that calls return, are made before, and the calls never end. So many wait behind ' +
      `${slots} calls, or ${written(running)} run at once. The median of ${rounds === 1 ? 'one round' : `${rounds} rounds`}. Where the way is by promises, the promise that it returns and the function that it is given count, ` +
      'since it cannot be used without.',
    tables: [
      {
        head: ['A waiting request, bytes', ...sizes.map((size) => `of ${written(size)} waiting`)],
        rows: waiting,
      },
      {
        head: ['A running call, bytes', `of ${written(running)} running`],
        rows: runningRows,
      },
    ],
    reading:
      `A million waiting requests take ${Math.round(most.get(fourPriorities)!)} MB at most in \`mergeWithConcurrency\` besides ` +
      'themselves. What is in front of it, as the cache of the optimizer, keeps more of each request; `maxQueue` bounds both.',
    verdicts: [
      atMost(
        'A request that waits in `mergeWithConcurrency`',
        Math.max(most.get(onePriority)!, most.get(fourPriorities)!),
        bounds.waitingRequest,
        0,
        'bytes',
      ),
      atMost(
        'A request that waits in the optimizer',
        most.get(wholeOptimizer)!,
        bounds.waitingInOptimizer,
        0,
        'bytes',
      ),
    ],
  };
}

/** Bytes that each of so many waiting requests (or running calls, where slots are without end) takes. */
async function bytesEach(holder: Holder, size: number, slots: number): Promise<number> {
  // What is compiled meanwhile, or made only once, takes memory too.
  await weigh(holder, 1_000, slots);
  return weigh(holder, size, slots);
}

async function weigh({ hold, ...kind }: Holder, size: number, slots: number): Promise<number> {
  const requests = requestsOf(size, kind);
  const answers = requests
    .slice(0, slots === Infinity ? size : slots)
    .map(() => new Promise<never>(() => undefined));
  let begun = 0;
  const call: EndlessCall = () => answers[begun++]!;
  const before = await usedBytes();
  const close = hold(requests, call, slots);
  const expected = Math.min(size, slots);
  // Some begin their calls in a later turn.
  for (let turn = 0; begun < expected && turn < 10_000; turn += 1) await pause(1);
  if (begun !== expected) throw new Error(`${begun} calls ran instead of ${expected}.`);
  const after = await usedBytes();
  close();
  // Read only now, so that both lists, which were weighed before, were there all the time.
  const { length } = requests;
  return (after - before) / (slots === Infinity ? answers.length : length - answers.length);
}

async function medianOf(rounds: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  while (values.length < rounds) values.push(await measure());
  return median(values);
}

function concurrency(mix: RequestKind['priorities']): Holder {
  return {
    name: `rxllm, \`mergeWithConcurrency\`, ${mix === 'one' ? 'one priority' : 'four priorities'}`,
    priorities: mix,
    hold: (requests, call, maxConcurrent) => {
      const open = endless(requests).pipe(mergeWithConcurrency(call, { maxConcurrent })).subscribe();
      return () => open.unsubscribe();
    },
  };
}

/** Requests of a stream that stays open. */
function endless(requests: readonly BenchRequest[]) {
  return concat(from(requests), NEVER);
}

function promises(
  name: string,
  mix: RequestKind['priorities'],
  make: (slots: number) => (request: BenchRequest, task: () => Promise<number>) => Promise<unknown>,
): Holder {
  return {
    name,
    priorities: mix,
    hold: (requests, call, slots) => {
      let add: ReturnType<typeof make> | undefined = make(slots);
      for (const request of requests) void add(request, () => call(request));
      return () => {
        // Until now it was held, and all that waits in it.
        add = undefined;
      };
    },
  };
}
