import type { Distribution, ErrorKind, StatsSnapshot } from '../index';
import type { LivePoint } from './live-state';
import type { LastMinute } from './verdict';

/** Milliseconds between points at least, and how many are kept: ten minutes. */
const spacing = 1000;
const mostPoints = 600;

const minute = 60_000;

/** The last minutes, a point a second at most, made of the differences of snapshots. */
export class History {
  #points: LivePoint[] = [];
  #last: StatsSnapshot | undefined;
  /** The snapshots of the last minute. */
  #recent: StatsSnapshot[] = [];

  /** The points after a time. */
  since(time: number): LivePoint[] {
    return this.#points.filter(({ at }) => at > time);
  }

  add(snapshot: StatsSnapshot): void {
    const last = this.#last;
    if (last && snapshot.at - last.at < spacing) {
      return;
    }
    if (last) {
      this.#points.push(pointBetween(last, snapshot));
      if (this.#points.length > mostPoints) {
        this.#points.shift();
      }
    }
    this.#last = snapshot;
    this.#recent.push(snapshot);
    while (this.#recent.length > 1 && this.#recent[1]!.at <= snapshot.at - minute) {
      this.#recent.shift();
    }
  }

  /** What has happened since the snapshot that was made a minute before this one. */
  lastMinute({ errors, times }: StatsSnapshot): LastMinute {
    const before = this.#recent[0];
    const counts = Object.entries(errors).map(([kind, count]) => [
      kind,
      count - (before?.errors[kind as ErrorKind] ?? 0),
    ]);
    return {
      errors: Object.fromEntries(counts) as LastMinute['errors'],
      calls: times.call.count - (before?.times.call.count ?? 0),
    };
  }
}

function pointBetween(before: StatsSnapshot, now: StatsSnapshot): LivePoint {
  const seconds = (now.at - before.at) / 1000;
  const perSecond = (count: (snapshot: StatsSnapshot) => number) => (count(now) - count(before)) / seconds;
  const callP50 = quantile(before.times.call, now.times.call, 0.5);
  const callP95 = quantile(before.times.call, now.times.call, 0.95);
  const waitP95 = quantile(before.times.wait, now.times.wait, 0.95);
  return {
    at: now.at,
    received: perSecond(({ metrics }) => metrics.totalCalls),
    settled: perSecond(({ outcomes }) => sumOf(outcomes)),
    failed: perSecond(({ outcomes }) => outcomes.failed),
    oldestWait: now.executor.oldestWait,
    ...(callP50 !== undefined && { callP50 }),
    ...(callP95 !== undefined && { callP95 }),
    ...(waitP95 !== undefined && { waitP95 }),
  };
}

/** The quantile of what was measured in between, from the bounds of its bucket; undefined if nothing was. */
function quantile(before: Distribution, now: Distribution, share: number): number | undefined {
  const rank = share * (now.count - before.count);
  if (rank === 0) {
    return undefined;
  }
  let lower = 1;
  let below = 0;
  for (const [index, { upTo, count }] of now.buckets.entries()) {
    const within = count - (before.buckets[index]?.count ?? 0);
    if (within >= rank) {
      return lower * (upTo / lower) ** ((rank - below) / (within - below));
    }
    lower = upTo;
    below = within;
  }
  return lower;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
