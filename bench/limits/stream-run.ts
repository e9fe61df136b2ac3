import { config } from 'rxjs';
import { seededRandom } from '../../demos/model-server/random';
import type { RateLimiterState } from '../../lib/index';
import { arrivalsOf, arriving, urgentArrivals } from './arrivals';
import type { StreamClient } from './client';
import { figuresOf, type Figures } from './figures';
import { HeapScheduler } from './heap-scheduler';
import { realMilliseconds } from './real-time';
import type { Shape, Signals } from './shape';
import { WatchedProvider } from './watched-provider';

/** How far a run of streams may go, and who watches it. */
export interface StreamRunOptions {
  /** Milliseconds of virtual time. Default: two hours. */
  readonly patience?: number;
  /** When CRITICAL requests arrive besides those of the shape, in milliseconds since the start. */
  readonly urgentAt?: readonly number[];
  /** Hears after each second of virtual time how far it is. */
  readonly everySecond?: (
    at: number,
    provider: WatchedProvider,
    limiter: RateLimiterState | undefined,
  ) => void;
}

/** Milliseconds of virtual time after which nothing more is expected of a run. */
const twoHours = 7_200_000;
/** Milliseconds of real time; a run takes some tens of milliseconds unless something goes round in circles. */
const mostReal = 20_000;

/**
 * One client that works with Observables alone against one shape, at once and without promises: hundreds of times as
 * fast as with fake timers. The run is over when the client is done, or all is answered that ever will be.
 */
export function streamRun(
  client: StreamClient,
  shape: Shape,
  says: Signals,
  { patience = twoHours, urgentAt = [], everySecond }: StreamRunOptions = {},
): Figures {
  const scheduler = new HeapScheduler();
  const urgent = urgentArrivals(urgentAt);
  const arrivals = arrivalsOf(shape, urgent);
  const provider = new WatchedProvider(shape, says, scheduler, urgent.length);
  const realStart = realMilliseconds();
  let limiterState: (() => RateLimiterState | undefined) | undefined;
  let steps = 0;
  const ending: { isDone: boolean; isTooSlow: boolean; failure?: Error } = {
    isDone: false,
    isTooSlow: false,
  };
  const isOver = () => {
    steps += 1;
    ending.isTooSlow = steps % 1_024 === 0 && realMilliseconds(realStart) > mostReal;
    return (
      ending.isDone ||
      ending.isTooSlow ||
      (shape.otherReasons?.never !== undefined && provider.hasAnsweredAll)
    );
  };
  const fail = (error: unknown) => {
    ending.failure ??= error as Error;
  };
  const { onUnhandledError } = config;
  const { random } = Math;
  config.onUnhandledError = fail;
  Math.random = seededRandom(1);
  try {
    const running = client
      .stream(arriving(arrivals, provider, scheduler), provider, {
        scheduler,
        watch: (state) => (limiterState = state),
      })
      .subscribe({
        error: fail,
        complete: () => (ending.isDone = true),
      });
    let goesOn = true;
    for (let second = 1; goesOn && second * 1_000 <= patience; second += 1) {
      goesOn = scheduler.runUntil(second * 1_000, isOver);
      everySecond?.(second, provider, limiterState?.());
    }
    running.unsubscribe();
    if (ending.failure) throw ending.failure;
    const isWhole = ending.isDone || provider.hasAnsweredAll;
    const stopped = ending.isTooSlow
      ? `after ${mostReal / 1_000} s of real time`
      : goesOn
        ? `after ${(patience / 3_600_000).toFixed(1)} h`
        : 'nothing left to wait for';
    const course = {
      start: 0,
      end: scheduler.now(),
      stopped: isWhole ? undefined : stopped,
      wall: realMilliseconds(realStart),
    };
    return figuresOf(provider, course, arrivals.length, urgent);
  } finally {
    config.onUnhandledError = onUnhandledError;
    Math.random = random;
  }
}
