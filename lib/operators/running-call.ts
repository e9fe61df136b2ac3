import {
  finalize,
  from,
  Subscription,
  takeLast,
  throwIfEmpty,
  type Observable,
  type ObservableInput,
  type Subscriber,
} from 'rxjs';
import type { CallContext, ProviderFeedback } from '../core/call';
import type { Cancel } from '../core/clock';
import { attempt } from '../core/listener';
import type { Ticket } from '../core/ticket';
import { subscribeUnder } from './subscribe-while-open';

/** A call as the operators are given it. */
export type Call = (request: never, context: CallContext) => ObservableInput<unknown>;

/** What became of an attempt. */
export type CallResult =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

/** Makes a call, and hears what it reports and how it ends. */
export interface CallOwner {
  ended(call: RunningCall, result: CallResult): void;
  heard(call: RunningCall, feedback: ProviderFeedback): void;
}

/** One attempt while it runs, which is also the context that the call is given. */
export class RunningCall implements CallContext {
  readonly attempt: number;
  /** The owner says when it is over; then nothing that it reports is heard any more. */
  state: 'running' | 'over' = 'running';
  /** Cancels the timer of `timeout`. */
  stopTimer: Cancel | undefined;
  readonly #owner: CallOwner;
  readonly #work = new Subscription();
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(
    readonly ticket: Ticket,
    readonly startedAt: number,
    owner: CallOwner,
  ) {
    this.attempt = ticket.attempts;
    this.#owner = owner;
  }

  /** Milliseconds from the arrival of its request to this start. */
  get waited(): number {
    return this.startedAt - this.ticket.arrivedAt;
  }

  /** Made when it is first read, because most calls never look at it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) {
        this.#controller.abort(this.#abortReason);
      }
    }
    return this.#controller.signal;
  }

  /** A function of its own, because calls take it out of the context. */
  get report(): (feedback: ProviderFeedback) => void {
    return (feedback) => {
      if (this.state === 'running') {
        this.#owner.heard(this, feedback);
      }
    };
  }

  /** Makes the call. Its owner hears how it ended when it is torn down. */
  make(call: Call): void {
    let result: CallResult | undefined;
    subscribeUnder<unknown>(this.#work, (subscriber) => {
      const made = call(this.ticket.request as never, this);
      if (!subscriber.closed) {
        follow(from(made), subscriber);
      } else if (made instanceof Promise) {
        // It runs although nobody wants its answer: a failure of it is no unhandled rejection.
        made.catch(() => undefined);
      }
    })
      .pipe(
        takeLast(1),
        throwIfEmpty(),
        finalize(() => {
          if (result) {
            this.#owner.ended(this, result);
          }
        }),
      )
      .subscribe({
        next: (value) => (result = { ok: true, value }),
        error: (error: unknown) => (result = { ok: false, error }),
      });
  }

  /** Stops the work, and tells the signal why. */
  abort(name: 'AbortError' | 'TimeoutError', message: string): void {
    this.#abortReason = new DOMException(message, name);
    attempt(() => this.#work.unsubscribe());
    this.#controller?.abort(this.#abortReason);
  }
}

/** Subscribes to what a call returned, and reports what its teardown throws. */
function follow<T>(source: Observable<T>, subscriber: Subscriber<T>): void {
  const work = new Subscription();
  subscriber.add(() => attempt(() => work.unsubscribe()));
  subscribeUnder<T>(work, (inner) => attempt(() => source.subscribe(inner))).subscribe({
    next: (value) => subscriber.next(value),
    error: (error: unknown) => subscriber.error(error),
    complete: () => subscriber.complete(),
  });
}
