/**
 * How close to the limit: rxllm and its rivals against one simulated provider, in virtual time, next to an oracle.
 *
 * Run it: npm run bench:limits -- --help
 */
import { startedAt } from './virtual-time';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runCommand, stopped } from '../shared/command';
import { UsageError } from '../shared/flags';
import { writePage } from '../shared/page-file';
import type { Client, StreamClient } from './client';
import { clients, streamClients } from './clients/index';
import { oracleOf, type OracleFigures } from './oracle';
import { chart } from './chart';
import { overviewOf } from './overview';
import { help, readOptions, type Options } from './options';
import { page } from './page';
import { judge, terminalJudgment, terminalTable, type Cell, type ShapeReport } from './report';
import { randomBench } from './random/main';
import { run } from './run';
import { signals, type Shape, type SignalsName } from './shape';
import { shapes } from './shapes';
import { streamRun } from './stream-run';
import { Timeline } from './timeline';
import { readTrace } from './trace';
import { realMilliseconds } from './real-time';

const measured = [
  'rxjs',
  'p-queue',
  'p-retry',
  'bottleneck',
  'p-throttle',
  '@langchain/core',
  '@smithy/core',
  'openai',
];
const pagePath = fileURLToPath(new URL('../../docs/limits.md', import.meta.url));

const chartPath = fileURLToPath(new URL('../../docs/limits.svg', import.meta.url));

await runCommand({ name: 'bench:limits', help }, readOptions, bench);

async function bench(options: Options): Promise<void> {
  // Whoever reads the start of a long timeline and leaves is done with it.
  process.stdout.once('error', () => process.exit(0));
  const streams = streamClients.filter(({ name }) => options.client?.includes(name) ?? true);
  if (options.random) {
    const realStart = realMilliseconds();
    const isKept = randomBench(options.random, streams, options.timeline);
    process.stderr.write(`${(realMilliseconds(realStart) / 1_000).toFixed(0)} s\n`);
    if (options.check && !isKept) process.exitCode = 1;
    return;
  }
  const chosen = shapesOf(options);
  if (options.timeline) {
    for (const client of streams) writeTimeline(client, chosen[0]!, options.signals);
    return;
  }
  const stop = (signal: NodeJS.Signals) => {
    if (!process.stderr.isTTY) process.stderr.write('\n');
    stopped(signal);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const realStart = realMilliseconds();
  const reports: ShapeReport[] = [];
  for (const shape of chosen) {
    const report = await measure(shape, options);
    reports.push(report);
    progress('');
    process.stdout.write(`${terminalTable(report)}\n`);
  }
  if (options.trace === undefined && (options.quick || !options.only)) {
    process.stdout.write('trace: left out, since no --trace FILE was given\n\n');
  }
  const judgments = reports.flatMap(judge);
  if (judgments.length > 0) process.stdout.write(terminalJudgment(judgments));
  if (options.isFull) {
    await writeReport(reports, options.trace !== undefined);
    process.stderr.write(`Written: ${pagePath} and ${chartPath}\n`);
  }
  process.stderr.write(`${(realMilliseconds(realStart) / 1_000).toFixed(0)} s\n`);
  if (options.check && judgments.some(({ missed }) => missed.length > 0)) process.exitCode = 1;
}

function shapesOf({ only, trace }: Options): Shape[] {
  const isChosen = (name: string) => only?.includes(name) ?? true;
  const chosen = shapes.filter(({ name }) => isChosen(name));
  return trace !== undefined && isChosen('trace') ? [...chosen, readTrace(trace)] : chosen;
}

/** What happens second by second where the provider says as much as it does first of all that were chosen. */
function writeTimeline(client: StreamClient, shape: Shape, chosen: readonly SignalsName[]): void {
  const signalsName = chosen.find((name) => shape.signals?.includes(name) ?? true);
  if (signalsName === undefined) throw new UsageError(`--signals leaves nothing of ${shape.name}`);
  const write = (line: string) => void process.stdout.write(line);
  write(`${client.title}, ${signalsName}: ${shape.title}\n`);
  const figures = streamRun(client, shape, signals[signalsName], { everySecond: new Timeline(write).note });
  write(`${JSON.stringify({ oracle: oracleOf(shape).finished, ...figures })}\n`);
}

async function measure(shape: Shape, options: Options): Promise<ShapeReport> {
  const best = oracleOf(shape);
  const cells: Cell[] = [];
  const isSaid = (name: SignalsName) => shape.signals?.includes(name) ?? true;
  const chosen = clients.filter(
    ({ name, needsLimit }) =>
      (options.client?.includes(name) ?? true) && (shape.told !== undefined || !needsLimit),
  );
  for (const client of chosen) {
    for (const said of client.readsAnswers ? options.signals.filter(isSaid) : [undefined]) {
      cells.push(await measureClient(client, shape, said, best));
    }
  }
  return { shape, oracle: best, cells };
}

async function measureClient(
  client: Client,
  shape: Shape,
  signals: SignalsName | undefined,
  best: OracleFigures,
): Promise<Cell> {
  progress(`${shape.name}: ${client.title}${signals ? `, ${signals}` : ''}`);
  const figures = await run(client, shape, signals ?? 'bare');
  // Where requests arrive one by one, there may be no backlog to overtake.
  const urgent =
    client.hasPriorities && !shape.arrivals && !shape.bound
      ? await run(client, shape, signals ?? 'bare', [0.1 * best.finished, 0.6 * best.finished])
      : undefined;
  tookSeconds(figures.wall + (urgent?.wall ?? 0));
  return { client, signals, figures, ...(urgent && { urgent }) };
}

/** One line that is written over and over; lines below each other where nobody watches. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : text);
}

/** How long what the last line of progress says has taken. */
function tookSeconds(milliseconds: number): void {
  if (!process.stderr.isTTY) process.stderr.write(`: ${(milliseconds / 1_000).toFixed(1)} s\n`);
}

async function writeReport(reports: readonly ShapeReport[], hasTrace: boolean): Promise<void> {
  const { devDependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { devDependencies: Record<string, string> };
  const text = page(reports, {
    date: startedAt.toISOString().slice(0, 10),
    node: process.versions.node,
    versions: measured.map((name) => [name, devDependencies[name] ?? 'unknown']),
    hasTrace,
    clients,
  });
  await writePage(pagePath, text);
  writeFileSync(chartPath, chart(overviewOf(reports)));
}
