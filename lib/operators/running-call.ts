import type { Unsubscribable } from 'rxjs';
import type { Alarm } from '../core/alarms';
import type { CallContext, ProviderFeedback } from '../core/call';
import type { Member } from '../core/members';
import type { PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import { guarded } from './tell';

/** Hears what a running call reports. */
export interface FeedbackReceiver {
  heard(call: RunningCall, feedback: ProviderFeedback): void;
}

/** One attempt while it runs, which is also the context that the call is given. */
export class RunningCall implements CallContext, Member {
  /** Among the running calls of its pipeline. */
  position = 0;
  isOver = false;
  work: Unsubscribable | undefined;
  timeout: Alarm | undefined;
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(
    readonly request: unknown,
    readonly id: number,
    readonly arrivedAt: number,
    readonly startedAt: number,
    readonly rank: PriorityRank,
    readonly attempt: number,
    readonly ticket: Ticket | undefined,
    readonly receiver: FeedbackReceiver,
  ) {}

  /** Made when it is first read, because most calls of a test, and many others, never look at it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) {
        this.#controller.abort(this.#abortReason);
      }
    }
    return this.#controller.signal;
  }

  /** Made when it is read, because calls take it out of the context, and most never do. */
  get report(): (feedback: ProviderFeedback) => void {
    return (feedback) => {
      if (!this.isOver) {
        this.receiver.heard(this, feedback);
      }
    };
  }

  /** Stops the work, and says why to those who asked for the signal. */
  abort(name: 'AbortError' | 'TimeoutError', message: string): void {
    this.#abortReason = new DOMException(message, name);
    this.stopWork();
    this.#controller?.abort(this.#abortReason);
  }

  /** A teardown of the user's that throws must not keep the outcome from coming out. */
  stopWork(): void {
    const { work } = this;
    if (work) {
      guarded(() => work.unsubscribe());
    }
  }
}
