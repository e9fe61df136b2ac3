import { median } from '../shared/medians';
import type { Effort, SectionReport } from '../shared/section';
import { atMost } from '../shared/verdicts';
import { written } from '../shared/written';
import { bounds } from './bounds';
import {
  bareMergeMap,
  contenders,
  fourPriorities,
  glue,
  optimizerAlone,
  optimizerHits,
  optimizerMakingKeys,
  optimizerWithLimiter,
  pQueueWithPriorities,
  slowest,
  type Contender,
} from './contenders';
import { timeInTurns, type Cost, type Limits, type SizePlan } from './turns';

const fullSizes: readonly SizePlan[] = [
  { size: 10_000, rounds: 7, samples: 5, beside: bareMergeMap },
  { size: 100_000, rounds: 3, samples: 1 },
  { size: 1_000_000, rounds: 2, samples: 1 },
];
const quickSizes: readonly SizePlan[] = [
  { size: 10_000, rounds: 3, samples: 5, beside: bareMergeMap },
  {
    size: 100_000,
    rounds: 1,
    samples: 1,
    only: [bareMergeMap, fourPriorities, optimizerAlone, pQueueWithPriorities],
  },
];
const fullLimits: Limits = { run: 30, slow: 3 };
const quickLimits: Limits = { run: 12, slow: 0.5 };

/** What a call costs. */
export async function measureCost({ isQuick }: Effort): Promise<SectionReport> {
  const sizes = isQuick ? quickSizes : fullSizes;
  const limits = isQuick ? quickLimits : fullLimits;
  // Minutes of a quick run would be those of Bottleneck.
  const measured = isQuick ? contenders.filter((contender) => contender !== slowest) : contenders;
  const costs = await timeInTurns(measured, sizes, limits);
  const costOf = (contender: Contender, size: number) => costs.get(contender)!.get(size)!;
  const ratio = (contender: Contender, size: number, other = bareMergeMap) =>
    (other === bareMergeMap && timesBesideOf(costOf(contender, size))) ||
    ratioOfCosts(costOf(contender, size), costOf(other, size));
  return {
    title: 'The cost of a call',
    answer: answer(costOf),
    about:
      'Calls that resolve at once, `async (request) => request.id`, so that all the time is that of what is around ' +
      'them. A synchronous source holds all requests, made beforehand: all but those in the slots wait. ' +
      'A request is `{ id, priority }`, with a `cacheKey` of its own for the optimizer, a text that was read once before; where a key is made, a `prompt` of 80 characters instead. ' +
      'Microseconds a call, from the subscription to the last answer, and how many times those of bare `mergeMap`, ' +
      'which knows no priorities, with as many calls in the same round. All take turns; a turn begins with some ' +
      'runs that do not count, and each run with a collection of what is young and with new requests. Another run of ' +
      'each contender stays open meanwhile, with two calls that never end, as streams do in a program that runs: else ' +
      `collections would throw away what was compiled. Medians of ${listed(sizes.map(({ size, rounds }) => `${rounds} rounds at ${written(size)}`))}` +
      `${sizes[0]!.samples > 1 ? `, of ${sizes[0]!.samples} runs each at the first size` : ''}; what takes more than ` +
      `${limits.slow} s is run once, and what would take more than ${limits.run} s, by how it grew before, not at all. ` +
      'The ratios are no quotients of the columns: at the first size a run of `mergeMap` comes right before or after each run of ' +
      'another, and they are medians of the ratios of such two; at the others, of those of the rounds. The sizes have rounds of their own, ' +
      'one size after the other; what a backlog costs is under Growth. ' +
      'All have 3 slots unless the table says so. Where events are heard, they are counted. The optimizer caches ' +
      'every answer (the 1,000 latest stay, as by default) and keeps its statistics; in the row of hits the answers to ' +
      '1,000 questions are there beforehand and are asked for again and again. For promises, all are made at once and awaited by `Promise.all`.',
    tables: [
      {
        head: [
          'Calls waiting',
          ...sizes.flatMap(({ size }) => [`${written(size)}: µs a call`, '× `mergeMap`']),
        ],
        rows: measured.map((contender) => [
          contender.name,
          ...sizes.flatMap(({ size }) => {
            const times = ratio(contender, size);
            return [costCell(costOf(contender, size)), Number.isNaN(times) ? '–' : written(times, 2)];
          }),
        ]),
      },
    ],
    reading:
      'A call to a model takes milliseconds at least, and mostly seconds, so a few microseconds do not matter. They ' +
      'matter only if the answer comes from a cache or from a model in the same process. `mergeMap` shifts an array of ' +
      'waiting requests, and p-queue inserts into a sorted one, so the cost of a call there grows with the backlog. ' +
      ownWords(costOf, sizes.at(-1)!.size),
    verdicts: [
      atMost(
        'A call, four priorities, 10,000 waiting, beside p-queue',
        ratio(fourPriorities, 10_000, pQueueWithPriorities),
        bounds.besidePQueue,
        2,
        '×',
      ),
      atMost(
        'A call, four priorities, 100,000 waiting, beside p-queue',
        ratio(fourPriorities, 100_000, pQueueWithPriorities),
        bounds.besidePQueueAmongMany,
        3,
        '×',
      ),
      atMost(
        'The whole optimizer, 10,000 waiting, beside the libraries that it replaces',
        ratio(optimizerMakingKeys, 10_000, glue),
        bounds.besideGlue,
        2,
        '×',
      ),
    ],
  };
}

type MeasuredCost = Extract<Cost, { readonly rounds: unknown }>;

/** How many times as much one costs as the other, in the same rounds where both ran in all; NaN if one did not run. */
export function ratioOfCosts(one: Cost, other: Cost): number {
  if (!isMeasured(one) || !isMeasured(other)) return NaN;
  return one.rounds.length === other.rounds.length
    ? median(one.rounds.map((time, round) => time / other.rounds[round]!))
    : one.microseconds / other.microseconds;
}

function timesBesideOf(cost: Cost): number | undefined {
  return isMeasured(cost) ? cost.timesBeside : undefined;
}

/** Whether runs were made and came to their end. */
export function isMeasured(cost: Cost): cost is MeasuredCost {
  return cost !== 'left out' && 'rounds' in cost;
}

/** What a cost is in a table. */
export function costCell(cost: Cost): string {
  if (cost === 'left out') return cost;
  if (isMeasured(cost)) return written(cost.microseconds, cost.microseconds < 100 ? 2 : 0);
  return 'estimated' in cost
    ? `not run: would take ${seconds(cost.estimated)}`
    : `stopped after ${seconds(cost.stoppedAfter)}`;
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
}

function seconds(value: number): string {
  if (value === Infinity) return 'too long';
  return value < 7_200 ? `${written(value)} s` : `${written(value / 3_600)} h`;
}

/** What rxllm adds to a call, in a sentence. */
function answer(costOf: (contender: Contender, size: number) => Cost): string {
  const [operator, whole] = [costOf(fourPriorities, 10_000), costOf(optimizerWithLimiter, 10_000)];
  if (!isMeasured(operator) || !isMeasured(whole)) return '';
  return (
    `With 10,000 requests waiting, \`mergeWithConcurrency\` adds ${microseconds(operator)} µs to a call, and the whole ` +
    `optimizer, with cache, pace and statistics, adds ${microseconds(whole)} µs: ${shareOfACall(whole)} % of a call of half a second.`
  );
}

function shareOfACall({ microseconds: value }: MeasuredCost): string {
  return ((value / 500_000) * 100).toPrecision(1);
}

/** What the optimizer costs, in words, among few and among as many as it was measured with. */
function ownWords(costOf: (contender: Contender, size: number) => Cost, many: number): string {
  const few = 10_000;
  const miss = costOf(optimizerAlone, few);
  const limited = costOf(optimizerWithLimiter, few);
  const hit = costOf(optimizerHits, few);
  if (!isMeasured(miss) || !isMeasured(limited) || !isMeasured(hit)) return '';
  const amongMany = [costOf(optimizerAlone, many), costOf(optimizerWithLimiter, many)]
    .filter(isMeasured)
    .map(microseconds);
  return (
    `With ${written(few)} waiting, a call through the whole optimizer costs ${microseconds(miss)} µs here without a limiter, ` +
    `which is ${shareOfACall(miss)} % of a call of half a second, and ${microseconds(limited)} µs with one; a hit costs ` +
    `${microseconds(hit)} µs.` +
    (amongMany.length === 2
      ? ` With ${written(many)} waiting, the two are ${amongMany.join(' and ')} µs.`
      : '')
  );
}

function microseconds({ microseconds: value }: MeasuredCost): string {
  return written(value, 1);
}
