import type { Subscriber } from 'rxjs';
import type { CacheEngine } from '../cache/cache-engine';
import { KeptFailure, type CacheEntry } from '../cache/cache-entry';
import { Flight } from '../cache/flights';
import type { CallOutcome } from '../core/call';
import { scheduleAt } from '../core/clock';
import { DeadlineExceededError } from '../core/errors';
import type { CallEventListener } from '../core/events';
import { Consumer, signOutcome } from '../core/hand-over';
import { Ticket } from '../core/ticket';
import type { CallTraits } from '../core/traits';
import { engineOf, identityOf, type CacheRunSettings } from './cache-run-settings';
import { CacheWaiter, type WaiterOwner } from './cache-waiter';
import { hit, left, received, settled } from './call-events';
import { limitTime } from './flight-timeout';
import { failed, standIn } from './landing';
import { MissesPipeline } from './misses-pipeline';
import { Outlet } from './outlet';
import { cachedOutcome, sharedOutcome } from './outcomes';
import { SourceOrder } from './source-order';
import { isReading, lookInStore } from './store-look-up';

/** One subscription of cacheLLM: answers requests from the cache, has them share calls, and sends the rest on. */
export class CacheRun<R, V> implements WaiterOwner<R, V> {
  readonly consumer = new Consumer();
  readonly #settings: CacheRunSettings<R, V>;
  readonly #engine: CacheEngine | undefined;
  readonly #outlet: Outlet<CallOutcome<R, V>>;
  readonly #order: SourceOrder<CallOutcome<R, V>> | undefined;
  readonly #pipeline: MissesPipeline<R, V>;
  /** Each for one call that the pipeline cannot make: it has completed, or would confuse the answer with another one. */
  readonly #latePipelines = new Set<MissesPipeline<R, V>>();
  readonly #waiters = new Set<CacheWaiter<R, V>>();
  /** Waiters that may yet have to make a call: `misses$` stays open for them. */
  #mayCall = 0;
  #isSourceDone = false;
  #areMissesDone = false;
  #closedBy: Error | undefined;
  #lastIndex = 0;

  constructor(settings: CacheRunSettings<R, V>, destination: Subscriber<CallOutcome<R, V>>) {
    this.#settings = settings;
    this.#engine = engineOf(settings);
    this.#outlet = new Outlet(destination);
    this.#pipeline = new MissesPipeline(settings);
    this.#order = settings.ordered ? new SourceOrder((outcome) => this.#emit(outcome)) : undefined;
  }

  get events(): CallEventListener | undefined {
    return this.#settings.events;
  }

  /**
   * Opens the pipeline for misses before anything can arrive.
   *
   * @throws what `misses` throws
   */
  open(): void {
    this.#pipeline.open();
  }

  /** A request came in. */
  next(request: R): void {
    const { cache, clock, traits: traitsOf } = this.#settings;
    const outer = this.consumer.takeOver(request, cache);
    if (outer?.cancelled) {
      return;
    }
    const traits = traitsOf(request);
    const identity = this.#engine && identityOf(request, traits, this.#settings);
    const key = typeof identity === 'string' ? identity : undefined;
    const now = clock.now();
    const isLookUp = key !== undefined && !traits.bypass?.lookUp && !this.#closedBy;
    const entry = isLookUp ? this.#engine!.find(key, now) : undefined;
    if (this.#outlet.isClosed) {
      // A callback of the user's (traits, clone, a getter) unsubscribed.
      return;
    }
    const waiter = this.#waiterOf(request, traits, now, outer);
    if (!this.#isWaiting(waiter)) {
      return;
    }
    if (this.#closedBy) {
      this.settle(waiter, failed(waiter.ticket, request, this.#closedBy, clock), now);
    } else if (entry) {
      this.#answer(waiter, key!, entry, 'memory', now);
    } else if (key !== undefined) {
      this.#miss(waiter, key, now);
    } else {
      if (typeof identity === 'object') {
        this.events?.next({ type: 'cache-bypassed', at: now, id: waiter.ticket.id, ...identity });
      }
      if (this.#isWaiting(waiter)) {
        this.#send(this.#depart(waiter, undefined));
      }
    }
  }

  /** The store holds the answer for a waiter, or memory does by now. */
  found(waiter: CacheWaiter<R, V>, key: string, entry: CacheEntry, tier: 'memory' | 'store'): void {
    if (this.#isWaiting(waiter)) {
      const now = this.#settings.clock.now();
      this.#engine!.countHit(entry, now);
      this.#answer(waiter, key, entry, tier, now);
    }
  }

  /** The store does not hold the answer for a waiter. */
  missed(waiter: CacheWaiter<R, V>, joined: boolean): void {
    if (this.#isWaiting(waiter)) {
      this.#reportMiss(waiter, waiter.flight!.key!, joined, this.#settings.clock.now());
    }
  }

  /** Joins a call that runs for the key of a waiter by now. */
  joinRunning(waiter: CacheWaiter<R, V>, key: string): void {
    this.#ignoreDeadline(waiter);
    const running = this.#engine!.flights.get(key) as Flight<R, V> | undefined;
    if (running) {
      this.#join(waiter, running);
    } else {
      // A listener had its last waiter leave, or had it land.
      this.#send(this.#depart(waiter, key));
    }
  }

  /** Sends the request of a waiter that had not made a call itself so far. */
  sendFor(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    this.#ignoreDeadline(waiter);
    this.#send(flight);
    this.#setMayCall(waiter, false);
  }

  /** Renews the stale answer that a waiter is given, by a call that only the cache waits for, unless one runs already. */
  renew({ request, ticket: { id }, traits }: CacheWaiter<R, V>, key: string): void {
    const { events, clock, maxWait } = this.#settings;
    const { flights } = this.#engine!;
    const now = clock.now();
    const isUnwanted = traits.bypass?.write === true || !this.#engine!.mayRenew(key, now);
    if (isUnwanted || flights.get(key) || this.#closedBy || this.#outlet.isClosed) {
      return;
    }
    const ticket = new Ticket(request, now);
    ticket.isRenewal = true;
    ticket.rank = 0;
    ticket.apply(traits, maxWait);
    ticket.receivedReportedTo = events;
    ticket.settledReportedTo = events;
    const flight = new Flight<R, V>(key, undefined, ticket, { ...traits, bypass: {} });
    flight.isRenewal = true;
    flight.isKept = true;
    flights.add(flight);
    events?.next({ type: 'cache-renewing', at: now, id, key, renewal: ticket.id });
    if (!this.#hasLeft() && flights.get(key) === flight) {
      this.#send(flight);
      return;
    }
    // A listener unsubscribed, or deleted the key; requests may have joined meanwhile.
    flight.isKept = false;
    if (flight.waiting > 0) {
      flight.firstWaiter!.startAnew(flight);
    } else {
      flights.remove(flight);
    }
  }

  /**
   * Emits the outcome of a waiter.
   *
   * @param flight the flight that the outcome comes from, unless it is that of this request alone
   * @param failure the error of the call if an expired answer stands in for it
   */
  settle(
    waiter: CacheWaiter<R, V>,
    landed: CallOutcome<R, V>,
    now: number,
    flight?: Flight<R, V>,
    failure?: unknown,
  ): void {
    if (!this.#release(waiter)) {
      return;
    }
    const { ticket, request } = waiter;
    const { outer } = ticket;
    const shared = flight && flight.starter !== waiter ? flight : undefined;
    let outcome = landed.request === request ? landed : { ...landed, request };
    if (shared) {
      outcome = sharedOutcome(outcome, ticket, shared.ticket, (value) => this.#engine!.share(value));
    }
    this.completeMissesIfDone();
    if (this.events && outer?.settledReportedTo !== this.events) {
      this.events.next(settled(ticket.id, outcome, now, shared?.ticket.used, failure));
    }
    if (outer?.passedOnBy) {
      signOutcome(outcome, outer);
    }
    if (this.#order) {
      this.#order.put(waiter.index, outcome);
    } else {
      this.#emit(outcome);
    }
    this.#completeIfDone();
  }

  /** The source has completed. */
  complete(): void {
    this.#isSourceDone = true;
    this.completeMissesIfDone();
    this.#completeIfDone();
  }

  /** Completes `misses$` with the source, unless a request may still have to be sent. */
  completeMissesIfDone(): void {
    if (this.#isSourceDone && this.#mayCall === 0 && !this.#areMissesDone) {
      this.#areMissesDone = true;
      this.#pipeline.complete();
    }
  }

  /** Fails everything that is open, and ends the stream. */
  closeWith(error: Error): void {
    this.#closedBy = error;
    for (const waiter of this.#waiters) {
      const { clock } = this.#settings;
      this.#leaveFlight(waiter);
      this.settle(waiter, failed(waiter.ticket, waiter.request, error, clock), clock.now());
    }
    for (const pipeline of [this.#pipeline, ...this.#latePipelines]) {
      pipeline.restartUnstarted();
    }
    this.#outlet.complete();
  }

  /** Leaves all flights. */
  close(): void {
    for (const waiter of this.#waiters) {
      this.#release(waiter);
      this.#reportLeft(waiter);
      this.#leaveFlight(waiter);
    }
    this.#pipeline.leave();
    for (const pipeline of this.#latePipelines) {
      pipeline.leave();
    }
    if (this.#settings.isOwnCache) {
      this.#engine?.close();
    }
  }

  #waiterOf(request: R, traits: CallTraits, now: number, outer: Ticket<R> | undefined): CacheWaiter<R, V> {
    const ticket = outer?.derive(request) ?? new Ticket(request, now);
    ticket.apply(traits, this.#settings.maxWait);
    const waiter = new CacheWaiter<R, V>(ticket, ++this.#lastIndex, traits, this);
    if (outer) {
      outer.holder = {
        cancelled: () => this.#cancelled(waiter),
        raised: () => {
          ticket.raise(outer.rank);
          waiter.flight?.ticket.raise(outer.rank);
        },
      };
    }
    this.#waiters.add(waiter);
    if (this.events && ticket.receivedReportedTo !== this.events) {
      ticket.receivedReportedTo = this.events;
      this.events.next(received(ticket, now));
    }
    return waiter;
  }

  /** Gives a waiter what the cache holds. */
  #answer(
    waiter: CacheWaiter<R, V>,
    key: string,
    entry: CacheEntry,
    tier: 'memory' | 'store',
    now: number,
  ): void {
    const { request, ticket } = waiter;
    this.events?.next(hit(ticket, key, entry, tier, now));
    if (tier === 'memory' && now >= entry.freshUntil && !(entry.value instanceof KeptFailure)) {
      this.renew(waiter, key);
    }
    this.settle(waiter, cachedOutcome<R, V>(request, entry, now, ticket.arrivedAt), now);
  }

  /** Memory does not hold the answer: the waiter joins the flight of its key, or looks in the store, or makes the call. */
  #miss(waiter: CacheWaiter<R, V>, key: string, now: number): void {
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
      this.events?.next(flight ? { ...bypassed, joined: true } : bypassed);
    } else if (!flight || !isReading(flight)) {
      this.#reportMiss(waiter, key, flight !== undefined, now);
    }
    if (own?.starter === waiter && this.#isWaiting(waiter)) {
      this.#send(own);
    } else {
      own?.firstWaiter?.startAnew(own);
    }
  }

  #read(waiter: CacheWaiter<R, V>, key: string): void {
    const flight = this.#depart(waiter, key);
    this.#setMayCall(waiter, true);
    lookInStore(flight, this.#engine!);
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
    ticket.settledReportedTo = this.events;
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
    this.#setMayCall(waiter, isReading(flight) || flight.ticket.place !== undefined);
    // Before the call is raised, which may start and end it.
    this.#watchDeadline(waiter);
    flight.ticket.raise(ticket.rank);
  }

  /** Sends a request into this subscription's pipeline for misses. */
  #send(flight: Flight<R, V>): void {
    limitTime(flight, this.#settings);
    if (!this.#areMissesDone && !this.#pipeline.confuses(flight)) {
      this.#pipeline.send(flight);
      return;
    }
    const pipeline = new MissesPipeline<R, V>(this.#settings, () => this.#latePipelines.delete(pipeline));
    this.#latePipelines.add(pipeline);
    try {
      pipeline.open();
    } catch (error) {
      pipeline.fail(error);
    }
    pipeline.send(flight);
    pipeline.complete();
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
    this.#leaveFlight(waiter);
    this.settle(waiter, standsIn ?? outcome, now, undefined, error);
  }

  /** A cache in front has nobody any more who waits for this request. */
  #cancelled(waiter: CacheWaiter<R, V>): void {
    if (!this.#release(waiter)) {
      return;
    }
    this.#reportLeft(waiter);
    this.#leaveFlight(waiter);
    this.#order?.put(waiter.index, undefined);
    this.completeMissesIfDone();
    this.#completeIfDone();
  }

  #leaveFlight(waiter: CacheWaiter<R, V>): void {
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

  /** Whether a call goes on for the sake of the cache although nobody waits for it. */
  #mayFinish(flight: Flight<R, V>): boolean {
    return (
      flight.key !== undefined &&
      flight.writes &&
      this.#engine!.keepAlive &&
      !this.#settings.isOwnCache &&
      !this.#closedBy &&
      hasBegun(flight)
    );
  }

  /** Forgets a waiter whose time here is over; false if it was over before. */
  #release(waiter: CacheWaiter<R, V>): boolean {
    this.#ignoreDeadline(waiter);
    this.#setMayCall(waiter, false);
    return this.#waiters.delete(waiter);
  }

  /** Asked after code of the user's ran: whether a waiter still has no outcome. */
  #isWaiting(waiter: CacheWaiter<R, V>): boolean {
    return this.#waiters.has(waiter);
  }

  /** Asked after code of the user's ran: whether the subscriber has left. */
  #hasLeft(): boolean {
    return this.#outlet.isClosed;
  }

  #setMayCall(waiter: CacheWaiter<R, V>, mayCall: boolean): void {
    this.#mayCall += Number(mayCall) - Number(waiter.mayCall);
    waiter.mayCall = mayCall;
  }

  #emit(outcome: CallOutcome<R, V>): void {
    if (this.#closedBy) {
      this.#outlet.nextAfter(outcome);
    } else {
      this.#outlet.next(outcome);
    }
  }

  #completeIfDone(): void {
    if (this.#isSourceDone && this.#waiters.size === 0 && this.#order?.isEmpty !== false) {
      this.#outlet.complete();
    }
  }

  #reportMiss({ ticket }: CacheWaiter<R, V>, key: string, joined: boolean, at: number): void {
    this.#engine!.countMiss(at);
    this.events?.next({ type: 'cache-miss', at, id: ticket.id, key, joined });
  }

  #reportLeft({ ticket }: CacheWaiter<R, V>): void {
    if (this.events && ticket.outer?.settledReportedTo !== this.events) {
      this.events.next(left(ticket, this.#settings.clock.now()));
    }
  }
}

/** Whether the call of a flight has begun, as far as can be told. */
function hasBegun<R, V>({ carrier, ticket }: Flight<R, V>): boolean {
  return carrier instanceof MissesPipeline && ticket.hasBegun;
}
