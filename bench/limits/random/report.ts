import Table from 'cli-table3';
import type { StreamClient } from '../client';
import type { Figures } from '../figures';
import type { OracleFigures } from '../oracle';
import { randomVerdicts, type RandomVerdict } from './bounds';
import { distributionOf, type Distribution } from './distribution';
import type { DrawReport } from './run-draws';

const worstShown = 10;

/** What is measured of a run, in the order of the tables. */
const measures: readonly {
  readonly title: string;
  readonly of: (figures: Figures, oracle: OracleFigures) => number;
}[] = [
  { title: 'Finished, × oracle', of: ratioOf },
  { title: 'p95 wait, s', of: ({ waitP95 }) => waitP95 / 1_000 },
  {
    title: 'p95 wait, s above the oracle',
    of: ({ waitP95 }, oracle) => (waitP95 - oracle.waitP95) / 1_000,
  },
  { title: 'Avoidable 429s per 100', of: avoidableOf },
];

function ratioOf({ finished }: Figures, oracle: OracleFigures): number {
  return finished / oracle.finished;
}

function avoidableOf({ avoidable, requests }: Figures): number {
  return (100 * avoidable) / requests;
}

/** How rxllm stands to its bounds; empty where it did not run. */
export function verdictsOf(reports: readonly DrawReport[]): RandomVerdict[] {
  const runs = runsOf('rxllm', reports);
  if (runs.length === 0) return [];
  return randomVerdicts(
    runs.reduce((sum, { figures }) => sum + figures.lost, 0),
    runs.filter(({ figures }) => figures.stopped !== undefined).length,
    distributionOf(runs.map(({ figures, oracle }) => ratioOf(figures, oracle))),
    distributionOf(runs.map(({ figures }) => avoidableOf(figures))),
  );
}

interface Run {
  readonly figures: Figures;
  readonly oracle: OracleFigures;
  readonly report: DrawReport;
}

function runsOf(client: string, reports: readonly DrawReport[]): Run[] {
  return reports.flatMap((report) => {
    const figures = report.figures.get(client);
    return figures ? [{ figures, oracle: report.oracle, report }] : [];
  });
}

/** The distributions of all clients, for the terminal. */
export function distributionTables(reports: readonly DrawReport[], clients: readonly StreamClient[]): string {
  const table = new Table({
    head: ['Client', '', 'min', 'median', 'p90', 'p95', 'p99', 'max'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const { name, title } of clients) {
    const runs = runsOf(name, reports);
    for (const measure of measures) {
      const values = runs.map(({ figures, oracle }) => measure.of(figures, oracle));
      table.push([title, measure.title, ...cellsOf(distributionOf(values))]);
    }
    const lost = runs.reduce((sum, { figures }) => sum + figures.lost, 0);
    const losing = runs.filter(({ figures }) => figures.lost > 0).length;
    const stopped = runs.filter(({ figures }) => figures.stopped !== undefined).length;
    table.push([
      title,
      { colSpan: 7, content: `${lost} requests lost in ${losing} runs; ${stopped} runs stopped` },
    ]);
  }
  return `${table.toString()}\n`;
}

function cellsOf({ min, median, p90, p95, p99, max }: Distribution): string[] {
  return [min, median, p90, p95, p99, max].map((value) => value.toFixed(2));
}

/** Figures of rxllm by kind of draw, for the terminal; a draw is of several kinds. */
export function kindsTable(reports: readonly DrawReport[]): string {
  const table = new Table({
    head: [
      'Kind of draw',
      'Draws',
      'median ×',
      'p95 ×',
      'max ×',
      'median avoidable',
      'p95 avoidable',
      'lost',
    ],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  const runs = runsOf('rxllm', reports);
  const kinds = [...new Set(reports.flatMap(({ draw }) => draw.kinds))].sort();
  for (const kind of kinds) {
    const own = runs.filter(({ report }) => report.draw.kinds.includes(kind));
    const ratios = distributionOf(own.map(({ figures, oracle }) => ratioOf(figures, oracle)));
    const avoidable = distributionOf(own.map(({ figures }) => avoidableOf(figures)));
    table.push([
      kind,
      own.length,
      ...[ratios.median, ratios.p95, ratios.max, avoidable.median, avoidable.p95].map((value) =>
        value.toFixed(2),
      ),
      own.reduce((sum, { figures }) => sum + figures.lost, 0),
    ]);
  }
  return `${table.toString()}\n`;
}

/** The draws in which rxllm did worst: those that lost requests first, then by the time they took. */
export function worstDraws(reports: readonly DrawReport[]): string {
  const runs = runsOf('rxllm', reports).sort(
    (one, other) =>
      Number(other.figures.lost > 0) - Number(one.figures.lost > 0) ||
      ratioOf(other.figures, other.oracle) - ratioOf(one.figures, one.oracle),
  );
  return runs
    .slice(0, worstShown)
    .map((run) => runLine(run))
    .join('');
}

/** The draws in which most calls were refused without need. */
export function mostRefusedDraws(reports: readonly DrawReport[]): string {
  return runsOf('rxllm', reports)
    .sort((one, other) => avoidableOf(other.figures) - avoidableOf(one.figures))
    .slice(0, 3)
    .map((run) => runLine(run))
    .join('');
}

/** What rxllm made of one draw, and how to run just that one. */
function runLine({ figures, oracle, report: { draw } }: Run): string {
  const facts = [
    `${ratioOf(figures, oracle).toFixed(2)} × ${(oracle.finished / 1_000).toFixed(0)} s`,
    `p95 wait ${(figures.waitP95 / 1_000).toFixed(1)} s (oracle ${(oracle.waitP95 / 1_000).toFixed(1)} s)`,
    `${avoidableOf(figures).toFixed(1)} avoidable per 100`,
    ...(figures.lost > 0 ? [`${figures.lost} of ${oracle.requests} lost`] : []),
    ...(figures.stopped === undefined ? [] : [`stopped ${figures.stopped}`]),
  ];
  return (
    `  ${facts.join(', ')}\n    ${draw.description}\n` +
    `    --random 1 --seed ${draw.seed} --draw ${draw.index} --timeline\n`
  );
}

/** How rxllm stands to its bounds, in lines for the terminal. */
export function verdictLines(verdicts: readonly RandomVerdict[]): string {
  return verdicts
    .map(
      ({ what, measured, bound, isKept }) =>
        `  ${isKept ? 'kept  ' : 'MISSED'}  ${what}: ${measured} (${bound})\n`,
    )
    .join('');
}
