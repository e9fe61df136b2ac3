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

/** How the requests of one subscription get their answers that memory cannot answer: by flights. */
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

  /** @throws what `misses` throws */
  open(): void {
    this.#pipelines.open();
  }

  /** Memory does not hold the answer: the waiter joins the flight of its key, or looks in the store, or makes the call. */
  answer(waiter: CacheWaiter<R, V>, key: string, now: number): void {
    const { flights, store } = this.#engine!;
    const { bypass } = waiter.traits;
    const running = bypass?.sharing ? undefined : (flights.get(key) as Flight<R, V> | undefined);
    // A look-up in the store may bring a kept answer. Its waiters join this call if the store holds nothing.
    const reading = bypass?.lookUp && running && isReading(running) ? running : undefined;
    const flight = reading ? undefined : running;
    if (!flight && !bypass?.lookUp && store && !store.isBypassed) {
      this.#read(waiter, key);
      return;
    }
    // Before a listener hears of it, who may have the flight land, or delete its key.
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

  /** Makes the call for a waiter that goes past the cache. */
  pass(waiter: CacheWaiter<R, V>): void {
    this.#pipelines.send(this.#depart(waiter, undefined));
  }

  /** Joins a call that runs for the key of a waiter by now. */
  joinRunning(waiter: CacheWaiter<R, V>, key: string): void {
    this.#ignoreDeadline(waiter);
    const running = this.#engine!.flights.get(key) as Flight<R, V> | undefined;
    if (running) {
      this.#join(waiter, running);
      this.#raise(waiter, running);
      running.bringUpToDate(waiter);
    } else {
      // A listener had its last waiter leave, or had it land.
      this.#pipelines.send(this.#depart(waiter, key));
    }
  }

  /** Sends the request of a waiter that had not made a call itself so far. */
  sendFor(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    this.#ignoreDeadline(waiter);
    this.#pipelines.send(flight);
    this.#pipelines.setMayCall(waiter, false);
  }

  /** Renews the stale answer that a waiter is given. */
  renew(waiter: CacheWaiter<R, V>, key: string): void {
    renew(waiter, key, this.#engine!, {
      settings: this.#settings,
      hasEnded: () => this.#owner.hasEnded,
      send: (flight) => this.#pipelines.send(flight),
    });
  }

  /** Has a waiter leave its flight. The call is cancelled if nobody waits for it any more, the cache included. */
  leaveFlight(waiter: CacheWaiter<R, V>): void {
    const { flight } = waiter;
    waiter.flight = undefined;
    if (!flight?.remove(waiter) || flight.waiting > 0) {
      return;
    }
    // Only one that is carried can go on; another one waits for a waiter to start it.
    if (!flight.isFenced && flight.carrier && (flight.isKept || this.#mayFinish(flight))) {
      flight.isKept = true;
      return;
    }
    if (flight.key !== undefined) {
      this.#engine?.flights.remove(flight);
    }
    flight.abandon();
  }

  /** Forgets a waiter that waits for no flight any more. */
  forget(waiter: CacheWaiter<R, V>): void {
    this.#ignoreDeadline(waiter);
    this.#pipelines.setMayCall(waiter, false);
  }

  /** Counts a miss, and tells of it. */
  report({ ticket, leftOut }: CacheWaiter<R, V>, key: string, joined: boolean, at: number): void {
    const { usage, clock } = this.#engine!;
    usage.countMiss(clock.date());
    const { id } = ticket;
    this.#settings.events?.next({ type: 'cache-miss', at, id, key, joined, ...(leftOut && { leftOut }) });
  }

  /** The source has completed. */
  complete(): void {
    this.#pipelines.complete();
  }

  completeIfDone(): void {
    this.#pipelines.completeIfDone();
  }

  /** Has others make the calls that they wait for and that have not begun. */
  restartUnstarted(): void {
    this.#pipelines.restartUnstarted();
  }

  /** The subscriber has left. */
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
   * @param reading a flight that looks in the store: requests that come later join this one in its place
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
    // The limits of the starter may end the flight, as long as its request waits in an operator of rxllm.
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

  /** A pipeline watches over the deadlines of the requests that it is sent, and over no others. */
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

  /** The deadline of a waiter that makes no call passed. It stays if the call has begun, as waiting is over then. */
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

  /** Whether a call goes on for the sake of the cache although nobody waits for it. */
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

/** Whether the call of a flight has begun, as far as can be told. */
function hasBegun<R, V>({ carrier, ticket }: Flight<R, V>): boolean {
  return carrier instanceof MissesPipeline && ticket.hasBegun;
}
