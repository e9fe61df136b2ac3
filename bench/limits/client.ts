import { lastValueFrom, mergeMap, reduce, type Observable, type SchedulerLike } from 'rxjs';
import type { RateLimiterState } from '../../lib/index';
import type { Shape, ShapeRequest } from './shape';
import type { WatchedProvider } from './watched-provider';

/** What became of the requests, as the client told its user. */
export interface Tally {
  readonly answered: number;
  readonly givenUp: number;
}

/** A way to make many calls to a provider that limits them. */
export interface Client {
  /** As `--client` takes it. */
  readonly name: string;
  readonly title: string;
  /** How it is set up, in one sentence. */
  readonly setUp: string;
  /** Whether headers or Retry-After make any difference to it. */
  readonly readsAnswers: boolean;
  /** Whether it knows priorities. */
  readonly hasPriorities: boolean;
  /** Whether it is left out where there is no limit that it could be told. */
  readonly needsLimit?: boolean;
  /** Milliseconds of virtual time after which it is stopped, where that is less than what all others have. */
  readonly patience?: number;
  /** Has every request answered, or gives it up; requests that wait are all there or arrive one by one. */
  run(requests$: Observable<ShapeRequest>, provider: WatchedProvider, shape: Shape): Promise<Tally>;
}

/** How a client of streams runs in another time than that of the timers. */
export interface StreamSettings {
  readonly scheduler?: SchedulerLike;
  /** Is given a look into the client's limiter, if it has one. */
  readonly watch?: (limiter: () => RateLimiterState | undefined) => void;
}

/** A client that works with Observables alone, so that it can live by any scheduler. */
export interface StreamClient extends Client {
  /** For each request, whether it was answered or given up. */
  stream(
    requests$: Observable<ShapeRequest>,
    provider: WatchedProvider,
    settings?: StreamSettings,
  ): Observable<boolean>;
}

/** A client of streams, which is a client as all others are. */
export function streamClient(client: Omit<StreamClient, 'run'>): StreamClient {
  return { ...client, run: (requests$, provider) => tallied(client.stream(requests$, provider)) };
}

/** Runs a client that answers with promises. */
export function tallyOf(
  requests$: Observable<ShapeRequest>,
  answer: (request: ShapeRequest) => Promise<unknown>,
  concurrent = Infinity,
): Promise<Tally> {
  return tallied(
    requests$.pipe(
      mergeMap(
        (request) =>
          answer(request).then(
            () => true,
            () => false,
          ),
        concurrent,
      ),
    ),
  );
}

/** Counts what went well and what did not. */
export function tallied(settled$: Observable<boolean>): Promise<Tally> {
  const none: Tally = { answered: 0, givenUp: 0 };
  return lastValueFrom(
    settled$.pipe(
      reduce(
        ({ answered, givenUp }, wentWell) =>
          wentWell ? { answered: answered + 1, givenUp } : { answered, givenUp: givenUp + 1 },
        none,
      ),
    ),
    { defaultValue: none },
  );
}
