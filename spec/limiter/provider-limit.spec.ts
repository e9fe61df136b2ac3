import { Observable, VirtualTimeScheduler, type SchedulerAction, type Subscription } from 'rxjs';
import { missedBounds, mostStartsBefore } from '../../bench/limits/bounds';
import { mostRunning } from '../../bench/limits/most-running';
import { oracleOf } from '../../bench/limits/oracle';
import type { Figures } from '../../bench/limits/run';
import { shapes, signals, type Shape, type ShapeRequest, type SignalsName } from '../../bench/limits/shapes';
import { seededRandom } from '../../demos/model-server/random';
import type { CallContext } from '../../lib/core/call';
import { CallPriority } from '../../lib/core/priority';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { SimulatedProvider } from '../../lib/testing';
import { rethrow } from '../test-scheduler';

/** Virtual time in which timers wait whole milliseconds, and at least one, as those of Node and browsers do. */
class WholeMillisecondScheduler extends VirtualTimeScheduler {
  override schedule<State>(
    work: (this: SchedulerAction<State>, state?: State) => void,
    delay = 0,
    state?: State,
  ): Subscription {
    return super.schedule(work, Math.max(1, Math.ceil(delay)), state);
  }
}

interface Arrival {
  readonly at: number;
  readonly request: ShapeRequest;
}

/** No run may go on for longer, in milliseconds of virtual time. */
const patience = 2 * 3_600_000;

/** An optimizer that knows nothing of the limits against the provider of a shape. */
function run(shape: Shape, signalsName: SignalsName, urgentAt: readonly number[] = []): Figures {
  const scheduler = new WholeMillisecondScheduler();
  const provider = new SimulatedProvider({ ...shape.provider, ...signals[signalsName], scheduler });
  const optimizer = new LLMCallOptimizer({ maxConcurrent: mostRunning, scheduler });
  const urgent = urgentAt.map((at, index) => ({
    at,
    request: { prompt: `urgent ${index}`, max_tokens: 400, priority: CallPriority.CRITICAL },
  }));
  const arrivals = [
    ...shape.requests.map((request, index) => ({ at: shape.arrivals?.[index] ?? 0, request })),
    ...urgent,
  ].sort((one, other) => one.at - other.at);

  let starts = 0;
  const startsAtArrival = new Map<ShapeRequest, number>();
  const startsBefore = new Map<ShapeRequest, number>();
  const call = (request: ShapeRequest, context: CallContext) => {
    if (!startsBefore.has(request)) {
      startsBefore.set(request, starts - startsAtArrival.get(request)!);
    }
    starts++;
    return provider.call(request, context);
  };
  const outcomes = { answered: 0, givenUp: 0 };
  let finished: number | undefined;
  arriving(arrivals, scheduler, (request) => startsAtArrival.set(request, starts))
    .pipe(optimizer.optimize(call))
    .subscribe({
      next: ({ ok }) => outcomes[ok ? 'answered' : 'givenUp']++,
      error: rethrow,
      complete: () => {
        finished = scheduler.now();
        optimizer.close();
      },
    });
  scheduler.maxFrames = patience;
  scheduler.flush();

  const { refused, failed } = provider.statistics;
  const missing = arrivals.length - outcomes.answered - outcomes.givenUp;
  const stopped = finished === undefined ? `with ${missing} requests open` : undefined;
  return {
    requests: arrivals.length,
    finished: finished ?? scheduler.now(),
    timeToAnswer: NaN,
    ...outcomes,
    refused,
    failed,
    ...(stopped !== undefined && { stopped }),
    startsBefore: urgent.map(({ request }) => startsBefore.get(request)),
    wall: NaN,
  };
}

/** The requests at their times; those that are there from the start come at once. */
function arriving(
  arrivals: readonly Arrival[],
  scheduler: VirtualTimeScheduler,
  arrives: (request: ShapeRequest) => void,
): Observable<ShapeRequest> {
  return new Observable((subscriber) => {
    let next = 0;
    const emit = () => {
      for (; next < arrivals.length; next++) {
        const { at, request } = arrivals[next]!;
        if (at > scheduler.now()) {
          subscriber.add(scheduler.schedule(emit, Math.ceil(at - scheduler.now())));
          return;
        }
        arrives(request);
        subscriber.next(request);
      }
      subscriber.complete();
    };
    emit();
  });
}

const cases = shapes.flatMap((shape) =>
  (Object.keys(signals) as SignalsName[]).map((signalsName) => ({
    title: shape.title,
    name: shape.name,
    signalsName,
    shape,
  })),
);

describe('an optimizer that knows nothing of the limits', () => {
  beforeEach(() => {
    jest.spyOn(Math, 'random').mockImplementation(seededRandom(1));
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each(cases)(
    'has every request answered in time and is hardly ever refused: $title ($signalsName)',
    ({ shape, signalsName }) => {
      const figures = run(shape, signalsName);
      expect(figures.answered).toBe(shape.requests.length);
      expect(missedBounds(figures, oracleOf(shape), signalsName)).toEqual([]);
    },
  );

  it.each(cases.filter(({ shape }) => !shape.arrivals))(
    'lets CRITICAL overtake the backlog, early and late: $title ($signalsName)',
    ({ shape, signalsName }) => {
      const { finished } = oracleOf(shape);
      const figures = run(shape, signalsName, [0.1 * finished, 0.6 * finished]);
      expect(figures.answered).toBe(shape.requests.length + 2);
      expect(Math.max(...figures.startsBefore.map((starts) => starts ?? NaN))).toBeLessThanOrEqual(
        mostStartsBefore,
      );
    },
  );
});
