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
  /** Whether it takes no kept answer, not even in place of a failure. */
  readonly skipsLookUp: boolean;
  /** Whether it wants the answer kept. */
  readonly writes: boolean;
  /** Milliseconds for which it wants the answer kept; undefined for the default of the cache. */
  readonly cacheTtl: number | undefined;
  /** Makes the call, because no waiter makes it, or the starter's own limits ended it. */
  startAnew(flight: Flight<R, V>): void;
  /** Receives the answer from the store or, by now, from memory. */
  found(key: string, entry: CacheEntry, tier: 'memory' | 'store'): void;
  /** Lets a call renew the expired answer of the store. */
  renew(key: string): void;
  /** Called when the store does not hold the answer, before a call is made or joined. */
  missed(joined: boolean): void;
  /** Joins another running call for its key, or makes a call if that is over. */
  joinRunning(key: string): void;
  /** Takes the chunks that have come since the last time. */
  takeChunks(flight: Flight<R, V>): void;
  /** Called when the call has been sent. */
  departed(): void;
  /** Receives the outcome of the flight. */
  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>, now: number): void;
}

/** Makes the call of a flight, or reads its answer from a store. */
export interface FlightCarrier<R = unknown, V = unknown> {
  /** Cancels the flight because it has no waiters. */
  abandon(flight: Flight<R, V>): void;
}

/** Whether an invalidation during a call applies to its answer, which is then not kept. */
export type LandingCheck = (entry: CacheEntry) => boolean;

/** The one running call that all requests with one key share. */
export class Flight<R = unknown, V = unknown> {
  carrier: FlightCarrier<R, V> | undefined;
  readonly bypass: CacheBypass | undefined;
  /**
   * `grounded`: no waiter makes its call yet, or the starter gave up; `reading`: the store is asked; `calling`: its
   * call was sent; `landed`: its outcome is known, or it has no waiters left.
   */
  state: 'grounded' | 'reading' | 'calling' | 'landed' = 'grounded';
  /** Whether its key was deleted or cleared meanwhile. Then no request joins it, and it writes nothing. */
  isFenced = false;
  /** Whether it renews a stale answer. */
  isRenewal = false;
  /** Whether the cache itself wants the answer, so that the call goes on without waiters. */
  isKept = false;
  /** Whether the store was asked and did not hold its answer. */
  wasRead = false;
  /** Whether a waiter wants the answer kept. */
  writes = false;
  /** Milliseconds for which the answer stays fresh; undefined for the default of the cache. */
  ttl: number | undefined;
  /** The least TTL of its waiters, in milliseconds. */
  longestTtl = Infinity;
  /** The invalidations by predicate during the call. */
  landingChecks: LandingCheck[] | undefined;
  cancelTimeout: Cancel | undefined;
  /** The chunks so far, for a stream call. */
  chunks: unknown[] | undefined;
  isWhole: AnyStreamCall['isWhole'];
  /** The right to make its call for all processes. */
  lease: StoreLease | undefined;
  /** The error of its call, also if an expired answer replaces it. */
  failure: unknown;
  #tags: Set<string> | undefined;
  #first: Waiter<R, V> | undefined;
  /** Made for the second waiter, because most flights have one. */
  #others: Set<Waiter<R, V>> | undefined;

  constructor(
    /** Undefined for a request that bypasses the cache. */
    readonly key: string | undefined,
    public starter: Waiter<R, V> | undefined,
    /** The ticket of the request whose call is made. */
    public ticket: Ticket<R>,
    traits: CallTraits,
  ) {
    this.bypass = traits.bypass;
    this.wantedBy(traits);
  }

  /**
   * Records whether another waiter wants the answer kept, its tags and its TTL. The first waiter's TTL counts; later
   * ones can only shorten it.
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

  /** Records that a waiter makes the call in place of the starter. */
  startedBy(waiter: Waiter<R, V>): void {
    this.starter = waiter;
    this.ticket = waiter.ticket;
    const writer = waiter.writes ? waiter : this.waiters().find(({ writes }) => writes);
    this.writes = writer !== undefined;
    this.ttl = writer?.cacheTtl;
  }

  get tags(): readonly string[] {
    return this.#tags ? [...this.#tags] : noTags;
  }

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

  /** Gives a new waiter the chunks that came before. */
  bringUpToDate(waiter: Waiter<R, V>): void {
    if (this.chunks && this.has(waiter)) {
      waiter.takeChunks(this);
    }
  }

  /** Returns whether the waiter belonged to this flight. */
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

  abandon(): void {
    this.state = 'landed';
    this.cancelTimeout?.();
    this.cancelTimeout = undefined;
    this.lease?.end();
    this.carrier?.abandon(this);
  }
}

export class Flights {
  /** At most one flight per key: the one that new requests join. */
  readonly #joinable = new Map<string, Flight>();
  /**
   * Flights that no request joins: they share nothing, their answer may be invalid, or another flight of their key is
   * joinable. They can still be fenced.
   */
  readonly #apart = new Map<string, Set<Flight>>();
  /** For a key with several flights, the start of the call whose answer was kept last. */
  readonly #keptStarts = new Map<string, number>();

  /** Whether a request with this key could join a flight. */
  has(key: string): boolean {
    return this.#joinable.has(key);
  }

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

  /** Lets later requests join this flight in place of another. */
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

  /** Lets no further request join a flight, because its answer may be invalid. */
  close(flight: Flight): void {
    if (this.#joinable.get(flight.key!) === flight) {
      this.#joinable.delete(flight.key!);
      this.#setApart(flight);
    }
  }

  /** Records that the answer of a flight is kept. Earlier calls for its key bring older answers. */
  overtake(flight: Flight): void {
    const key = flight.key!;
    const joinable = this.#joinable.get(key);
    if (this.#apart.has(key) || (joinable && joinable !== flight)) {
      this.#keptStarts.set(key, flight.startNumber);
    }
  }

  /** Whether the answer of a flight may be kept: no later answer or deletion has replaced it. */
  mayWrite({ key, isFenced, startNumber }: Flight): boolean {
    return !isFenced && startNumber >= (this.#keptStarts.get(key!) ?? startNumber);
  }

  /** Fences flights: no request joins them, and they write nothing. */
  fence(flights: readonly Flight[]): void {
    for (const flight of flights) {
      flight.isFenced = true;
      this.remove(flight);
    }
    // Flights without waiters went on only for the cache.
    holdStarts(() => {
      for (const flight of [...flights].reverse()) {
        if (flight.waiting === 0) {
          flight.abandon();
        }
      }
    });
  }

  fenceKey(key: string): void {
    this.fence(this.#of(key));
  }

  fenceAll(): void {
    this.fence(this.all());
  }

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

/** Whether an invalidation during a call or look-up applies to its answer. */
export function isAffected(entry: CacheEntry, checks: readonly LandingCheck[] = []): boolean {
  return checks.some((applies) => applies(entry));
}
