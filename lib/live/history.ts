import type { CallEvent, ErrorKind, StatsSnapshot } from 'rxllm';
import type { LivePoint } from './live-state';
import type { LastMinute } from './verdict';

/** Milliseconds between two points at least, and the number of points that are kept: ten minutes. */
const spacing = 1000;
const mostPoints = 600;

/** The most durations in one point. */
const mostTimes = 5000;

/** The last minutes as points, at most one per second, made of the differences of snapshots. */
export class History {
  #points: LivePoint[] = [];
  /** The snapshots of the last minute. */
  #recent: StatsSnapshot[] = [];
  /** The latencies of calls and the waits of starts since the last point. */
  #calls: number[] = [];
  #waits: number[] = [];

  /** The points after a time. */
  since(time: number): LivePoint[] {
    return this.#points.filter(({ at }) => at > time);
  }

  next(event: CallEvent): void {
    if (event.type === 'finished' && event.result !== 'aborted' && this.#calls.length < mostTimes) {
      this.#calls.push(event.latency);
    } else if (event.type === 'started' && this.#waits.length < mostTimes) {
      this.#waits.push(event.waited);
    }
  }

  add(snapshot: StatsSnapshot): void {
    const last = this.#recent.at(-1);
    if (last && snapshot.at - last.at < spacing) {
      return;
    }
    if (last) {
      this.#points.push({
        ...ratesBetween(last, snapshot),
        ...(this.#calls.length > 0 && {
          callP50: quantile(this.#calls, 0.5),
          callP95: quantile(this.#calls, 0.95),
        }),
        ...(this.#waits.length > 0 && { waitP95: quantile(this.#waits, 0.95) }),
      });
      this.#calls = [];
      this.#waits = [];
      if (this.#points.length > mostPoints) {
        this.#points.shift();
      }
    }
    this.#recent.push(snapshot);
    while (this.#recent.length > 1 && this.#recent[1]!.at <= snapshot.at - 60_000) {
      this.#recent.shift();
    }
  }

  /** What happened in the minute before this snapshot. */
  lastMinute({ errors, times }: StatsSnapshot): LastMinute {
    const before = this.#recent[0];
    const counts = Object.entries(errors) as [ErrorKind, number][];
    return {
      errors: Object.fromEntries(counts.map(([kind, count]) => [kind, count - (before?.errors[kind] ?? 0)])),
      calls: times.call.count - (before?.times.call.count ?? 0),
    };
  }
}

function ratesBetween(before: StatsSnapshot, now: StatsSnapshot): LivePoint {
  const seconds = (now.at - before.at) / 1000;
  return {
    at: now.at,
    received: (now.metrics.totalCalls - before.metrics.totalCalls) / seconds,
    settled: (sumOf(now.outcomes) - sumOf(before.outcomes)) / seconds,
    failed: (now.outcomes.failed - before.outcomes.failed) / seconds,
    oldestWait: now.executor.oldestWait,
  };
}

function quantile(times: number[], share: number): number {
  return times.sort((one, other) => one - other)[Math.ceil(times.length * share) - 1]!;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
