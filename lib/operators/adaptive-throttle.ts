import { Observable, Subscription, type MonoTypeOperatorFunction, type Subscriber } from 'rxjs';
import { QueueOverflowError } from '../core/errors';
import type { CallEventListener } from '../core/events';
import { Consumer, handOver } from '../core/hand-over';
import { holdStarts } from '../core/held-starts';
import { guarded } from '../core/listener';
import {
  choiceSetting,
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
  type FieldsOf,
} from '../core/settings';
import { Ticket, type TicketOwner } from '../core/ticket';
import { validated, type TraitsReader } from '../core/traits';
import { AdaptiveRateLimiter, type RateLimiterConfig } from '../limiter/adaptive-rate-limiter';
import { engineOf } from '../limiter/engine-of';
import type { LimiterEngine } from '../limiter/limiter-engine';
import { SlotPool } from '../limiter/slot-pool';
import { left, reportReceived, settled } from './call-events';
import { Outlet } from './outlet';
import { subscribeWhileOpen } from './subscribe-while-open';

const fields: FieldsOf<ThrottleConfig<never>> = { maxWait: true, refused: true, traits: true, events: true };

/** The config of {@link adaptiveThrottle}. */
export interface ThrottleConfig<R> {
  /**
   * Milliseconds that a request may wait before it is refused; its own `maxWait` may be shorter.
   * @defaultValue `Infinity`
   */
  readonly maxWait?: number | undefined;
  /**
   * What happens to a refused request (a full queue, a deadline): `error` makes the refusal the stream's error; `pass`
   * lets the request through, and a `mergeWithConcurrency` with the same limiter fails it without a call.
   * @defaultValue `error`
   */
  readonly refused?: 'error' | 'pass' | undefined;
  /** Reads the traits of a request. @defaultValue the request's own fields that are valid traits */
  readonly traits?: TraitsReader<R> | undefined;
  /** Receives the events of all requests. @defaultValue none */
  readonly events?: CallEventListener | undefined;
}

/**
 * Paces requests by a limiter. Unlike RxJS's `throttle`, it loses nothing: requests that come too fast wait for their
 * turn.
 *
 * A request passes as soon as the last start is at least the limiter's interval times the priority's multiplier ago;
 * urgent requests overtake others. A `mergeWithConcurrency` with the same limiter does not take a second permit for it.
 * If calls are slow, use `mergeWithConcurrency(call, { limiter })` alone: it takes the permit when the call starts, not
 * before the wait for a slot.
 *
 * ```
 * baseInterval: 3, adaptive: false
 * source     abc|
 * throttled  a--b--(c|)
 * ```
 *
 * @example
 * prompts$.pipe(adaptiveThrottle({ baseInterval: 200 }), mergeMap((prompt) => ask(prompt)));
 *
 * @param limiter a limiter to share, or a config, from which each subscription makes its own
 * @throws TypeError or RangeError if the config has a wrong value. The stream fails with `QueueOverflowError` or
 * `DeadlineExceededError` if a request is refused, unless `refused` is `pass`
 */
export function adaptiveThrottle<R>(
  limiter: AdaptiveRateLimiter | RateLimiterConfig,
  config?: ThrottleConfig<R>,
): MonoTypeOperatorFunction<R> {
  const settings: ThrottleConfig<R> = configObject('adaptiveThrottle', config, fields);
  const shared = limiter instanceof AdaptiveRateLimiter ? limiter : undefined;
  if (!shared) {
    // Throw now rather than at the first subscription.
    new AdaptiveRateLimiter(limiter);
  }
  const resolved: RunSettings<R> = {
    maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
    passRefused: choiceSetting('refused', settings.refused, 'error', ['error', 'pass']) === 'pass',
    traits: validated(functionSetting('traits', settings.traits)),
    events: guarded(listenerSetting('events', settings.events)),
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

/** One subscription of `adaptiveThrottle`. */
class ThrottleRun<R> implements TicketOwner {
  readonly consumer = new Consumer();
  readonly upstream = new Subscription();
  readonly #limiter: AdaptiveRateLimiter;
  readonly #engine: LimiterEngine;
  readonly #settings: RunSettings<R>;
  readonly #destination: Subscriber<R>;
  readonly #outlet: Outlet<R>;
  readonly #pool = new SlotPool(Infinity);
  /** The operator of rxllm behind this one, if there is one. */
  readonly #next = Consumer.current();
  readonly #waiting = new Set<Ticket>();
  #isSourceDone = false;

  constructor(limiter: AdaptiveRateLimiter, settings: RunSettings<R>, destination: Subscriber<R>) {
    this.#limiter = limiter;
    this.#engine = limiter[engineOf];
    this.#settings = settings;
    this.#destination = destination;
    this.#outlet = new Outlet(destination);
  }

  next(request: R): void {
    const { traits, maxWait, events } = this.#settings;
    const { clock, queue } = this.#engine;
    const read = traits(request);
    const now = clock.now();
    const ticket = this.consumer.takeOver(request, this.#settings) ?? new Ticket(request, now);
    if (ticket.cancelled) {
      return;
    }
    ticket.apply(read, maxWait);
    reportReceived(ticket, read, events, now);
    if (ticket.refusal) {
      this.#passOn(ticket);
      return;
    }
    if (this.#destination.closed) {
      this.#reportLeft(ticket);
      return;
    }
    const isFull =
      queue.waiting >= this.#limiter.maxQueue && !queue.wouldStart(this.#pool, ticket.rank, ticket, 'permit');
    const dropsOldest = isFull && this.#limiter.overflow === 'drop-oldest';
    const oldest = dropsOldest ? queue.takeOldest(this.#pool, ticket.rank) : undefined;
    if (isFull && !oldest) {
      this.#refuse(ticket, new QueueOverflowError(this.#limiter.maxQueue));
      return;
    }
    this.#waiting.add(ticket);
    ticket.asks = 'permit';
    queue.add(ticket, this.#pool, this, clock.now());
    if (oldest) {
      // Last, because its outcome may bring further requests or complete the source.
      this.#waiting.delete(oldest);
      this.#refuse(oldest, new QueueOverflowError(this.#limiter.maxQueue));
    }
    queue.drain();
  }

  /** The limiter lets a ticket through. */
  start(ticket: Ticket, now: number): void {
    this.#pool.release(now);
    this.#waiting.delete(ticket);
    (ticket.permits ??= []).push(this.#limiter);
    const waited = now - ticket.queuedAt;
    if (waited > 0 && this.#engine.queue.lastHeldAt >= ticket.queuedAt) {
      this.#settings.events?.next({ type: 'throttled', at: now, id: ticket.id, waited });
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
      this.#engine.queue.remove(ticket);
      this.#engine.queue.drain();
      this.#completeIfDone();
    }
  }

  raised(ticket: Ticket): void {
    this.#engine.queue.promote(ticket);
  }

  complete(): void {
    this.#isSourceDone = true;
    this.#completeIfDone();
  }

  close(): void {
    const { queue } = this.#engine;
    const tickets = [...this.#waiting];
    this.#waiting.clear();
    for (const ticket of tickets) {
      queue.remove(ticket);
    }
    for (const ticket of tickets) {
      this.#reportLeft(ticket);
    }
    queue.drain();
  }

  #refuse(ticket: Ticket, error: Error): void {
    const { passRefused, events } = this.#settings;
    if (passRefused) {
      ticket.refusal = error;
      this.#passOn(ticket);
      return;
    }
    if (events && ticket.settledReportedTo !== events) {
      const { request, arrivedAt } = ticket;
      const at = this.#engine.clock.now();
      const outcome = { ok: false, request, error, latency: 0, waited: at - arrivedAt, attempts: 0 } as const;
      events.next(settled(ticket.id, outcome, at));
    }
    holdStarts(() => {
      // Before a subscriber or listener can react: from here on, nothing starts here.
      try {
        this.upstream.unsubscribe();
      } finally {
        this.close();
        this.#destination.error(error);
      }
    });
  }

  #passOn(ticket: Ticket): void {
    if (this.#destination.closed) {
      // A listener unsubscribed in reaction to the event, or the operators in front gave the request up first.
      this.#engine.forget(ticket.id);
      this.#reportLeft(ticket);
      return;
    }
    ticket.passOnBy(this.#settings);
    handOver(ticket as Ticket<R>, this.#next, this.#outlet);
  }

  #completeIfDone(): void {
    if (this.#isSourceDone && this.#waiting.size === 0) {
      this.#outlet.complete();
    }
  }

  #reportLeft(ticket: Ticket): void {
    const { events } = this.#settings;
    if (events && ticket.settledReportedTo !== events) {
      events.next(left(ticket, this.#engine.clock.now()));
    }
  }
}
