import { Observable } from 'rxjs';
import { seededRandom } from '../../demos/model-server/random';
import { CallPriority } from '../../lib/index';
import { type Client } from './client';
import type { Shape, ShapeRequest, SignalsName } from './shapes';
import { inVirtualTime, realMilliseconds, type Patience } from './virtual-time';
import { WatchedProvider } from './watched-provider';

/** What one run showed. */
export interface Figures {
  readonly requests: number;
  /** Milliseconds of virtual time until the last request was answered or given up. */
  readonly finished: number;
  /** Mean milliseconds between arrival and answer. */
  readonly timeToAnswer: number;
  readonly answered: number;
  readonly givenUp: number;
  /** Calls that heard 429. */
  readonly refused: number;
  /** Calls that heard 5xx. */
  readonly failed: number;
  /** Why it did not end by itself. */
  readonly stopped?: string;
  /** Starts between the arrival of each urgent request and its own; undefined for one that never started. */
  readonly startsBefore: readonly (number | undefined)[];
  /** Milliseconds of real time. */
  readonly wall: number;
}

const patience: Patience = { virtual: 6 * 3_600_000, real: 60_000 };

interface Arrival {
  readonly at: number;
  readonly request: ShapeRequest;
}

/**
 * One client against one shape.
 * @param urgentAt when CRITICAL requests arrive besides those of the shape, in milliseconds since the start
 */
export async function run(
  client: Client,
  shape: Shape,
  signalsName: SignalsName,
  urgentAt: readonly number[] = [],
): Promise<Figures> {
  const urgent = urgentAt.map((at, index) => ({
    at,
    request: { prompt: `urgent ${index}`, max_tokens: 400, priority: CallPriority.CRITICAL },
  }));
  const arrivals = [
    ...shape.requests.map((request, index) => ({ at: shape.arrivals?.[index] ?? 0, request })),
    ...urgent,
  ].sort((one, other) => one.at - other.at);
  const realStart = realMilliseconds();
  const random = Math.random;
  Math.random = seededRandom(1);
  try {
    let start = NaN;
    let provider: WatchedProvider | undefined;
    let end = NaN;
    const { value, stopped } = await inVirtualTime(async () => {
      start = Date.now();
      provider = new WatchedProvider(shape, signalsName);
      const tally = await client.run(arriving(arrivals, provider), provider, shape);
      end = Date.now();
      return tally;
    }, patience);
    const watched = provider as unknown as WatchedProvider;
    if (watched.starts === 0) {
      throw new Error(`${client.title} is set up wrongly: it asked nothing of ${shape.name}.`);
    }
    const tally = value ?? { answered: watched.answered, givenUp: 0 };
    const missing = arrivals.length - tally.answered - tally.givenUp;
    return {
      requests: arrivals.length,
      finished: (stopped === undefined ? end : Date.now()) - start,
      timeToAnswer: watched.timeToAnswers / watched.answered,
      answered: tally.answered,
      givenUp: tally.givenUp,
      refused: watched.refused,
      failed: watched.failed,
      ...(stopped === undefined
        ? missing !== 0 && { stopped: `without a word on ${missing} requests` }
        : { stopped }),
      startsBefore: urgent.map(({ request }) => watched.startsBefore(request)),
      wall: realMilliseconds(realStart),
    };
  } finally {
    Math.random = random;
  }
}

/** The requests at their times; those that are there from the start come at once. */
function arriving(arrivals: readonly Arrival[], provider: WatchedProvider): Observable<ShapeRequest> {
  return new Observable((subscriber) => {
    const start = Date.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let next = 0;
    const emit = () => {
      for (; next < arrivals.length && !subscriber.closed; next += 1) {
        const { at, request } = arrivals[next]!;
        const wait = start + at - Date.now();
        if (wait > 0) {
          timer = setTimeout(emit, Math.ceil(wait));
          return;
        }
        provider.arrives(request);
        subscriber.next(request);
      }
      subscriber.complete();
    };
    emit();
    return () => clearTimeout(timer);
  });
}
