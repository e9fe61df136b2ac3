import type { StreamClient } from '../client';
import { Timeline } from '../timeline';
import { streamRun } from '../stream-run';
import { drawOf } from './draw';
import {
  distributionTables,
  kindsTable,
  mostRefusedDraws,
  verdictLines,
  verdictsOf,
  worstDraws,
} from './report';
import { runDraws } from './run-draws';

/** What the user asked of the draws. */
export interface RandomOptions {
  readonly count: number;
  readonly seed: number;
  /** The only draw to run; undefined: the first `count`. */
  readonly draw: number | undefined;
}

const write = (text: string) => void process.stdout.write(text);

/**
 * Runs clients against draws and says how they did.
 * @returns whether rxllm kept its bounds
 */
export function randomBench(
  { count, seed, draw }: RandomOptions,
  clients: readonly StreamClient[],
  hasTimeline: boolean,
): boolean {
  const indices = draw === undefined ? Array.from({ length: count }, (_, index) => index) : [draw];
  if (hasTimeline) {
    for (const client of clients) timelineOf(client, seed, indices[0]!);
  }
  const reports = runDraws(seed, indices, clients);
  const verdicts = verdictsOf(reports);
  write(`${indices.length} draws of seed ${seed}\n${distributionTables(reports, clients)}\n`);
  if (verdicts.length === 0) return true;
  if (indices.length > 1) write(`rxllm by kind of draw\n${kindsTable(reports)}\n`);
  write(`The draws in which rxllm did worst\n${worstDraws(reports)}\n`);
  if (indices.length > 1) write(`The draws with most avoidable 429s\n${mostRefusedDraws(reports)}\n`);
  write(`rxllm and its bounds\n${verdictLines(verdicts)}`);
  return verdicts.every(({ isKept }) => isKept);
}

function timelineOf(client: StreamClient, seed: number, index: number): void {
  const { shape, says, description } = drawOf(seed, index);
  write(`${client.title}, ${shape.name}: ${description}\n`);
  streamRun(client, shape, says, { everySecond: new Timeline(write).note });
}
