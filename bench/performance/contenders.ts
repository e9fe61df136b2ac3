import { createHash } from 'node:crypto';
import Bottleneck from 'bottleneck';
import { bulkhead } from 'cockatiel';
import { Effect } from 'effect';
import stringify from 'fast-json-stable-stringify';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import PQueue from 'p-queue';
import pRetry from 'p-retry';
import { from, mergeMap, type Observable } from 'rxjs';
import {
  LLMCallOptimizer,
  mergeWithConcurrency,
  type CallOutcome,
  type ConcurrencyConfig,
  type OptimizerConfig,
} from 'rxllm';
import { priorities, requestsOf, type BenchRequest, type RequestKind } from './requests';

/** A call that answers a request with its `id`. */
export type BenchCall = (request: BenchRequest) => Promise<number>;

/** Makes all calls and adds up the answers. */
export type MakeCalls = (requests: readonly BenchRequest[], call: BenchCall) => Promise<number>;

/** One way to make many calls, a few at a time. */
export interface Contender extends RequestKind {
  /** As a table shows it, in Markdown. */
  readonly name: string;
  /** Prepares one run, which is not timed. */
  readonly prepare: () => Prepared | Promise<Prepared>;
}

/** A contender that is ready to run, once. */
export interface Prepared {
  readonly run: MakeCalls;
  readonly close?: () => void;
}

const slots = 3;

/** Answers that the cache holds where every request is a hit: as many as it keeps by default. */
const cachedAnswers = 1_000;

/** How urgent p-queue takes a request to be. */
const urgency = new Map(priorities.map((priority, rank) => [priority, rank]));

const heard = { count: 0 };

/** Whoever hears events in the bench: counts them. */
const events = {
  next() {
    heard.count += 1;
  },
};

export const bareMergeMap = plain('`mergeMap`, 3 slots', (requests, call) =>
  sumOfValues(from(requests).pipe(mergeMap(call, slots)), (value) => value),
);

export const fourPriorities = concurrency('four', { maxConcurrent: slots });
export const fourPrioritiesObserved = concurrency('four', { maxConcurrent: slots, events });

export const optimizerAlone = optimizer('rxllm, the whole optimizer, without a limiter', {
  enableRateLimit: false,
});
export const optimizerWithLimiter = optimizer('rxllm, the whole optimizer, `baseInterval: 0`', {
  baseInterval: 0,
});
export const optimizerMakingKeys = optimizer(
  'rxllm, the whole optimizer, a key made of each request',
  { enableRateLimit: false },
  'made',
);
export const optimizerHits: Contender = {
  name: 'rxllm, the whole optimizer, every request a hit',
  priorities: 'four',
  keys: cachedAnswers,
  prepare: async () => {
    const known = new LLMCallOptimizer({ maxConcurrent: slots, enableRateLimit: false });
    await sumOfValues(
      from(requestsOf(cachedAnswers, optimizerHits)).pipe(
        known.optimize((request: BenchRequest) => Promise.resolve(request.id), { namespace: 'bench' }),
      ),
      valueOf,
    );
    return {
      run: (requests, call) =>
        sumOfValues(from(requests).pipe(known.optimize(call, { namespace: 'bench' })), (outcome) =>
          outcome.ok && outcome.source === 'cache' ? outcome.value : NaN,
        ),
      close: () => known.close(),
    };
  },
};

export const pQueueWithPriorities: Contender = {
  name: 'p-queue, four priorities',
  priorities: 'four',
  prepare: () => ({
    run: (requests, call) => {
      const queue = new PQueue({ concurrency: slots });
      return sumOfAll(
        requests.map((request) =>
          queue.add(() => call(request), { priority: urgency.get(request.priority)! }),
        ),
      );
    },
  }),
};

/** What a user puts together without rxllm. Equal requests do not share a running call here. */
export const glue: Contender = {
  name: 'p-queue with priorities + lru-cache + fast-json-stable-stringify + SHA-256 + p-retry',
  priorities: 'four',
  keys: 'made',
  prepare: () => {
    const queue = new PQueue({ concurrency: slots });
    const answers = new LRUCache<string, number>({ max: cachedAnswers, ttl: 3_600_000 });
    const answer = async (request: BenchRequest, call: BenchCall): Promise<number> => {
      const { priority, ...content } = request;
      const key = createHash('sha256').update(stringify(content)).digest('hex');
      const known = answers.get(key);
      if (known !== undefined) return known;
      const made = await queue.add(() => pRetry(() => call(request), { retries: 2 }), {
        priority: urgency.get(priority)!,
      });
      answers.set(key, made);
      return made;
    };
    return { run: (requests, call) => sumOfAll(requests.map((request) => answer(request, call))) };
  },
};

/** Takes seconds where others take milliseconds. */
export const slowest = plain('Bottleneck', (requests, call) => {
  const limiter = new Bottleneck({ maxConcurrent: slots });
  return sumOfAll(requests.map((request) => limiter.schedule(() => call(request))));
});

/** All that the cost of a call is measured of. */
export const contenders: readonly Contender[] = [
  bareMergeMap,
  concurrency('one', { maxConcurrent: slots }),
  fourPriorities,
  concurrency('one', { maxConcurrent: slots, events }),
  fourPrioritiesObserved,
  concurrency('one', { maxConcurrent: 100 }),
  concurrency('four', { maxConcurrent: 100 }),
  concurrency('one', { maxConcurrent: 100, events }),
  concurrency('four', { maxConcurrent: 100, events }),
  optimizerAlone,
  optimizerWithLimiter,
  optimizerMakingKeys,
  glue,
  optimizerHits,
  plain('p-limit', (requests, call) => {
    const limit = pLimit(slots);
    return sumOfAll(requests.map((request) => limit(() => call(request))));
  }),
  plain('p-queue', (requests, call) => {
    const queue = new PQueue({ concurrency: slots });
    return sumOfAll(requests.map((request) => queue.add(() => call(request))));
  }),
  pQueueWithPriorities,
  plain('cockatiel, `bulkhead`', (requests, call) => {
    const policy = bulkhead(slots, Infinity);
    return sumOfAll(requests.map((request) => policy.execute(() => call(request))));
  }),
  slowest,
  plain('Effect, `forEach`', async (requests, call) => {
    const answers = Effect.forEach(requests, (request) => Effect.promise(() => call(request)), {
      concurrency: slots,
    });
    return sum(await Effect.runPromise(answers));
  }),
];

function plain(name: string, run: MakeCalls): Contender {
  return { name, priorities: 'one', prepare: () => ({ run }) };
}

function concurrency(
  mix: RequestKind['priorities'],
  config: ConcurrencyConfig<BenchRequest> & { readonly maxConcurrent: number },
): Contender {
  const isHeard = config.events !== undefined;
  return {
    name:
      `rxllm, \`mergeWithConcurrency\`, ${config.maxConcurrent} slots, ` +
      `${mix === 'one' ? 'one priority' : 'four priorities'}${isHeard ? ', events heard' : ''}`,
    priorities: mix,
    prepare: () => ({
      run: (requests, call) => sumOfValues(from(requests).pipe(mergeWithConcurrency(call, config)), valueOf),
    }),
  };
}

function optimizer(name: string, config: OptimizerConfig, keys: 'all' | 'made' = 'all'): Contender {
  return {
    name,
    priorities: 'four',
    keys,
    prepare: () => {
      const made = new LLMCallOptimizer({ maxConcurrent: slots, ...config });
      return {
        run: (requests, call) => sumOfValues(from(requests).pipe(made.optimize(call)), valueOf),
        close: () => made.close(),
      };
    },
  };
}

function valueOf(outcome: CallOutcome<BenchRequest, number>): number {
  return outcome.ok ? outcome.value : NaN;
}

function sumOfValues<T>(answers$: Observable<T>, value: (answer: T) => number): Promise<number> {
  return new Promise((resolve, reject) => {
    let total = 0;
    answers$.subscribe({
      next: (answer) => (total += value(answer)),
      error: reject,
      complete: () => resolve(total),
    });
  });
}

async function sumOfAll(answers: readonly Promise<number>[]): Promise<number> {
  return sum(await Promise.all(answers));
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
