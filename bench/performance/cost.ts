import { median } from '../shared/medians';
import type { Effort, SectionReport } from '../shared/section';
import { atMost } from '../shared/verdicts';
import { bounds } from './bounds';
import {
  bareMergeMap,
  contenders,
  fourPriorities,
  fourPrioritiesObserved,
  optimizerAlone,
  optimizerHits,
  optimizerWithLimiter,
  pQueueWithPriorities,
  slowest,
} from './contenders';
import { timeInTurns, type Cost, type Limits, type SizePlan } from './turns';

const fullSizes: readonly SizePlan[] = [
  { size: 10_000, rounds: 7, samples: 5 },
  { size: 100_000, rounds: 3, samples: 1 },
  { size: 1_000_000, rounds: 2, samples: 1 },
];
const quickSizes: readonly SizePlan[] = [
  { size: 10_000, rounds: 3, samples: 3 },
  {
    size: 100_000,
    rounds: 1,
    samples: 1,
    only: [bareMergeMap, fourPriorities, fourPrioritiesObserved, optimizerAlone, pQueueWithPriorities],
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
  const costOf = (contender: (typeof contenders)[number], size: number) => costs.get(contender)!.get(size)!;
  const ratio = (contender: (typeof contenders)[number], size: number, other = bareMergeMap) =>
    ratioOfCosts(costOf(contender, size), costOf(other, size));
  const overhead = (what: string, contender: (typeof contenders)[number], bound: number) =>
    atMost(`${what}, beside \`mergeMap\``, ratio(contender, 10_000), bound, 2, '×');
  return {
    title: 'The cost of a call',
    about:
      'Calls that resolve at once, `async (request) => request.id`, so that all the time is that of what is around ' +
      'them. A synchronous source holds all requests, made beforehand: all but those in the slots wait. ' +
      'A request is `{ id, priority }`, with a `cacheKey` of its own for the optimizer. ' +
      'Microseconds a call, from the subscription to the last answer, and how many times those of bare `mergeMap`, ' +
      'which knows no priorities, with as many calls in the same round. All take turns; a turn begins with some ' +
      'runs that do not count, and each run with a collection of what is young and with new requests. Another run of ' +
      'each contender stays open meanwhile, with two calls that never end, as streams do in a program that runs: else ' +
      `collections would throw away what was compiled. Medians of ${listed(sizes.map(({ size, rounds }) => `${rounds} rounds at ${size.toLocaleString('en')}`))}` +
      `${sizes[0]!.samples > 1 ? `, of ${sizes[0]!.samples} runs each at the first size` : ''}; what takes more than ` +
      `${limits.slow} s is run once, and what would take more than ${limits.run} s, by how it grew before, not at all. ` +
      'All have 3 slots unless the table says so. Where events are heard, they are counted. The optimizer caches ' +
      'every answer (the 1,000 latest stay, as by default) and keeps its statistics; in the row of hits the answers to ' +
      '1,000 questions are there beforehand and are asked for again and again. For promises, all are made at once and awaited by `Promise.all`.',
    tables: [
      {
        head: [
          'Calls waiting',
          ...sizes.flatMap(({ size }) => [`${size.toLocaleString('en')}: µs a call`, '× `mergeMap`']),
        ],
        rows: measured.map((contender) => [
          contender.name,
          ...sizes.flatMap(({ size }) => {
            const times = ratio(contender, size);
            return [costCell(costOf(contender, size)), Number.isNaN(times) ? '–' : times.toFixed(2)];
          }),
        ]),
      },
    ],
    reading:
      'A call to a model takes at least milliseconds, mostly seconds: a few microseconds around it are lost in the noise. They begin to ' +
      'count where answers come from a cache or from a model in the same process. `mergeMap` keeps waiting requests in an ' +
      'array that it shifts, and p-queue one that it sorts into: what a call costs there depends on how ' +
      'many others wait. ' +
      ownWords(costOf(optimizerAlone, 10_000), costOf(optimizerHits, 10_000)),
    verdicts: [
      overhead('A call, four priorities, 10,000 waiting', fourPriorities, bounds.unobserved),
      overhead('The same, its events heard', fourPrioritiesObserved, bounds.observed),
      atMost(
        'A call, four priorities, 100,000 waiting, beside p-queue',
        ratio(fourPriorities, 100_000, pQueueWithPriorities),
        bounds.besidePQueue,
        3,
        '×',
      ),
      overhead('The whole optimizer without a limiter, 10,000 waiting', optimizerAlone, bounds.optimizer),
      overhead('The same with a limiter', optimizerWithLimiter, bounds.optimizer),
    ],
  };
}

/** How many times as much one costs as the other, in the same rounds where both ran in all; NaN if one did not run. */
export function ratioOfCosts(one: Cost, other: Cost): number {
  if (!isMeasured(one) || !isMeasured(other)) return NaN;
  return one.rounds.length === other.rounds.length
    ? median(one.rounds.map((time, round) => time / other.rounds[round]!))
    : one.microseconds / other.microseconds;
}

/** Whether runs were made and came to their end. */
export function isMeasured(cost: Cost): cost is Extract<Cost, { readonly rounds: unknown }> {
  return cost !== 'left out' && 'rounds' in cost;
}

/** What a cost is in a table. */
export function costCell(cost: Cost): string {
  if (cost === 'left out') return cost;
  if (isMeasured(cost)) return cost.microseconds.toFixed(cost.microseconds < 100 ? 2 : 0);
  return 'estimated' in cost
    ? `not run: would take ${seconds(cost.estimated)}`
    : `stopped after ${seconds(cost.stoppedAfter)}`;
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
}

function seconds(value: number): string {
  if (value === Infinity) return 'too long';
  return value < 7_200
    ? `${value.toLocaleString('en', { maximumFractionDigits: 0 })} s`
    : `${(value / 3_600).toLocaleString('en', { maximumFractionDigits: 0 })} h`;
}

function ownWords(miss: Cost, hit: Cost): string {
  if (!isMeasured(miss) || !isMeasured(hit)) return '';
  const perCent = (miss.microseconds / 500_000) * 100;
  return (
    `With 10,000 waiting, a call through the whole optimizer costs ${miss.microseconds.toFixed(1)} µs here, which is ` +
    `${perCent.toPrecision(1)} % of a call of half a second, and a hit ${hit.microseconds.toFixed(1)} µs.`
  );
}
