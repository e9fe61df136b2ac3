import type { PageHead } from '../shared/report';

/** What `docs/performance.md` says before its figures. */
export const pageHead: PageHead = {
  title: 'What rxllm itself costs',
  command: 'npm run bench',
  reading: [
    'How much time and memory rxllm adds to your calls, beside RxJS alone and other libraries; whether that grows with ' +
      'the backlog or with the months; and what its cache and its batches are worth.',
    'All figures are of one run on that machine, all parts after each other in one process without anything that slows ' +
      'functions down for the sake of debugging. Microseconds are those of this machine; ratios travel better, as all that is ' +
      'compared took turns in the same minutes. What differs by less than a third may be the other way round in the next run. A ' +
      'figure is that of code which has run before: the first few thousand calls of a process cost up to ten times as much, ' +
      'in every library. Bounds that are missed are shown as missed.',
    'The others do other things, too: `mergeMap` knows no priorities and ends with the first error; p-queue, p-limit, ' +
      'cockatiel and Bottleneck take functions and return promises, so that each waiting request is a promise and a function; ' +
      'Effect’s `forEach` walks a list that is known. rxllm yields an outcome object for each request, with how long it waited and took.',
  ].join('\n\n'),
};
