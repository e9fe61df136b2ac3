import { Observable, Subscription, type MonoTypeOperatorFunction, type Subscriber } from 'rxjs';
import { QueueOverflowError } from '../core/errors';
import type { CallEventListener } from '../core/events';
import { Consumer, handOver } from '../core/hand-over';
import { defaultRank, rankOf, type PriorityRank } from '../core/priority';
import {
  choiceSetting,
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
} from '../core/settings';
import { Ticket, type TicketOwner } from '../core/ticket';
import { validated, type TraitsReader } from '../core/traits';
import { AdaptiveRateLimiter, type RateLimiterConfig } from '../limiter/adaptive-rate-limiter';
import { engineOf } from '../limiter/engine-of';
import { SlotPool } from '../limiter/slot-pool';
import { subscribeWhileOpen } from './subscribe-while-open';
import { tell, tellReceived } from './tell';

/** The config of {@link adaptiveThrottle}. */
export interface ThrottleConfig<R> {
  /** Milliseconds a request may wait before it is refused. Default `Infinity`; its own `maxWait` comes first. */
  readonly maxWait?: number;
  /**
   * What becomes of a refused request (a full queue, a deadline): `error` makes the refusal the stream's error
   * (default); `pass` lets it through for a mergeWithConcurrency with the same limiter to fail without calling.
   */
  readonly refused?: 'error' | 'pass';
  /** Reads the traits of a request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<R>;
  /** Hears what happens to every request. */
  readonly events?: CallEventListener;
}

/**
 * Paces requests by a limiter and, unlike RxJS's `throttle`, loses nothing: what comes too fast waits for its turn.
 *
 * A request passes at once if the last start is at least the limiter's interval times its priority's multiplier ago,
 * else as soon as that is so; the more urgent overtake. The request has then paid: `mergeWithConcurrency` with the
 * same limiter does not pay again. Where calls are slow, `mergeWithConcurrency(call, { limiter })` alone is the
 * better form: there a permit is taken at the moment of start, not before the wait for a slot.
 *
 * ```
 * source      abc|
 * throttled   a--b--c|        baseInterval: 3, adaptive: false
 * ```
 *
 * @example
 * prompts$.pipe(adaptiveThrottle({ baseInterval: 200 }), mergeMap((prompt) => ask(prompt)));
 *
 * @param limiter a limiter to share, or the config of one that each subscription makes for itself
 * @throws TypeError or RangeError for a config that names a wrong value; the stream fails with `QueueOverflowError`
 * or `DeadlineExceededError` for a refused request, unless `refused` is `pass`
 */
export function adaptiveThrottle<R>(
  limiter: AdaptiveRateLimiter | RateLimiterConfig,
  config?: ThrottleConfig<R>,
): MonoTypeOperatorFunction<R> {
  const settings: ThrottleConfig<R> = configObject('adaptiveThrottle', config);
  const shared = limiter instanceof AdaptiveRateLimiter ? limiter : undefined;
  if (!shared) {
    // Throws now rather than at the first subscription.
    new AdaptiveRateLimiter(limiter);
  }
  const resolved: RunSettings<R> = {
    maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
    passRefused: choiceSetting('refused', settings.refused, 'error', ['error', 'pass']) === 'pass',
    traits: validated(functionSetting('traits', settings.traits)),
    events: listenerSetting('events', settings.events),
  };
  return (source) =>
    new Observable((destination) => {
      const run = new ThrottleRun(shared ?? new AdaptiveRateLimiter(limiter), resolved, destination);
      subscribeWhileOpen(source, destination, run);
    });
}

interface RunSettings<R> {
  readonly maxWait: number;
  readonly passRefused: boolean;
  readonly traits: TraitsReader<R>;
  readonly events: CallEventListener | undefined;
}

/** One subscription of adaptiveThrottle. */
class ThrottleRun<R> implements TicketOwner {
  readonly #limiter: AdaptiveRateLimiter;
  readonly #settings: RunSettings<R>;
  readonly #destination: Subscriber<R>;
  readonly #pool = new SlotPool(Infinity);
  readonly consumer = new Consumer();
  readonly upstream = new Subscription();
  /** The operator of ours behind this one, if there is one. */
  readonly #next = Consumer.current();
  readonly #waiting = new Set<Ticket>();
  #isSourceDone = false;

  constructor(limiter: AdaptiveRateLimiter, settings: RunSettings<R>, destination: Subscriber<R>) {
    this.#limiter = limiter;
    this.#settings = settings;
    this.#destination = destination;
  }

  next(request: R): void {
    const ticket = this.#ticketOf(request);
    if (ticket.cancelled) {
      return;
    }
    if (ticket.refusal) {
      this.#passOn(ticket);
      return;
    }
    const { queue } = this.#limiter[engineOf];
    const isFull =
      queue.waiting >= this.#limiter.maxQueue && !queue.wouldStart(this.#pool, ticket.rank, ticket, 'permit');
    const hasRoom = !isFull || this.#makeRoom(ticket.rank);
    if (this.#destination.closed) {
      // Whoever heard of this request, or of one that was dropped for it, has left.
      this.#left(ticket);
      return;
    }
    if (!hasRoom) {
      this.#refuse(ticket, new QueueOverflowError(this.#limiter.maxQueue));
      return;
    }
    this.#waiting.add(ticket);
    ticket.asks = 'permit';
    queue.add(ticket, this.#pool, this, this.#limiter[engineOf].clock.now());
    queue.drain();
  }

  complete(): void {
    this.#isSourceDone = true;
    this.#completeIfDone();
  }

  start(ticket: Ticket, now: number): void {
    this.#pool.release(now);
    this.#waiting.delete(ticket);
    (ticket.permits ??= []).push(this.#limiter);
    const { events } = this.#settings;
    const waited = now - ticket.queuedAt;
    const { lastHeldAt } = this.#limiter[engineOf].queue;
    if (events && waited > 0 && lastHeldAt >= ticket.queuedAt) {
      tell(events, { type: 'throttled', at: now, id: ticket.id, waited });
    }
    this.#passOn(ticket);
    this.#completeIfDone();
  }

  expired(ticket: Ticket, error: unknown): void {
    this.#waiting.delete(ticket);
    this.#refuse(ticket, error as Error);
    this.#completeIfDone();
  }

  cancelled(ticket: Ticket): void {
    if (this.#waiting.delete(ticket)) {
      this.#limiter[engineOf].queue.remove(ticket);
      this.#completeIfDone();
    }
  }

  raised(ticket: Ticket): void {
    this.#limiter[engineOf].queue.promote(ticket);
  }

  #ticketOf(request: R): Ticket {
    const { traits: traitsOf, maxWait, events } = this.#settings;
    const { clock } = this.#limiter[engineOf];
    const traits = traitsOf(request);
    const now = clock.now();
    const ticket = this.consumer.takeOver(request, this.#settings) ?? new Ticket(request, now);
    const rank = ticket.isRenewal ? ticket.rank : (rankOf(traits.priority) ?? ticket.rank);
    ticket.rank = ticket.raised && ticket.rank > rank ? ticket.rank : rank;
    ticket.lane = traits.lane ?? ticket.lane;
    ticket.tokens = traits.tokens ?? ticket.tokens;
    ticket.deadline = Math.min(ticket.deadline, ticket.arrivedAt + (traits.maxWait ?? maxWait));
    if (events && ticket.announcedTo !== events) {
      ticket.announcedTo = events;
      tellReceived(events, ticket.id, ticket.rank, ticket.lane, now);
    }
    return ticket;
  }

  #makeRoom(rank: PriorityRank = defaultRank): boolean {
    if (this.#limiter.overflow === 'reject') {
      return false;
    }
    const dropped = this.#limiter[engineOf].queue.takeOldest(this.#pool, rank);
    if (!dropped) {
      return false;
    }
    const ticket = dropped.ticket!;
    this.#waiting.delete(ticket);
    this.#refuse(ticket, new QueueOverflowError(this.#limiter.maxQueue));
    return true;
  }

  #refuse(ticket: Ticket, error: Error): void {
    if (this.#settings.passRefused) {
      ticket.refusal = error;
      this.#passOn(ticket);
      return;
    }
    const { events } = this.#settings;
    if (events && ticket.settlesTo !== events) {
      const at = this.#limiter[engineOf].clock.now();
      const waited = at - ticket.arrivedAt;
      tell(events, { type: 'settled', at, id: ticket.id, ok: false, error, latency: 0, waited, attempts: 0 });
    }
    // Before anyone hears of it, who may ask or subscribe anew: nothing is to come or to start here any more.
    try {
      this.upstream.unsubscribe();
    } finally {
      this.close();
      this.#destination.error(error);
    }
  }

  #passOn(ticket: Ticket): void {
    if (this.#destination.closed) {
      // Whoever heard of it left, or the operators in front let go first.
      this.#limiter[engineOf].forget(ticket.id);
      this.#left(ticket);
      return;
    }
    ticket.passOnBy(this.#settings);
    handOver(ticket as Ticket<R>, this.#next, this.#destination);
  }

  #completeIfDone(): void {
    if (this.#isSourceDone && this.#waiting.size === 0) {
      this.#destination.complete();
    }
  }

  close(): void {
    const { queue } = this.#limiter[engineOf];
    const tickets = [...this.#waiting];
    this.#waiting.clear();
    queue.removeAll(tickets);
    for (const ticket of tickets) {
      this.#left(ticket);
    }
    queue.forget(this.#pool);
  }

  #left(ticket: Ticket): void {
    const { events } = this.#settings;
    if (events && ticket.settlesTo !== events) {
      tell(events, { type: 'left', at: this.#limiter[engineOf].clock.now(), id: ticket.id });
    }
  }
}
