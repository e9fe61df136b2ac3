import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import { CallPriority } from '../../lib/index';
import type { Shape, ShapeRequest } from './shape';
import type { WatchedProvider } from './watched-provider';

/** A request and when it comes, in milliseconds since the start. */
export interface Arrival {
  readonly at: number;
  readonly request: ShapeRequest;
}

/** CRITICAL requests that come at these times. */
export function urgentArrivals(times: readonly number[]): Arrival[] {
  return times.map((at, index) => ({
    at,
    request: { prompt: `urgent ${index}`, max_tokens: 400, priority: CallPriority.CRITICAL },
  }));
}

/** The requests of a shape and others, in the order they come. */
export function arrivalsOf({ requests, arrivals }: Shape, others: readonly Arrival[]): Arrival[] {
  return [...requests.map((request, index) => ({ at: arrivals?.[index] ?? 0, request })), ...others].sort(
    (one, other) => one.at - other.at,
  );
}

/** The requests at their times; those that are there from the start come at once. */
export function arriving(
  arrivals: readonly Arrival[],
  provider: WatchedProvider,
  scheduler: SchedulerLike = asyncScheduler,
): Observable<ShapeRequest> {
  return new Observable((subscriber) => {
    const start = scheduler.now();
    let next = 0;
    const emit = () => {
      for (; next < arrivals.length && !subscriber.closed; next += 1) {
        const { at, request } = arrivals[next]!;
        const wait = start + at - scheduler.now();
        if (wait > 0) {
          subscriber.add(scheduler.schedule(emit, Math.ceil(wait)));
          return;
        }
        provider.arrives(request);
        subscriber.next(request);
      }
      subscriber.complete();
    };
    emit();
  });
}
