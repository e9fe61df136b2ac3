import { defer, Subject, Subscription } from 'rxjs';
import type { Flight, FlightCarrier } from '../cache/flights';
import type { CallOutcome } from '../core/call';
import { MissingOutcomeError } from '../core/errors';
import { claimOutcome, Consumer, handOver, ticketOfOutcome } from '../core/hand-over';
import { Members } from '../core/members';
import { nextStartNumber, type Ticket } from '../core/ticket';
import { engineOf, identityOf, type CacheRunSettings, type LastingPipeline } from './cache-run-settings';
import { FlightTicket } from './flight-ticket';
import { FlightsByRequest } from './flights-by-request';
import { failed, land } from './landing';

/** Cancelled requests on their way that a pipeline remembers at most. */
const mostAbandoned = 1000;

/**
 * The pipeline for misses of one subscription. It belongs to its flights: it lives as long as anyone waits for one of
 * them, the cache itself included.
 */
export class MissesPipeline<R, V> implements FlightCarrier<R, V>, LastingPipeline {
  readonly #requests = new Subject<R>();
  readonly #subscription = new Subscription();
  /** Those without an outcome yet. */
  readonly #flights = new Members<Flight<R, V>>();
  /**
   * Made once it is needed: where the requests do not go straight to an operator of ours that tells whose its outcomes
   * are, or somebody on the way makes other outcomes of those.
   */
  #byRequest: FlightsByRequest<R, V> | undefined;
  readonly #settings: CacheRunSettings<R, V>;
  /** Cancelled while no operator held them: they may arrive at one as long as this pipeline runs, and never after. */
  readonly #abandoned = new Set<Ticket>();
  /** Requests and keys of calls that were given up where nobody could be told: their answers may still come. */
  readonly #strays = new Set<unknown>();
  /** The operator of ours that the requests go to, if there is one. */
  #next: Consumer | undefined;
  #isOver = false;
  #hasOwner = true;
  #cause: unknown;

  constructor(settings: CacheRunSettings<R, V>) {
    this.#settings = settings;
  }

  /** @throws what `misses` throws */
  open(): void {
    const misses$ = defer(() => {
      this.#next = Consumer.current();
      return this.#requests;
    });
    const outcomes$ = this.#settings.misses(misses$);
    this.#subscription.add(
      outcomes$.subscribe({
        next: (outcome) => this.#landed(outcome),
        error: (error: unknown) => this.#ended(error),
        complete: () => this.#ended(),
      }),
    );
  }

  send(flight: Flight<R, V>): void {
    const { request, ticket } = flight;
    if (this.#isOver) {
      const error = new MissingOutcomeError(this.#cause);
      land(flight, failed(ticket, request, error, this.#settings.clock), this.#settings);
      return;
    }
    this.#carry(flight);
    if (ticket instanceof FlightTicket) {
      ticket.flight = flight;
    }
    ticket.startNumber = nextStartNumber();
    handOver(ticket, this.#next, this.#requests);
    if (!this.#byRequest && flight.carrier === this && !staysInSight(flight)) {
      this.#findByRequest();
    }
  }

  /**
   * Whether it could not tell the answer of this flight from that of another for the same request, which was fenced or
   * shares nothing: one is on its way in a part of the pipeline that is not ours.
   */
  confuses({ request, key }: Flight<R, V>): boolean {
    if (this.#strays.size > 0 && (this.#strays.has(request) || this.#strays.has(key))) {
      return true;
    }
    // All are in sight as long as none has to be found by its request.
    return this.#byRequest?.of(request).some((flight) => !isInSight(flight)) ?? false;
  }

  abandon(flight: Flight<R, V>): void {
    this.#forget(flight);
    flight.ticket.cancel();
    if (!this.#next) {
      this.#strays.add(flight.request).add(flight.key);
    }
    this.#rememberAbandoned(flight.ticket);
    this.#closeIfUnused();
  }

  /** An outcome is on its way in a part of the pipeline that is not ours. */
  lostSight(): void {
    this.#findByRequest();
  }

  /** The source has completed. */
  complete(): void {
    this.#requests.complete();
  }

  /** The subscriber has left: no more requests will come, but flights that others wait for go on. */
  leave(): void {
    this.#hasOwner = false;
    const flights = this.#all();
    if (flights.some((flight) => flight.waiting > 0 || (flight.isKept && !flight.isFenced))) {
      this.#settings.lasting?.add(this);
      this.#requests.complete();
    } else {
      // All at once: abandoned one by one, each would let the next one start.
      this.#unsubscribe();
    }
  }

  /** Has others make the calls that they wait for and that have not begun: nothing is to begin here any more. */
  handOverUnstarted(): void {
    for (const flight of this.#all()) {
      if (flight.waiting > 0 && !flight.ticket.hasBegun) {
        flight.cancelTimeout?.();
        this.abandon(flight);
        flight.firstWaiter?.startAnew(flight);
      }
    }
  }

  /** Lets go of the flights that only the cache waits for. */
  abandonUnwanted(): void {
    for (const flight of this.#all()) {
      if (flight.waiting === 0) {
        flight.isFenced = true;
        engineOf(this.#settings)?.flights.remove(flight);
        flight.abandon();
      }
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
      this.#forget(flight);
      land(flight, outcome, this.#settings);
      this.#closeIfUnused();
    }
  }

  /** By its ticket, by the request itself, or by its key where the pipeline answers with a copy of the request. */
  #flightOf(outcome: CallOutcome<R, V>): Flight<R, V> | undefined {
    const ticket = ticketOfOutcome(outcome) as Ticket<R> | undefined;
    const flown = ticket instanceof FlightTicket ? (ticket as FlightTicket<R, V>).flight : undefined;
    if (flown?.carrier === this && flown.ticket === ticket) {
      claimOutcome(outcome);
      return flown;
    }
    // Somebody on the way may have made a copy of the request, of which the ticket knows.
    const request = ticket ? ticket.request : outcome.request;
    const flights = this.#findByRequest().of(request);
    if (flights.length > 0) {
      // Of two calls for one request, the older may have been fenced, and the younger may end first.
      return flights.find((one) => one.ticket === ticket) ?? flights[0];
    }
    return this.#strays.delete(request) ? undefined : this.#flightByKey(request);
  }

  #flightByKey(request: R): Flight<R, V> | undefined {
    if (this.#flights.size === 0 && this.#strays.size === 0) {
      return undefined;
    }
    const identity = identityOf(request, this.#settings.traits(request), this.#settings);
    if (typeof identity !== 'string' || this.#strays.delete(identity)) {
      return undefined;
    }
    const joinable = engineOf(this.#settings)?.flights.get(identity) as Flight<R, V> | undefined;
    return joinable?.carrier === this ? joinable : this.#all().find(({ key }) => key === identity);
  }

  /** In the order in which their requests arrived. */
  #all(): Flight<R, V>[] {
    return this.#flights.toArray().sort((one, other) => one.ticket.id - other.ticket.id);
  }

  #findByRequest(): FlightsByRequest<R, V> {
    return (this.#byRequest ??= new FlightsByRequest(this.#all()));
  }

  #carry(flight: Flight<R, V>): void {
    flight.carrier = this;
    this.#flights.add(flight);
    this.#byRequest?.add(flight);
    flight.ticket.passOnBy(this.#settings.cache ?? this);
  }

  #forget(flight: Flight<R, V>): void {
    flight.carrier = undefined;
    if (this.#flights.delete(flight)) {
      this.#byRequest?.remove(flight);
    }
  }

  #ended(cause?: unknown): void {
    this.fail(cause);
    const unanswered = this.#all();
    this.#flights.clear();
    this.#byRequest = undefined;
    this.#forgetAbandoned();
    this.#settings.lasting?.delete(this);
    for (const flight of unanswered) {
      flight.carrier = undefined;
      const { ticket, request } = flight;
      land(
        flight,
        failed(ticket, request, new MissingOutcomeError(cause), this.#settings.clock),
        this.#settings,
      );
    }
  }

  #closeIfUnused(): void {
    if (!this.#hasOwner && this.#flights.size === 0) {
      this.#unsubscribe();
    }
  }

  #unsubscribe(): void {
    this.#settings.lasting?.delete(this);
    this.#subscription.unsubscribe();
    for (const { ticket } of this.#all()) {
      ticket.isOver = true;
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

/** Whether an operator of ours holds the request until its outcome is known: an adaptiveThrottle passes it on. */
function staysInSight({ ticket }: Flight): boolean {
  return ticket.attempts > 0 || (ticket.place !== undefined && ticket.asks !== 'permit');
}

/** Whether an operator of ours holds the request; if not, it is on its way in a part of the pipeline that is not ours. */
function isInSight({ ticket }: Flight): boolean {
  return ticket.attempts > 0 || ticket.place !== undefined;
}
