import Table from 'cli-table3';
import { bounds, missedBounds, missedFieldBound, mostStartsBefore, refusals } from './bounds';
import type { Client } from './client';
import type { OracleFigures } from './oracle';
import type { Figures } from './figures';
import type { Shape, SignalsName } from './shape';

/** One client against one shape. */
export interface Cell {
  readonly client: Client;
  /** Undefined: the client does not look at the answers, so that one run stands for all. */
  readonly signals: SignalsName | undefined;
  readonly figures: Figures;
  /** The run with two CRITICAL requests, where there is a backlog and the client knows priorities. */
  readonly urgent?: Figures;
}

/** All that was measured of one shape. */
export interface ShapeReport {
  readonly shape: Shape;
  readonly oracle: OracleFigures;
  readonly cells: readonly Cell[];
}

/** How rxllm stands to the bounds on one shape where the provider says so much. */
export interface Judgment {
  readonly shape: Shape;
  readonly signals: SignalsName;
  readonly figures: Figures;
  readonly oracle: OracleFigures;
  readonly urgent: Figures | undefined;
  readonly missed: readonly string[];
}

export function judge(report: ShapeReport): Judgment[] {
  const { shape, oracle, cells } = report;
  return cells.flatMap(({ client, signals, figures, urgent }) =>
    client.name === 'rxllm' && signals
      ? [
          {
            shape,
            signals,
            figures,
            oracle,
            urgent,
            missed: shape.bound
              ? missedFieldBound(figures, shape.bound, bestRival(report))
              : missedBounds(figures, oracle, signals, urgent),
          },
        ]
      : [],
  );
}

/** When the fastest finished of those besides rxllm that lost nothing; undefined where there is none. */
function bestRival({ cells }: ShapeReport): number | undefined {
  const finished = cells
    .filter(({ client, figures }) => client.name !== 'rxllm' && figures.lost === 0)
    .map(({ figures }) => figures.finished);
  return finished.length > 0 ? Math.min(...finished) : undefined;
}

const says: Readonly<Record<SignalsName, string>> = {
  headers: 'headers',
  'retry-after': 'Retry-After',
  bare: 'bare 429',
};

const columns = [
  'Client',
  'Provider says',
  'Finished, s',
  '× oracle',
  '429s per 100',
  'Lost',
  'Mean s to answer',
  'p95 wait, s',
  'Starts before CRITICAL',
];

function rowsOf({ oracle, cells }: ShapeReport): string[][] {
  return [
    [
      'oracle',
      '–',
      seconds(oracle.finished),
      '1.000',
      '0.0',
      '0',
      seconds(oracle.timeToAnswer),
      seconds(oracle.waitP95),
      '–',
    ],
    ...cells.map(({ client, signals, figures, urgent }) =>
      rowOf(client.title, signals ? says[signals] : 'any', figures, oracle, urgent),
    ),
  ];
}

function rowOf(
  title: string,
  said: string,
  figures: Figures,
  oracle: OracleFigures,
  urgent?: Figures,
): string[] {
  const isWhole = figures.stopped === undefined;
  return [
    title,
    said,
    isWhole ? seconds(figures.finished) : `stopped ${figures.stopped}`,
    isWhole ? ratio(figures, oracle) : '–',
    refusals(figures).toFixed(1),
    isWhole ? count(figures.lost) : `${count(figures.lost)} unanswered`,
    ...[figures.timeToAnswer, figures.waitP95].map((time) => (Number.isNaN(time) ? '–' : seconds(time))),
    urgent ? startsBefore(urgent) : '–',
  ];
}

/** In brackets where it compares less work with all of it. */
function ratio({ finished, lost }: Figures, oracle: OracleFigures): string {
  const text = (finished / oracle.finished).toFixed(3);
  return lost > 0 ? `(${text})` : text;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(1);
}

function startsBefore(urgent: Figures): string {
  return urgent.startsBefore.map((starts) => (starts === undefined ? 'never' : count(starts))).join(' / ');
}

function count(value: number): string {
  return value.toLocaleString('en');
}

/** A table for the terminal. */
export function terminalTable(report: ShapeReport): string {
  const table = new Table({
    head: columns,
    style: { head: [], border: [], compact: true },
    colAligns: columns.map((_, index) => (index < 2 ? 'left' : 'right')),
  });
  table.push(...rowsOf(report));
  return `${report.shape.name}: ${report.shape.title}\n${table.toString()}\n`;
}

/** How rxllm stands to its bounds, in lines for the terminal. */
export function terminalJudgment(judgments: readonly Judgment[]): string {
  const missed = judgments.filter((judgment) => judgment.missed.length > 0);
  return [
    `rxllm keeps its bounds in ${judgments.length - missed.length} of ${judgments.length} runs.`,
    ...missed.map(
      ({ shape, signals, missed: reasons }) => `  ${shape.name}, ${says[signals]}: ${reasons.join('; ')}`,
    ),
    '',
  ].join('\n');
}

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
  const judgments = reports.flatMap(judge);
  const kept = judgments.filter(({ missed }) => missed.length === 0).length;
  return `# How close to the limit

Written by \`npm run bench:limits\`; do not edit it by hand. ${facts.date}, Node ${facts.node}, ${facts.versions
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.

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
a client that takes it from the neighbour may be faster.

- **Finished**: seconds until the last request was answered or given up. **× oracle** compares that with the oracle's;
  it stands in brackets where requests were given up, since then it compares less work with all of it.
- **429s per 100**: refused calls per 100 requests, retries included.
- **Lost**: requests without an answer that the provider would have answered.
- **Mean s to answer**: seconds from arrival to answer, of those that were answered.
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

None given up; finished within ${bounds.headers.ratio.toFixed(2)} × the oracle's time and at most ${bounds.headers.refusals} % of the requests refused where
headers state the limits, ${bounds.bare.ratio.toFixed(2)} × and ${bounds.bare.refusals} % elsewhere; a CRITICAL request after at most ${mostStartsBefore} other starts. Kept in
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
