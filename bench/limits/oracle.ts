import { VirtualTimeScheduler } from 'rxjs';
import { SimulatedProvider } from '../../lib/testing';
import { quantile } from '../shared/quantile';
import { mostRunning } from './most-running';
import { Refuser } from './refuser';
import type { Shape, ShapeRequest } from './shape';

/** What no client can do better. */
export interface OracleFigures {
  /** Requests that the provider would ever answer. */
  readonly requests: number;
  /** Milliseconds until the last request was answered. */
  readonly finished: number;
  /** Mean milliseconds between arrival and answer. */
  readonly timeToAnswer: number;
  /** Milliseconds between arrival and the start of the call that was answered, which 95 of 100 keep. */
  readonly waitP95: number;
}

/**
 * Runs a shape by the provider's books: first come, first served, at most 100 at once and never more than the provider
 * lets run, each request at the earliest moment the provider admits it. It is refused only by chance, asks again as
 * soon as it hears so, and leaves out what is always refused. It lives by a virtual scheduler of its own and is done
 * at once.
 * @throws Error if it was refused after all
 */
export function oracleOf(shape: Shape): OracleFigures {
  const scheduler = new VirtualTimeScheduler();
  const refuser = new Refuser(shape);
  const provider = new SimulatedProvider<ShapeRequest>({
    ...(shape.oracleProvider ?? shape.provider),
    refuse: refuser.refuse,
    scheduler,
  });
  const { atOnce = Infinity, never } = shape.otherReasons ?? {};
  const waiting = shape.requests
    .map((request, index) => ({ request, arrivesAt: Math.ceil(shape.arrivals?.[index] ?? 0) }))
    .filter(({ request }) => !never?.has(request.prompt));
  const size = waiting.length;
  const shedAgain: typeof waiting = [];
  const waits: number[] = [];
  let next = 0;
  let admitted = 0;
  let finished = 0;
  let timeToAnswers = 0;

  /** Starts what may start; wakes when the next may, or when one of those that run is done. */
  const drain = () => {
    while (provider.statistics.running < mostRunning && admitted < atOnce) {
      const first = shedAgain[0] ?? waiting[next];
      if (!first) return;
      const wait = Math.max(first.arrivesAt, provider.admitsAt(first.request)) - scheduler.now();
      if (wait > 0) {
        wakeIn(wait);
        return;
      }
      if (shedAgain[0]) shedAgain.shift();
      else next += 1;
      start(first);
    }
  };
  const start = (one: (typeof waiting)[number]) => {
    const startedAt = scheduler.now();
    const { shed } = refuser;
    let isShed = false;
    provider.call(one.request).subscribe({
      error: () => {
        // What was refused otherwise is counted by the provider, and reported at the end.
        if (!isShed) return;
        shedAgain.push(one);
        drain();
      },
      complete: () => {
        admitted -= 1;
        finished = scheduler.now();
        timeToAnswers += finished - one.arrivesAt;
        waits.push(startedAt - one.arrivesAt);
        drain();
      },
    });
    isShed = refuser.shed > shed;
    admitted += isShed ? 0 : 1;
  };
  let wakesAt = NaN;
  const wakeIn = (wait: number) => {
    const at = scheduler.now() + wait;
    if (at === wakesAt) return;
    wakesAt = at;
    scheduler.schedule(drain, wait);
  };

  wakeIn(0);
  scheduler.flush();
  const { answered, refused, failed } = provider.statistics;
  if (answered !== size || refused > refuser.shed) {
    throw new Error(`The oracle of ${shape.name} is none: ${refused} calls refused, ${failed} failed.`);
  }
  return { requests: size, finished, timeToAnswer: timeToAnswers / size, waitP95: quantile(waits, 0.95) };
}
