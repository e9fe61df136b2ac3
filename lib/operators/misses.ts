import type { CacheEngine } from '../cache/cache-engine';
import { Flight } from '../cache/flights';
import { scheduleAt } from '../core/clock';
import { DeadlineExceededError } from '../core/errors';
import { engineOf, type CacheRunSettings } from './cache-run-settings';
import type { CacheWaiter, WaiterMisses, WaiterOwner } from './cache-waiter';
import { land, standIn } from './landing';
import { MissesPipeline } from './misses-pipeline';
import { MissesPipelines } from './misses-pipelines';
import { failed } from './outcomes';
import { renew } from './renewal';
import { isReading, lookInStore } from './store-look-up';

/** Answers the requests of one subscription that memory cannot answer, by flights. */
export class Misses<R, V> implements WaiterMisses<R, V> {
  readonly #settings: CacheRunSettings<R, V>;
  readonly #engine: CacheEngine | undefined;
  readonly #owner: WaiterOwner<R, V>;
  readonly #pipelines: MissesPipelines<R, V>;

  constructor(settings: CacheRunSettings<R, V>, owner: WaiterOwner<R, V>) {
    this.#settings = settings;
    this.#engine = engineOf(settings);
    this.#owner = owner;
    this.#pipelines = new MissesPipelines(settings);
  }

  /** @throws the error of `misses` */
  open(): void {
    this.#pipelines.open();
  }

  /** Joins the flight of the key, asks the store, or makes the call. */
  answer(waiter: CacheWaiter<R, V>, key: string, now: number): void {
    const { flights, store } = this.#engine!;
    const { bypass } = waiter.traits;
    const running = bypass?.sharing ? undefined : (flights.get(key) as Flight<R, V> | undefined);
    // A look-up in the store may bring a kept answer. Its waiters join this call if the store has none.
    const reading = bypass?.lookUp && running && isReading(running) ? running : undefined;
    const flight = reading ? undefined : running;
    if (!flight && !bypass?.lookUp && store && !store.isBypassed) {
      this.#read(waiter, key);
      return;
    }
    // Before listeners receive the miss, because they may let the flight land or delete its key.
    const own = flight ? undefined : this.#depart(waiter, key, reading);
    if (flight) {
      this.#join(waiter, flight);
    }
    if (bypass?.lookUp) {
      const { id } = waiter.ticket;
      const bypassed = { type: 'cache-bypassed', at: now, id, reason: 'bypass.lookUp is set' } as const;
      this.#settings.events?.next(flight ? { ...bypassed, joined: true } : bypassed);
    } else if (!flight || !isReading(flight)) {
      this.report(waiter, key, flight !== undefined, now);
    }
    if (own?.starter === waiter && this.#owner.isWaiting(waiter)) {
      this.#pipelines.send(own);
    } else {
      own?.firstWaiter?.startAnew(own);
      if (flight) {
        this.#raise(waiter, flight);
        flight.bringUpToDate(waiter);
      }
    }
  }

  /** Makes the call for a waiter that bypasses the cache. */
  pass(waiter: CacheWaiter<R, V>): void {
    this.#pipelines.send(this.#depart(waiter, undefined));
  }

  /** Joins a call that now runs for the waiter's key. */
  joinRunning(waiter: CacheWaiter<R, V>, key: string): void {
    this.#ignoreDeadline(waiter);
    const running = this.#engine!.flights.get(key) as Flight<R, V> | undefined;
    if (running) {
      this.#join(waiter, running);
      this.#raise(waiter, running);
      running.bringUpToDate(waiter);
    } else {
      // A listener made the flight land, or its last waiter leave.
      this.#pipelines.send(this.#depart(waiter, key));
    }
  }

  /** Sends the request of a waiter that has not made a call so far. */
  sendFor(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    this.#ignoreDeadline(waiter);
    this.#pipelines.send(flight);
    this.#pipelines.setMayCall(waiter, false);
  }

  renew(waiter: CacheWaiter<R, V>, key: string): void {
    renew(waiter, key, this.#engine!, {
      settings: this.#settings,
      hasEnded: () => this.#owner.hasEnded,
      send: (flight) => this.#pipelines.send(flight),
    });
  }

  /** Removes a waiter from its flight. The call is cancelled if neither a waiter nor the cache wants it. */
  leaveFlight(waiter: CacheWaiter<R, V>): void {
    const { flight } = waiter;
    waiter.flight = undefined;
    if (!flight?.remove(waiter) || flight.waiting > 0) {
      return;
    }
    // Only a flight with a carrier can go on; another one waits for a waiter to start it.
    if (!flight.isFenced && flight.carrier && (flight.isKept || this.#mayFinish(flight))) {
      flight.isKept = true;
      return;
    }
    if (flight.key !== undefined) {
      this.#engine?.flights.remove(flight);
    }
    flight.abandon();
  }

  forget(waiter: CacheWaiter<R, V>): void {
    this.#ignoreDeadline(waiter);
    this.#pipelines.setMayCall(waiter, false);
  }

  /** Counts and reports a miss. */
  report({ ticket, leftOut }: CacheWaiter<R, V>, key: string, joined: boolean, at: number): void {
    const { usage, clock } = this.#engine!;
    usage.countMiss(clock.date());
    const { id } = ticket;
    this.#settings.events?.next({ type: 'cache-miss', at, id, key, joined, ...(leftOut && { leftOut }) });
  }

  complete(): void {
    this.#pipelines.complete();
  }

  completeIfDone(): void {
    this.#pipelines.completeIfDone();
  }

  /** Lets other waiters make the calls that have not begun. */
  restartUnstarted(): void {
    this.#pipelines.restartUnstarted();
  }

  leave(): void {
    this.#pipelines.leave();
  }

  #read(waiter: CacheWaiter<R, V>, key: string): void {
    const flight = this.#depart(waiter, key);
    this.#pipelines.setMayCall(waiter, true);
    lookInStore(flight, this.#engine!, (error) => {
      land(flight, failed(flight.ticket, flight.request, error, this.#settings.clock), this.#settings);
    });
    if (isReading(flight)) {
      this.#watchDeadline(waiter);
    }
  }

  /**
   * Starts the flight of a waiter.
   *
   * @param reading a flight that asks the store; later requests join this flight instead
   */
  #depart(waiter: CacheWaiter<R, V>, key: string | undefined, reading?: Flight<R, V>): Flight<R, V> {
    const { ticket, traits } = waiter;
    const flight = new Flight<R, V>(key, waiter, ticket, traits);
    flight.add(waiter);
    waiter.flight = flight;
    ticket.settledReportedTo = this.#settings.events;
    if (reading) {
      this.#engine?.flights.addInPlaceOf(reading, flight);
    } else {
      this.#engine?.flights.add(flight);
    }
    return flight;
  }

  #join(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    const { ticket, traits } = waiter;
    waiter.flight = flight;
    flight.add(waiter);
    flight.wantedBy(traits);
    if (ticket.outer) {
      ticket.outer.inner = flight.ticket;
    }
    // The starter's limits may end the flight while its request waits in an operator of rxllm.
    this.#pipelines.setMayCall(waiter, isReading(flight) || flight.ticket.place !== undefined);
    this.#watchDeadline(waiter);
  }

  /** The call of a flight is as urgent as its most urgent waiter. This may start the call, and end it. */
  #raise(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    // A listener may have had the waiter leave.
    if (waiter.flight === flight && this.#owner.isWaiting(waiter)) {
      flight.ticket.raise(waiter.ticket.rank);
    }
  }

  /** A pipeline checks the deadlines of the requests that it was sent, so only other waiters need a timer. */
  #watchDeadline(waiter: CacheWaiter<R, V>): void {
    const { deadline } = waiter.ticket;
    if (deadline !== Infinity) {
      waiter.stopTimer = scheduleAt(this.#settings.clock, deadline, () => this.#overdue(waiter));
    }
  }

  #ignoreDeadline(waiter: CacheWaiter<R, V>): void {
    waiter.stopTimer?.();
    waiter.stopTimer = undefined;
  }

  /**
   * The deadline of a waiter without a call has passed. It stays if the call has begun, because it no longer waits for
   * a start.
   */
  #overdue(waiter: CacheWaiter<R, V>): void {
    const flight = waiter.flight!;
    if (hasBegun(flight)) {
      return;
    }
    const { ticket, request } = waiter;
    const { clock } = this.#settings;
    const now = clock.now();
    const error = new DeadlineExceededError(now - ticket.arrivedAt);
    const outcome = failed(ticket, request, error, clock);
    const standsIn = waiter.skipsLookUp ? undefined : standIn(flight, outcome, this.#settings);
    this.leaveFlight(waiter);
    this.#owner.settle(waiter, standsIn ?? outcome, now, undefined, error);
  }

  /** Whether a call goes on for the cache without waiters. */
  #mayFinish(flight: Flight<R, V>): boolean {
    return (
      flight.key !== undefined &&
      flight.writes &&
      this.#engine!.keepAlive &&
      !this.#settings.isOwnCache &&
      !this.#owner.isClosed &&
      hasBegun(flight)
    );
  }
}

/** Whether the call of a flight has begun, as far as is known. */
function hasBegun<R, V>({ carrier, ticket }: Flight<R, V>): boolean {
  return carrier instanceof MissesPipeline && ticket.hasBegun;
}
