import type { ErrorKind, StatsSnapshot } from 'rxllm';

/** One second of the charts. Rates are per second, times milliseconds. */
export interface LivePoint {
  /** Milliseconds on the clock of the statistics. */
  readonly at: number;
  readonly received: number;
  readonly settled: number;
  readonly failed: number;
  readonly oldestWait: number;
  /** Of calls that ended and starts that happened since the last point; absent without any. */
  readonly callP50?: number;
  readonly callP95?: number;
  readonly waitP95?: number;
}

/** The headline of the page. */
export interface Verdict {
  readonly tone: 'idle' | 'good' | 'warning' | 'bad';
  /** What holds the next request, or that nothing does. */
  readonly text: string;
  /** When that ends, in milliseconds on the clock of the statistics; absent if it does not depend on time. */
  readonly until?: number;
  /** What to do about it. */
  readonly advice: string;
}

/** A kind of error that has occurred. */
export interface LiveError {
  readonly kind: ErrorKind;
  readonly count: number;
  /** The number in the last minute. */
  readonly recent: number;
  readonly hint: string;
}

/** The requests of one lane. */
export interface LiveLane {
  readonly lane: string;
  readonly waiting: number;
  readonly started: number;
  /** The mean time from arrival to first start, in milliseconds. */
  readonly meanWait: number;
}

/** Everything that the page shows, as in `/state.json`. An infinite `maxConcurrent` is null in JSON. */
export interface LiveState {
  readonly title: string;
  readonly currency: string;
  readonly isClosed: boolean;
  readonly verdict: Verdict;
  readonly snapshot: StatsSnapshot;
  readonly errors: readonly LiveError[];
  readonly lanes: readonly LiveLane[];
  readonly points: readonly LivePoint[];
}
