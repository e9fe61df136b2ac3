import type { TokenUsage } from './call';
import type { CallEventListener } from './events';
import type { Cancel } from './clock';
import { defaultRank, rankOf, type PriorityRank } from './priority';
import { textLength } from './text-length';
import { usedSoFar } from './token-usage';
import type { CallTraits } from './traits';

let lastId = 0;

/** A new number for a request; numbers grow in the order of arrival. */
export function nextRequestId(): number {
  return ++lastId;
}

let lastStart = 0;

/** A new number for the start of a call; numbers grow in the order of the starts. */
export function nextStartNumber(): number {
  return ++lastStart;
}

/** Who holds a ticket at the moment, and so can act on what happens to it from outside. */
export interface TicketHolder {
  /** Nobody waits for the outcome any more: let go of the request, abort its call. */
  cancelled(ticket: Ticket): void;
  /** The ticket's rank was raised. */
  raised(ticket: Ticket): void;
}

/** What an entry of the admission queue asks of the limiter: pay, start on a permit paid before, or both at once. */
export type Asks = 'permit' | 'start' | 'permit-and-start';

/** Who put a ticket into the admission queue, and is told what becomes of it there. */
export interface TicketOwner extends TicketHolder {
  start(ticket: Ticket, now: number): void;
  /** It is given up before it starts: its time is over, or nothing can come of it any more. */
  expired(ticket: Ticket, error: unknown): void;
}

/** A call that failed, of a request that is tried again. */
export interface FailedAttempt {
  readonly startedAt: number;
  /** Milliseconds it took. */
  readonly latency: number;
  readonly error: unknown;
  /** From when on the time for retries runs: earlier by all that the provider had everybody wait before. */
  readonly elapsedFrom: number;
  /** Until when the request stands behind those of its class that were not refused. */
  readonly behindUntil: number;
  /**
   * How many calls of this request, itself among them, cost no attempt: the provider refused them for the moment, or they
   * were probes of an outage.
   */
  readonly refusals: number;
}

/** What rxllm knows of one request on its way through the operators. */
export class Ticket<R = unknown> {
  readonly id: number;
  readonly request: R;
  /** When the request entered its first operator. */
  readonly arrivedAt: number;
  rank: PriorityRank = defaultRank;
  lane: string | undefined;
  /** Tokens that the traits announce. */
  tokens: number | undefined;
  /** When it is given up if it has not started by then. */
  deadline = Infinity;
  /** When it last entered an admission queue. */
  queuedAt = 0;
  asks: Asks = 'permit-and-start';
  /** Whether it stands in the line of those who have paid, also when it pays anew for a retry. */
  inPaidLine = false;
  /** Calls started so far. */
  attempts = 0;
  /** When its first call was started. */
  firstStartAt = 0;
  /** Where its last call stands in the order of all starts; where it was sent on, if nobody tells of the start. */
  startNumber = 0;
  /** The call that failed last, if it is to be tried again. */
  lastFailure: FailedAttempt | undefined;
  /** Its place in the order of the source, where outcomes keep that order. */
  index = 0;

  /** The listener that was told of its arrival, so that the next operator does not tell it again. */
  receivedReportedTo: CallEventListener | undefined;
  /** The listener that a cache in front tells of the outcome. */
  settledReportedTo: CallEventListener | undefined;
  /** The limiters it has paid, once for each permit that no start has used yet. */
  permits: object[] | undefined;
  /** Why an adaptiveThrottle in front refused it, for the operator behind to turn into its outcome. */
  refusal: Error | undefined;

  /** The operator that emitted its request last; one that has emitted it never takes it over again. */
  passedOnBy: object | undefined;
  /** Those that had emitted it before that one, if there were any. */
  #passedOnBefore: object[] | undefined;
  #textLength: number | undefined;

  /** What its last attempt used up so far, as far as it was reported. */
  usage: TokenUsage | undefined;

  holder: TicketHolder | undefined;
  cancelled = false;
  /** Whether its outcome is known: a ticket that nobody took over must not be taken for that of a later request. */
  isOver = false;
  /** The ticket that this one was derived from, and whose request it serves. */
  outer: Ticket | undefined;
  /** The ticket of the call that is made, or shared, for the request of this one. */
  inner: Ticket | undefined;
  /** Whether its rank was raised by a request that shares its call. */
  raised = false;
  /** Whether its rank is not that of the request: nobody waits for the renewal of an answer. */
  isRenewal = false;
  /** Told when it is handed on, and when its first call starts. */
  onStep: (() => void) | undefined;

  /** The place in the admission queue while the ticket waits there. */
  place: object | undefined;
  owner: TicketOwner | undefined;
  /** Cancels the timer of its deadline, or of the end of its back-off. */
  stopWatching: Cancel | undefined;
  /** Its neighbours among the tickets of its lane, and of its pool, that wait in the queue. */
  previousInLane: Ticket | undefined;
  nextInLane: Ticket | undefined;
  previousInPool: Ticket | undefined;
  nextInPool: Ticket | undefined;

  constructor(request: R, arrivedAt: number, id: number = nextRequestId()) {
    this.request = request;
    this.arrivedAt = arrivedAt;
    this.id = id;
  }

  /** Since when it stands where it stands in its lane: a retry stands as if it had never left. */
  get standsSince(): number {
    return this.attempts > 0 ? this.arrivedAt : this.queuedAt;
  }

  /** Characters of the request's text. */
  get textLength(): number {
    return (this.#textLength ??= textLength(this.request));
  }

  /** From when on its time for retries runs; `Infinity` while no call of it has failed. */
  get elapsedFrom(): number {
    return this.lastFailure?.elapsedFrom ?? Infinity;
  }

  /** Until when it stands behind those of its class that were not refused. */
  get behindUntil(): number {
    return this.lastFailure?.behindUntil ?? -Infinity;
  }

  /** Takes in the traits that an operator has read off the request. */
  apply(traits: CallTraits, maxWait: number): void {
    const rank = this.isRenewal ? this.rank : (rankOf(traits.priority) ?? this.rank);
    this.rank = this.raised && this.rank > rank ? this.rank : rank;
    this.lane = traits.lane ?? this.lane;
    this.tokens = traits.tokens ?? this.tokens;
    this.deadline = Math.min(this.deadline, this.arrivedAt + Math.min(traits.maxWait ?? Infinity, maxWait));
  }

  /** Takes in that a call for it starts. */
  begin(now: number): void {
    this.startNumber = nextStartNumber();
    this.usage = undefined;
    if (this.attempts++ === 0) {
      this.firstStartAt = now;
      this.onStep?.();
      this.outer?.onStep?.();
    }
  }

  /** Takes in what the running attempt reports to have used up so far. */
  noteUsage(reported: TokenUsage | undefined): void {
    this.usage = usedSoFar(this.usage, reported);
  }

  /** A ticket of its own for one who makes a call, or shares one, for the request of this ticket. */
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

  /** Takes in that an operator is about to emit its request. */
  passOnBy(operator: object): void {
    if (this.passedOnBy !== undefined && this.passedOnBy !== operator) {
      (this.#passedOnBefore ??= []).push(this.passedOnBy);
    }
    this.passedOnBy = operator;
  }

  /** Whether an operator has emitted its request, or that of the ticket which it was derived from. */
  isPassedOnBy(operator: object): boolean {
    return (
      this.passedOnBy === operator ||
      this.#passedOnBefore?.includes(operator) === true ||
      this.outer?.isPassedOnBy(operator) === true
    );
  }

  /** What the call used up, whoever made it. */
  get used(): TokenUsage | undefined {
    return this.inner ? this.inner.used : this.usage;
  }

  /** Whether it waits here for its first call. */
  get isHeldBack(): boolean {
    return this.inner ? this.inner.isHeldBack : this.attempts === 0 && this.holder !== undefined;
  }

  /** Whether its call has begun, as far as can be told: operators that are not ours do not tell what they hold back. */
  get hasBegun(): boolean {
    if (this.inner) {
      return this.inner.hasBegun;
    }
    return this.attempts > 0 ? this.place === undefined : this.holder === undefined;
  }

  /** Lets go of the request because nobody waits for its outcome any more. */
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

  /** Uses up one permit of a limiter, if there is one. */
  usePermit(limiter: object): boolean {
    const index = this.permits ? this.permits.indexOf(limiter) : -1;
    if (index < 0) {
      return false;
    }
    this.permits!.splice(index, 1);
    return true;
  }
}
