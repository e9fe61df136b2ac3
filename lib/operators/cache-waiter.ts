import type { CacheEntry } from '../cache/cache-entry';
import type { Flight, Waiter } from '../cache/flights';
import type { CallOutcome } from '../core/call';
import type { Cancel } from '../core/clock';
import type { CallEventListener } from '../core/events';
import type { Ticket } from '../core/ticket';
import type { CallTraits } from '../core/traits';

/** How a {@link CacheWaiter} gets an answer that memory does not hold. */
export interface WaiterMisses<R, V> {
  /** Sends the request of a waiter that has not made a call so far. */
  sendFor(waiter: CacheWaiter<R, V>, flight: Flight<R, V>): void;
  /** Joins a call that now runs for the waiter's key. */
  joinRunning(waiter: CacheWaiter<R, V>, key: string): void;
  /** Renews the stale answer of a waiter. */
  renew(waiter: CacheWaiter<R, V>, key: string): void;
  /** Completes `misses$` with the source, unless a request may still have to be sent. */
  completeIfDone(): void;
}

/** The subscription that a {@link CacheWaiter} belongs to. */
export interface WaiterOwner<R, V> {
  readonly events: CallEventListener | undefined;
  readonly misses: WaiterMisses<R, V>;
  readonly isClosed: boolean;
  /** Whether no further calls are made, because requests are refused or the subscriber has left. */
  readonly hasEnded: boolean;
  /** Whether a waiter still has no outcome. Checked after user code ran. */
  isWaiting(waiter: CacheWaiter<R, V>): boolean;
  /** Gives a waiter the next chunks of a flight or of a kept answer. */
  giveChunks(
    waiter: CacheWaiter<R, V>,
    chunks: readonly unknown[] | undefined,
    flight: Flight<R, V> | undefined,
  ): void;
  found(waiter: CacheWaiter<R, V>, key: string, entry: CacheEntry, tier: 'memory' | 'store'): void;
  missed(waiter: CacheWaiter<R, V>, joined: boolean): void;
  settle(
    waiter: CacheWaiter<R, V>,
    outcome: CallOutcome<R, V>,
    now: number,
    flight?: Flight<R, V>,
    failure?: unknown,
  ): void;
}

/** One request of one subscription of `cacheLLM`, from arrival to outcome. */
export class CacheWaiter<R, V> implements Waiter<R, V> {
  flight: Flight<R, V> | undefined;
  stopTimer: Cancel | undefined;
  /** The number of chunks that it has received. */
  chunksTaken = 0;
  /**
   * Whether it may still have to make the call: the store is being asked, or another request's limits may end the
   * flight.
   */
  mayCall = false;
  leftOut: readonly string[] | undefined;

  constructor(
    readonly ticket: Ticket<R>,
    readonly index: number,
    readonly traits: CallTraits,
    readonly owner: WaiterOwner<R, V>,
  ) {}

  get request(): R {
    return this.ticket.request;
  }

  get skipsLookUp(): boolean {
    return this.traits.bypass?.lookUp === true;
  }

  get cacheTtl(): number | undefined {
    return this.traits.cacheTtl;
  }

  get writes(): boolean {
    return this.traits.bypass?.write !== true;
  }

  startAnew(flight: Flight<R, V>): void {
    flight.startedBy(this);
    this.ticket.settledReportedTo = this.owner.events;
    for (const { ticket } of flight.waiters()) {
      if (ticket.outer) {
        ticket.outer.inner = this.ticket;
      }
      this.ticket.raise(ticket.rank);
    }
    this.owner.misses.sendFor(this, flight);
  }

  found(key: string, entry: CacheEntry, tier: 'memory' | 'store'): void {
    this.owner.found(this, key, entry, tier);
  }

  renew(key: string): void {
    this.owner.misses.renew(this, key);
  }

  missed(joined: boolean): void {
    this.owner.missed(this, joined);
  }

  joinRunning(key: string): void {
    this.owner.misses.joinRunning(this, key);
  }

  takeChunks(flight: Flight<R, V>): void {
    this.owner.giveChunks(this, flight.chunks, flight);
  }

  departed(): void {
    this.owner.misses.completeIfDone();
  }

  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>, now: number): void {
    this.owner.settle(this, outcome, now, flight, flight.failure);
  }
}
