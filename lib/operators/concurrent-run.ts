import { EMPTY, from, throwIfEmpty, type ObservableInput, type Subscriber } from 'rxjs';
import { Alarms } from '../core/alarms';
import type {
  CallContext,
  CallOutcome,
  FailedOutcome,
  ProviderFeedback,
  SuccessfulOutcome,
} from '../core/call';
import type { Clock } from '../core/clock';
import { CallTimeoutError, QueueOverflowError, QuotaSpentError } from '../core/errors';
import type { CallEventListener } from '../core/events';
import { Consumer, emitSigned, signOutcome } from '../core/hand-over';
import { Members } from '../core/members';
import { defaultRank, rankOf, type PriorityRank } from '../core/priority';
import { nextRequestId, nextStartNumber, Ticket, type TicketOwner } from '../core/ticket';
import type { CallTraits, TraitsReader } from '../core/traits';
import type { OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { AdmissionQueue } from '../limiter/admission-queue';
import type { PlainStarter, SlotPool } from '../limiter/slot-pool';
import type { FailureVerdict, LimiterEngine } from '../limiter/limiter-engine';
import { endOf, hopelessError, type Failure } from '../limiter/walls';
import type { RetryPolicy } from '../provider/retry-policy';
import { ignoreEnd, listenTo, type PromiseListener } from './promise-listener';
import { RunningCall, type CallOwner } from './running-call';
import { SourceOrder } from './source-order';
import { tell, tellFinished, tellReceived, tellSettled, tellStarted } from './tell';

/** What one subscription of mergeWithConcurrency works with; queue, slots and retries may be shared with others. */
export interface RunSettings<R> {
  readonly clock: Clock;
  readonly queue: AdmissionQueue;
  /** Given where slots are shared by several subscriptions; else each has a pool of its own. */
  readonly sharedPool?: SlotPool | undefined;
  readonly limiter?:
    | {
        readonly engine: LimiterEngine;
        readonly key: object;
        readonly maxQueue: number;
        readonly overflow: OverflowPolicy;
      }
    | undefined;
  readonly retry?: RetryPolicy | undefined;
  readonly ordered: boolean;
  /** Milliseconds per attempt. */
  readonly timeout: number;
  /** Milliseconds since arrival. */
  readonly maxWait: number;
  readonly maxQueue: number;
  readonly overflow: OverflowPolicy;
  readonly traits: TraitsReader<R>;
  readonly events?: CallEventListener | undefined;
}

type Call = (request: never, context: CallContext) => ObservableInput<unknown>;

/** One subscription of mergeWithConcurrency: takes requests in, starts their calls and emits their outcomes. */
export class ConcurrentRun<R, V> implements TicketOwner, PlainStarter, CallOwner {
  readonly pool: SlotPool;
  readonly consumer = new Consumer();
  readonly #call: Call;
  readonly #settings: RunSettings<R>;
  readonly #destination: Subscriber<CallOutcome<R, V>>;
  readonly #timeouts: Alarms;
  /** All that run, or, where nobody else needs to know of them, those that are to be stopped when the subscriber leaves. */
  readonly #running = new Members<RunningCall>();
  readonly #remembersAll: boolean;
  readonly #idleListeners: PromiseListener[] = [];
  /** The tickets that wait here, in the queue or in back-off. */
  readonly #tickets = new Members<Ticket>();
  /** Requests taken in whose outcome is not out yet. */
  #open = 0;
  #waiting = 0;
  #isSourceDone = false;
  #isClosed = false;
  #lastIndex = 0;
  readonly #order: SourceOrder<CallOutcome<R, V>>;

  constructor(
    call: Call,
    settings: RunSettings<R>,
    pool: (starter: PlainStarter) => SlotPool,
    destination: Subscriber<CallOutcome<R, V>>,
  ) {
    this.#call = call;
    this.#settings = inOneShape(settings);
    this.#destination = destination;
    this.#timeouts = new Alarms(settings.clock);
    this.#order = new SourceOrder((outcome) => destination.next(outcome));
    this.pool = pool(this);
    const { events, limiter, sharedPool, timeout } = settings;
    this.#remembersAll = (events ?? limiter ?? sharedPool) !== undefined || timeout !== Infinity;
  }

  /** A request came in. */
  next(request: R): void {
    const ticket = this.consumer.mayBeSent
      ? (this.consumer.takeOver(request) ?? this.#derived(request))
      : undefined;
    if (ticket?.cancelled) {
      return;
    }
    const { limiter, traits: traitsOf, ordered, maxWait, sharedPool } = this.#settings;
    const traits = traitsOf(request);
    const isPlain =
      !ticket &&
      !ordered &&
      !sharedPool &&
      (traits.maxWait ?? maxWait) === Infinity &&
      !(limiter && traits.tokens !== undefined);
    this.#open++;
    const now = this.#settings.clock.now();
    if (isPlain) {
      this.#takeInPlain(request, traits, now);
    } else {
      this.#takeInTicket(ticket ?? new Ticket(request, now), traits, now);
    }
  }

  /** Takes in a request of which nothing needs to be known but when it came, and how urgent it is. */
  #takeInPlain(request: R, { priority, lane }: CallTraits, now: number): void {
    const { queue, events } = this.#settings;
    const rank = rankOf(priority) ?? defaultRank;
    const id = nextRequestId();
    if (events) {
      tellReceived(events, id, rank, lane, now);
    }
    const room = this.#roomFor(rank, undefined);
    if (this.#isClosed) {
      // Whoever heard of this request, or of one that was dropped for it, has left.
      this.#left(id, undefined);
    } else if (room) {
      this.#waiting++;
      queue.addPlain(this.pool, request, now, id, rank, lane);
      if (room.dropped) {
        this.#drop(room.dropped);
      }
      queue.drainFor(this.pool);
    } else {
      this.#refuse(request, id, now, undefined);
    }
  }

  #takeInTicket(ticket: Ticket<R>, traits: CallTraits, now: number): void {
    const { queue, events, limiter, maxWait } = this.#settings;
    const rank = ticket.isRenewal ? ticket.rank : (rankOf(traits.priority) ?? ticket.rank);
    ticket.rank = ticket.raised && ticket.rank > rank ? ticket.rank : rank;
    ticket.lane = traits.lane ?? ticket.lane;
    ticket.tokens = traits.tokens ?? ticket.tokens;
    ticket.deadline = Math.min(ticket.deadline, ticket.arrivedAt + (traits.maxWait ?? maxWait));
    ticket.index = ++this.#lastIndex;
    ticket.asks = limiter && ticket.usePermit(limiter.key) ? 'start' : 'permit-and-start';
    if (events && ticket.announcedTo !== events) {
      ticket.announcedTo = events;
      tellReceived(events, ticket.id, ticket.rank, ticket.lane, now);
    }
    const room = ticket.refusal === undefined && this.#roomFor(ticket.rank, ticket);
    if (this.#isClosed) {
      this.#left(ticket.id, ticket);
    } else if (ticket.refusal) {
      this.#settleUnstarted(ticket, ticket.refusal);
    } else if (room) {
      this.#waiting++;
      this.#tickets.add(ticket);
      queue.add(ticket, this.pool, this, now);
      if (room.dropped) {
        this.#drop(room.dropped);
      }
      queue.drainFor(this.pool);
    } else {
      this.#refuse(ticket.request, ticket.id, ticket.arrivedAt, ticket);
    }
  }

  /** A ticket for a copy that somebody on the way has made of a request that came from an operator of ours. */
  #derived(request: R): Ticket<R> | undefined {
    const outer = this.consumer.takeOverCopied(request);
    if (!outer) {
      return undefined;
    }
    const ticket = outer.derive(request);
    ticket.cancelled = outer.cancelled;
    ticket.settlesTo = outer.settlesTo;
    outer.holder = { cancelled: () => ticket.cancel(), raised: () => ticket.raise(outer.rank) };
    return ticket;
  }

  /** The source has completed. */
  complete(): void {
    this.#isSourceDone = true;
    this.#completeIfDone();
  }

  start(ticket: Ticket, now: number): void {
    this.#waiting--;
    this.#tickets.delete(ticket);
    ticket.startNumber = nextStartNumber();
    if (ticket.attempts++ === 0) {
      ticket.firstStartAt = now;
      ticket.onStep?.();
      ticket.outer?.onStep?.();
    }
    this.#begin(ticket.request, ticket.arrivedAt, ticket.id, ticket.rank, now, ticket);
  }

  startPlain(request: unknown, arrivedAt: number, id: number, rank: PriorityRank, now: number): void {
    this.#waiting--;
    this.#begin(request, arrivedAt, id, rank, now, undefined);
  }

  expired(ticket: Ticket, error: unknown): void {
    this.#waiting--;
    this.#tickets.delete(ticket);
    this.#forgetPermit(ticket);
    this.#settleUnstarted(ticket, error);
  }

  failPlain(request: unknown, arrivedAt: number, id: number, error: unknown): void {
    if (this.#isClosed) {
      this.#left(id, undefined);
    } else {
      this.#waiting--;
      this.#settle(request as R, id, arrivedAt, undefined, error);
    }
  }

  cancelled(ticket: Ticket): void {
    if (this.#tickets.delete(ticket)) {
      this.#waiting--;
      this.#forgetPermit(ticket);
      this.#settings.queue.remove(ticket);
    } else {
      const call = this.#running.toArray().find((one) => one.ticket === ticket);
      if (!call) {
        return;
      }
      this.#gaveUp(call);
      call.abort('AbortError', 'Nobody waits for the answer of this call any more.');
    }
    this.#open--;
    this.#left(ticket.id, ticket);
    this.#emit(undefined, ticket);
    this.#settings.queue.drain();
    this.#completeIfDone();
  }

  raised(ticket: Ticket): void {
    this.#settings.queue.promote(ticket);
  }

  heard(call: RunningCall, feedback: ProviderFeedback): void {
    const { events, limiter } = this.#settings;
    limiter?.engine.heard(call.id, feedback, call.startedAt);
    if (feedback.usage) {
      call.usage = feedback.usage;
      if (call.ticket) {
        call.ticket.usage = feedback.usage;
      }
    }
    if (events) {
      const { id, startedAt } = call;
      tell(events, { type: 'feedback', at: this.#settings.clock.now(), id, feedback, startedAt });
    }
  }

  #begin(
    request: unknown,
    arrivedAt: number,
    id: number,
    rank: PriorityRank,
    now: number,
    ticket: Ticket | undefined,
  ): void {
    const { events, limiter, queue, retry, timeout } = this.#settings;
    const attempt = ticket ? ticket.attempts : 1;
    const call = new RunningCall(request, id, now, now - arrivedAt, rank, attempt, ticket, this);
    if (this.#remembersAll || ticket) {
      this.#running.add(call);
    }
    if (ticket) {
      ticket.holder = this;
    }
    retry?.started();
    if (events) {
      if (limiter && queue.lastHeldAt !== -Infinity) {
        this.#tellStartAfterHold(events, call);
      } else {
        tellStarted(events, id, rank, attempt, now);
      }
    }
    if (timeout !== Infinity) {
      this.#limitTime(call, now + timeout);
    }
    if (this.#isClosed || call.isOver) {
      return;
    }
    try {
      const result = (this.#call as (request: unknown, context: CallContext) => ObservableInput<unknown>)(
        request,
        call,
      );
      if (this.#isOver(call)) {
        // The call left while it was being made: what it returned is not asked to begin.
        ignoreEnd(result);
        return;
      }
      if (isThenable(result)) {
        listenTo(result, call, this.#idleListeners);
      } else {
        this.#follow(call, result);
      }
    } catch (error) {
      this.failed(call, error);
    }
  }

  toBeStopped(call: RunningCall): void {
    if (call.isOver || this.#running.has(call)) {
      return;
    }
    if (this.#isClosed) {
      call.isOver = true;
      call.abort('AbortError', hasLeft);
    } else {
      this.#running.add(call);
    }
  }

  #follow(call: RunningCall, result: ObservableInput<unknown>): void {
    this.toBeStopped(call);
    let hasValue = false;
    let last: unknown;
    const work = from(result).subscribe({
      next: (value) => {
        hasValue = true;
        last = value;
      },
      error: (error: unknown) => this.failed(call, error),
      complete: () => (hasValue ? this.succeeded(call, last) : this.failed(call, emptyError())),
    });
    call.work = work;
    if (this.#isOver(call)) {
      call.stopWork();
    }
  }

  succeeded(call: RunningCall, value: unknown): void {
    if (call.isOver) {
      return;
    }
    const { events, limiter, queue } = this.#settings;
    const now = this.#release(call);
    // As with mergeMap, a call is cleaned up before the next one starts in its place.
    call.stopWork();
    limiter?.engine.succeeded(call.id, call.startedAt, now);
    if (events) {
      tellFinished(events, call, 'succeeded', now);
      this.#tellExplanation(events, now);
    }
    if (this.#isClosed || call.ticket?.cancelled) {
      this.#abandoned(call);
      return;
    }
    this.#open--;
    const outcome: SuccessfulOutcome<R, V> = {
      ok: true,
      request: call.request as R,
      value: value as V,
      source: 'call',
      latency: now - call.startedAt,
      waited: call.waited,
      attempts: call.attempt,
    };
    this.#yield(outcome, call.id, call.ticket, now);
    // Only now, so that no call is started that the outcome made superfluous (take).
    queue.drain();
    this.#completeIfDone();
  }

  failed(call: RunningCall, error: unknown): void {
    if (call.isOver) {
      return;
    }
    const { events, limiter, queue, retry } = this.#settings;
    const now = this.#release(call);
    // As with mergeMap, a call is cleaned up before the next one starts in its place.
    call.stopWork();
    // Before anyone hears of it: a request made in reaction must find the hold that a refusal causes.
    const verdict = limiter?.engine.failed(call.id, error, call.startedAt);
    if (events) {
      tellFinished(events, call, 'failed', now, error);
      this.#tellExplanation(events, now);
    }
    if (this.#isClosed || call.ticket?.cancelled) {
      this.#abandoned(call);
      return;
    }
    const failure = retry ? this.#tryAgain(call, error, retry, verdict) : { error };
    if (failure) {
      this.#open--;
      this.#yield(
        {
          ok: false,
          request: call.request as R,
          error: failure.error,
          latency: now - call.startedAt,
          waited: call.waited,
          attempts: call.attempt,
        },
        call.id,
        call.ticket,
        now,
      );
    }
    // Only now, so that no call is started that the outcome made superfluous (take).
    queue.drain();
    this.#completeIfDone();
  }

  /** Asked anew, because what ran in between may have ended the call. */
  #isOver(call: RunningCall): boolean {
    return call.isOver || this.#isClosed;
  }

  /** Whoever heard that a call has finished left, or was the last to wait for it. */
  #abandoned({ id, ticket }: RunningCall): void {
    this.#left(id, ticket);
    if (!this.#isClosed) {
      this.#open--;
      this.#emit(undefined, ticket);
      this.#settings.queue.drain();
      this.#completeIfDone();
    }
  }

  /** Has a failed call tried again; or tells what its request fails with. */
  #tryAgain(
    call: RunningCall,
    error: unknown,
    retry: RetryPolicy,
    verdict: FailureVerdict | undefined,
  ): Failure | undefined {
    const { queue, events, clock } = this.#settings;
    const { ticket: known, attempt, startedAt } = call;
    const meaning = retry.classify(error);
    const isRefused = isRefusal(meaning.kind);
    const { walls } = queue;
    const hopeless = isRefused && hopelessError(walls, this.pool, known, call.arrivedAt, clock.now());
    if (hopeless) {
      return hopeless.error instanceof QuotaSpentError ? hopeless : { error };
    }
    const isUncharged = isRefused || verdict?.wasProbe;
    const refusals = (known?.lastFailure?.refusals ?? 0) + (isUncharged ? 1 : 0);
    const elapsedFrom = known?.lastFailure
      ? known.elapsedFrom
      : startedAt - (walls?.statedHold(startedAt) ?? 0);
    const since = elapsedFrom + (walls?.statedHold(Infinity) ?? 0);
    const decision = retry.decide(meaning, attempt, refusals, since, verdict);
    if (!decision.retry) {
      return { error };
    }
    if (this.#isClosed) {
      // The classifier, or the source of chance, had somebody leave.
      this.#left(call.id, known);
      return undefined;
    }
    const ticket = known ?? new Ticket(call.request, call.arrivedAt, call.id);
    if (!known) {
      const traits = this.#settings.traits(call.request as R);
      ticket.rank = call.rank;
      ticket.lane = traits.lane;
      ticket.attempts = attempt;
      ticket.firstStartAt = startedAt;
      ticket.announcedTo = events;
    }
    const now = clock.now();
    ticket.lastFailure = { startedAt, latency: now - startedAt, error, refusals };
    ticket.elapsedFrom = elapsedFrom;
    ticket.behindUntil = isRefused ? (now + endOf(ticket, this.pool, walls)) / 2 : -Infinity;
    ticket.asks = 'permit-and-start';
    this.#waiting++;
    this.#tickets.add(ticket);
    if (decision.delay > 0) {
      queue.addLater(ticket, this.pool, this, decision.delay);
    } else {
      queue.add(ticket, this.pool, this, now);
    }
    if (events) {
      tell(events, {
        type: 'retrying',
        at: now,
        id: call.id,
        attempt: attempt + 1,
        delay: decision.delay,
      });
    }
    return undefined;
  }

  #limitTime(call: RunningCall, end: number): void {
    call.timeout = this.#timeouts.set(end, () => this.#timedOut(call));
  }

  #timedOut(call: RunningCall): void {
    if (!call.isOver) {
      const error = new CallTimeoutError(this.#settings.timeout);
      call.abort('TimeoutError', error.message);
      this.failed(call, error);
    }
  }

  /** Frees the slot of a call that is over; returns when that was. */
  #release(call: RunningCall): number {
    const now = this.#settings.clock.now();
    call.isOver = true;
    this.#running.delete(call);
    if (call.timeout) {
      this.#timeouts.cancel(call.timeout);
    }
    this.pool.release(now);
    return now;
  }

  /**
   * Whether a request may wait, or start at once: undefined if not. An older one that was taken out for it, if that is
   * the policy, is refused only after the newcomer has its place, as its outcome may bring further requests.
   */
  #roomFor(rank: PriorityRank, ticket: Ticket | undefined): Room | undefined {
    const { maxQueue, overflow, queue, limiter, sharedPool } = this.#settings;
    if (maxQueue === Infinity && !limiter) {
      return justRoom;
    }
    const asks = ticket?.asks ?? 'permit-and-start';
    // Who shares slots shares the bound as well: a promise is a subscription of its own.
    const waiting = sharedPool ? queue.waiting + queue.backingOff : this.#waiting;
    const isFull = waiting >= maxQueue;
    // The limiter's bound is for those who wait for its permit.
    const isLimiterFull = limiter !== undefined && asks !== 'start' && queue.waiting >= limiter.maxQueue;
    if (
      (!isFull && !isLimiterFull) ||
      queue.wouldStart(this.pool, rank, ticket ?? { tokens: undefined, textLength: 0 }, asks)
    ) {
      return justRoom;
    }
    const dropsOldest = (isFull ? overflow : limiter!.overflow) === 'drop-oldest';
    const dropped = dropsOldest ? queue.takeOldest(this.pool, rank) : undefined;
    return dropped && { dropped };
  }

  #drop({ item, ticket, arrivedAt, id }: DroppedRequest): void {
    if (ticket) {
      // Where slots are shared, the oldest may be another subscription's.
      (ticket.owner as ConcurrentRun<R, V>).#dropped(ticket);
    } else {
      this.#waiting--;
      this.#refuse(item as R, id, arrivedAt, undefined);
    }
  }

  #dropped(ticket: Ticket): void {
    this.#waiting--;
    this.#tickets.delete(ticket);
    this.#refuse(ticket.request as R, ticket.id, ticket.arrivedAt, ticket);
  }

  /** The limiter need not remember one that has paid and will never start. */
  #forgetPermit({ asks, id }: Ticket): void {
    if (asks === 'start') {
      this.#settings.limiter?.engine.forget(id);
    }
  }

  #refuse(request: R, id: number, arrivedAt: number, ticket: Ticket | undefined): void {
    const { maxQueue, limiter } = this.#settings;
    const error = new QueueOverflowError(Math.min(maxQueue, limiter?.maxQueue ?? Infinity));
    if (ticket) {
      this.#forgetPermit(ticket);
    }
    this.#settle(request, id, arrivedAt, ticket, error);
  }

  #settleUnstarted(ticket: Ticket, error: unknown): void {
    this.#settle(ticket.request as R, ticket.id, ticket.arrivedAt, ticket, error);
  }

  #settle(request: R, id: number, arrivedAt: number, ticket: Ticket | undefined, error: unknown): void {
    const now = this.#settings.clock.now();
    const failure = ticket?.lastFailure;
    const outcome: FailedOutcome<R> = {
      ok: false,
      request,
      error,
      latency: failure?.latency ?? 0,
      waited: (failure?.startedAt ?? now) - arrivedAt,
      attempts: ticket?.attempts ?? 0,
    };
    this.#open--;
    this.#yield(outcome, id, ticket, now);
    this.#completeIfDone();
  }

  #yield(outcome: CallOutcome<R, V>, id: number, ticket: Ticket | undefined, at: number): void {
    const { events } = this.#settings;
    if (events && ticket?.settlesTo !== events) {
      tellSettled(events, id, outcome, at);
    }
    if (ticket?.passedOnBy && !this.#settings.ordered) {
      emitSigned(outcome, ticket.outer ?? ticket, this.#destination);
      return;
    }
    if (ticket?.passedOnBy) {
      signOutcome(outcome, ticket.outer ?? ticket);
    }
    this.#emit(outcome, ticket);
  }

  #emit(outcome: CallOutcome<R, V> | undefined, ticket: Ticket | undefined): void {
    if (this.#settings.ordered && ticket) {
      this.#order.put(ticket.index, outcome);
    } else if (outcome) {
      this.#destination.next(outcome);
    }
  }

  #completeIfDone(): void {
    // What is still held back for the order must be out first, even if the source completes in reaction to an outcome.
    if (this.#isSourceDone && this.#open === 0 && this.#order.isEmpty) {
      this.#destination.complete();
    }
  }

  /** Lets go of everything. */
  close(): void {
    const { queue, events, sharedPool } = this.#settings;
    this.#isClosed = true;
    this.#timeouts.clear();
    if (!sharedPool) {
      // Nothing of ours may start, and be paid for, while the others are given up.
      this.pool.limit = 0;
    }
    // In the order in which they came.
    const tickets = this.#tickets.toArray().sort((one, other) => one.id - other.id);
    this.#tickets.clear();
    queue.removeAll(tickets);
    for (const ticket of tickets) {
      this.#forgetPermit(ticket);
      this.#left(ticket.id, ticket);
    }
    if (!sharedPool) {
      queue.forget(this.pool, events && ((id) => this.#left(id, undefined)));
    }
    for (let call = this.#running.any(); call; call = this.#running.any()) {
      this.#gaveUp(call);
      this.#left(call.id, call.ticket);
      call.abort('AbortError', hasLeft);
    }
    queue.drain();
  }

  /** Tells of a start where the limiter has ever held a request, and whether it has held this one. */
  #tellStartAfterHold(events: CallEventListener, call: RunningCall): void {
    const { id, attempt, startedAt: at, ticket } = call;
    // Before anyone hears of the start, who may change all this.
    const { lastHeldAt } = this.#settings.queue;
    const hasPaid = ticket?.asks === 'start';
    const waitedSince = hasPaid
      ? Infinity
      : Math.max(ticket?.queuedAt ?? call.arrivedAt, this.pool.freeSince);
    tellStarted(events, id, call.rank, attempt, at);
    if (lastHeldAt >= waitedSince && at > waitedSince) {
      tell(events, { type: 'throttled', at, id, waited: at - waitedSince });
    }
  }

  /** Tells what the limiter puts refusals down to, if a call has changed that. */
  #tellExplanation(events: CallEventListener, at: number): void {
    const explanation = this.#settings.limiter?.engine.takeExplanation();
    if (explanation) {
      tell(events, { type: 'refusals-explained', at, ...explanation });
    }
  }

  /** Ends a call that nobody waits for. */
  #gaveUp(call: RunningCall): void {
    const { events, limiter } = this.#settings;
    const now = this.#release(call);
    limiter?.engine.forget(call.id);
    if (events) {
      tellFinished(events, call, 'aborted', now);
    }
  }

  #left(id: number, ticket: Ticket | undefined): void {
    const { events, clock } = this.#settings;
    if (events && ticket?.settlesTo !== events) {
      tell(events, { type: 'left', at: clock.now(), id });
    }
  }
}

/**
 * Settings whose fields stand in the same order whoever made them: else a program in which two do that would take a
 * third longer for each call.
 */
function inOneShape<R>(settings: RunSettings<R>): RunSettings<R> {
  const {
    clock,
    queue,
    sharedPool,
    limiter,
    retry,
    ordered,
    timeout,
    maxWait,
    maxQueue,
    overflow,
    traits,
    events,
  } = settings;
  return {
    clock,
    queue,
    sharedPool,
    limiter,
    retry,
    ordered,
    timeout,
    maxWait,
    maxQueue,
    overflow,
    traits,
    events,
  };
}

interface DroppedRequest {
  readonly item: unknown;
  readonly ticket: Ticket | undefined;
  readonly arrivedAt: number;
  readonly id: number;
}

/** A place in the queue, and who had to make room for it. */
interface Room {
  readonly dropped?: DroppedRequest;
}

/** Why a call is stopped. */
const hasLeft = 'The subscriber left before this call had ended.';

const justRoom: Room = {};

/** RxJS's own `EmptyError`, from where RxJS makes it: constructing one is not for others to do. */
function emptyError(): unknown {
  let emptiness: unknown;
  EMPTY.pipe(throwIfEmpty()).subscribe({ error: (error: unknown) => (emptiness = error) });
  return emptiness;
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as { then?: unknown } | undefined)?.then === 'function';
}

function isRefusal(kind: string): boolean {
  return kind === 'wait' || kind === 'overloaded';
}
