import type { Unsubscribable } from 'rxjs';
import type { Alarm } from '../core/alarms';
import type { CallContext, ProviderFeedback, TokenUsage } from '../core/call';
import type { Member } from '../core/members';
import type { PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import { guarded } from './tell';

/** Who makes a call, and hears what it reports and how it ends. */
export interface CallOwner {
  succeeded(call: RunningCall, value: unknown): void;
  failed(call: RunningCall, error: unknown): void;
  heard(call: RunningCall, feedback: ProviderFeedback): void;
  /** The call has asked for its signal, or is an Observable: it is to be stopped when nobody waits for it any more. */
  toBeStopped(call: RunningCall): void;
}

/** What only some calls have: one that is a promise and is not looked at from outside has none of it. */
class CallDetails {
  work: Unsubscribable | undefined;
  timeout: Alarm | undefined;
  usage: TokenUsage | undefined;
  controller: AbortController | undefined;
  abortReason: unknown;
}

/** One attempt while it runs, which is also the context that the call is given. */
export class RunningCall implements CallContext, Member {
  /** Among the running calls of its pipeline. */
  position = 0;
  isOver = false;
  #details: CallDetails | undefined;

  constructor(
    readonly request: unknown,
    readonly id: number,
    readonly startedAt: number,
    /** Milliseconds from the arrival of its request to this start: as a whole number it takes no room of its own. */
    readonly waited: number,
    readonly rank: PriorityRank,
    readonly attempt: number,
    /** What is known of its request; undefined as long as nothing needs to be. */
    readonly ticket: Ticket | undefined,
    readonly owner: CallOwner,
  ) {}

  /** When its request arrived. */
  get arrivedAt(): number {
    return this.startedAt - this.waited;
  }

  /** What it used up so far, as far as the provider told. */
  get usage(): TokenUsage | undefined {
    return this.#details?.usage;
  }

  set usage(usage: TokenUsage | undefined) {
    this.detailed.usage = usage;
  }

  get timeout(): Alarm | undefined {
    return this.#details?.timeout;
  }

  set timeout(timeout: Alarm | undefined) {
    this.detailed.timeout = timeout;
  }

  set work(work: Unsubscribable) {
    this.detailed.work = work;
  }

  /** Made when it is first read, because most calls of a test, and many others, never look at it. */
  get signal(): AbortSignal {
    const details = this.detailed;
    if (!details.controller) {
      this.owner.toBeStopped(this);
      details.controller = new AbortController();
      if (details.abortReason !== undefined) {
        details.controller.abort(details.abortReason);
      }
    }
    return details.controller.signal;
  }

  /** Made when it is read, because calls take it out of the context, and most never do. */
  get report(): (feedback: ProviderFeedback) => void {
    return (feedback) => {
      if (!this.isOver) {
        this.owner.heard(this, feedback);
      }
    };
  }

  /** Stops the work, and says why to those who asked for the signal. */
  abort(name: 'AbortError' | 'TimeoutError', message: string): void {
    const details = this.detailed;
    details.abortReason = new DOMException(message, name);
    this.stopWork();
    details.controller?.abort(details.abortReason);
  }

  /** A teardown of the user's that throws must not keep the outcome from coming out. */
  stopWork(): void {
    const work = this.#details?.work;
    if (work) {
      guarded(() => work.unsubscribe());
    }
  }

  private get detailed(): CallDetails {
    return (this.#details ??= new CallDetails());
  }
}
