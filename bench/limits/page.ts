import { bounds, mostStartsBefore, refusals } from './bounds';
import type { Client } from './client';
import { overviewOf, shownCell } from './overview';
import { columns, count, judge, ratio, rowsOf, says, startsBefore, type ShapeReport } from './report';

/** What the page says besides the tables. */
export interface PageFacts {
  readonly date: string;
  readonly node: string;
  /** Package and version of everything measured. */
  readonly versions: readonly (readonly [name: string, version: string])[];
  readonly hasTrace: boolean;
  readonly clients: readonly Client[];
}

/** The page `docs/limits.md`. */
export function page(reports: readonly ShapeReport[], facts: PageFacts): string {
  const overview = overviewOf(reports);
  const judgments = reports.flatMap(judge);
  const kept = judgments.filter(({ missed }) => missed.length === 0).length;
  return `# How close to the limit

Written by \`npm run bench:limits\`; do not edit it by hand. ${facts.date}, Node ${facts.node}, ${facts.versions
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.

Finishing time over that of an oracle which knows the provider's books: 1.00 is the best that can be done. Each client
where the provider says most of its limits; **rxllm, told nothing** gets bare 429s and no headers. "Lost" are requests
without an answer that the provider would have answered; "–" means that the client makes no sense there.

${markdownTable(
  ['Shape', ...overview.columns.map(({ title }) => title)],
  overview.rows.map(({ name, cells }) => [`\`${name}\``, ...cells.map(shownCell)]),
)}

![The same as bars: a row for each shape, a column for each client](limits.svg)

${overview.rows.map(({ name, title }) => `- \`${name}\`: ${title}.`).join('\n')}

## What is measured

Every client answers the same requests from the same simulated provider (\`rxllm/testing\`), in virtual time, with
at most 100 calls running (p-throttle has no such bound). A call takes 300 ms and 5 ms more for each token of its
answer, about 100 of them; a refused one hears so after 100 ms. **Refused calls count against the limit**, as they do
at OpenAI. Chance is seeded: the same versions give the same figures.

The provider says of its limits either all (\`headers\`: OpenAI's rate-limit headers on every answer, Retry-After on
429), only Retry-After in whole seconds, or nothing (a bare 429). A client that does not look at any of it ("any") is
run once.

The oracle knows the provider's books: it starts each request, first come, first served, at the earliest moment the
provider admits it, and is never refused. Where a neighbour has a share of the limit, the oracle leaves it that share;
a client that takes it from the neighbour may be faster. Where calls are shed by chance, so are those of the oracle,
which asks again as soon as it hears so; where only so many calls may run at once, it never has more; and it leaves out
requests that are always refused.

- **Finished**: seconds until the last request was answered that the provider would ever answer, or given up where any
  was lost. **× oracle** compares that with the oracle's;
  it stands in brackets where requests were lost, since then it compares less work with all of it.
- **429s per 100**: refused calls per 100 requests, retries included.
- **Lost**: requests without an answer that the provider would have answered.
- **Mean s to answer**: seconds from arrival to answer, of those that were answered.
- **p95 wait, s**: seconds between arrival and the start of the call that was answered, which 95 of 100 keep.
- **Starts before CRITICAL**: in a run of its own, two CRITICAL requests arrive after 10 % and after 60 % of the
  oracle's time; how many other calls were started between the arrival of each and its own start. Only for batches and
  for clients with priorities.

A run is stopped after 6 hours of virtual or 60 seconds of real time.

## How each is set up

${facts.clients.map(({ title, setUp }) => `- **${title}**: ${setUp}.`).join('\n')}

Each as its own documentation says; the files in \`bench/limits/clients/\` cite the advice they follow. The true limit
is the one that the provider would publish: changes, neighbours and hidden limits are told to nobody. Where tokens bind,
p-queue, which only counts requests, is told what the limit comes to in requests of mean cost; the others weigh each
request by its prompt and a usual answer.

## rxllm and its bounds

None lost; finished within ${bounds.headers.ratio.toFixed(2)} × the oracle's time and at most ${bounds.headers.refusals} % of the requests refused where
headers state the limits, ${bounds.bare.ratio.toFixed(2)} × and ${bounds.bare.refusals} % elsewhere; a CRITICAL request after at most ${mostStartsBefore} other starts. Where calls are refused for other reasons than the limits (the shapes from
\`shed-5-told\` on), the bounds are times: of finishing, next to the best rival that lost nothing, and of waiting. Kept in
${kept} of ${judgments.length} runs.

${markdownTable(
  ['Shape', 'Provider says', '× oracle', '429s per 100', 'Lost', 'Starts before CRITICAL', 'Bounds'],
  judgments.map(({ shape, signals, figures, oracle, urgent, missed }) => [
    shape.name,
    says[signals],
    ratio(figures, oracle),
    refusals(figures).toFixed(2),
    count(figures.lost),
    urgent ? startsBefore(urgent) : '–',
    missed.length === 0 ? 'kept' : `**missed**: ${missed.join('; ')}`,
  ]),
)}

## The tables

${reports
  .map(
    (report) =>
      `### ${report.shape.title}\n\n\`--only ${report.shape.name}\`\n\n${markdownTable(columns, rowsOf(report))}`,
  )
  .join('\n\n')}

### Recorded arrivals

${
  facts.hasTrace
    ? 'The recorded arrivals are the conversations of the Azure LLM inference trace of 2023 ' +
      '([AzurePublicDataset](https://github.com/Azure/AzurePublicDataset), CC BY 4.0).'
    : '**Left out**: no file of recorded arrivals was given; see `bench/README.md`.'
}
`;
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
