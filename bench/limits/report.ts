import Table from 'cli-table3';
import { missedBounds, missedFieldBound, refusals } from './bounds';
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

/** How the tables call what a provider says. */
export const says: Readonly<Record<SignalsName, string>> = {
  headers: 'headers',
  'retry-after': 'Retry-After',
  bare: 'bare 429',
};

/** What the table of a shape shows. */
export const columns = [
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

/** The rows of the table of a shape. */
export function rowsOf({ oracle, cells }: ShapeReport): string[][] {
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

/** Finishing time over the oracle's; in brackets where it compares less work with all of it. */
export function ratio({ finished, lost }: Figures, oracle: OracleFigures): string {
  const text = (finished / oracle.finished).toFixed(3);
  return lost > 0 ? `(${text})` : text;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(1);
}

/** How many calls were started before each urgent one. */
export function startsBefore(urgent: Figures): string {
  return urgent.startsBefore.map((starts) => (starts === undefined ? 'never' : count(starts))).join(' / ');
}

/** A number with commas. */
export function count(value: number): string {
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
