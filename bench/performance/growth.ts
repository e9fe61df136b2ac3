import type { Effort, SectionReport } from '../shared/section';
import { atMost } from '../shared/verdicts';
import { written } from '../shared/written';
import { bounds } from './bounds';
import {
  bareMergeMap,
  fourPriorities,
  fourPrioritiesObserved,
  pQueueWithPriorities,
  type Contender,
} from './contenders';
import { costCell, isMeasured } from './cost';
import { timeGrowth, type Cost } from './turns';

const few = 10_000;
const more = 100_000;
const many = 1_000_000;

/** How the cost of a call grows with the calls that wait. */
export async function measureGrowth({ isQuick }: Effort): Promise<SectionReport> {
  const rounds = isQuick ? 2 : 5;
  const rxllm = [fourPriorities, fourPrioritiesObserved];
  const measured = isQuick ? rxllm : [...rxllm, bareMergeMap, pQueueWithPriorities];
  const limits = { run: 30, slow: 8 };
  const plan = { few: { size: few, samples: isQuick ? 9 : 25 }, more: [more, many], rounds };
  const costs = await timeGrowth(measured, plan, limits);
  const costOf = (contender: Contender, size: number): Cost => costs.get(contender)!.get(size)!;
  const growth = (contender: Contender, size: number) => {
    const cost = costOf(contender, size);
    return (isMeasured(cost) && cost.timesBeside) || NaN;
  };
  const cell = (contender: Contender, size: number) => {
    const times = growth(contender, size);
    return Number.isNaN(times) ? '–' : written(times, 2);
  };
  return {
    title: 'Growth',
    about:
      'The same calls, measured as above: what a call costs when more and more wait, and how many times as much as with ' +
      `10,000 waiting. The priorities are mixed at random. Medians of ${rounds} rounds. In each the smallest size is run ` +
      `${plan.few.samples} times right before and right after each of the others, and the ratios are medians of those to the mean of ` +
      'all these runs. Between them nothing is collected but what V8 collects by itself, so that what calls leave behind is paid ' +
      'for at every size. Only the columns of this table compare with each other: the table of costs is of other minutes, in another ' +
      'state of the process.',
    tables: [
      {
        head: ['µs a call', '10,000 waiting', '100,000 waiting', '× 10,000', '1,000,000 waiting', '× 10,000'],
        rows: measured.map((contender) => [
          contender.name,
          costCell(costOf(contender, few)),
          costCell(costOf(contender, more)),
          cell(contender, more),
          costCell(costOf(contender, many)),
          cell(contender, many),
        ]),
      },
    ],
    reading:
      `Here a call of \`mergeWithConcurrency\` among ${written(many)} that wait costs ` +
      `${cell(fourPriorities, many)} times what it costs among ${written(few)}.`,
    verdicts: [
      atMost(
        'A call with 1,000,000 waiting, four priorities, beside 10,000 waiting',
        growth(fourPriorities, many),
        bounds.growth,
        2,
        '×',
      ),
    ],
  };
}
