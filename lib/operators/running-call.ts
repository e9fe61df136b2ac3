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

export type Call = (request: never, context: CallContext) => ObservableInput<unknown>;

/** Makes a call, and is told its reports and its end. */
export interface CallOwner {
  ended(call: RunningCall, result: CallResult): void;
  heard(call: RunningCall, feedback: ProviderFeedback): void;
  brought(call: RunningCall, chunk: unknown): void;
}

/** One running attempt. It is also the context of its call. */
export class RunningCall implements CallContext {
  readonly id: number;
  readonly attempt: number;
  /** Set by the owner when the attempt is over. Later reports are ignored. */
  state: 'running' | 'over' = 'running';
  /** Set if the attempt has time limits. */
  timeouts: AttemptTimeouts | undefined;
  readonly #owner: CallOwner;
  readonly #work = new Subscription();
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(
    readonly ticket: Ticket,
    readonly startedAt: number,
    owner: CallOwner,
    /** Collects the chunks of a stream call. */
    readonly answer?: AnswerInChunks,
  ) {
    this.id = ticket.id;
    this.attempt = ticket.attempts;
    this.#owner = owner;
  }

  /** Whether a chunk came. Then the call is not retried, because subscribers would get the beginning twice. */
  get hasAnswered(): boolean {
    return this.answer?.isEmpty === false;
  }

  /** Milliseconds from the request's arrival to this start. */
  get waited(): number {
    return this.startedAt - this.ticket.arrivedAt;
  }

  /** Made on first access, because most calls never read it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) {
        this.#controller.abort(this.#abortReason);
      }
    }
    return this.#controller.signal;
  }

  /** A bound function, because calls destructure it. */
  get report(): (feedback: ProviderFeedback) => void {
    return (feedback) => {
      if (this.state === 'running') {
        this.#owner.heard(this, feedback);
      }
    };
  }

  /** Makes the call. Its owner is told the result when the call is torn down. */
  make(call: Call, errorInAnswer: AnswerJudge | undefined): void {
    let last: { readonly value: unknown } | undefined;
    let result: CallResult | undefined;
    let isSubscribing = true;
    const end = (ended: CallResult) => {
      result = ended;
      // Teardown is only possible after `subscribe` has returned.
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

  /** Unsubscribes from the call and aborts its signal with a reason. */
  abort(name: 'AbortError' | 'TimeoutError', message: string): void {
    this.#abortReason = new DOMException(message, name);
    attempt(() => this.#work.unsubscribe());
    this.#controller?.abort(this.#abortReason);
  }

  /** Makes the call; returns undefined if there is no result to follow. */
  #begin(call: Call, end: (result: CallResult) => void): Observable<unknown> | undefined {
    try {
      const made = call(this.ticket.request as never, this);
      if (!this.#work.closed) {
        return observeInput(made);
      }
      if (made instanceof Promise) {
        // The answer is not wanted, so its failure must not be an unhandled rejection.
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
