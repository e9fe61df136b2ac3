import { EmptyError, Subscription, type Observable, type ObservableInput } from 'rxjs';
import type { CallContext, ProviderFeedback } from '../core/call';
import { attempt } from '../core/listener';
import type { Ticket } from '../core/ticket';
import type { AnswerInChunks } from './answer-in-chunks';
import { resultOf, type AnswerJudge, type CallResult } from './answer-verdict';
import type { AttemptTimeouts } from './attempt-timeouts';
import { observeInput } from './observe-input';
import { subscribeUnder } from './subscribe-while-open';

export type { CallResult };

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
  readonly id: number;
  readonly attempt: number;
  /** The owner says when it is over; then nothing that it reports is heard any more. */
  state: 'running' | 'over' = 'running';
  /** Set if time is limited. */
  timeouts: AttemptTimeouts | undefined;
  readonly #owner: CallOwner;
  readonly #work = new Subscription();
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(
    readonly ticket: Ticket,
    readonly startedAt: number,
    owner: CallOwner,
    /** Takes in the chunks of a stream call. */
    readonly answer?: AnswerInChunks,
  ) {
    this.id = ticket.id;
    this.attempt = ticket.attempts;
    this.#owner = owner;
  }

  /** Whether a chunk has come: then it is not tried again, as nobody wants the beginning of an answer twice. */
  get hasAnswered(): boolean {
    return this.answer?.isEmpty === false;
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
  make(call: Call, errorInAnswer: AnswerJudge | undefined): void {
    let last: { readonly value: unknown } | undefined;
    let result: CallResult | undefined;
    let isSubscribing = true;
    const end = (ended: CallResult) => {
      result = ended;
      // What a call leaves behind is only known, and torn down, when `subscribe` has returned.
      if (!isSubscribing) {
        attempt(() => this.#work.unsubscribe());
        this.#owner.ended(this, ended);
      }
    };
    const request = this.ticket.request as never;
    const source = this.#begin(call, end);
    if (source) {
      attempt(() =>
        subscribeUnder(this.#work, (subscriber) => source.subscribe(subscriber)).subscribe({
          next: (value) => {
            last = { value };
            if (this.answer) {
              this.#owner.brought(this, value);
            }
          },
          error: (error: unknown) => end({ ok: false, error }),
          complete: () => end(last ? resultOf(this.answer ?? last, request, errorInAnswer) : empty()),
        }),
      );
    }
    isSubscribing = false;
    if (result) {
      end(result);
    }
  }

  /** Stops the work, and tells the signal why. */
  abort(name: 'AbortError' | 'TimeoutError', message: string): void {
    this.#abortReason = new DOMException(message, name);
    attempt(() => this.#work.unsubscribe());
    this.#controller?.abort(this.#abortReason);
  }

  /** Has the call made; undefined if there is nothing to follow. */
  #begin(call: Call, end: (result: CallResult) => void): Observable<unknown> | undefined {
    try {
      const made = call(this.ticket.request as never, this);
      if (!this.#work.closed) {
        return observeInput(made);
      }
      if (made instanceof Promise) {
        // It runs although nobody wants its answer: a failure of it is no unhandled rejection.
        made.catch(() => undefined);
      }
    } catch (error) {
      end({ ok: false, error });
    }
    return undefined;
  }
}

function empty(): CallResult {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- RxJS exports no other way to make one
  return { ok: false, error: new EmptyError() };
}
