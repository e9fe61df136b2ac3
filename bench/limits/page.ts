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
  const ratios = judgments.map(({ figures, oracle }) => figures.finished / oracle.finished);
  const lost = judgments.reduce((sum, { figures }) => sum + figures.lost, 0);
  return `# How close to the limit

With all else default, \`new LLMCallOptimizer({ maxConcurrent: 100 })\` takes ${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)} times as long as an
oracle that knows the limits of the provider, loses ${lost === 0 ? 'no request' : `${count(lost)} requests`}, and keeps its bounds in ${kept} of ${judgments.length} runs.

${markdownTable(
  ['Shape', ...overview.columns.map(({ title }) => title)],
  overview.rows.map(({ name, cells }) => [`\`${name}\``, ...cells.map(shownCell)]),
)}

![The same as bars: a row for each shape, a column for each client](limits.svg)

The figures are the finishing time over that of the oracle: 1.00 is the best possible. In most columns the provider says
most of its limits; **rxllm, told nothing** gets bare 429s and no headers. "Lost" requests got no answer, although the
provider would have answered them. "–" means that the client makes no sense there.

${overview.rows.map(({ name, title }) => `- \`${name}\`: ${title}.`).join('\n')}

## rxllm and its bounds

rxllm keeps its bounds in ${kept} of ${judgments.length} runs. In all of them, no request may be lost. If headers state the limits, a run may take
${bounds.headers.ratio.toFixed(2)} × the time of the oracle, and ${bounds.headers.refusals} % of the requests may be refused; else ${bounds.bare.ratio.toFixed(2)} × and ${bounds.bare.refusals} %. A CRITICAL
request starts after at most ${mostStartsBefore} other starts. If calls are refused for other reasons than the limits (the shapes from
\`shed-5-told\` on), the bounds are times: the time of the best rival that lost nothing, and the wait.

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

## What is measured

Every client answers the same requests from the same simulated provider (\`rxllm/testing\`), in virtual time, with
at most 100 running calls (p-throttle has no such bound). A call takes 300 ms, and 5 ms more for each token of its
answer (about 100 tokens). A refused call hears so after 100 ms. **Refused calls count against the limit**, as they do
at OpenAI. Chance is seeded: the same versions give the same figures.

The provider says all of its limits (\`headers\`: OpenAI's rate-limit headers on every answer, Retry-After on
429), only Retry-After in whole seconds, or nothing (a bare 429). A client that ignores all of it ("any") runs once.

The oracle knows the books of the provider. It starts each request, first come, first served, at the earliest moment at
which the provider admits it, and is never refused. If a neighbour has a share of the limit, the oracle leaves it that
share; a client that takes it from the neighbour may be faster. If calls are shed by chance, so are those of the oracle,
which asks again as soon as it hears so. If only so many calls may run at once, the oracle never has more. It leaves out
requests that are always refused.

- **Finished**: seconds until the last answer that the provider would ever give, or until the client gave up if any
  request was lost. **× oracle** compares that with the oracle's time. It stands in brackets if requests were lost, since
  then it compares less work with all of it.
- **429s per 100**: refused calls per 100 requests, retries included.
- **Lost**: requests without an answer that the provider would have answered.
- **Mean s to answer**: seconds from arrival to answer, of the answered requests.
- **p95 wait, s**: seconds between arrival and the start of the answered call; 95 of 100 requests wait at most so long.
- **Starts before CRITICAL**: in a run of its own, two CRITICAL requests arrive after 10 % and after 60 % of the
  oracle's time. The figure counts the calls that started between the arrival of each and its own start. It exists only
  for batches and for clients with priorities.

A run is stopped after 6 hours of virtual or 60 seconds of real time.

## How each client is set up

${facts.clients.map(({ title, setUp }) => `- **${title}**: ${setUp}.`).join('\n')}

Each client is set up as its own documentation says; the files in \`bench/limits/clients/\` cite that advice. The true
limit is the limit that the provider would publish: no client is told of changes, neighbours and hidden limits. If tokens
bind, p-queue, which only counts requests, is told the limit in requests of mean cost; the others weigh each request by
its prompt and a usual answer.

${
  facts.hasTrace
    ? 'The recorded arrivals are the conversations of the Azure LLM inference trace of 2023 ' +
      '([AzurePublicDataset](https://github.com/Azure/AzurePublicDataset), CC BY 4.0).'
    : 'The recorded arrivals are **left out**: no file of them was given; see `bench/README.md`.'
}

Written by \`npm run bench:limits\`; do not edit it by hand. ${facts.date}, Node ${facts.node}, ${facts.versions
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.
`;
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
