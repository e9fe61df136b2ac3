import type { TokenUsage } from './call';
import type { CallEventListener } from './events';
import type { Cancel } from './clock';
import { defaultRank, rankOf, type PriorityRank } from './priority';
import { textLength } from './text-length';
import { usedSoFar } from './token-usage';
import type { CallTraits } from './traits';

let lastId = 0;

/** Numbers grow in the order of arrival. */
export function nextRequestId(): number {
  return ++lastId;
}

let lastStart = 0;

/** Numbers grow in the order of starts. */
export function nextStartNumber(): number {
  return ++lastStart;
}

/** The operator or queue that holds a ticket now. It reacts to changes of the ticket from outside. */
export interface TicketHolder {
  /** No waiter is left: give the request up and abort its call. */
  cancelled(ticket: Ticket): void;
  raised(ticket: Ticket): void;
}

/** What an entry of the admission queue needs: a permit, a start with a permit paid before, or both at once. */
export type Asks = 'permit' | 'start' | 'permit-and-start';

/** The owner of a ticket in the admission queue. */
export interface TicketOwner extends TicketHolder {
  start(ticket: Ticket, now: number): void;
  /** The ticket leaves the queue before it starts: its deadline passed, or it cannot succeed. */
  expired(ticket: Ticket, error: unknown): void;
}

/** A failed call of a request that will be retried. */
export interface FailedAttempt {
  readonly startedAt: number;
  readonly latency: number;
  readonly error: unknown;
  /** The start of the first attempt minus the holds before it, so that holds take no time from retries. */
  readonly elapsedFrom: number;
  /** Until when the request waits behind requests of its class that were not refused. */
  readonly behindUntil: number;
  /** Calls of this request, this one included, that cost no attempt: temporary refusals and probes of an outage. */
  readonly refusals: number;
}

/** The state of one request on its way through the operators. */
export class Ticket<R = unknown> {
  readonly id: number;
  readonly request: R;
  readonly arrivedAt: number;
  rank: PriorityRank = defaultRank;
  lane: string | undefined;
  /** The tokens that the traits state. */
  tokens: number | undefined;
  /** The request fails if it has not started by this time. */
  deadline = Infinity;
  queuedAt = 0;
  asks: Asks = 'permit-and-start';
  /** Whether it waits in the line of paid requests, also when it pays again for a retry. */
  inPaidLine = false;
  attempts = 0;
  firstStartAt = 0;
  /** The position of its last call in the order of all starts; of its sending, if the start is not reported. */
  startNumber = 0;
  /** The last failed call, if the request will be retried. */
  lastFailure: FailedAttempt | undefined;
  /** Its position in the source, if outcomes keep that order. */
  index = 0;

  /** The listener that received its `received` event, so that the next operator does not emit it again. */
  receivedReportedTo: CallEventListener | undefined;
  /** The listener that a cache in front sends its `settled` event to. */
  settledReportedTo: CallEventListener | undefined;
  /** The limiters that it has paid, once for each unused permit. */
  permits: object[] | undefined;
  /** The refusal of an `adaptiveThrottle` in front. The operator behind turns it into the outcome. */
  refusal: Error | undefined;

  /** The operator that emitted its request last. An operator never takes over a request that it emitted. */
  passedOnBy: object | undefined;
  /** The operators that emitted it earlier. */
  #passedOnBefore: object[] | undefined;
  #textLength: number | undefined;

  /** What its last attempt has used so far, as far as it was reported. */
  usage: TokenUsage | undefined;

  holder: TicketHolder | undefined;
  cancelled = false;
  /** Whether its outcome is known. Then its ticket must not be taken for that of a later request. */
  isOver = false;
  /** The ticket that this one was derived from. */
  outer: Ticket | undefined;
  /** The ticket of the call that is made or shared for this request. */
  inner: Ticket | undefined;
  /** Whether a request that shares its call raised its rank. */
  raised = false;
  /** Whether it renews an answer, for which no request waits. Its rank is then not that of the request. */
  isRenewal = false;
  /** Called when it is handed over, and when its first call starts. */
  onStep: (() => void) | undefined;

  /** Its place in the admission queue while it waits there. */
  place: object | undefined;
  owner: TicketOwner | undefined;
  /** Cancels the timer of its deadline or its back-off. */
  stopWatching: Cancel | undefined;
  /** Its neighbours in the queue, among the tickets of its lane and of its pool. */
  previousInLane: Ticket | undefined;
  nextInLane: Ticket | undefined;
  previousInPool: Ticket | undefined;
  nextInPool: Ticket | undefined;

  constructor(request: R, arrivedAt: number, id: number = nextRequestId()) {
    this.request = request;
    this.arrivedAt = arrivedAt;
    this.id = id;
  }

  /** Since when it has its place in its lane; a retry keeps the place of its arrival. */
  get standsSince(): number {
    return this.attempts > 0 ? this.arrivedAt : this.queuedAt;
  }

  get textLength(): number {
    return (this.#textLength ??= textLength(this.request));
  }

  /** As in {@link FailedAttempt}; `Infinity` before the first failure. */
  get elapsedFrom(): number {
    return this.lastFailure?.elapsedFrom ?? Infinity;
  }

  /** Until when it waits behind requests of its class that were not refused. */
  get behindUntil(): number {
    return this.lastFailure?.behindUntil ?? -Infinity;
  }

  /** Applies the traits that an operator read from the request. */
  apply(traits: CallTraits, maxWait: number): void {
    const rank = this.isRenewal ? this.rank : (rankOf(traits.priority) ?? this.rank);
    this.rank = this.raised && this.rank > rank ? this.rank : rank;
    this.lane = traits.lane ?? this.lane;
    this.tokens = traits.tokens ?? this.tokens;
    this.deadline = Math.min(this.deadline, this.arrivedAt + Math.min(traits.maxWait ?? Infinity, maxWait));
  }

  /** Records the start of a call. */
  begin(now: number): void {
    this.startNumber = nextStartNumber();
    this.usage = undefined;
    if (this.attempts++ === 0) {
      this.firstStartAt = now;
      this.onStep?.();
      this.outer?.onStep?.();
    }
  }

  noteUsage(reported: TokenUsage | undefined): void {
    this.usage = usedSoFar(this.usage, reported);
  }

  /** Makes a ticket for an operator that makes or shares a call for this ticket's request. */
  derive<Q>(request: Q): Ticket<Q> {
    const ticket = new Ticket(request, this.arrivedAt, this.id);
    ticket.rank = this.rank;
    ticket.lane = this.lane;
    ticket.tokens = this.tokens;
    ticket.deadline = this.deadline;
    ticket.receivedReportedTo = this.receivedReportedTo;
    ticket.permits = this.permits;
    ticket.refusal = this.refusal;
    ticket.isRenewal = this.isRenewal;
    ticket.passedOnBy = this.passedOnBy;
    ticket.outer = this;
    this.permits = undefined;
    this.inner = ticket;
    return ticket;
  }

  /** Records that an operator is about to emit its request. */
  passOnBy(operator: object): void {
    if (this.passedOnBy !== undefined && this.passedOnBy !== operator) {
      (this.#passedOnBefore ??= []).push(this.passedOnBy);
    }
    this.passedOnBy = operator;
  }

  /** Whether an operator has emitted its request, or the request of the ticket it was derived from. */
  isPassedOnBy(operator: object): boolean {
    return (
      this.passedOnBy === operator ||
      this.#passedOnBefore?.includes(operator) === true ||
      this.outer?.isPassedOnBy(operator) === true
    );
  }

  /** What its call used. */
  get used(): TokenUsage | undefined {
    return this.inner ? this.inner.used : this.usage;
  }

  /** Whether it waits here for its first call. */
  get isHeldBack(): boolean {
    return this.inner ? this.inner.isHeldBack : this.attempts === 0 && this.holder !== undefined;
  }

  /** Whether its call has begun, as far as is known: operators of others do not report it. */
  get hasBegun(): boolean {
    if (this.inner) {
      return this.inner.hasBegun;
    }
    return this.attempts > 0 ? this.place === undefined : this.holder === undefined;
  }

  /** Gives the request up because no waiter is left. */
  cancel(): void {
    if (!this.cancelled) {
      this.cancelled = true;
      this.holder?.cancelled(this);
    }
  }

  /** Raises the rank; a lower one changes nothing. */
  raise(rank: PriorityRank): void {
    if (rank > this.rank) {
      this.rank = rank;
      this.raised = true;
      this.holder?.raised(this);
    }
  }

  /** Uses one permit of a limiter, if there is one. */
  usePermit(limiter: object): boolean {
    const index = this.permits ? this.permits.indexOf(limiter) : -1;
    if (index < 0) {
      return false;
    }
    this.permits!.splice(index, 1);
    return true;
  }
}
