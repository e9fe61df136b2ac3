import {
  finalize,
  Subscription,
  takeLast,
  tap,
  throwIfEmpty,
  type Observable,
  type ObservableInput,
  type Subscriber,
} from 'rxjs';
import type { CallContext, ProviderFeedback, TokenUsage } from '../core/call';
import { attempt } from '../core/listener';
import type { Ticket } from '../core/ticket';
import type { AnswerInChunks, CallResult } from './answer-in-chunks';
import type { AttemptTimeouts } from './attempt-timeouts';
import { observeInput } from './observe-input';
import { subscribeUnder } from './subscribe-while-open';

/** A call as the operators are given it. */
export type Call = (request: never, context: CallContext) => ObservableInput<unknown>;

/** Makes a call, and hears what it reports and how it ends. */
export interface CallOwner {
  ended(call: RunningCall, result: CallResult): void;
  heard(call: RunningCall, feedback: ProviderFeedback): void;
  /** A stream call has brought a chunk. */
  brought(call: RunningCall, chunk: unknown): void;
}

/** One attempt while it runs, which is also the context that the call is given. */
export class RunningCall implements CallContext {
  readonly attempt: number;
  /** The owner says when it is over; then nothing that it reports is heard any more. */
  state: 'running' | 'over' = 'running';
  /** Set if time is limited. */
  timeouts: AttemptTimeouts | undefined;
  /** Whether it has reported its usage. */
  isUsageTold = false;
  readonly #owner: CallOwner;
  readonly #work = new Subscription();
  #controller: AbortController | undefined;
  #abortReason: unknown;

  /** @param answer takes in the chunks of a stream call */
  constructor(
    readonly ticket: Ticket,
    readonly startedAt: number,
    owner: CallOwner,
    readonly answer?: AnswerInChunks,
  ) {
    this.attempt = ticket.attempts;
    this.#owner = owner;
  }

  /** Whether a chunk has come: then it is not tried again, as nobody wants the beginning of an answer twice. */
  get hasAnswered(): boolean {
    return this.answer?.isEmpty === false;
  }

  /** What its chunks have used up, unless it has reported that itself. */
  untoldUsage(isWhole: boolean): TokenUsage | undefined {
    if (!this.hasAnswered || this.isUsageTold) {
      return undefined;
    }
    return isWhole ? this.answer!.usage : this.answer!.estimatedUsage(this.ticket.request);
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
    const values$ = subscribeUnder<unknown>(this.#work, (subscriber) => {
      const made = call(this.ticket.request as never, this);
      if (!subscriber.closed) {
        follow(observeInput(made), subscriber);
      } else if (made instanceof Promise) {
        // It runs although nobody wants its answer: a failure of it is no unhandled rejection.
        made.catch(() => undefined);
      }
    });
    (this.answer ? values$.pipe(tap((chunk) => this.#owner.brought(this, chunk))) : values$)
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
