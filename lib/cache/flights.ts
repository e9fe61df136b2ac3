import type { CacheBypass, CallTraits } from '../core/traits';
import type { CallOutcome, TokenUsage } from '../core/call';
import type { Cancel } from '../core/clock';
import { holdStarts } from '../core/held-starts';
import type { AnyStreamCall } from '../core/stream';
import type { Ticket } from '../core/ticket';
import { noTags, type CacheEntry } from './cache-entry';
import type { StoreLease } from './cache-store';

/** A request that waits for a flight. */
export interface Waiter<R = unknown, V = unknown> {
  readonly request: R;
  readonly ticket: Ticket<R>;
  /** Whether it takes no kept answer, and so none in place of a failure either. */
  readonly skipsLookUp: boolean;
  /** Whether it wants the answer kept. */
  readonly writes: boolean;
  /** Milliseconds it wants the answer kept; undefined for the default of the cache. */
  readonly cacheTtl: number | undefined;
  /** Makes the call: nobody does yet, or the starter's own limits ended it. */
  startAnew(flight: Flight<R, V>): void;
  /** Takes the answer that the store held, or that memory holds by now. */
  found(key: string, entry: CacheEntry, tier: 'memory' | 'store'): void;
  /** Has the answer of the store renewed, as it has expired. */
  renew(key: string): void;
  /** Hears that the store does not hold the answer: a call is about to be made, or runs already. */
  missed(joined: boolean): void;
  /** Joins another call that runs for its key, or makes its own if that is over. */
  joinRunning(key: string): void;
  /** Takes the chunks of a flight that have come since it took some last. */
  takeChunks(flight: Flight<R, V>): void;
  /** Hears that the call has been sent. */
  departed(): void;
  /** Takes the outcome of the flight. */
  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>, now: number): void;
}

/** Makes the call of a flight, or reads its answer from a store. */
export interface FlightCarrier<R = unknown, V = unknown> {
  /** Cancels the flight: nobody waits for its answer any more. */
  abandon(flight: Flight<R, V>): void;
}

/** Tells whether an invalidation during a call applies to the answer, which is then not kept. */
export type LandingCheck = (entry: CacheEntry) => boolean;

/** The one running call that all requests with one key share. */
export class Flight<R = unknown, V = unknown> {
  carrier: FlightCarrier<R, V> | undefined;
  readonly bypass: CacheBypass | undefined;
  /**
   * `grounded`: nobody makes its call yet, or the one who did gave up; `reading`: its answer is looked for in the store;
   * `calling`: its call was sent; `landed`: its outcome is known, or nobody waits for it any more.
   */
  state: 'grounded' | 'reading' | 'calling' | 'landed' = 'grounded';
  /** Whether its key was deleted or cleared meanwhile: nobody joins it any more, and it writes nothing. */
  isFenced = false;
  /** Whether it renews a stale answer. */
  isRenewal = false;
  /** Whether the cache itself wants the answer, so that it goes on when nobody waits for it. */
  isKept = false;
  /** Whether the store was asked for its answer, in vain. */
  wasRead = false;
  /** Whether a waiter wants the answer kept. */
  writes = false;
  /** Milliseconds the answer stays fresh; undefined for the default of the cache. */
  ttl: number | undefined;
  /** The least TTL that a waiter asks for, in milliseconds. */
  longestTtl = Infinity;
  /** The invalidations by predicate during the call. */
  landingChecks: LandingCheck[] | undefined;
  cancelTimeout: Cancel | undefined;
  /** The chunks that have come so far, if its call is a stream call. */
  chunks: unknown[] | undefined;
  /** Judges its chunks. */
  isWhole: AnyStreamCall['isWhole'];
  /** The right to make its call in place of all other processes. */
  lease: StoreLease | undefined;
  /** The error of its call, also if an expired answer stands in for it. */
  failure: unknown;
  #tags: Set<string> | undefined;
  #first: Waiter<R, V> | undefined;
  /** Made for the second waiter: most flights have one. */
  #others: Set<Waiter<R, V>> | undefined;

  constructor(
    /** Undefined for a request that bypasses the cache. */
    readonly key: string | undefined,
    public starter: Waiter<R, V> | undefined,
    /** The ticket of the request that the call is made for. */
    public ticket: Ticket<R>,
    traits: CallTraits,
  ) {
    this.bypass = traits.bypass;
    this.wantedBy(traits);
  }

  /**
   * Notes whether another waiter wants the answer kept, and its tags. The first one that does decides for how long; one
   * that asks for less shortens that.
   */
  wantedBy({ bypass, cacheTags, cacheTtl }: CallTraits): void {
    if (cacheTags) {
      this.#tags ??= new Set();
      for (const tag of cacheTags) {
        this.#tags.add(tag);
      }
    }
    if (bypass?.write) {
      return;
    }
    if (!this.writes) {
      this.writes = true;
      this.ttl = cacheTtl;
    }
    this.longestTtl = Math.min(this.longestTtl, cacheTtl ?? Infinity);
  }

  /** Notes that a waiter makes the call in place of the starter. */
  startedBy(waiter: Waiter<R, V>): void {
    this.starter = waiter;
    this.ticket = waiter.ticket;
    const writer = waiter.writes ? waiter : this.waiters().find(({ writes }) => writes);
    this.writes = writer !== undefined;
    this.ttl = writer?.cacheTtl;
  }

  /** The tags of all waiters. */
  get tags(): readonly string[] {
    return this.#tags ? [...this.#tags] : noTags;
  }

  /** The request that the call is made for. */
  get request(): R {
    return this.ticket.request;
  }

  get usage(): TokenUsage | undefined {
    return this.ticket.used;
  }

  get startNumber(): number {
    return this.ticket.startNumber;
  }

  get waiting(): number {
    return (this.#first ? 1 : 0) + (this.#others?.size ?? 0);
  }

  has(waiter: Waiter<R, V>): boolean {
    return this.#first === waiter || (this.#others?.has(waiter) ?? false);
  }

  /** The waiter that has waited longest. */
  get firstWaiter(): Waiter<R, V> | undefined {
    if (this.#first || !this.#others) {
      return this.#first;
    }
    const [first] = this.#others;
    return first;
  }

  waiters(): Waiter<R, V>[] {
    const others = this.#others ? [...this.#others] : [];
    return this.#first ? [this.#first, ...others] : others;
  }

  add(waiter: Waiter<R, V>): void {
    if (!this.#first && !this.#others) {
      this.#first = waiter;
    } else {
      (this.#others ??= new Set()).add(waiter);
    }
  }

  /** Gives one that has joined the chunks that came before. */
  bringUpToDate(waiter: Waiter<R, V>): void {
    if (this.chunks && this.has(waiter)) {
      waiter.takeChunks(this);
    }
  }

  /** Returns whether the waiter was one of this flight. */
  remove(waiter: Waiter<R, V>): boolean {
    if (this.#first === waiter) {
      this.#first = undefined;
      return true;
    }
    return this.#others?.delete(waiter) ?? false;
  }

  removeAll(): void {
    this.#first = undefined;
    this.#others = undefined;
  }

  /** Cancels the call. */
  abandon(): void {
    this.state = 'landed';
    this.cancelTimeout?.();
    this.cancelTimeout = undefined;
    this.lease?.end();
    this.carrier?.abandon(this);
  }
}

/** The flights of a cache by their keys. */
export class Flights {
  /** At most one of each key: the flight that a request with this key joins. */
  readonly #joinable = new Map<string, Flight>();
  /**
   * The other flights, which nobody joins: they share nothing, their answer may be invalid, or another flight is the
   * joinable one of their key. They can be fenced all the same.
   */
  readonly #apart = new Map<string, Set<Flight>>();
  /** For a key with several flights, the start of the call whose answer was kept last. */
  readonly #keptStarts = new Map<string, number>();

  /** Whether there is a flight that a request with this key may join. */
  has(key: string): boolean {
    return this.#joinable.has(key);
  }

  /** The flight that a request with this key may join. */
  get(key: string): Flight | undefined {
    return this.#joinable.get(key);
  }

  add(flight: Flight): void {
    const { key } = flight;
    if (key === undefined) {
      return;
    }
    if (flight.bypass?.sharing || this.has(key)) {
      this.#setApart(flight);
    } else {
      this.#joinable.set(key, flight);
    }
  }

  /** Has requests that come from now on join this flight in place of the other one. */
  addInPlaceOf(other: Flight, flight: Flight): void {
    this.close(other);
    this.add(flight);
  }

  remove(flight: Flight): void {
    const key = flight.key!;
    const apart = this.#apart.get(key);
    if (this.#joinable.get(key) === flight) {
      this.#joinable.delete(key);
    } else if (apart?.delete(flight) && apart.size === 0) {
      this.#apart.delete(key);
    }
    if (!this.#joinable.has(key) && !this.#apart.has(key)) {
      this.#keptStarts.delete(key);
    }
  }

  /** Has nobody join a flight any more, as its answer may be invalid. */
  close(flight: Flight): void {
    if (this.#joinable.get(flight.key!) === flight) {
      this.#joinable.delete(flight.key!);
      this.#setApart(flight);
    }
  }

  /** Notes that the answer of a flight is kept: calls for its key that started before bring an older answer. */
  overtake(flight: Flight): void {
    const key = flight.key!;
    const joinable = this.#joinable.get(key);
    if (this.#apart.has(key) || (joinable && joinable !== flight)) {
      this.#keptStarts.set(key, flight.startNumber);
    }
  }

  /** Whether the answer of a flight may be kept: nothing that came later has replaced it or had it forgotten. */
  mayWrite({ key, isFenced, startNumber }: Flight): boolean {
    return !isFenced && startNumber >= (this.#keptStarts.get(key!) ?? startNumber);
  }

  /** Fences flights: nobody joins them any more, and they write nothing. */
  fence(flights: readonly Flight[]): void {
    for (const flight of flights) {
      flight.isFenced = true;
      this.remove(flight);
    }
    // What nobody waits for only went on for the sake of the cache.
    holdStarts(() => {
      for (const flight of [...flights].reverse()) {
        if (flight.waiting === 0) {
          flight.abandon();
        }
      }
    });
  }

  /** Fences the flights of a key. */
  fenceKey(key: string): void {
    this.fence(this.#of(key));
  }

  fenceAll(): void {
    this.fence(this.all());
  }

  /** All flights that have a key. */
  all(): Flight[] {
    return [...this.#joinable.values(), ...[...this.#apart.values()].flatMap((flights) => [...flights])];
  }

  #setApart(flight: Flight): void {
    const key = flight.key!;
    this.#apart.set(key, (this.#apart.get(key) ?? new Set()).add(flight));
  }

  #of(key: string): Flight[] {
    const joinable = this.get(key);
    return [...(joinable ? [joinable] : []), ...(this.#apart.get(key) ?? [])];
  }
}

/** Whether an invalidation during a call or a look-up applies to the answer that it brought. */
export function isAffected(entry: CacheEntry, checks: readonly LandingCheck[] = []): boolean {
  return checks.some((applies) => applies(entry));
}
