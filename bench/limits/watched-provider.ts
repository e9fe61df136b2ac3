import { defer, tap, type Observable } from 'rxjs';
import { SimulatedProvider, type SimulatedAnswer, type SimulatedProviderError } from '../../lib/testing';
import type { CallContext } from '../../lib/index';
import { signals, type Shape, type ShapeRequest, type SignalsName } from './shapes';

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
  readonly #provider: SimulatedProvider<ShapeRequest>;
  readonly #arrivals = new Map<ShapeRequest, { readonly at: number; readonly starts: number }>();
  readonly #overtaken = new Map<ShapeRequest, number>();

  constructor(shape: Shape, signalsName: SignalsName) {
    this.#provider = new SimulatedProvider({ ...shape.provider, ...signals[signalsName] });
  }

  /** One call, as rxllm makes it; usable unbound. */
  readonly call = (
    request: ShapeRequest,
    context?: Pick<CallContext, 'report'>,
  ): Observable<SimulatedAnswer> =>
    defer(() => {
      const arrival = this.#arrivals.get(request);
      if (arrival && !this.#overtaken.has(request)) {
        this.#overtaken.set(request, this.starts - arrival.starts);
      }
      this.starts += 1;
      return this.#provider.call(request, context).pipe(
        tap({
          next: () => {
            this.answered += 1;
            this.timeToAnswers += Date.now() - (arrival?.at ?? NaN);
          },
          error: (error: unknown) => {
            if ((error as Partial<SimulatedProviderError>).status === 429) this.refused += 1;
            else this.failed += 1;
          },
        }),
      );
    });

  /** One call, as clients of promises make it. */
  readonly ask = (request: ShapeRequest): Promise<SimulatedAnswer> =>
    new Promise((resolve, reject) => this.call(request).subscribe({ next: resolve, error: reject }));

  /** See `SimulatedProvider.admitsAt`; for the oracle alone. */
  admitsAt(request: ShapeRequest): number {
    return this.#provider.admitsAt(request);
  }

  /** Notes that a request is on its way to the client. */
  arrives(request: ShapeRequest): void {
    this.#arrivals.set(request, { at: Date.now(), starts: this.starts });
  }

  /** How many calls were started between the arrival of a request and its own first; undefined if it had none. */
  startsBefore(request: ShapeRequest): number | undefined {
    return this.#overtaken.get(request);
  }
}
