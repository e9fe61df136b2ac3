import type { StatsSnapshot } from '../../lib/index';
import type { Desk } from './desk';
import type { FinalFigures } from './figures';
import { report } from './report';
import { duration, milliseconds, percent } from './wording';

/** Shows a run while it goes on, and its figures at the end. */
export interface View {
  /** Shows how far the run is. */
  show(desk: Desk, snapshot: StatsSnapshot): void;
  /** Shows a message for the user beside the rest. */
  note(message: string): void;
  /** Shows the final figures, after which nothing else is shown. */
  finish(figures: FinalFigures): void;
  /** Ends the view without figures. */
  abandon(): void;
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const printAside = (text: string): void => void process.stderr.write(`${text}\n`);

/**
 * Plain lines for a pipe or a log, every two seconds.
 * @param title what is read, and what model is asked
 */
export function plainView(title: string): View {
  const every = 2_000;
  let isTitled = false;
  let next = every;
  return {
    show: ({ tally }, { metrics, rateLimiter, executor }) => {
      if (tally.elapsed < next) return;
      next = tally.elapsed - (tally.elapsed % every) + every;
      if (!isTitled) print(title);
      isTitled = true;
      print(
        [
          `${duration(tally.elapsed)}: ${tally.progress} done`,
          `${rateLimiter.callRate.toFixed(1)} calls/s`,
          `interval ${milliseconds(rateLimiter.currentInterval)}`,
          `${executor.active} in flight`,
          `${executor.queued} waiting`,
          `${percent(metrics.cacheHitRate)} cache hits`,
          `p95 ${milliseconds(metrics.p95Latency)}`,
          `${metrics.retriedCalls} calls made again`,
          `${tally.refused} refused (429)`,
          `${tally.failed} events failed`,
        ].join(', '),
      );
    },
    note: printAside,
    finish: (figures) => print(report(figures)),
    abandon: () => undefined,
  };
}

/** Nothing but the final figures. */
export function quietView(): View {
  return {
    show: () => undefined,
    note: printAside,
    finish: (figures) => print(report(figures)),
    abandon: () => undefined,
  };
}

/** A line of JSON for each second and one for the final figures, or the last one alone. */
export function jsonView(isQuiet: boolean): View {
  const every = 1_000;
  let next = 0;
  return {
    show: ({ tally }, snapshot) => {
      if (isQuiet || tally.elapsed < next) return;
      next = tally.elapsed - (tally.elapsed % every) + every;
      const { taken, answered, failed, refused, total, isTotalEstimated, elapsed, timeLeft } = tally;
      print(
        JSON.stringify({
          type: 'snapshot',
          elapsed: Math.round(elapsed),
          ...(timeLeft !== undefined && { timeLeft: Math.round(timeLeft) }),
          ...(total !== undefined && { total, isTotalEstimated }),
          taken,
          answered,
          failed,
          refused,
          stats: snapshot,
        }),
      );
    },
    note: printAside,
    finish: (figures) => print(JSON.stringify({ type: 'final', ...figures })),
    abandon: () => undefined,
  };
}
