import type { CacheBypass, CallTraits } from '../core/traits';
import type { CallOutcome, TokenUsage } from '../core/call';
import type { Cancel } from '../core/clock';
import type { Member } from '../core/members';
import type { Ticket } from '../core/ticket';
import { noTags, type CacheEntry, type Listed } from './cache-entry';
import type { KeyTable, ListedFlight } from './key-table';

/** One request that waits for a flight. */
export interface Waiter<R = unknown, V = unknown> {
  readonly request: R;
  readonly ticket: Ticket<R>;
  /** Whether it wants no kept answer, and so none in place of a failure either. */
  readonly skipsLookUp: boolean;
  /** Whether it wants the answer kept, and for how many milliseconds, if it says so. */
  readonly writes: boolean;
  readonly cacheTtl: number | undefined;
  /** Makes the call: nobody does yet, or the starter's own limits ended it. */
  startAnew(flight: Flight<R, V>): void;
  /** The store held the answer after all, or memory does by now. */
  found(key: string, entry: CacheEntry, tier: 'memory' | 'store'): void;
  /** Has the answer renewed that the store held, as it has expired. */
  renew(key: string): void;
  /** The store did not hold it: a call is about to be asked for, or runs already. */
  missed(joined: boolean): void;
  /** Another call for its key runs already: joins that, or makes its own if that is over. */
  joinRunning(key: string): void;
  /** The call has been asked for. */
  departed(): void;
  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>, now: number): void;
}

/** Who makes the call of a flight at the moment, or reads its answer from a store. */
export interface FlightCarrier<R = unknown, V = unknown> {
  /** Nobody waits for the answer any more. */
  abandon(flight: Flight<R, V>): void;
  /** An outcome may come by a detour. */
  lostSight?(): void;
}

/** What an answer must not match to be kept: what was invalidated while its call ran. */
export type LandingCheck = (entry: CacheEntry) => boolean;

/** What there is to know of a call whose answer is to be kept. */
export interface Landing extends ListedFlight {
  readonly request: unknown;
  /** Milliseconds the answer may stay; undefined where that is left to the cache. */
  readonly ttl?: number | undefined;
  /** What the answer can be invalidated by. */
  readonly tags?: readonly string[];
  /** What the call used up, as far as the provider told. */
  readonly usage: TokenUsage | undefined;
  /** Where the call stands in the order of all starts. */
  readonly startNumber: number;
  readonly isRenewal?: boolean;
  /** Whether nothing that came after it has made its answer one of before. */
  readonly mayWrite: boolean;
  readonly landingChecks: LandingCheck[] | undefined;
  /** Whether those who ask for its key find it. */
  readonly isListed: boolean;
}

/** A flight, or what stands in for one that nobody has asked for anything yet. */
export interface PlainFlight extends Landing {
  /** The flight itself; makes it, and has it listed in its own place, if need be. */
  unfold(): Flight;
}

/** The one running call that all requests with one key share. */
export class Flight<R = unknown, V = unknown> implements PlainFlight, Member {
  hash = 0;
  nextInBucket: Listed | undefined;
  carrier: FlightCarrier<R, V> | undefined;
  readonly bypass: CacheBypass | undefined;
  /** Among the flights of the pipeline that carries it. */
  position = 0;
  /** Whether those who ask for its key find it. */
  isListed = false;
  /** Whether its key was deleted or cleared meanwhile: nobody joins it any more, and it writes nothing. */
  isFenced = false;
  /** Whether an answer is kept already whose request came later. */
  isOvertaken = false;
  /** Whether its answer is not yet asked of the provider, but looked for in the store. */
  isReading = false;
  /** Whether it was begun to renew a stale answer. */
  isRenewal = false;
  /** Whether the cache itself wants the answer, so that it goes on when nobody else waits for it. */
  isKept = false;
  /** Whether its answer was looked for in the store, in vain. */
  wasRead = false;
  /** Whether anyone who waits for it wants the answer kept. */
  writes = false;
  /** What the answer can be invalidated by: the tags of all who wait for it. */
  tags: readonly string[] = noTags;
  /** Milliseconds the answer may stay; undefined where that is left to the cache. */
  ttl: number | undefined;
  /** Set by what was invalidated, by its value, while it ran. */
  landingChecks: LandingCheck[] | undefined;
  cancelTimeout: Cancel | undefined;
  /** What its call failed with, also where an expired answer stands in for it. */
  failure: unknown;
  #first: Waiter<R, V> | undefined;
  /** Made for the second waiter, as most flights have but one. */
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

  /** Takes in how a request that waits for the answer wants it kept: the first who wants that says for how long. */
  wantedBy({ bypass, cacheTags = noTags, cacheTtl }: CallTraits): void {
    if (this.tags === noTags) {
      this.tags = cacheTags;
    } else if (cacheTags.some((tag) => !this.tags.includes(tag))) {
      this.tags = [...new Set([...this.tags, ...cacheTags])];
    }
    if (!bypass?.write && !this.writes) {
      this.writes = true;
      this.ttl = cacheTtl;
    }
  }

  /** Takes in that another one of those who wait makes the call. */
  startedBy(waiter: Waiter<R, V>): void {
    this.starter = waiter;
    this.ticket = waiter.ticket;
    this.isOvertaken = false;
    const writer = [waiter, ...this.waiters()].find(({ writes }) => writes);
    this.writes = writer !== undefined;
    this.ttl = writer?.cacheTtl;
  }

  unfold(): this {
    return this;
  }

  unlisted(): void {
    this.isListed = false;
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

  get mayWrite(): boolean {
    return !this.isFenced && !this.isOvertaken;
  }

  get waiting(): number {
    return (this.#first ? 1 : 0) + (this.#others?.size ?? 0);
  }

  has(waiter: Waiter<R, V>): boolean {
    return this.#first === waiter || (this.#others?.has(waiter) ?? false);
  }

  /** Whoever has waited longest. */
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

  /** Whether it was there. */
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

  /** Lets go of the call. */
  abandon(): void {
    this.cancelTimeout?.();
    this.cancelTimeout = undefined;
    this.carrier?.abandon(this);
  }
}

/**
 * Lets go of several calls. What waits goes before what runs, and the newest first: or the one would start in the place
 * of the other.
 */
export function abandonAll<R, V>(flights: readonly Flight<R, V>[]): void {
  const isWaiting = ({ ticket }: Flight<R, V>) => Number(ticket.place !== undefined);
  for (const flight of [...flights].reverse().sort((one, other) => isWaiting(other) - isWaiting(one))) {
    flight.abandon();
  }
}

/** The flights of a cache. */
export class Flights {
  readonly #table: KeyTable<PlainFlight>;
  /**
   * Those that nobody may join, as they share nothing, or their answer may be invalid, or another has their key. They
   * can be fenced all the same.
   */
  readonly #alone = new Map<string, Set<Flight>>();

  constructor(table: KeyTable<PlainFlight>) {
    this.#table = table;
  }

  /** Whether there is a flight that a request with this key may join. */
  has(key: string): boolean {
    return this.#table.flightOf(key) !== undefined;
  }

  /** The flight that a request with this key may join. */
  get(key: string): Flight | undefined {
    return this.#table.flightOf(key)?.unfold();
  }

  /** Lists what stands in for the flight of a key of which nothing is known. */
  addPlain(plain: PlainFlight): void {
    this.#table.addNew(plain);
  }

  /** Lists a flight in the place of what stood in for it. */
  replacePlain(plain: PlainFlight, flight: Flight): void {
    if (plain.isListed) {
      this.#table.replace(plain, flight);
      plain.unlisted();
      flight.isListed = true;
    }
  }

  /** Takes off what stands in for the flight of a key, if it still does. */
  removePlain(plain: PlainFlight): void {
    if (plain.isListed) {
      this.#table.remove(plain);
      plain.unlisted();
    }
  }

  add(flight: Flight): void {
    if (flight.key === undefined) {
      return;
    }
    if (flight.bypass?.sharing || this.has(flight.key)) {
      this.#setApart(flight);
    } else {
      flight.isListed = true;
      this.#table.add(flight);
    }
  }

  /** Has those who come from now on join this flight, in place of the one that has its key. */
  addInPlaceOf(other: Flight, flight: Flight): void {
    this.close(other);
    this.add(flight);
  }

  /** Takes a flight off. */
  remove(flight: Flight): void {
    const { key } = flight;
    if (key === undefined) {
      return;
    }
    if (flight.isListed) {
      flight.isListed = false;
      this.#table.remove(flight);
      return;
    }
    const alone = this.#alone.get(key);
    if (alone?.delete(flight) && alone.size === 0) {
      this.#alone.delete(key);
    }
  }

  /** Lets nobody join a flight any more, as its answer may turn out to be invalid. */
  close(flight: Flight): void {
    if (flight.isListed) {
      flight.isListed = false;
      this.#table.remove(flight);
      this.#setApart(flight);
    }
  }

  /** The answer of a call is kept: what calls bring that began before it is older. */
  overtake(landing: Landing): void {
    if (this.#alone.size > 0) {
      this.#overtakeBy(landing);
    }
  }

  #overtakeBy({ key, startNumber }: Landing): void {
    for (const other of this.#of(key!)) {
      other.isOvertaken ||= other.ticket.hasBegun && other.startNumber < startNumber;
    }
  }

  /** Fences flights: nobody joins them any more, and they write nothing. */
  fence(flights: readonly Flight[]): void {
    for (const flight of flights) {
      flight.isFenced = true;
      this.remove(flight);
    }
    // What nobody waits for only went on for the sake of the cache.
    abandonAll(flights.filter((flight) => flight.waiting === 0));
  }

  /** Fences the flights of a key. */
  fenceKey(key: string): void {
    this.fence(this.#of(key));
  }

  fenceAll(): void {
    this.fence(this.all());
  }

  /** All flights that have a key: those that may be joined, in the order of their requests, then the others. */
  all(): Flight[] {
    const listed = this.#table.flights().map((flight) => flight.unfold());
    listed.sort((one, other) => one.ticket.id - other.ticket.id);
    return [...listed, ...[...this.#alone.values()].flatMap((flights) => [...flights])];
  }

  #setApart(flight: Flight): void {
    const alone = this.#alone.get(flight.key!);
    if (alone) {
      alone.add(flight);
    } else {
      this.#alone.set(flight.key!, new Set([flight]));
    }
  }

  #of(key: string): Flight[] {
    const joinable = this.get(key);
    const alone = this.#alone.get(key) ?? [];
    return joinable ? [joinable, ...alone] : [...alone];
  }
}
