import { defer, map, Subject, Subscription, type Observable } from 'rxjs';
import type { Flight, FlightCarrier } from '../cache/flights';
import type { CallOutcome } from '../core/call';
import { MissingOutcomeError } from '../core/errors';
import { Consumer, handOver, ticketOfItem } from '../core/hand-over';
import { shown } from '../core/settings';
import type { StreamChunk, StreamEnd, StreamItem } from '../core/stream';
import { nextStartNumber, type Ticket } from '../core/ticket';
import { engineOf, type CacheRunSettings, type LastingPipeline } from './cache-run-settings';
import { FlightsByRequest } from './flights-by-request';
import { land } from './landing';
import type { Emitted } from './items';
import { failed, outcomeOr, withChunks } from './outcomes';

/** The most cancelled requests that are remembered, as they may still arrive at an operator, or their answers here. */
const mostAbandoned = 1000;

/**
 * The pipeline for misses of one subscription. It lives as long as one of its flights has a waiter or is wanted by the
 * cache.
 */
export class MissesPipeline<R, V> implements FlightCarrier<R, V>, LastingPipeline {
  readonly #settings: CacheRunSettings<R, V>;
  readonly #requests = new Subject<R>();
  readonly #subscription = new Subscription();
  /** The flights without an outcome, by ticket. */
  readonly #flights = new Map<Ticket, Flight<R, V>>();
  readonly #byRequest = new FlightsByRequest<R, V>();
  /** Tickets that were cancelled while no operator held them. Their requests may still arrive at one. */
  readonly #abandoned = new Set<Ticket>();
  /** Requests and keys of abandoned calls made by operators of others. Their answers may still come. */
  readonly #strays = new Set<unknown>();
  #next: Consumer | undefined;
  #state: 'open' | 'left' | 'over' = 'open';
  #cause: unknown;

  /** @param ended called when the pipeline has ended */
  constructor(
    settings: CacheRunSettings<R, V>,
    private readonly ended?: () => void,
  ) {
    this.#settings = settings;
  }

  /** @throws the error of `misses`; TypeError if it returns no Observable */
  open(): void {
    const misses$ = defer(() => {
      this.#next = Consumer.current();
      return this.#requests;
    });
    const made$ = observableOr(this.#settings.misses(misses$));
    const outcomes$ = this.#settings.stream ? made$ : made$.pipe(map(outcomeIn));
    this.#subscription.add(
      outcomes$.subscribe({
        next: (item: Emitted<R, V>) => this.#take(item),
        error: (error: unknown) => this.#ended(error),
        complete: () => this.#ended(),
      }),
    );
  }

  fail(cause: unknown): void {
    this.#cause = cause;
    this.#state = 'over';
    this.ended?.();
  }

  send(flight: Flight<R, V>): void {
    const { request, ticket } = flight;
    if (this.#state === 'over') {
      const error = new MissingOutcomeError(this.#cause);
      land(flight, failed(ticket, request, error, this.#settings.clock), this.#settings);
      return;
    }
    flight.carrier = this;
    flight.state = 'calling';
    const { stream } = this.#settings;
    if (stream) {
      flight.chunks = [];
      flight.isWhole = stream.isWhole;
    }
    this.#flights.set(ticket, flight);
    this.#byRequest.add(flight);
    ticket.passOnBy(this.#settings.cache ?? this);
    ticket.startNumber = nextStartNumber();
    handOver(ticket, this.#next, this.#requests);
  }

  /**
   * Whether the answer of this flight could be confused with that of another one for the same request (a fenced one, or
   * one that shares nothing), which is still on its way through operators of others.
   */
  confuses({ request, key }: Flight<R, V>): boolean {
    if (this.#strays.has(request) || this.#strays.has(key)) {
      return true;
    }
    for (const { ticket } of this.#byRequest.of(request)) {
      if (ticket.attempts === 0 && ticket.place === undefined) {
        return true;
      }
    }
    return false;
  }

  abandon(flight: Flight<R, V>): void {
    // Before the ticket is cancelled, which may end the pipeline.
    this.#forget(flight);
    const { ticket, request, key } = flight;
    ticket.cancel();
    if (!this.#next) {
      remember(this.#strays, request);
      remember(this.#strays, key);
    }
    if (ticket.holder === undefined) {
      const forgotten = remember(this.#abandoned, ticket);
      if (forgotten) {
        forgotten.isOver = true;
      }
    }
    this.#closeIfUnused();
  }

  complete(): void {
    this.#requests.complete();
  }

  /** The subscriber has left. No more requests come, but flights with other waiters go on. */
  leave(): void {
    this.#state = this.#state === 'over' ? 'over' : 'left';
    this.#requests.complete();
    for (const flight of this.#flights.values()) {
      if (flight.waiting > 0 || (flight.isKept && !flight.isFenced)) {
        this.#settings.lasting?.add(this);
        return;
      }
    }
    this.#unsubscribe();
  }

  /** Lets other waiters make the calls that have not begun. */
  restartUnstarted(): void {
    for (const flight of this.#byArrival()) {
      if (flight.waiting > 0 && !flight.ticket.hasBegun) {
        flight.cancelTimeout?.();
        this.abandon(flight);
        flight.firstWaiter?.startAnew(flight);
      }
    }
  }

  /** Cancels the flights that only the cache waits for. */
  abandonUnwanted(): void {
    for (const flight of this.#byArrival()) {
      if (flight.waiting === 0) {
        flight.isFenced = true;
        engineOf(this.#settings)?.flights.remove(flight);
        flight.abandon();
      }
    }
  }

  #take(item: Emitted<R, V>): void {
    if (!this.#settings.stream) {
      this.#landed(item as CallOutcome<R, V>);
    } else if ((item as StreamItem<R, unknown, V>).type === 'chunk') {
      this.#brought(item as StreamChunk<R, unknown>);
    } else {
      this.#landed((item as StreamEnd<R, V>).outcome);
    }
  }

  #brought(item: StreamChunk<R, unknown>): void {
    const flight = this.#flightBy(ticketOfItem(item));
    flight?.chunks?.push(item.chunk);
    for (const waiter of flight?.waiters() ?? []) {
      waiter.takeChunks(flight!);
    }
  }

  #landed(outcome: CallOutcome<R, V>): void {
    const flight = this.#flightOf(outcome);
    if (flight) {
      this.#forget(flight);
      flight.ticket.isOver = true;
      land(flight, withChunks(outcome, flight.chunks), this.#settings);
      this.#closeIfUnused();
    }
  }

  /** The flight of a ticket, or of the ticket that it was derived from. */
  #flightBy(ticket: Ticket | undefined): Flight<R, V> | undefined {
    return ticket && (this.#flights.get(ticket) ?? this.#flightBy(ticket.outer));
  }

  /**
   * Finds a flight by its ticket, by the request itself, or by its key if the pipeline answers with a copy of the
   * request.
   */
  #flightOf(outcome: CallOutcome<R, V>): Flight<R, V> | undefined {
    const ticket = ticketOfItem(outcome) as Ticket<R> | undefined;
    const flight = this.#flightBy(ticket);
    if (flight) {
      return flight;
    }
    // A user's operator may have copied the request. The ticket has the original.
    const { request } = ticket?.outer ? (ticket.outer as Ticket<R>) : (ticket ?? outcome);
    for (const oldest of this.#byRequest.of(request)) {
      return oldest;
    }
    return this.#strays.delete(request) ? undefined : this.#flightByKey(request);
  }

  #flightByKey(request: R): Flight<R, V> | undefined {
    if (this.#flights.size === 0 && this.#strays.size === 0) {
      return undefined;
    }
    const { keys, traits } = this.#settings;
    const { key } = keys.of(request, traits(request));
    if (key === undefined || this.#strays.delete(key)) {
      return undefined;
    }
    const joinable = engineOf(this.#settings)?.flights.get(key) as Flight<R, V> | undefined;
    return joinable?.carrier === this ? joinable : this.#byArrival().find((flight) => flight.key === key);
  }

  #byArrival(): Flight<R, V>[] {
    return [...this.#flights.values()].sort((one, other) => one.ticket.id - other.ticket.id);
  }

  #forget(flight: Flight<R, V>): void {
    flight.carrier = undefined;
    if (this.#flights.delete(flight.ticket)) {
      this.#byRequest.remove(flight);
    }
  }

  #ended(cause?: unknown): void {
    this.fail(cause);
    this.#settings.lasting?.delete(this);
    this.#forgetAbandoned();
    for (const flight of this.#byArrival()) {
      this.#forget(flight);
      const { ticket, request } = flight;
      ticket.isOver = true;
      const error = new MissingOutcomeError(cause);
      land(flight, failed(ticket, request, error, this.#settings.clock), this.#settings);
    }
  }

  #closeIfUnused(): void {
    if ((this.#state === 'left' || this.ended) && this.#flights.size === 0) {
      this.#unsubscribe();
    }
  }

  #unsubscribe(): void {
    this.#settings.lasting?.delete(this);
    this.#subscription.unsubscribe();
    this.ended?.();
    for (const ticket of this.#flights.keys()) {
      ticket.isOver = true;
    }
    this.#forgetAbandoned();
  }

  #forgetAbandoned(): void {
    for (const ticket of this.#abandoned) {
      ticket.isOver = true;
    }
    this.#abandoned.clear();
    this.#strays.clear();
  }
}

const emitted = 'The pipeline for misses of cacheLLM must emit outcomes, as mergeWithConcurrency does';

const streamed =
  'The pipeline for misses of cacheLLM must emit outcomes and no chunks: put settled() behind streamWithConcurrency, ' +
  'or stream from a cache with optimizeStream of an optimizer';

/** @throws TypeError for anything but an outcome */
function outcomeIn<R, V>(item: Emitted<R, V>): CallOutcome<R, V> {
  const isOfStream = (item as Partial<StreamItem<R, unknown, V>> | undefined | null)?.type !== undefined;
  return outcomeOr(item as CallOutcome<R, V>, isOfStream ? streamed : emitted);
}

/** @throws TypeError for a function that makes a call in place of a pipeline */
function observableOr<T>(made: Observable<T>): Observable<T> {
  const other = made as (Partial<Observable<T>> & Partial<PromiseLike<T>>) | undefined | null;
  if (typeof other?.pipe === 'function') {
    return made;
  }
  // Its error is not needed.
  other?.then?.(undefined, () => undefined);
  throw new TypeError(
    `misses must return an Observable of outcomes, but returned ${other?.then ? 'a promise' : shown(made)}. ` +
      'A call belongs inside, as in cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(ask))).',
  );
}

/** Adds an item to a bounded set; returns the item that it replaces. */
function remember<T>(items: Set<T>, item: T): T | undefined {
  items.add(item);
  const [oldest] = items;
  if (items.size <= mostAbandoned) {
    return undefined;
  }
  items.delete(oldest!);
  return oldest;
}
