import type { SimulatedLimit, SimulatedNeighbour } from '../../../lib/testing';
import type { Chance } from './chance';

/** A limit of requests, and who else lives by it. */
export interface DrawnLimit {
  /** Calls a second. */
  readonly rate: number;
  readonly limit: SimulatedLimit;
  /** Requests that it lets through at once, at first. */
  readonly depth: number;
  /** Milliseconds, of a fixed window. */
  readonly window: number | undefined;
  readonly neighbours: readonly SimulatedNeighbour[];
  /** The limit without the neighbours' share, where there are any. */
  readonly forOracle: SimulatedLimit | undefined;
  readonly kinds: readonly string[];
  readonly description: string;
}

const minute = 60_000;
const hour = 3_600_000;
/** So many requests fit into the minute that a run takes at least. */
const mostDepthAndMinute = 3_000;

/** Draws a bucket or a fixed window; it may wander, and others may have a share of it. */
export function drawLimit(chance: Chance): DrawnLimit {
  const isWindow = chance.isIn(0.15);
  const windowLength = chance.isIn(0.7) ? 10_000 : minute;
  // Several windows have to fit into a run.
  const rate = chance.logBetween(1, isWindow && windowLength === minute ? 10 : 45);
  const perMinute = Math.max(1, Math.round(rate * 60));
  const depth = Math.round(Math.min(chance.logBetween(1, perMinute), mostDepthAndMinute - perMinute));
  const whole: SimulatedLimit = isWindow
    ? {
        of: 'requests',
        kind: 'fixed-window',
        window: windowLength,
        limit: Math.max(1, Math.round((perMinute * windowLength) / minute)),
      }
    : { of: 'requests', limit: perMinute, depth };
  const wanders = chance.isIn(0.15);
  const limit = wanders ? { ...whole, changes: drawChanges(chance, whole.limit) } : whole;
  const share = !wanders && chance.isIn(0.15) ? chance.between(0.05, 0.4) : 0;
  const arrivals = chance.oneOf(['even', 'poisson'] as const);
  return {
    rate: rate * (1 - share),
    limit,
    depth: isWindow ? whole.limit : depth,
    window: isWindow ? windowLength : undefined,
    neighbours: share > 0 ? [{ requestsPerMinute: perMinute * share, arrivals }] : [],
    forOracle: share > 0 ? { ...whole, limit: whole.limit * (1 - share) } : undefined,
    kinds: [
      isWindow ? 'fixed window' : depth <= 2 * rate ? 'shallow bucket' : 'deep bucket',
      ...(wanders ? ['wandering'] : []),
      ...(share > 0 ? ['neighbours'] : []),
    ],
    description:
      (isWindow
        ? `${whole.limit} in each ${windowLength / 1_000} s`
        : `${(perMinute / 60).toFixed(1)} a second, ${depth} deep`) +
      (wanders ? ', wanders' : '') +
      (share > 0 ? `, ${arrivals} neighbours take ${(100 * share).toFixed(0)} %` : ''),
  };
}

/** For an hour, a limit of up to three times as much or as little every half minute to two minutes. */
function drawChanges(chance: Chance, base: number): NonNullable<SimulatedLimit['changes']> {
  const changes: { at: number; limit: number }[] = [];
  let at = chance.between(30_000, 120_000);
  let limit = base;
  while (at < hour) {
    limit = Math.min(3 * base, Math.max(base / 3, limit * chance.logBetween(1 / 3, 3)));
    changes.push({ at: Math.round(at), limit: Math.max(1, Math.round(limit)) });
    at += chance.between(30_000, 120_000);
  }
  return changes;
}
