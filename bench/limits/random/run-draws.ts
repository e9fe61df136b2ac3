import { progress } from '../../shared/progress';
import type { StreamClient } from '../client';
import type { Figures } from '../figures';
import { oracleOf, type OracleFigures } from '../oracle';
import { streamRun } from '../stream-run';
import { drawOf, type Draw } from './draw';

/** What clients made of one draw. */
export interface DrawReport {
  readonly draw: Draw;
  readonly oracle: OracleFigures;
  /** By the name of the client. */
  readonly figures: ReadonlyMap<string, Figures>;
}

/** Milliseconds of virtual time that rxllm may take for what takes the oracle some minutes. */
const patience = 7_200_000;
/** A client that only stands for what people do without rxllm may take so many times as long as the oracle. */
const rivalPatience = 10;

/** Runs clients against draws, one after the other. */
export function runDraws(
  seed: number,
  indices: readonly number[],
  clients: readonly StreamClient[],
): DrawReport[] {
  const reports = indices.map((index, position) => {
    progress(`draw ${index} (${position + 1} of ${indices.length})`);
    const draw = drawOf(seed, index);
    const oracle = oracleOf(draw.shape);
    const figures = clients.map((client) => {
      const most = client.name === 'rxllm' ? patience : Math.min(patience, rivalPatience * oracle.finished);
      return [client.name, streamRun(client, draw.shape, draw.says, { patience: most })] as const;
    });
    return { draw, oracle, figures: new Map(figures) };
  });
  progress('');
  return reports;
}
