import type { Subscriber } from 'rxjs';
import type { CallOutcome, ProviderFeedback } from '../core/call';
import { QueueOverflowError } from '../core/errors';
import { Consumer } from '../core/hand-over';
import { holdStarts } from '../core/held-starts';
import { Ticket, type TicketOwner } from '../core/ticket';
import type { SlotPool } from '../limiter/slot-pool';
import { AnswerInChunks } from './answer-in-chunks';
import type { CallResult, FailedResult } from './answer-verdict';
import { AttemptTimeouts } from './attempt-timeouts';
import { finished, left, reportReceived, settled, started } from './call-events';
import { Exit } from './exit';
import type { Emitted } from './items';
import { failed } from './outcomes';
import { overflowFor } from './overflow';
import { judge } from './retries';
import type { RunSettings } from './run-settings';
import { RunningCall, type Call, type CallOwner } from './running-call';

/** One subscription of `mergeWithConcurrency`: takes requests, starts their calls and emits their outcomes. */
export class ConcurrentRun<R, V> implements TicketOwner, CallOwner {
  readonly consumer = new Consumer();
  readonly #call: Call;
  readonly #settings: RunSettings<R>;
  readonly #pool: SlotPool;
  readonly #exit: Exit<R, V>;
  /** The tickets in the queue or in back-off. */
  readonly #waiting = new Set<Ticket>();
  readonly #running = new Map<Ticket, RunningCall>();
  #isClosed = false;

  constructor(call: Call, settings: RunSettings<R>, pool: SlotPool, destination: Subscriber<Emitted<R, V>>) {
    this.#call = call;
    this.#settings = settings;
    this.#pool = pool;
    this.#exit = new Exit(destination, settings);
  }

  next(request: R): void {
    const { clock, queue, events, limiter, maxWait } = this.#settings;
    const ticket =
      this.consumer.takeOver(request) ??
      this.consumer.takeOverCopied(request) ??
      new Ticket(request, clock.now());
    if (ticket.cancelled) {
      return;
    }
    const traits = this.#settings.traits(request);
    ticket.apply(traits, maxWait);
    this.#exit.open(ticket);
    const now = clock.now();
    ticket.asks = limiter && ticket.usePermit(limiter.key) ? 'start' : 'permit-and-start';
    reportReceived(ticket, traits, events, now);
    if (!this.#isWanted(ticket)) {
      this.#drop(ticket);
      return;
    }
    if (ticket.refusal) {
      this.#settleUnstarted(ticket, ticket.refusal);
      return;
    }
    const overflow = overflowFor(ticket, this.#waiting.size, this.#pool, this.#settings);
    const oldest = overflow === 'drop-oldest' ? queue.takeOldest(this.#pool, ticket.rank) : undefined;
    if (overflow && !oldest) {
      this.#refuse(ticket);
      return;
    }
    this.#waiting.add(ticket);
    queue.add(ticket, this.#pool, this, now);
    if (oldest) {
      // Last, because its outcome may bring further requests. With shared slots, another subscription may own it.
      (oldest.owner as ConcurrentRun<R, V>).#refuse(oldest);
    }
    queue.drain();
  }

  /** The queue starts a ticket. */
  start(ticket: Ticket, now: number): void {
    const { events, limiter, queue, retry, stream, errorInAnswer } = this.#settings;
    this.#waiting.delete(ticket);
    ticket.begin(now);
    const call = new RunningCall(ticket, now, this, stream && new AnswerInChunks(stream));
    this.#running.set(ticket, call);
    ticket.holder = this;
    retry?.started();
    // Read before listeners receive the start, because they may change it.
    const waitedSince = ticket.asks === 'start' ? Infinity : Math.max(ticket.queuedAt, this.#pool.freeSince);
    const wasHeld = limiter !== undefined && queue.lastHeldAt >= waitedSince && now > waitedSince;
    events?.next(started(ticket, now));
    if (wasHeld) {
      events?.next({ type: 'throttled', at: now, id: ticket.id, waited: now - waitedSince });
    }
    if (call.state === 'over') {
      return;
    }
    call.timeouts = AttemptTimeouts.of(this.#settings, (error) => {
      call.abort('TimeoutError', error.message);
      this.ended(call, { ok: false, error });
    });
    call.timeouts?.start(now);
    call.make(this.#call, errorInAnswer);
  }

  heard(call: RunningCall, feedback: ProviderFeedback): void {
    const { clock, events, limiter } = this.#settings;
    const { ticket, startedAt } = call;
    const now = clock.now();
    call.timeouts?.alive(now);
    if (feedback.usage || feedback.headers) {
      limiter?.engine.heard(ticket.id, feedback, startedAt);
      ticket.noteUsage(feedback.usage);
      events?.next({ type: 'feedback', at: now, id: ticket.id, feedback, startedAt });
    }
  }

  brought(call: RunningCall, chunk: unknown): void {
    const { clock, events } = this.#settings;
    const { ticket, attempt, startedAt } = call;
    const index = call.answer!.add(chunk);
    const now = clock.now();
    call.timeouts?.alive(now, index === 0);
    if (index === 0) {
      events?.next({ type: 'first-chunk', at: now, id: ticket.id, attempt, latency: now - startedAt });
    }
    if (call.state === 'running' && this.#isWanted(ticket)) {
      this.#exit.tell(ticket, index, chunk);
    }
  }

  /** A call has ended: it is retried, or its outcome is emitted. */
  ended(call: RunningCall, end: CallResult): void {
    if (call.state === 'over') {
      return;
    }
    const { events, limiter, queue } = this.#settings;
    const { ticket, startedAt, waited, attempt } = call;
    // No call starts before the outcome was emitted, because the subscriber may leave then (take).
    holdStarts(() => {
      const now = this.#release(call);
      const result = call.answer?.withPartial(end) ?? end;
      this.#tellUsage(call, result.ok);
      // Before the outcome is emitted, so that a request made in reaction meets the hold that a refusal causes.
      const verdict = result.ok
        ? limiter?.engine.succeeded(ticket.id, startedAt, now)
        : limiter?.engine.failed(ticket.id, result.error, startedAt);
      events?.next(
        result.ok ? finished(call, 'succeeded', now) : finished(call, 'failed', now, result.error),
      );
      this.#reportExplanation(now);
      const times = { latency: now - startedAt, waited, attempts: attempt };
      if (!this.#isWanted(ticket)) {
        this.#drop(ticket);
      } else if (result.ok) {
        const request = ticket.request as R;
        this.#settle(ticket, { ok: true, request, value: result.value as V, source: 'call', ...times });
      } else {
        this.#retryOrFail(call, result, verdict ?? undefined, times);
      }
      queue.drain();
    });
  }

  expired(ticket: Ticket, error: unknown): void {
    this.#waiting.delete(ticket);
    this.#forgetPermit(ticket);
    this.#settleUnstarted(ticket, error);
  }

  cancelled(ticket: Ticket): void {
    const call = this.#running.get(ticket);
    if (call) {
      this.#abort(call, 'Nobody waits for the answer of this call any more.');
    } else if (this.#waiting.delete(ticket)) {
      this.#forgetPermit(ticket);
      this.#settings.queue.remove(ticket);
    } else {
      return;
    }
    this.#drop(ticket);
    this.#settings.queue.drain();
  }

  raised(ticket: Ticket): void {
    this.#settings.queue.promote(ticket);
  }

  complete(): void {
    this.#exit.complete();
  }

  close(): void {
    const { queue } = this.#settings;
    this.#isClosed = true;
    const tickets = [...this.#waiting].sort((one, other) => one.id - other.id);
    this.#waiting.clear();
    for (const ticket of tickets) {
      queue.remove(ticket);
      this.#forgetPermit(ticket);
    }
    for (const ticket of tickets) {
      this.#reportLeft(ticket);
    }
    for (const call of this.#running.values()) {
      this.#abort(call, 'The subscriber left before this call had ended.');
      this.#reportLeft(call.ticket);
    }
    queue.drain();
  }

  #refuse(ticket: Ticket): void {
    const { maxQueue, limiter } = this.#settings;
    this.#waiting.delete(ticket);
    this.#forgetPermit(ticket);
    this.#settleUnstarted(ticket, new QueueOverflowError(Math.min(maxQueue, limiter?.maxQueue ?? Infinity)));
  }

  /** Reports what the chunks of an ended call have used. */
  #tellUsage(call: RunningCall, isWhole: boolean): void {
    const { answer, ticket } = call;
    const usage = isWhole ? answer?.usage : answer?.estimatedUsage(ticket.request, ticket.usage);
    if (usage) {
      this.heard(call, { usage });
    }
  }

  #retryOrFail(
    call: RunningCall,
    result: FailedResult,
    verdict: Parameters<typeof judge>[2],
    times: Pick<CallOutcome<R, V>, 'latency' | 'waited' | 'attempts'>,
  ): void {
    const { ticket } = call;
    const { clock, events, queue } = this.#settings;
    const settings = { ...this.#settings, pool: this.#pool, walls: queue.walls };
    const judged = judge(call, result.error, verdict, settings);
    if (!this.#isWanted(ticket)) {
      // The classifier, the source of chance or a listener made the subscriber leave.
      this.#drop(ticket);
      return;
    }
    if ('error' in judged) {
      const { error } = judged;
      const partial = 'partial' in result && { partial: result.partial as V };
      this.#settle(ticket, { ok: false, request: ticket.request as R, error, ...partial, ...times });
      return;
    }
    const { delay, failedAttempt } = judged;
    const now = clock.now();
    ticket.lastFailure = failedAttempt;
    ticket.asks = 'permit-and-start';
    this.#waiting.add(ticket);
    if (delay > 0) {
      queue.addLater(ticket, this.#pool, this, delay);
    } else {
      queue.add(ticket, this.#pool, this, now);
    }
    events?.next({ type: 'retrying', at: now, id: ticket.id, attempt: call.attempt + 1, delay });
  }

  #settleUnstarted(ticket: Ticket, error: unknown): void {
    this.#settle(ticket, failed(ticket, ticket.request as R, error, this.#settings.clock));
  }

  #settle(ticket: Ticket, outcome: CallOutcome<R, V>): void {
    const { clock, events } = this.#settings;
    if (events && ticket.settledReportedTo !== events) {
      events.next(settled(ticket.id, outcome, clock.now()));
    }
    this.#exit.leave(ticket, outcome);
  }

  /** Forgets a ticket without a waiter. */
  #drop(ticket: Ticket): void {
    this.#reportLeft(ticket);
    this.#exit.leave(ticket, undefined);
  }

  /** Aborts a call without a waiter. */
  #abort(call: RunningCall, message: string): void {
    const { events, limiter } = this.#settings;
    holdStarts(() => {
      const now = this.#release(call);
      this.#tellUsage(call, false);
      limiter?.engine.forget(call.ticket.id);
      events?.next(finished(call, 'aborted', now));
      call.abort('AbortError', message);
    });
  }

  /** Frees the slot of an ended call; returns the time. */
  #release(call: RunningCall): number {
    const now = this.#settings.clock.now();
    call.state = 'over';
    call.timeouts?.stop();
    this.#running.delete(call.ticket);
    this.#pool.release(now);
    return now;
  }

  /** Lets the limiter forget a paid ticket that will never start. */
  #forgetPermit({ asks, id }: Ticket): void {
    if (asks === 'start') {
      this.#settings.limiter?.engine.forget(id);
    }
  }

  /** Whether the outcome of a ticket is still wanted. Checked after user code ran. */
  #isWanted(ticket: Ticket): boolean {
    return !this.#isClosed && !ticket.cancelled;
  }

  /** Reports the limiter's opinion about refusals if a call has changed it. */
  #reportExplanation(at: number): void {
    const { events, limiter } = this.#settings;
    const explanation = events && limiter?.engine.takeExplanation();
    if (explanation) {
      events.next({ type: 'refusals-explained', at, ...explanation });
    }
  }

  #reportLeft(ticket: Ticket): void {
    const { clock, events } = this.#settings;
    if (events && ticket.settledReportedTo !== events) {
      events.next(left(ticket, clock.now()));
    }
  }
}
