import type { Subscriber } from 'rxjs';
import type { CacheEngine, FoundEntry } from '../cache/cache-engine';
import { KeptFailure, withValue, type CacheEntry } from '../cache/cache-entry';
import { abandonAll, Flight, type Waiter } from '../cache/flights';
import type { KeylessRequest } from '../cache/request-identity';
import { Alarms, type Alarm } from '../core/alarms';
import type { CallOutcome, TokenUsage } from '../core/call';
import { DeadlineExceededError } from '../core/errors';
import type { CallEvent, CallEventListener } from '../core/events';
import { Consumer, emitSigned, signOutcome } from '../core/hand-over';
import type { Member } from '../core/members';
import { MembersInOrder } from '../core/members-in-order';
import { defaultRank, rankOf, type PriorityRank } from '../core/priority';
import { counterOf } from '../core/steps';
import { nextRequestId, type Ticket } from '../core/ticket';
import { noTraits, type CallTraits } from '../core/traits';
import { engineOf, identityOf, type CacheRunSettings } from './cache-run-settings';
import { FlightTicket } from './flight-ticket';
import { limitTime } from './flight-timeout';
import { failed, standIn } from './landing';
import { MissesPipeline } from './misses-pipeline';
import { SourceOrder } from './source-order';
import { countHit, tell, tellMissed, tellReceived, tellSettled } from './tell';

const lowestRank: PriorityRank = 0;

/** One request of one subscription, from its arrival to its outcome. */
class CacheWaiter<R, V> implements Waiter<R, V>, Member {
  flight: Flight<R, V> | undefined;
  alarm: Alarm | undefined;
  /** Whether its answer is looked for in the store. */
  isReading = false;
  /** Among those of its subscription that wait for their outcomes. */
  position = 0;

  constructor(
    readonly ticket: Ticket<R>,
    readonly index: number,
    /** Those that matter later. */
    readonly traits: CallTraits,
    readonly run: CacheRun<R, V>,
  ) {}

  get request(): R {
    return this.ticket.request;
  }

  get skipsLookUp(): boolean {
    return this.traits.bypass?.lookUp === true;
  }

  startAnew(flight: Flight<R, V>): void {
    flight.startedBy(this);
    for (const { ticket } of flight.waiters()) {
      if (ticket.outer) {
        ticket.outer.inner = this.ticket;
      }
    }
    this.ticket.settlesTo = this.run.events;
    for (const other of flight.waiters()) {
      this.ticket.raise(other.ticket.rank);
    }
    this.run.sendFor(this, flight);
  }

  found(key: string, entry: CacheEntry, tier: 'memory' | 'store'): void {
    this.run.found(this, key, entry, tier);
  }

  renew(key: string): void {
    this.run.renew(this.request, key, this.traits, this.ticket.id);
  }

  get cacheTtl(): number | undefined {
    return this.traits.cacheTtl;
  }

  get writes(): boolean {
    return this.traits.bypass?.write !== true;
  }

  missed(joined: boolean): void {
    this.run.missed(this, joined);
  }

  joinRunning(key: string): void {
    this.run.move(this, key);
  }

  departed(): void {
    this.run.completeMissesIfDone();
  }

  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>, now: number): void {
    this.run.settle(this, outcome, now, flight, flight.failure);
  }
}

/** One subscription of cacheLLM. */
export class CacheRun<R, V> {
  readonly consumer = new Consumer();
  readonly #settings: CacheRunSettings<R, V>;
  readonly #engine: CacheEngine | undefined;
  readonly #destination: Subscriber<CallOutcome<R, V>>;
  readonly #pipeline: MissesPipeline<R, V>;
  /**
   * Made where a flight must be started anew although the source, and so `misses$`, has completed, and where its answer
   * would be taken for that of another.
   */
  readonly #latePipelines: MissesPipeline<R, V>[] = [];
  readonly #waiters = new MembersInOrder<CacheWaiter<R, V>>();
  readonly #alarms: Alarms;
  readonly #order: SourceOrder<CallOutcome<R, V>> | undefined;
  /** Requests whose answer is looked for in the store: a call may still have to be made for each. */
  #reading = 0;
  #isSourceDone = false;
  #areMissesDone = false;
  #closedBy: Error | undefined;
  #lastIndex = 0;

  constructor(settings: CacheRunSettings<R, V>, destination: Subscriber<CallOutcome<R, V>>) {
    this.#settings = settings;
    this.#engine = engineOf(settings);
    this.#destination = destination;
    this.#pipeline = new MissesPipeline(settings);
    this.#alarms = new Alarms(settings.clock);
    this.#order = settings.ordered ? new SourceOrder((outcome) => destination.next(outcome)) : undefined;
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

  next(request: R): void {
    const { cache, clock } = this.#settings;
    const taken = this.consumer.takeOver(request, cache);
    if (taken?.cancelled) {
      return;
    }
    const traits = this.#settings.traits(request);
    const engine = this.#engine;
    const identity = engine && identityOf(request, traits, this.#settings);
    const key = typeof identity === 'string' ? identity : undefined;
    const now = clock.now();
    const isLookUp = key !== undefined && !traits.bypass?.lookUp && !this.#closedBy;
    const entry = isLookUp ? engine!.find(key, now) : undefined;
    if (this.#destination.closed) {
      // A callback of the user's (traits, clone, a getter) had the subscriber leave.
      return;
    }
    const index = ++this.#lastIndex;
    if (entry) {
      this.#hit(request, key!, entry, traits, index, now, taken);
      return;
    }
    const ticket = this.#ticketOf(request, traits, now, taken);
    const waiter = new CacheWaiter<R, V>(ticket, index, lasting(traits), this);
    if (taken) {
      this.#hold(taken, waiter);
    }
    this.#waiters.add(waiter);
    this.#announce(ticket, now);
    if (!this.#waiters.has(waiter)) {
      // Whoever heard of it left.
      return;
    }
    if (this.#closedBy) {
      this.settle(waiter, failed(ticket, request, this.#closedBy, clock), now);
    } else if (key === undefined) {
      this.#goPast(waiter, identity as KeylessRequest | undefined, traits);
    } else {
      this.#miss(waiter, key, traits, now);
    }
  }

  complete(): void {
    this.#isSourceDone = true;
    this.completeMissesIfDone();
    this.#completeIfDone();
  }

  /** Fails everything that is open, and ends the stream. */
  closeWith(error: Error): void {
    this.#closedBy = error;
    for (const waiter of this.#waiters.toArray()) {
      if (this.#waiters.has(waiter)) {
        this.#leaveFlight(waiter);
        const { clock } = this.#settings;
        this.settle(waiter, failed(waiter.ticket, waiter.request, error, clock), clock.now());
      }
    }
    for (const pipeline of [this.#pipeline, ...this.#latePipelines]) {
      pipeline.handOverUnstarted();
    }
    this.#destination.complete();
  }

  /** `misses$` completes with the source, but for requests that may still turn out to be misses. */
  completeMissesIfDone(): void {
    if (this.#isSourceDone && this.#reading === 0 && !this.#areMissesDone) {
      this.#areMissesDone = true;
      this.#pipeline.complete();
    }
  }

  /** Sends the request of a waiter that had not made a call itself so far. */
  sendFor(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    this.#ignoreDeadline(waiter);
    this.send(flight);
  }

  /** Sends a request into this subscription's pipeline for misses. */
  send(flight: Flight<R, V>): void {
    limitTime(flight, this.#settings);
    if (!this.#areMissesDone && !this.#pipeline.confuses(flight)) {
      this.#pipeline.send(flight);
      return;
    }
    const pipeline = new MissesPipeline(this.#settings);
    this.#latePipelines.push(pipeline);
    try {
      pipeline.open();
    } catch (error) {
      pipeline.fail(error);
    }
    pipeline.send(flight);
    pipeline.complete();
  }

  /** A look-up in the store was not in vain. */
  found(waiter: CacheWaiter<R, V>, key: string, entry: CacheEntry, tier: 'memory' | 'store'): void {
    if (!this.#waiters.has(waiter)) {
      return;
    }
    const { request, ticket } = waiter;
    const now = this.#settings.clock.now();
    this.#engine!.countHit(entry, now);
    this.#tellHit(ticket.id, key, entry, tier, now);
    this.settle(waiter, cachedOutcome<R, V>(request, entry, now, ticket.arrivedAt), now);
  }

  missed(waiter: CacheWaiter<R, V>, joined: boolean): void {
    if (this.#waiters.has(waiter)) {
      this.#noLongerReading(waiter);
      this.#tellMiss(waiter, waiter.flight!.key!, joined, this.#settings.clock.now());
    }
  }

  /** A call for the key of a waiter runs by now: it need not make its own. */
  move(waiter: CacheWaiter<R, V>, key: string): void {
    this.#ignoreDeadline(waiter);
    const running = this.#engine!.flights.get(key) as Flight<R, V> | undefined;
    if (running) {
      this.#join(waiter, running, waiter.traits);
    } else {
      // Whoever heard of it has left, or had it land.
      this.send(this.#depart(waiter, key, waiter.traits));
    }
  }

  /**
   * Renews a stale answer by a call that nobody waits for but the cache, unless one runs already.
   *
   * @param id the number of the request that was given the stale answer
   */
  renew(request: R, key: string, traits: CallTraits, id: number): void {
    const engine = this.#engine!;
    const { events, clock } = this.#settings;
    // What a call for this request says is not to be kept where it goes past the write.
    const now = clock.now();
    const isUnwanted = traits.bypass?.write === true || !engine.mayRenew(key, now);
    if (isUnwanted || engine.flights.get(key) || this.#closedBy || this.#destination.closed) {
      return;
    }
    const ticket = new FlightTicket<R, V>(request, now);
    ticket.rank = lowestRank;
    ticket.isRenewal = true;
    ticket.lane = traits.lane;
    ticket.tokens = traits.tokens;
    ticket.deadline = now + (traits.maxWait ?? this.#settings.maxWait);
    ticket.announcedTo = events;
    ticket.settlesTo = events;
    const flight = new Flight<R, V>(key, undefined, ticket, { ...traits, bypass: {} });
    flight.isRenewal = true;
    flight.isKept = true;
    engine.flights.add(flight);
    this.#tell({ type: 'cache-renewing', at: now, id, key, renewal: ticket.id });
    if (!this.#hasLeft() && engine.flights.get(key) === flight) {
      this.send(flight);
      return;
    }
    // Whoever heard of it left, or had the key deleted; it may also have joined.
    flight.isKept = false;
    if (flight.waiting > 0) {
      flight.firstWaiter!.startAnew(flight);
    } else {
      engine.flights.remove(flight);
    }
  }

  /**
   * @param flight what the outcome comes from; undefined where it is this request's alone
   * @param failure what the call had failed with, where an expired answer stands in for it
   */
  settle(
    waiter: CacheWaiter<R, V>,
    flown: CallOutcome<R, V>,
    now: number,
    flight?: Flight<R, V>,
    failure?: unknown,
  ): void {
    if (!this.#waiters.delete(waiter)) {
      return;
    }
    this.#noLongerReading(waiter);
    waiter.flight = undefined;
    this.#ignoreDeadline(waiter);
    const { ticket, request } = waiter;
    const shared = flight && flight.starter !== waiter ? flight : undefined;
    let outcome = flown;
    if (shared) {
      outcome = this.#sharedOutcome(flown, waiter, shared);
    } else if (flown.request !== request) {
      outcome = { ...flown, request };
    }
    this.completeMissesIfDone();
    this.#yield(ticket.id, waiter.index, outcome, now, ticket.outer, shared?.ticket.used, failure);
  }

  #ticketOf(request: R, traits: CallTraits, now: number, taken: Ticket<R> | undefined): Ticket<R> {
    const ticket = taken?.derive(request) ?? new FlightTicket<R, V>(request, now);
    ticket.rank = ticket.isRenewal ? ticket.rank : (rankOf(traits.priority) ?? ticket.rank);
    ticket.lane = traits.lane ?? ticket.lane;
    ticket.tokens = traits.tokens ?? ticket.tokens;
    const maxWait = traits.maxWait ?? this.#settings.maxWait;
    ticket.deadline = Math.min(ticket.deadline, ticket.arrivedAt + maxWait);
    return ticket;
  }

  /** What memory holds, without a ticket where nobody needs one. */
  #hit(
    request: R,
    key: string,
    entry: CacheEntry,
    traits: CallTraits,
    index: number,
    now: number,
    taken: Ticket | undefined,
  ): void {
    const { events } = this.#settings;
    const id = taken?.id ?? (events ? nextRequestId() : 0);
    if (events) {
      if (taken?.announcedTo !== events) {
        const rank = rankOf(traits.priority) ?? taken?.rank ?? defaultRank;
        tellReceived(events, id, rank, traits.lane ?? taken?.lane, now);
      }
      this.#tellHit(id, key, entry, 'memory', now);
    }
    if (now >= entry.freshUntil && !(entry.value instanceof KeptFailure)) {
      this.renew(request, key, traits, id);
    }
    if (this.#destination.closed) {
      this.#tellLeft(id, taken);
    } else {
      this.#yield(id, index, cachedOutcome<R, V>(request, entry, now, taken?.arrivedAt ?? now), now, taken);
    }
  }

  #goPast(waiter: CacheWaiter<R, V>, keyless: KeylessRequest | undefined, traits: CallTraits): void {
    if (keyless) {
      const { id } = waiter.ticket;
      this.#tell({ type: 'cache-bypassed', at: this.#settings.clock.now(), id, ...keyless });
    }
    if (this.#waiters.has(waiter)) {
      this.send(this.#depart(waiter, undefined, traits));
    }
  }

  #hold(taken: Ticket, waiter: CacheWaiter<R, V>): void {
    taken.holder = { cancelled: () => this.#cancelled(waiter), raised: () => this.#raised(waiter, taken) };
  }

  /** Memory does not hold it: joins the flight of its key, or looks in the store, or makes the call. */
  #miss(waiter: CacheWaiter<R, V>, key: string, traits: CallTraits, now: number): void {
    const engine = this.#engine!;
    const { bypass } = traits;
    const running = bypass?.sharing ? undefined : (engine.flights.get(key) as Flight<R, V> | undefined);
    // What is read is a kept answer, too. Those who read join this call if the store holds nothing.
    const reading = bypass?.lookUp && running?.isReading ? running : undefined;
    const flight = reading ? undefined : running;
    if (!flight && !bypass?.lookUp && engine.store && !engine.store.isBypassed) {
      this.#read(this.#depart(waiter, key, traits), waiter);
      return;
    }
    // Before anyone hears of it, who might have the flight land, or its key deleted.
    const own = flight ? undefined : this.#depart(waiter, key, traits, reading);
    if (flight) {
      this.#join(waiter, flight, traits);
    }
    if (bypass?.lookUp) {
      const joined = flight !== undefined;
      this.#tell({
        type: 'cache-bypassed',
        at: now,
        id: waiter.ticket.id,
        reason: 'bypass.lookUp is set',
        ...(joined && { joined }),
      });
    } else if (!flight?.isReading) {
      this.#tellMiss(waiter, key, flight !== undefined, now);
    }
    if (own?.starter === waiter && this.#waiters.has(waiter)) {
      this.send(own);
    } else {
      own?.firstWaiter?.startAnew(own);
    }
  }

  /** @param reading a flight that looks in the store, in whose place others join this one */
  #depart(
    waiter: CacheWaiter<R, V>,
    key: string | undefined,
    traits: CallTraits,
    reading?: Flight<R, V>,
  ): Flight<R, V> {
    const { ticket } = waiter;
    const flight = new Flight<R, V>(key, waiter, ticket, traits);
    flight.add(waiter);
    waiter.flight = flight;
    ticket.settlesTo = this.#settings.events;
    if (reading) {
      this.#engine?.flights.addInPlaceOf(reading, flight);
    } else {
      this.#engine?.flights.add(flight);
    }
    return flight;
  }

  #join(waiter: CacheWaiter<R, V>, flight: Flight<R, V>, traits: CallTraits): void {
    const { ticket } = waiter;
    waiter.flight = flight;
    flight.add(waiter);
    flight.wantedBy(traits);
    if (ticket.outer) {
      ticket.outer.inner = flight.ticket;
    }
    if (flight.isReading) {
      this.#nowReading(waiter);
    }
    // Before the call is raised, which may start and end it.
    this.#watchDeadline(waiter);
    flight.ticket.raise(ticket.rank);
  }

  /** A pipeline watches over the deadlines of the requests that it is sent, and over no others. */
  #watchDeadline(waiter: CacheWaiter<R, V>): void {
    const { deadline } = waiter.ticket;
    if (deadline !== Infinity) {
      waiter.alarm = this.#alarms.set(deadline, () => this.#overdue(waiter));
    }
  }

  #ignoreDeadline(waiter: CacheWaiter<R, V>): void {
    if (waiter.alarm) {
      this.#alarms.cancel(waiter.alarm);
      waiter.alarm = undefined;
    }
  }

  /** Looks in the store; if it does not hold the answer, the call is made for whoever still waits. */
  #read(flight: Flight<R, V>, waiter: CacheWaiter<R, V>): void {
    const engine = this.#engine!;
    flight.isReading = true;
    this.#nowReading(waiter);
    const cancel = engine.store!.read(flight.key!, (stored) => {
      flight.carrier = undefined;
      flight.isReading = false;
      const now = engine.clock.now();
      const found = engine.adopt(stored, flight, now);
      if (found) {
        this.#foundForAll(flight, found, now);
      } else {
        this.#missedByAll(flight);
      }
    });
    if (isStillReading(flight)) {
      flight.carrier = { abandon: cancel };
      this.#watchDeadline(waiter);
    }
  }

  /** The store holds nothing: whoever waits joins the call that runs for the key by now, or makes one. */
  #missedByAll(flight: Flight<R, V>): void {
    const { flights } = this.#engine!;
    const waiters = flight.waiters();
    const running = flights.get(flight.key!) as Flight<R, V> | undefined;
    const isOvertaken = running !== undefined && running !== flight && !flight.bypass?.sharing;
    flight.wasRead = true;
    if (isOvertaken) {
      flights.remove(flight);
    } else {
      // The call that is made now begins after all that fenced the look-up.
      flight.isFenced = false;
      flights.remove(flight);
      flights.add(flight);
    }
    if (!isOvertaken || !isStillReading(running)) {
      // Those who join another look-up have not missed yet.
      for (const waiter of waiters) {
        waiter.missed(isOvertaken || waiter !== waiters[0]);
      }
    }
    if (isOvertaken) {
      for (const waiter of flight.waiters()) {
        flight.remove(waiter);
        waiter.joinRunning(flight.key!);
      }
    } else {
      flight.firstWaiter?.startAnew(flight);
    }
    for (const waiter of waiters) {
      waiter.departed();
    }
  }

  #foundForAll(flight: Flight<R, V>, { entry, tier }: FoundEntry, now: number): void {
    const engine = this.#engine!;
    const waiters = flight.waiters();
    engine.flights.remove(flight);
    flight.removeAll();
    if (now >= entry.freshUntil) {
      waiters.find(({ writes }) => writes)?.renew(flight.key!);
    }
    for (const waiter of waiters) {
      const value = waiters.length > 1 ? engine.share(entry.value) : entry.value;
      waiter.found(flight.key!, withValue(entry, value), tier);
    }
  }

  /** The deadline of a waiter that makes no call passed. It stays if the call has begun, as waiting is over then. */
  #overdue(waiter: CacheWaiter<R, V>): void {
    const flight = waiter.flight!;
    if (!hasBegun(flight)) {
      const { clock } = this.#settings;
      const now = clock.now();
      const error = new DeadlineExceededError(now - waiter.ticket.arrivedAt);
      const outcome = failed(waiter.ticket, waiter.request, error, clock);
      const standsIn = waiter.skipsLookUp ? undefined : standIn(flight, outcome, this.#settings);
      this.#leaveFlight(waiter);
      this.settle(waiter, standsIn ?? outcome, now, undefined, error);
    }
  }

  #sharedOutcome(
    outcome: CallOutcome<R, V>,
    { request, ticket }: CacheWaiter<R, V>,
    flight: Flight<R, V>,
  ): CallOutcome<R, V> {
    const startedAt = flight.ticket.arrivedAt + outcome.waited;
    const waited = Math.max(0, startedAt - ticket.arrivedAt);
    if (!outcome.ok) {
      return { ...outcome, request, waited };
    }
    const value = this.#engine!.share(outcome.value);
    const source = outcome.source === 'stale' ? 'stale' : 'shared';
    return { ...outcome, request, value, source, waited };
  }

  #nowReading(waiter: CacheWaiter<R, V>): void {
    if (!waiter.isReading) {
      waiter.isReading = true;
      this.#reading++;
    }
  }

  #noLongerReading(waiter: CacheWaiter<R, V>): void {
    if (waiter.isReading) {
      waiter.isReading = false;
      this.#reading--;
    }
  }

  #leaveFlight(waiter: CacheWaiter<R, V>): void {
    const { flight } = waiter;
    if (this.#isLastToLeave(waiter)) {
      flight?.abandon();
    }
  }

  /** Takes a waiter off its flight; true if nobody else waits for that, and so nobody can join it any more. */
  #isLastToLeave(waiter: CacheWaiter<R, V>): boolean {
    const { flight } = waiter;
    waiter.flight = undefined;
    if (!flight?.remove(waiter) || flight.waiting > 0) {
      return false;
    }
    // One without a carrier waits for somebody to start it anew.
    if (!flight.isFenced && flight.carrier && (flight.isKept || this.#mayFinish(flight))) {
      flight.isKept = true;
      return false;
    }
    this.#engine?.flights.remove(flight);
    return true;
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

  #announce(ticket: Ticket, now: number): void {
    const { events } = this.#settings;
    if (events && ticket.announcedTo !== events) {
      ticket.announcedTo = events;
      tellReceived(events, ticket.id, ticket.rank, ticket.lane, now);
    }
  }

  #tellHit(id: number, key: string, entry: CacheEntry, tier: 'memory' | 'store', at: number): void {
    const { events } = this.#settings;
    const counter = events && counterOf(events);
    if (counter) {
      countHit(counter, entry.latency, entry.usage);
    } else if (events) {
      const { storedAt, freshUntil, latency: savedLatency, usage, value } = entry;
      tell(events, {
        type: 'cache-hit',
        at,
        id,
        key,
        age: at - storedAt,
        tier,
        ...(at >= freshUntil && { stale: true }),
        ...(value instanceof KeptFailure && { failed: true }),
        savedLatency,
        ...(usage && { usage }),
      });
    }
  }

  #tellMiss({ ticket }: CacheWaiter<R, V>, key: string, joined: boolean, at: number): void {
    this.#engine!.countMiss(at);
    if (this.#settings.events) {
      tellMissed(this.#settings.events, ticket.id, key, joined, at);
    }
  }

  #yield(
    id: number,
    index: number,
    outcome: CallOutcome<R, V>,
    now: number,
    outer: Ticket | undefined,
    sharedUsage?: TokenUsage,
    failure?: unknown,
  ): void {
    const { events } = this.#settings;
    if (events && outer?.settlesTo !== events) {
      tellSettled(events, id, outcome, now, sharedUsage, failure);
    }
    if (this.#order) {
      if (outer?.passedOnBy) {
        signOutcome(outcome, outer);
      }
      this.#order.put(index, outcome);
    } else if (outer?.passedOnBy) {
      emitSigned(outcome, outer, this.#destination);
    } else {
      this.#destination.next(outcome);
    }
    this.#completeIfDone();
  }

  /** A cache in front has nobody any more who waits for this request. */
  #cancelled(waiter: CacheWaiter<R, V>): void {
    if (!this.#waiters.delete(waiter)) {
      return;
    }
    this.#noLongerReading(waiter);
    this.#ignoreDeadline(waiter);
    this.#tellLeft(waiter.ticket.id, waiter.ticket.outer);
    this.#leaveFlight(waiter);
    this.#order?.put(waiter.index, undefined);
    this.completeMissesIfDone();
    this.#completeIfDone();
  }

  #raised({ ticket, flight }: CacheWaiter<R, V>, outer: Ticket): void {
    ticket.raise(outer.rank);
    flight?.ticket.raise(outer.rank);
  }

  #tellLeft(id: number, outer: Ticket | undefined): void {
    if (outer?.settlesTo !== this.#settings.events) {
      this.#tell({ type: 'left', at: this.#settings.clock.now(), id });
    }
  }

  #completeIfDone(): void {
    // What is still held back for the order must be out first, even if the source completes in reaction to an outcome.
    if (this.#isSourceDone && this.#waiters.size === 0 && this.#order?.isEmpty !== false) {
      this.#destination.complete();
    }
  }

  /** Lets go of everything. */
  close(): void {
    this.#alarms.clear();
    const waiters = this.#waiters.toArray();
    this.#waiters.clear();
    const unwanted: Flight<R, V>[] = [];
    for (const waiter of waiters) {
      this.#tellLeft(waiter.ticket.id, waiter.ticket.outer);
      const { flight } = waiter;
      if (flight && this.#isLastToLeave(waiter)) {
        unwanted.push(flight);
      }
    }
    this.#pipeline.leave();
    for (const pipeline of this.#latePipelines) {
      pipeline.leave();
    }
    abandonAll(unwanted);
    if (this.#settings.isOwnCache) {
      this.#engine?.close();
    }
  }

  /** Asked anew, because what ran in between may have had the subscriber leave. */
  #hasLeft(): boolean {
    return this.#destination.closed;
  }

  #tell(event: CallEvent): void {
    if (this.#settings.events) {
      tell(this.#settings.events, event);
    }
  }
}

/** Of most requests nothing but priority and key is asked: what waits by the thousand then need not keep its traits. */
function lasting(traits: CallTraits): CallTraits {
  const { bypass, cacheTags, cacheTtl, lane, tokens } = traits;
  const matters = bypass ?? cacheTags ?? cacheTtl ?? lane ?? tokens;
  return matters === undefined ? noTraits : traits;
}

/** Asked anew, because a store may answer at once. */
function isStillReading(flight: Flight): boolean {
  return flight.isReading;
}

function hasBegun<R, V>({ carrier, ticket }: Flight<R, V>): boolean {
  return carrier instanceof MissesPipeline && ticket.hasBegun;
}

function cachedOutcome<R, V>(
  request: R,
  { value, freshUntil }: CacheEntry,
  now: number,
  arrivedAt: number,
): CallOutcome<R, V> {
  const waited = now - arrivedAt;
  return value instanceof KeptFailure
    ? { ok: false, request, error: value.error, latency: 0, waited, attempts: 0 }
    : {
        ok: true,
        request,
        value: value as V,
        source: now >= freshUntil ? 'stale' : 'cache',
        latency: 0,
        waited,
        attempts: 0,
      };
}
