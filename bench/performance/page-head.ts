import type { PageHead } from '../shared/report';
import { costChart } from './chart';

/** What `docs/performance.md` says before its figures. */
export const pageHead: PageHead = {
  title: 'What rxllm itself costs',
  command: 'npm run bench',
  chart: {
    file: 'performance.svg',
    alt: 'The same as dots: a row for each contender, a dot for each backlog',
    draw: costChart,
  },
  reading: [
    'All figures are of one run on that machine. The parts ran after each other in one process, without a debugger. ' +
      'Microseconds depend on the machine. Ratios depend on it less, because the contenders took turns in the same minutes. ' +
      'Two figures that differ by less than a third may change places in the next run. The code had run before it was ' +
      'measured: the first few thousand calls of a process cost up to ten times as much, in every library. The page shows ' +
      'missed bounds as missed.',
    'The libraries do different work. `mergeMap` knows no priorities and ends with the first error. p-queue, p-limit, ' +
      'cockatiel and Bottleneck take functions and return promises, so each waiting request is a promise and a function. ' +
      'Effect’s `forEach` walks a known list. rxllm yields an outcome object for each request, with its wait and its latency.',
  ].join('\n\n'),
};
