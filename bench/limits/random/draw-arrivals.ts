import type { Chance } from './chance';

/** How many requests come, and when. */
export interface DrawnArrivals {
  readonly size: number;
  /** Milliseconds since the start; undefined: all at once. */
  readonly times: readonly number[] | undefined;
  readonly kind: string;
  readonly description: string;
}

/** What arrivals have to fit. */
export interface Room {
  /** Calls a second that the provider takes. */
  readonly capacity: number;
  readonly mayBeBatch: boolean;
  /** Whether nothing of the provider's bounds what it takes. */
  readonly isEndless: boolean;
  /** Requests that it takes at once, at first. */
  readonly depth: number;
  /** Milliseconds, of a fixed window. */
  readonly window: number | undefined;
  readonly most: number;
}

/** Draws a batch, a steady stream or bursts that keep the provider busy for one to five minutes. */
export function drawArrivals(chance: Chance, room: Room): DrawnArrivals {
  const { capacity, mayBeBatch, isEndless, depth, window, most } = room;
  const lot = chance.between(0, 1);
  const seconds = window === 60_000 ? chance.between(180, 300) : chance.logBetween(60, 300);
  if (lot < 0.4 && mayBeBatch) {
    const size = batchSize(chance, capacity, seconds, depth, window);
    return batchOf(Math.min(most, size));
  }
  const load = isEndless ? 0.9 : lot < 0.8 ? chance.between(0.6, 1.3) : chance.between(0.5, 1);
  const rate = isEndless ? Math.min(load * capacity, chance.logBetween(1, 30)) : load * capacity;
  const size = Math.max(10, Math.min(most, Math.round(rate * seconds)));
  if (lot < 0.8) {
    const isEven = chance.isIn(0.5);
    return {
      size,
      times: timesOf(size, () => (isEven ? 1_000 / rate : chance.gap(1_000 / rate))),
      kind: 'steady',
      description: `${size} requests, ${rate.toFixed(1)} a second${isEven ? '' : ' by chance'}`,
    };
  }
  const every = chance.between(10, 40);
  const burst = Math.max(2, Math.round(rate * every));
  let count = 0;
  return {
    size,
    times: timesOf(size, () => (++count % burst === 0 ? 1_000 * every : 0)),
    kind: 'bursts',
    description: `${size} requests, ${burst} at once every ${every.toFixed(0)} s`,
  };
}

function batchOf(size: number): DrawnArrivals {
  return { size, times: undefined, kind: 'batch', description: `a batch of ${size}` };
}

/** In fixed windows the batch ends in the middle of one, so that one request more costs no whole window. */
function batchSize(
  chance: Chance,
  capacity: number,
  seconds: number,
  depth: number,
  window: number | undefined,
): number {
  const windows = window === undefined ? 0 : Math.round((1_000 * seconds) / window);
  return Math.max(
    20,
    Math.round(
      windows === 0
        ? Math.min(depth, 1_000) + capacity * seconds
        : depth * (windows + chance.between(0.2, 0.8)),
    ),
  );
}

/** The first comes at once, each next one after a gap. */
function timesOf(size: number, gap: () => number): number[] {
  const times: number[] = [];
  let at = 0;
  for (let index = 0; index < size; index += 1) {
    times.push(at);
    at += gap();
  }
  return times;
}
