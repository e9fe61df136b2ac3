import type { Figures } from './figures';
import type { OracleFigures } from './oracle';
import type { FieldBound, SignalsName } from './shape';

/** What rxllm has to keep where the provider says this much. */
export interface Bound {
  /** Time to finish over the oracle's. */
  readonly ratio: number;
  /** 429s per 100 requests. */
  readonly refusals: number;
}

export const bounds: Readonly<Record<SignalsName, Bound>> = {
  headers: { ratio: 1.03, refusals: 1 },
  'retry-after': { ratio: 1.1, refusals: 3 },
  bare: { ratio: 1.1, refusals: 3 },
};

/** The most other starts between the arrival of a CRITICAL request and its own: it is among the next three. */
export const mostStartsBefore = 2;

/** 429s per 100 requests. */
export function refusals({ refused, requests }: Figures): number {
  return (100 * refused) / requests;
}

/** Which bounds a run misses, each in a few words; empty if it keeps them all. */
export function missedBounds(
  figures: Figures,
  oracle: OracleFigures,
  signalsName: SignalsName,
  urgent?: Figures,
): string[] {
  const bound = bounds[signalsName];
  const ratio = figures.finished / oracle.finished;
  const missed = notWhole(figures);
  if (!(ratio <= bound.ratio)) missed.push(`${ratio.toFixed(3)} × > ${bound.ratio.toFixed(2)} ×`);
  if (!(refusals(figures) <= bound.refusals)) {
    missed.push(`${refusals(figures).toFixed(2)} 429s per 100 > ${bound.refusals}`);
  }
  if (urgent?.startsBefore.some((count) => !(count !== undefined && count <= mostStartsBefore))) {
    missed.push(`CRITICAL after ${urgent.startsBefore.map((count) => count ?? '–').join(' and ')} starts`);
  }
  return missed;
}

/**
 * The same where refusals have other reasons than the pace.
 * @param bestRival when the fastest rival finished that lost nothing, in milliseconds; undefined where none ran
 */
export function missedFieldBound(
  figures: Figures,
  { finished, ofBestRival, waitP95 }: FieldBound,
  bestRival?: number,
): string[] {
  const missed = notWhole(figures);
  const latest = bestRival !== undefined && ofBestRival !== undefined ? ofBestRival * bestRival : finished;
  if (!(figures.finished <= latest))
    missed.push(`finished after ${seconds(figures.finished)} > ${seconds(latest)}`);
  if (waitP95 !== undefined && !(figures.waitP95 <= waitP95)) {
    missed.push(`p95 wait ${seconds(figures.waitP95)} > ${seconds(waitP95)}`);
  }
  return missed;
}

function notWhole({ stopped, lost }: Figures): string[] {
  return [...(stopped === undefined ? [] : [`stopped ${stopped}`]), ...(lost > 0 ? [`${lost} lost`] : [])];
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}
