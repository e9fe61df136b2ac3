import { VirtualTimeScheduler } from 'rxjs';
import { SimulatedProvider } from '../../lib/testing';
import { mostRunning } from './most-running';
import type { Shape, ShapeRequest } from './shapes';

/** What no client can do better. */
export interface OracleFigures {
  readonly requests: number;
  /** Milliseconds until the last request was answered. */
  readonly finished: number;
  /** Mean milliseconds between arrival and answer. */
  readonly timeToAnswer: number;
}

/**
 * Runs a shape by the provider's books: first come, first served, at most 100 at once, each request at the earliest
 * moment the provider admits it, never refused. It lives by a virtual scheduler of its own and is done at once.
 * @throws Error if it was refused after all
 */
export function oracleOf(shape: Shape): OracleFigures {
  const scheduler = new VirtualTimeScheduler();
  const provider = new SimulatedProvider<ShapeRequest>({
    ...(shape.oracleProvider ?? shape.provider),
    scheduler,
  });
  const { requests, arrivals } = shape;
  const arrivalOf = (index: number) => Math.ceil(arrivals?.[index] ?? 0);
  let next = 0;
  let finished = 0;
  let waits = 0;

  /** Starts what may start; wakes when the next may, or its predecessors are done. */
  const drain = () => {
    const { running } = provider.statistics;
    for (let free = mostRunning - running; free > 0 && next < requests.length; free -= 1) {
      const index = next;
      const wait = Math.max(arrivalOf(index), provider.admitsAt(requests[index]!)) - scheduler.now();
      if (wait > 0) {
        wakeIn(wait);
        return;
      }
      next += 1;
      provider.call(requests[index]!).subscribe({
        // Counted by the provider, and reported at the end.
        error: () => undefined,
        complete: () => {
          finished = scheduler.now();
          waits += finished - arrivalOf(index);
          drain();
        },
      });
    }
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
  if (answered !== requests.length) {
    throw new Error(`The oracle of ${shape.name} is none: ${refused} calls refused, ${failed} failed.`);
  }
  return { requests: requests.length, finished, timeToAnswer: waits / requests.length };
}
