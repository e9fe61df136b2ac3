import {
  asyncScheduler,
  catchError,
  defer,
  tap,
  throwError,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { SimulatedProvider, SimulatedProviderError, type SimulatedAnswer } from '../../lib/testing';
import type { CallContext } from '../../lib/index';
import { Refuser } from './refuser';
import type { Shape, ShapeRequest, Signals } from './shape';

/** The simulated provider of a shape, with a record of what a client asks of it and what it hears. */
export class WatchedProvider {
  /** Calls so far. */
  starts = 0;
  /** Calls that heard 429. */
  refused = 0;
  /** Calls that heard 5xx. */
  failed = 0;
  answered = 0;
  /** Milliseconds between arrival and answer, of all that were answered. */
  timeToAnswers = 0;
  /** Milliseconds between arrival and the start of the call that was answered, in the order of the answers. */
  readonly waits: number[] = [];
  /** When the last answer came. */
  lastAnswerAt = NaN;
  /** Requests that the provider would answer, whatever else it refuses. */
  readonly answerable: number;
  readonly refuser: Refuser;
  readonly #provider: SimulatedProvider<ShapeRequest>;
  readonly #scheduler: SchedulerLike;
  readonly #hints: Shape['hints'];
  readonly #arrivals = new Map<ShapeRequest, { readonly at: number; readonly starts: number }>();
  readonly #overtaken = new Map<ShapeRequest, number>();
  #heardAll: (() => void) | undefined;

  constructor(shape: Shape, says: Signals, scheduler: SchedulerLike = asyncScheduler, urgent = 0) {
    this.refuser = new Refuser(shape);
    this.#scheduler = scheduler;
    this.#hints = shape.hints;
    this.answerable = shape.requests.length - (shape.otherReasons?.never?.size ?? 0) + urgent;
    this.#provider = new SimulatedProvider({
      ...shape.provider,
      ...says,
      ...(shape.otherReasons && { refuse: this.refuser.refuse }),
      scheduler,
    });
  }

  /** One call, as rxllm makes it; usable unbound. */
  readonly call = (
    request: ShapeRequest,
    context?: Pick<CallContext, 'report'>,
  ): Observable<SimulatedAnswer> =>
    defer(() => {
      const startedAt = this.#scheduler.now();
      const arrival = this.#arrivals.get(request);
      if (arrival && !this.#overtaken.has(request)) {
        this.#overtaken.set(request, this.starts - arrival.starts);
      }
      this.starts += 1;
      const answer$ = this.#provider.call(request, context).pipe(
        tap({
          next: () => this.#heard(arrival?.at ?? NaN, startedAt),
          error: (error: unknown) => {
            if ((error as Partial<SimulatedProviderError>).status === 429) this.refused += 1;
            else this.failed += 1;
          },
        }),
      );
      return this.#hints === 'short'
        ? answer$.pipe(
            catchError((error: unknown) => throwError(() => withShortHint(error as SimulatedProviderError))),
          )
        : answer$;
    });

  /** One call, as clients of promises make it. */
  readonly ask = (request: ShapeRequest): Promise<SimulatedAnswer> =>
    new Promise((resolve, reject) => this.call(request).subscribe({ next: resolve, error: reject }));

  /**
   * Refused calls that were neither shed by chance nor of requests that are always refused. Those two are counted when
   * they start, so that a run that ends in between leaves some that nobody heard.
   */
  get avoidable(): number {
    return Math.max(0, this.refused - this.refuser.shed - this.refuser.never);
  }

  get hasAnsweredAll(): boolean {
    return this.answered === this.answerable;
  }

  /** Settles when all requests are answered that ever will be. */
  allAnswered(): Promise<void> {
    return new Promise((resolve) => (this.#heardAll = resolve));
  }

  /** Notes that a request is on its way to the client. */
  arrives(request: ShapeRequest): void {
    this.#arrivals.set(request, { at: this.#scheduler.now(), starts: this.starts });
  }

  /** Calls that have not heard anything yet. */
  get running(): number {
    return this.#provider.statistics.running;
  }

  /** Requests that arrived so far. */
  get arrived(): number {
    return this.#arrivals.size;
  }

  /** How many calls were started between the arrival of a request and its own first; undefined if it had none. */
  startsBefore(request: ShapeRequest): number | undefined {
    return this.#overtaken.get(request);
  }

  #heard(arrivedAt: number, startedAt: number): void {
    this.answered += 1;
    this.lastAnswerAt = this.#scheduler.now();
    this.timeToAnswers += this.lastAnswerAt - arrivedAt;
    this.waits.push(startedAt - arrivedAt);
    if (this.hasAnsweredAll) this.#heardAll?.();
  }
}

/** The same refusal, told to come back after half the time; whole seconds stay whole ones, and at least one. */
function withShortHint(error: SimulatedProviderError): SimulatedProviderError {
  const headers = { ...error.headers };
  for (const name of ['retry-after', 'retry-after-ms']) {
    if (headers[name] !== undefined)
      headers[name] = String(Math.max(1, Math.floor(Number(headers[name]) / 2)));
  }
  const { status, code, type, error: body } = error;
  return new SimulatedProviderError({
    status,
    headers,
    message: error.message.replace(`${status} `, ''),
    error: body,
    ...(code !== undefined && { code }),
    ...(type !== undefined && { type }),
  });
}
