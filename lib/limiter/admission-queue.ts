import { scheduleAt, type Clock } from '../core/clock';
import { areStartsHeld } from '../core/held-starts';
import type { PriorityRank } from '../core/priority';
import type { Asks, Ticket, TicketOwner } from '../core/ticket';
import { HopelessRequests } from './hopeless-requests';
import { Leaf } from './lane';
import type { PoolShare } from './pool-share';
import { Line } from './priority-line';
import type { SlotPool } from './slot-pool';
import type { StartGate } from './start-gate';
import type { Sized } from './token-estimate';
import { Wake } from './wake';
import { endOf, overdueError, type Walls } from './walls';

export type { StartGate } from './start-gate';

/** The place of a ticket during its back-off, or while it is about to fail. */
interface BackOff {
  readonly pool: SlotPool;
  readonly until: number;
}

/** Returned in place of a start time if the request has started or failed. */
const isDone = -Infinity;

/**
 * The one queue in which requests wait until every gate agrees that the next one may start.
 *
 * The order is stride scheduling (Waldspurger and Weihl, 1995). Each priority has a pass that grows by its wait
 * multiplier with every start, and the least pass is next, so starts are shared 1/1.5 : 1/1 : 1/0.7 : 1/0.3. A priority
 * that was not waiting is next at once, unless it is more than a stride of LOW ahead of its share; otherwise urgent
 * requests that come one by one would starve the rest. A pool without a free slot is skipped. A head that a gate holds
 * is not skipped, so that small requests do not starve large ones. A retry stands at the front of its class. A refused
 * request stands behind all others of its class until half of its remaining time is over.
 */
export class AdmissionQueue {
  readonly #clock: Clock;
  readonly #gate: StartGate | undefined;
  /** Requests paid in an `adaptiveThrottle`. They do not wait again behind unpaid requests. */
  readonly #paid = new Line();
  readonly #unpaid = new Line();
  readonly #backingOff = new Set<Ticket>();
  readonly #hopeless: HopelessRequests;
  readonly #wake: Wake;
  #lastHeldAt = -Infinity;
  #isDraining = false;
  #isDrainDue = false;

  constructor(
    clock: Clock,
    gate?: StartGate,
    /** Undefined if no walls are reported. */
    readonly walls?: Walls,
  ) {
    this.#clock = clock;
    this.#gate = gate;
    this.#hopeless = new HopelessRequests(walls);
    this.#wake = new Wake(clock, () => this.drain());
  }

  /** When the gate last held a request that had a free slot. */
  get lastHeldAt(): number {
    return this.#lastHeldAt;
  }

  /** Waiting requests, without those in back-off. */
  get waiting(): number {
    return this.#paid.waiting + this.#unpaid.waiting;
  }

  get shares(): PoolShare[] {
    return [...this.#paid.shares, ...this.#unpaid.shares];
  }

  /** Requests in back-off. */
  get backingOff(): number {
    return this.#backingOff.size;
  }

  /** Whether a drain would do nothing. */
  get isIdle(): boolean {
    return this.waiting === 0 && this.#hopeless.areTold;
  }

  waitingOf(rank: PriorityRank): number {
    return this.#paid.waitingOf(rank) + this.#unpaid.waitingOf(rank);
  }

  /** What the next request needs; `no-slot` if no waiting request has a free slot. */
  get head():
    { rank: PriorityRank; request: Sized; asks: Asks; id: number | undefined } | 'no-slot' | undefined {
    const leaf = this.#paid.next() ?? this.#unpaid.next();
    if (!leaf) {
      return this.waiting > 0 ? 'no-slot' : undefined;
    }
    const request = leaf.head;
    const { rank, asks, id } = request;
    return { rank, request, asks, id };
  }

  /** Whether a request of this pool that arrived now would start at once. */
  wouldStart(pool: SlotPool, rank: PriorityRank, request: Sized, asks: Asks): boolean {
    const line = asks === 'start' ? this.#paid : this.#unpaid;
    // Requests that wait for a slot of another pool do not count.
    if (!pool.hasFreeSlot || line.next()) {
      return false;
    }
    const now = this.#clock.now();
    return !this.#gate || this.#gate.opensAt(rank, request, asks, now) <= now;
  }

  /** Adds a ticket to its class: at the end, or at the place of a retry. The next drain may start it. */
  add(ticket: Ticket, pool: SlotPool, owner: TicketOwner, now: number): void {
    ticket.owner = owner;
    ticket.holder = owner;
    ticket.queuedAt = now;
    this.#place(ticket, pool, now);
    this.#watch(ticket);
    const failure = this.#hopeless.errorOfNewcomer(pool, ticket, now);
    if (failure) {
      this.#giveUp(ticket, pool, failure.error);
    }
  }

  /** Adds a ticket to its class when its back-off is over, unless it fails before. */
  addLater(ticket: Ticket, pool: SlotPool, owner: TicketOwner, delay: number): void {
    ticket.owner = owner;
    ticket.holder = owner;
    this.#backOff(ticket, { pool, until: this.#clock.now() + delay });
    this.#watch(ticket);
  }

  /** Removes a ticket if it waits here. The caller drains after it has removed all that leave. */
  remove(ticket: Ticket): boolean {
    const { place } = ticket;
    if (!place) {
      return false;
    }
    if (place instanceof Leaf) {
      place.priorityClass.remove(ticket, place);
    } else {
      ticket.place = undefined;
      this.#backingOff.delete(ticket);
    }
    this.#stopWatching(ticket);
    return true;
  }

  /** Removes the longest waiting request of the lowest waiting priority of a pool, up to a rank. */
  takeOldest(pool: SlotPool, upTo: PriorityRank): Ticket | undefined {
    for (let rank: PriorityRank = 0; rank <= upTo; rank++) {
      const unpaid = this.#unpaid.oldest(pool, rank as PriorityRank);
      const paid = this.#paid.oldest(pool, rank as PriorityRank);
      const oldest = unpaid && paid && paid.standsSince < unpaid.standsSince ? paid : (unpaid ?? paid);
      if (oldest) {
        this.remove(oldest);
        return oldest;
      }
    }
    return undefined;
  }

  setLimit(pool: SlotPool, limit: number): void {
    pool.resize(limit, this.#clock.now());
    this.drain();
  }

  promote(ticket: Ticket): void {
    if (ticket.place instanceof Leaf) {
      this.#replace(ticket, ticket.place, this.#clock.now());
      this.drain();
    }
  }

  /** Removes all requests that can no longer succeed after a refusal. They fail in the next drain. */
  giveUpHopeless(): void {
    const now = this.#clock.now();
    for (const ticket of this.#backingOff) {
      const { pool, until } = ticket.place as BackOff;
      if (until < Infinity && this.#hopeless.mayBeIn(pool, now)) {
        this.#giveUpIfHopeless(ticket, pool, now);
      }
    }
    for (const share of this.shares) {
      if (this.#hopeless.mayBeIn(share.pool, now)) {
        for (const ticket of share) {
          this.#giveUpIfHopeless(ticket, share.pool, now);
        }
      }
    }
  }

  /** Starts all requests that may start now, and sets a timer for the next one. */
  drain(): void {
    if (this.#isDraining) {
      this.#isDrainDue = true;
      return;
    }
    if (areStartsHeld(this)) {
      return;
    }
    this.#isDraining = true;
    try {
      do {
        this.#isDrainDue = false;
        // A start runs user code, so check again.
        while (this.#hopeless.tell((ticket, error) => this.#expire(ticket, error)) || this.#startNext());
      } while (this.#wasAskedToDrain());
    } finally {
      this.#isDraining = false;
    }
  }

  /** Whether user code asked for another round. */
  #wasAskedToDrain(): boolean {
    return this.#isDrainDue;
  }

  #startNext(): boolean {
    const paid = this.#paid.next();
    const unpaid = this.#unpaid.next();
    const opens = paid ? this.#tryStart(paid, false) : Infinity;
    if (opens === isDone) {
      return true;
    }
    const opensUnpaid = unpaid ? this.#tryStart(unpaid, paid !== undefined) : Infinity;
    if (opensUnpaid === isDone) {
      return true;
    }
    this.#wake.at(Math.min(opens, opensUnpaid));
    return false;
  }

  /**
   * Starts the head of a leaf, or fails it if it is overdue. Returns when it may start, or `isDone`.
   *
   * @param isBehindPaid whether a paid request waits for its start
   */
  #tryStart(leaf: Leaf, isBehindPaid: boolean): number {
    const { pool, head: ticket } = leaf;
    const { rank, isNew } = leaf.priorityClass;
    const { asks, id } = ticket;
    const now = this.#clock.now();
    if (endOf(ticket, pool, this.walls) < now) {
      this.#expire(ticket, overdueError(ticket, now));
      return isDone;
    }
    if (isBehindPaid && asks !== 'permit' && !isNew) {
      // Other starts would delay the paid start again and again.
      return Infinity;
    }
    const opens = this.#gate ? this.#gate.opensAt(rank, ticket, asks, now, id) : now;
    if (opens > now) {
      this.#lastHeldAt = now;
      return opens;
    }
    leaf.priorityClass.serve(leaf);
    this.#stopWatching(ticket);
    pool.take(now);
    this.#gate?.pass(rank, ticket, asks, now, id);
    ticket.owner!.start(ticket, now);
    return isDone;
  }

  /** Puts a ticket at the end of its class, a retry at the front, a refused request behind the others. */
  #place(ticket: Ticket, pool: SlotPool, now: number): void {
    const isBehind = ticket.behindUntil > now;
    ticket.inPaidLine ||= ticket.asks === 'start';
    const line = ticket.inPaidLine && !isBehind ? this.#paid : this.#unpaid;
    line.add(ticket, pool, isBehind ? 'refused' : ticket.attempts > 0 ? 'front' : 'end');
  }

  #replace(ticket: Ticket, leaf: Leaf, now: number): void {
    const { pool } = leaf;
    leaf.priorityClass.remove(ticket, leaf);
    this.#place(ticket, pool, now);
  }

  #backOff(ticket: Ticket, place: BackOff): void {
    ticket.place = place;
    this.#backingOff.add(ticket);
  }

  #giveUpIfHopeless(ticket: Ticket, pool: SlotPool, now: number): void {
    const failure = this.#hopeless.errorOf(pool, ticket, now);
    if (failure) {
      this.#giveUp(ticket, pool, failure.error);
    }
  }

  #giveUp(ticket: Ticket, pool: SlotPool, error: unknown): void {
    this.remove(ticket);
    this.#backOff(ticket, { pool, until: Infinity });
    this.#hopeless.add({ ticket, error });
  }

  #expire(ticket: Ticket, error: unknown): void {
    if (this.remove(ticket)) {
      ticket.owner!.expired(ticket, error);
    }
  }

  /** Sets a timer for the end of its back-off, of its time behind the others, or of its deadline. */
  #watch(ticket: Ticket): void {
    const place = ticket.place as Leaf | BackOff;
    const isBehind = place instanceof Leaf && place.lane.isOfTheRefused;
    const turn = place instanceof Leaf ? (isBehind ? ticket.behindUntil : Infinity) : place.until;
    const time = Math.min(turn, endOf(ticket, place.pool, this.walls));
    if (time === Infinity) {
      return;
    }
    ticket.stopWatching = scheduleAt(this.#clock, time, () => {
      ticket.stopWatching = undefined;
      const now = this.#clock.now();
      if (now < turn && now < endOf(ticket, place.pool, this.walls)) {
        this.#watch(ticket);
        return;
      }
      if (now < turn) {
        this.#expire(ticket, overdueError(ticket, now));
        // While nothing is let through, other requests may be overdue too.
        this.giveUpHopeless();
      } else if (isBehind) {
        // User code may have raised its rank.
        this.#replace(ticket, ticket.place as Leaf, now);
        this.#watch(ticket);
      } else {
        this.remove(ticket);
        this.add(ticket, place.pool, ticket.owner!, now);
      }
      this.drain();
    });
  }

  #stopWatching(ticket: Ticket): void {
    ticket.stopWatching?.();
    ticket.stopWatching = undefined;
  }
}
