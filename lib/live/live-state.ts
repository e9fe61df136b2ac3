import type { ErrorKind, StatsSnapshot } from 'rxllm';

/** One second of the charts. Rates are per second, times milliseconds. */
export interface LivePoint {
  /** On the clock of the statistics. */
  readonly at: number;
  readonly received: number;
  readonly settled: number;
  readonly failed: number;
  readonly oldestWait: number;
  /** Of the calls that ended and the starts that were made since the last point; absent without any. */
  readonly callP50?: number;
  readonly callP95?: number;
  readonly waitP95?: number;
}

/** What an operator is told first. */
export interface Verdict {
  readonly tone: 'idle' | 'good' | 'warning' | 'bad';
  /** What holds the next request, or that nothing does. */
  readonly text: string;
  /** When that ends, in milliseconds on the clock of the statistics; absent if it hangs on something else than time. */
  readonly until?: number;
  /** What to do about it. */
  readonly advice: string;
}

/** A kind of error that has occurred. */
export interface LiveError {
  readonly kind: ErrorKind;
  readonly count: number;
  /** How many of them in the last minute. */
  readonly recent: number;
  readonly hint: string;
}

/** The requests of one lane. */
export interface LiveLane {
  readonly lane: string;
  readonly waiting: number;
  readonly started: number;
  /** Milliseconds: the mean, from arrival to first start. */
  readonly meanWait: number;
}

/** All that the page shows, as `/state.json` has it; an infinite `maxConcurrent` is null in JSON. */
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
