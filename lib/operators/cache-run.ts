import { Observable, Subject, Subscription, type Subscriber } from 'rxjs';
import { Flight, type Waiter } from '../cache/flights';
import { internalsOf, type LLMResultCache } from '../cache/llm-result-cache';
import { keyOfRequest, namespacedKey } from '../cache/request-key';
import { Alarms, type Alarm } from '../core/alarms';
import type { CallOutcome } from '../core/call';
import type { Clock } from '../core/clock';
import { DeadlineExceededError, MissingOutcomeError, QueueOverflowError } from '../core/errors';
import type { CallEvent, CallEventListener } from '../core/events';
import { Consumer, handOver, ticketOfOutcome } from '../core/hand-over';
import { prioritiesByRank, rankOf } from '../core/priority';
import { Ticket } from '../core/ticket';
import { readTraits, type TraitsReader } from '../core/traits';
import { SourceOrder } from './source-order';
import { tell } from './tell';

/** What one subscription of cacheLLM works with. */
export interface CacheRunSettings<R, V> {
  /** Undefined where caching is switched off: then every request is a call of its own. */
  readonly cache: LLMResultCache | undefined;
  /** Whether the cache was made for this subscription alone, and so ends with it. */
  readonly isOwnCache?: boolean;
  readonly clock: Clock;
  readonly misses: (misses$: Observable<R>) => Observable<CallOutcome<R, V>>;
  readonly namespace: string | undefined;
  readonly ordered: boolean;
  /** Milliseconds since arrival. */
  readonly maxWait: number;
  readonly traits: TraitsReader<R>;
  readonly events: CallEventListener | undefined;
}

/** Cancelled requests on their way that a pipeline remembers at most. */
const mostAbandoned = 1000;

/** The pipeline for misses of one subscription; it lives as long as one of its flights has a waiter. */
class MissesPipeline<R, V> {
  readonly #requests = new Subject<R>();
  readonly #subscription = new Subscription();
  /** Flights without an outcome yet, by the request that was sent for them. */
  readonly #pending = new Map<R, Flight<R, V>[]>();
  readonly #settings: CacheRunSettings<R, V>;
  /** Cancelled while no operator held them: they may arrive at one as long as this pipeline runs, and never after. */
  readonly #abandoned = new Set<Ticket>();
  /** The operator of ours that the requests go to, if there is one. */
  #next: Consumer | undefined;
  #flights = 0;
  #isOver = false;
  #hasOwner = true;
  #cause: unknown;

  constructor(settings: CacheRunSettings<R, V>) {
    this.#settings = settings;
  }

  /** @throws what `misses` throws */
  open(): void {
    const misses$ = new Observable<R>((subscriber) => {
      this.#next = Consumer.current();
      return this.#requests.subscribe(subscriber);
    });
    this.#subscription.add(
      this.#settings.misses(misses$).subscribe({
        next: (outcome) => this.#landed(outcome),
        error: (error: unknown) => this.#ended(error),
        complete: () => this.#ended(),
      }),
    );
  }

  send(flight: Flight<R, V>, request: R): void {
    if (this.#isOver) {
      endFlight(
        flight,
        failed(flight.ticket, request, new MissingOutcomeError(this.#cause), this.#settings.clock),
        this.#settings,
      );
      return;
    }
    const flights = this.#pending.get(request);
    if (flights) {
      flights.push(flight);
    } else {
      this.#pending.set(request, [flight]);
    }
    this.#flights++;
    flight.abandon = () => {
      this.#forget(flight, request);
      flight.ticket.cancel();
      this.#rememberAbandoned(flight.ticket);
      this.#closeIfUnused();
    };
    flight.ticket.passedOnBy = this.#settings.cache ?? this;
    handOver(flight.ticket, this.#next, () => this.#requests.next(request));
  }

  /** The source has completed. */
  complete(): void {
    this.#requests.complete();
  }

  /** The subscriber has left: no more requests will come, but flights that others wait for go on. */
  leave(): void {
    this.#hasOwner = false;
    const isWanted = [...this.#pending.values()].some((flights) =>
      flights.some(({ waiters }) => waiters.size > 0),
    );
    if (isWanted) {
      this.#requests.complete();
    } else {
      // All at once: abandoned one by one, each would let the next one start.
      this.#unsubscribe();
    }
  }

  /** It could not be opened. */
  fail(cause: unknown): void {
    this.#cause = cause;
    this.#isOver = true;
  }

  #landed(outcome: CallOutcome<R, V>): void {
    const flight = this.#flightOf(outcome);
    if (flight) {
      flight.abandon = undefined;
      endFlight(flight, outcome, this.#settings);
      this.#closeIfUnused();
    }
  }

  /** By the request itself; by its key where the pipeline answers with a copy of it. */
  #flightOf(outcome: CallOutcome<R, V>): Flight<R, V> | undefined {
    const { request } = outcome;
    const ticket = ticketOfOutcome(outcome);
    const flights = this.#pending.get(request);
    // Of two calls for one request, the older may have been fenced, and the younger may end first.
    const flight = (ticket && flights?.find((one) => one.ticket === ticket)) ?? flights?.[0];
    if (flight) {
      this.#forget(flight, request);
      return flight;
    }
    const key = keyAndReason(request, this.#settings).key;
    if (key === undefined) {
      return undefined;
    }
    for (const [sent, [first]] of this.#pending) {
      if (first?.key === key) {
        this.#forget(first, sent);
        return first;
      }
    }
    return undefined;
  }

  #forget(flight: Flight<R, V>, request: R): void {
    const flights = this.#pending.get(request);
    const index = flights ? flights.indexOf(flight) : -1;
    if (index >= 0) {
      this.#flights--;
      flights!.splice(index, 1);
      if (flights!.length === 0) {
        this.#pending.delete(request);
      }
    }
  }

  #ended(cause?: unknown): void {
    this.fail(cause);
    const unanswered = [...this.#pending].flatMap(([request, flights]) =>
      flights.map((flight) => ({ request, flight })),
    );
    this.#pending.clear();
    this.#forgetAbandoned();
    this.#flights = 0;
    for (const { request, flight } of unanswered) {
      flight.abandon = undefined;
      const error = new MissingOutcomeError(cause);
      endFlight(flight, failed(flight.ticket, request, error, this.#settings.clock), this.#settings);
    }
  }

  #closeIfUnused(): void {
    if (!this.#hasOwner && this.#flights === 0) {
      this.#unsubscribe();
    }
  }

  #unsubscribe(): void {
    this.#subscription.unsubscribe();
    for (const flights of this.#pending.values()) {
      for (const { ticket } of flights) {
        ticket.isOver = true;
      }
    }
    this.#forgetAbandoned();
  }

  #rememberAbandoned(ticket: Ticket): void {
    if (ticket.holder === undefined) {
      this.#abandoned.add(ticket);
      if (this.#abandoned.size > mostAbandoned) {
        const [oldest] = this.#abandoned;
        this.#abandoned.delete(oldest!);
        oldest!.isOver = true;
      }
    }
  }

  #forgetAbandoned(): void {
    for (const ticket of this.#abandoned) {
      ticket.isOver = true;
    }
    this.#abandoned.clear();
  }
}

/** One request of one subscription, from its arrival to its outcome. */
class CacheWaiter<R, V> implements Waiter<R, V> {
  flight: Flight<R, V> | undefined;
  alarm: Alarm | undefined;
  joined = false;

  constructor(
    readonly request: R,
    readonly ticket: Ticket,
    readonly index: number,
    readonly run: CacheRun<R, V>,
  ) {}

  startAnew(flight: Flight<R, V>): void {
    flight.starter = this;
    flight.ticket = this.ticket;
    this.ticket.settlesTo = this.run.events;
    for (const other of flight.waiters) {
      this.ticket.raise(other.ticket.rank);
    }
    this.run.send(this, flight);
  }

  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>): void {
    this.run.settle(this, outcome, flight.starter === this ? undefined : flight);
  }
}

/** One subscription of cacheLLM. */
export class CacheRun<R, V> {
  readonly consumer = new Consumer();
  readonly #settings: CacheRunSettings<R, V>;
  readonly #destination: Subscriber<CallOutcome<R, V>>;
  readonly #pipeline: MissesPipeline<R, V>;
  /** Made where a flight must be started anew although the source, and so `misses$`, has completed. */
  readonly #latePipelines: MissesPipeline<R, V>[] = [];
  readonly #waiters = new Set<CacheWaiter<R, V>>();
  readonly #alarms: Alarms;
  readonly #order: SourceOrder<CallOutcome<R, V>> | undefined;
  #isSourceDone = false;
  #closedBy: Error | undefined;
  #lastIndex = 0;

  constructor(settings: CacheRunSettings<R, V>, destination: Subscriber<CallOutcome<R, V>>) {
    this.#settings = settings;
    this.#destination = destination;
    this.#pipeline = new MissesPipeline(settings);
    this.#alarms = new Alarms(settings.clock);
    this.#order = settings.ordered ? new SourceOrder((outcome) => destination.next(outcome)) : undefined;
    destination.add(() => this.#close());
  }

  get events(): CallEventListener | undefined {
    return this.#settings.events;
  }

  /** @throws what `misses` throws */
  open(): void {
    this.#pipeline.open();
  }

  next(request: R): void {
    const { cache, clock, maxWait, events } = this.#settings;
    const now = clock.now();
    const taken = this.consumer.takeOver(request, cache);
    if (taken?.cancelled) {
      return;
    }
    const ticket = taken ?? new Ticket<R>(request, now);
    const traits = this.#settings.traits(request);
    ticket.rank = rankOf(traits.priority) ?? ticket.rank;
    ticket.lane = traits.lane ?? ticket.lane;
    ticket.tokens = traits.tokens ?? ticket.tokens;
    ticket.deadline = Math.min(ticket.deadline, ticket.arrivedAt + (traits.maxWait ?? maxWait));
    const waiter = new CacheWaiter<R, V>(request, ticket, ++this.#lastIndex, this);
    if (this.#destination.closed) {
      return;
    }
    this.#waiters.add(waiter);
    const { id, lane } = ticket;
    if (events && ticket.announcedTo !== events) {
      ticket.announcedTo = events;
      const priority = prioritiesByRank[ticket.rank];
      tell(events, { type: 'received', at: now, id, priority, ...(lane !== undefined && { lane }) });
    }
    if (this.#closedBy) {
      this.settle(waiter, failed(ticket, request, this.#closedBy, clock), undefined);
      return;
    }
    const { key, reason } = cache ? keyAndReason(request, this.#settings) : {};
    if (!cache || key === undefined) {
      if (reason !== undefined) {
        this.#tell({ type: 'cache-bypassed', at: now, id, reason });
      }
      if (this.#waiters.has(waiter)) {
        this.#depart(waiter, undefined);
      }
      return;
    }
    const found = cache[internalsOf].find(key);
    if (found) {
      const { age, usage, latency: savedLatency } = found;
      this.#tell({ type: 'cache-hit', at: now, id, key, age, savedLatency, ...(usage && { usage }) });
      const waited = now - ticket.arrivedAt;
      const value = found.value as V;
      this.settle(
        waiter,
        { ok: true, request, value, source: 'cache', latency: 0, waited, attempts: 0 },
        undefined,
      );
      return;
    }
    const flight = cache[internalsOf].flights.get(key) as Flight<R, V> | undefined;
    this.#tell({ type: 'cache-miss', at: now, id, key, joined: flight !== undefined });
    if (!this.#waiters.has(waiter)) {
      // Whoever heard of it has left.
      return;
    }
    if (flight) {
      this.#join(waiter, flight);
    } else {
      this.#depart(waiter, key);
    }
  }

  complete(): void {
    this.#isSourceDone = true;
    this.#pipeline.complete();
    this.#completeIfDone();
  }

  /** Fails everything that is open, and ends the stream. */
  closeWith(error: Error): void {
    this.#closedBy = error;
    for (const waiter of [...this.#waiters]) {
      if (this.#waiters.has(waiter)) {
        this.#leaveFlight(waiter);
        this.settle(waiter, failed(waiter.ticket, waiter.request, error, this.#settings.clock), undefined);
      }
    }
    this.#destination.complete();
  }

  /** Sends a request into this subscription's pipeline for misses. */
  send(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    if (!this.#isSourceDone) {
      this.#pipeline.send(flight, waiter.request);
      return;
    }
    const pipeline = new MissesPipeline(this.#settings);
    this.#latePipelines.push(pipeline);
    try {
      pipeline.open();
    } catch (error) {
      pipeline.fail(error);
    }
    pipeline.send(flight, waiter.request);
    pipeline.complete();
  }

  /** @param shared the flight that the waiter had joined, if it did not start the call itself */
  settle(waiter: CacheWaiter<R, V>, flown: CallOutcome<R, V>, shared: Flight<R, V> | undefined): void {
    if (!this.#waiters.delete(waiter)) {
      return;
    }
    const { ticket, request } = waiter;
    const outcome = shared ? this.#sharedOutcome(flown, waiter, shared) : { ...flown, request };
    this.#ignoreDeadline(waiter);
    if (this.#settings.events) {
      const { ok, latency, waited, attempts } = outcome;
      const usage = shared && outcome.ok ? shared.ticket.usage : undefined;
      this.#tell({
        type: 'settled',
        at: this.#settings.clock.now(),
        id: ticket.id,
        ok,
        ...(outcome.ok ? { source: outcome.source } : { error: outcome.error }),
        latency,
        waited,
        attempts,
        ...(usage && { usage }),
      });
    }
    if (this.#order) {
      this.#order.put(waiter.index, outcome);
    } else {
      this.#destination.next(outcome);
    }
    this.#completeIfDone();
  }

  #depart(waiter: CacheWaiter<R, V>, key: string | undefined): void {
    const flight = new Flight<R, V>(key, waiter, waiter.ticket);
    flight.waiters.add(waiter);
    waiter.flight = flight;
    waiter.ticket.settlesTo = this.#settings.events;
    this.#settings.cache?.[internalsOf].flights.add(flight);
    this.#pipeline.send(flight, waiter.request);
  }

  #join(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void {
    waiter.joined = true;
    waiter.flight = flight;
    flight.waiters.add(waiter);
    flight.ticket.raise(waiter.ticket.rank);
    const { deadline } = waiter.ticket;
    if (deadline !== Infinity) {
      waiter.alarm = this.#alarms.set(deadline, () => this.#overdue(waiter));
    }
  }

  /** A joiner's own deadline passed. It stays if the call has begun, as waiting is over then. */
  #overdue(waiter: CacheWaiter<R, V>): void {
    const { ticket } = waiter.flight!;
    const hasBegun = ticket.attempts > 0 && ticket.place === undefined;
    if (!hasBegun) {
      const { clock } = this.#settings;
      const error = new DeadlineExceededError(clock.now() - waiter.ticket.arrivedAt);
      this.#leaveFlight(waiter);
      this.settle(waiter, failed(waiter.ticket, waiter.request, error, clock), undefined);
    }
  }

  #sharedOutcome(
    outcome: CallOutcome<R, V>,
    waiter: CacheWaiter<R, V>,
    flight: Flight<R, V>,
  ): CallOutcome<R, V> {
    const { request, ticket } = waiter;
    const startedAt = flight.ticket.arrivedAt + outcome.waited;
    const waited = Math.max(0, startedAt - ticket.arrivedAt);
    if (!outcome.ok) {
      return { ...outcome, request, waited };
    }
    const value = this.#settings.cache![internalsOf].share(outcome.value);
    return { ...outcome, request, value, source: 'shared', waited };
  }

  #leaveFlight(waiter: CacheWaiter<R, V>): void {
    const { flight } = waiter;
    if (this.#isLastToLeave(waiter)) {
      flight?.abandon?.();
    }
  }

  /** Takes a waiter off its flight; true if nobody else waits for that, and so nobody can join it any more. */
  #isLastToLeave(waiter: CacheWaiter<R, V>): boolean {
    const { flight } = waiter;
    waiter.flight = undefined;
    if (!flight?.waiters.delete(waiter) || flight.waiters.size > 0) {
      return false;
    }
    this.#settings.cache?.[internalsOf].flights.remove(flight);
    return true;
  }

  #ignoreDeadline(waiter: CacheWaiter<R, V>): void {
    if (waiter.alarm) {
      this.#alarms.cancel(waiter.alarm);
    }
  }

  #completeIfDone(): void {
    // What is still held back for the order must be out first, even if the source completes in reaction to an outcome.
    if (this.#isSourceDone && this.#waiters.size === 0 && this.#order?.isEmpty !== false) {
      this.#destination.complete();
    }
  }

  #close(): void {
    this.#alarms.clear();
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    const unwanted: Flight<R, V>[] = [];
    for (const waiter of waiters) {
      this.#tell({ type: 'left', at: this.#settings.clock.now(), id: waiter.ticket.id });
      const { flight } = waiter;
      if (flight && this.#isLastToLeave(waiter)) {
        unwanted.push(flight);
      }
    }
    this.#pipeline.leave();
    for (const pipeline of this.#latePipelines) {
      pipeline.leave();
    }
    // What waits goes before what runs, and the newest first: or the one would start in the place of the other.
    const isWaiting = ({ ticket }: Flight<R, V>) => ticket.place !== undefined;
    for (const flight of unwanted
      .reverse()
      .sort((one, other) => Number(isWaiting(other)) - Number(isWaiting(one)))) {
      flight.abandon?.();
    }
    if (this.#settings.isOwnCache) {
      this.#settings.cache?.[internalsOf].stopSweeping();
    }
  }

  #tell(event: CallEvent): void {
    if (this.#settings.events) {
      tell(this.#settings.events, event);
    }
  }
}

/** Flights whose starter was refused or overdue, in wait of another waiter to start them; drained by a loop. */
const grounded: Flight[] = [];
let isRestarting = false;

/** Settles all who wait for a flight; or, where only its starter's own limits ended it, the starter alone. */
function endFlight<R, V>(
  flight: Flight<R, V>,
  outcome: CallOutcome<R, V>,
  settings: CacheRunSettings<R, V>,
): void {
  const { starter } = flight;
  flight.ticket.isOver = true;
  const isOwnEnd =
    !outcome.ok &&
    (outcome.error instanceof DeadlineExceededError || outcome.error instanceof QueueOverflowError);
  if (isOwnEnd && flight.waiters.size > (starter && flight.waiters.has(starter) ? 1 : 0)) {
    if (starter && flight.waiters.delete(starter)) {
      starter.settle(outcome, flight);
    }
    if (flight.waiters.size > 0) {
      grounded.push(flight);
      restartGrounded();
    }
    return;
  }
  const { cache } = settings;
  if (cache && flight.key !== undefined) {
    const internals = cache[internalsOf];
    internals.flights.remove(flight);
    if (outcome.ok && !flight.isFenced && internals.shouldCache(outcome.value)) {
      store(cache, flight, outcome.value, outcome.latency, settings.traits);
    }
  }
  const waiters = [...flight.waiters];
  flight.waiters.clear();
  // Before anyone has the answer in hand and changes it.
  const toShare =
    cache && outcome.ok && waiters.length > 1
      ? { ...outcome, value: cache[internalsOf].share(outcome.value) }
      : outcome;
  for (const waiter of waiters) {
    waiter.settle(waiter === flight.starter ? outcome : toShare, flight);
  }
}

function restartGrounded(): void {
  if (isRestarting) {
    return;
  }
  isRestarting = true;
  try {
    for (let flight = grounded.shift(); flight; flight = grounded.shift()) {
      const [next] = flight.waiters;
      next?.startAnew(flight);
    }
  } finally {
    isRestarting = false;
  }
}

function store<R, V>(
  cache: LLMResultCache,
  flight: Flight<R, V>,
  value: V,
  latency: number,
  traits: TraitsReader<R>,
): void {
  const { usage } = flight.ticket;
  try {
    const { cacheTtl } = traits(flight.ticket.request as R);
    const ttl = cacheTtl === undefined ? {} : { ttl: cacheTtl };
    cache.set(flight.key!, value, { latency, ...(usage && { usage }), ...ttl });
  } catch {
    // What cannot be stored (a clone that throws) is an answer all the same.
  }
}

function failed<R>(ticket: Ticket, request: R, error: unknown, clock: Clock): CallOutcome<R, never> {
  const { attempts, lastLatency, lastStartAt, arrivedAt } = ticket;
  const waited = (attempts > 0 && lastStartAt > 0 ? lastStartAt : clock.now()) - arrivedAt;
  return { ok: false, request, error, latency: attempts > 0 ? lastLatency : 0, waited, attempts };
}

/** The key of a request in its namespace, or why it has none. */
function keyAndReason<R>(
  request: R,
  { traits: traitsOf, namespace }: Pick<CacheRunSettings<R, unknown>, 'traits' | 'namespace'>,
): { key?: string; reason?: string } {
  const { cacheKey } = traitsOf(request);
  if (cacheKey === false) {
    return { reason: 'cacheKey is false' };
  }
  if (cacheKey !== undefined) {
    return { key: namespacedKey(namespace, cacheKey) };
  }
  try {
    return { key: namespacedKey(namespace, keyOfRequest(request, traitsOf === readTraits)) };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : 'its content cannot be read' };
  }
}
