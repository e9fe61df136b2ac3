import { textLength } from '../core/text-length';
import type { Sized } from './token-estimate';
import { Alarms } from '../core/alarms';
import type { Clock } from '../core/clock';
import type { PriorityRank } from '../core/priority';
import { noNumber, numberOf, type Asks, type Queued, type Ticket, type TicketOwner } from '../core/ticket';
import { HopelessRequests, unfolded } from './hopeless-requests';
import { Leaf } from './priority-class';
import type { SlotPool } from './slot-pool';
import type { StartGate } from './start-gate';
import { WaitingLines } from './waiting-lines';
import { Wake } from './wake';
import { endOf, overdueError, type Walls } from './walls';

export type { StartGate } from './start-gate';

/** Where a ticket stands whose back-off is not over, or which is about to be given up. */
interface BackOff {
  readonly pool: SlotPool;
  readonly until: number;
}

/** In place of the time when a request may start: it has started, or was given up. */
const isDone = -Infinity;

/**
 * The one queue that requests wait in until every gate agrees that the next one may start.
 *
 * Who is next is decided by stride scheduling (Waldspurger and Weihl, 1995): each priority has a pass that grows by
 * its wait multiplier with every start, and the least pass is next, so that starts are shared 1/1.5 : 1/1 : 1/0.7 :
 * 1/0.3. A priority that was not waiting is next at once, unless it came so again and again while others waited and
 * is a whole stride of LOW ahead of its share: else urgent requests that come one by one would starve the rest. A pool
 * without a free slot is passed over; a head that the gate holds is not, so that the expensive and the urgent are not
 * starved by what is small. A retry stands at the front of its class, but one that was refused stands behind all others of
 * its class, until half of the time that it has left is over.
 */
export class AdmissionQueue {
  readonly #clock: Clock;
  readonly #gate: StartGate | undefined;
  readonly #lines = new WaitingLines();
  readonly #alarms: Alarms;
  readonly #backingOff = new Set<Ticket>();
  readonly #hopeless: HopelessRequests;
  #lastHeldAt = -Infinity;
  #draining = false;
  #drainAgain = false;
  readonly #expire = (ticket: Ticket, error: unknown): void => {
    if (this.#takeOut(ticket)) {
      ticket.owner!.expired(ticket, error);
    }
  };
  readonly #wake: Wake;

  constructor(
    clock: Clock,
    gate?: StartGate,
    /** Undefined where nobody tells of walls. */
    readonly walls?: Walls,
  ) {
    this.#clock = clock;
    this.#gate = gate;
    this.#hopeless = new HopelessRequests(walls);
    this.#alarms = new Alarms(clock);
    this.#wake = new Wake(clock, () => this.drain());
  }

  /** When the gate last held a request that could have started otherwise. */
  get lastHeldAt(): number {
    return this.#lastHeldAt;
  }

  /** Requests that wait for their turn, those in back-off not counted. */
  get waiting(): number {
    return this.#lines.waiting;
  }

  /** Requests that stand in the queue again when their back-off is over. */
  get backingOff(): number {
    return this.#backingOff.size;
  }

  /** Whether a drain may do anything. */
  get isIdle(): boolean {
    return this.waiting === 0 && this.#hopeless.areTold;
  }

  waitingOf(rank: PriorityRank): number {
    return this.#lines.waitingOf(rank);
  }

  /** The request that is next: what it asks for, or that no slot is free for any. */
  get head():
    { rank: PriorityRank; request: Sized; asks: Asks; id: number | undefined } | 'no-slot' | undefined {
    const leaf = this.#lines.paid.next() ?? this.#lines.unpaid.next();
    if (!leaf) {
      return this.waiting > 0 ? 'no-slot' : undefined;
    }
    const ticket = leaf.firstTicket();
    const { rank } = leaf.lane.priorityClass;
    const request = sizeOf(ticket, leaf.queue.first(), leaf.queue.firstId());
    return { rank, request, asks: ticket?.asks ?? 'permit-and-start', id: ticket?.id };
  }

  /** Whether a request of this pool that arrived now would start at once. */
  wouldStart(pool: SlotPool, rank: PriorityRank, request: Sized, asks: Asks): boolean {
    // Those who wait for a slot of another pool are in nobody's way.
    if (!pool.hasFreeSlot || this.#lines.lineOf(asks).next()) {
      return false;
    }
    const now = this.#clock.now();
    return !this.#gate || this.#gate.opensAt(rank, request, asks, now) <= now;
  }

  /** Puts a request without a ticket at the end of its class. Its pool starts it. */
  addPlain(
    pool: SlotPool,
    request: unknown,
    arrivedAt: number,
    id: number,
    rank: PriorityRank,
    lane?: string,
  ): void {
    const failure = this.#hopeless.errorOfNewcomer(pool, undefined, arrivedAt, this.#clock);
    if (failure && id !== noNumber) {
      this.#hopeless.add({ ...failure, pool, item: request, arrivedAt, id });
      return;
    }
    const priorityClass = this.#lines.unpaid.classes[rank]!;
    const leaf = priorityClass.leafOf(lane, pool);
    leaf.queue.push(request, arrivedAt, id);
    priorityClass.joined(leaf);
    if (failure) {
      this.#giveUp(unfolded(request as Queued), pool, failure.error);
    }
  }

  /** Puts what may have a ticket later at the end of its class. Its pool starts it, unless it has one by then. */
  addQueued(pool: SlotPool, queued: Queued, arrivedAt: number, rank: PriorityRank): void {
    this.addPlain(pool, queued, arrivedAt, noNumber, rank);
  }

  /** Puts a ticket into its class: at the end, or where a retry stands. */
  add(ticket: Ticket, pool: SlotPool, owner: TicketOwner, now: number): void {
    ticket.owner = owner;
    ticket.holder = owner;
    ticket.queuedAt = now;
    this.#lines.place(ticket, pool, now);
    this.#watch(ticket);
    const failure = this.#hopeless.errorOfNewcomer(pool, ticket, ticket.arrivedAt, this.#clock);
    if (failure) {
      this.#giveUp(ticket, pool, failure.error);
    }
  }

  /** Takes in that a request which waits at the end of its class without a ticket has one now. */
  adopt(ticket: Ticket, pool: SlotPool, owner: TicketOwner): void {
    ticket.owner = owner;
    ticket.holder = owner;
    ticket.queuedAt = ticket.arrivedAt;
    ticket.place = this.#lines.unpaid.classes[ticket.rank]!.leafOf(ticket.lane, pool);
  }

  /** Puts a ticket into its class when its back-off is over, if it is not given up before that. */
  addLater(ticket: Ticket, pool: SlotPool, owner: TicketOwner, delay: number): void {
    ticket.owner = owner;
    ticket.holder = owner;
    this.#backOff(ticket, { pool, until: this.#clock.now() + delay });
    this.#watch(ticket);
  }

  /** Takes a ticket out, wherever it stands; false if it does not wait here. */
  remove(ticket: Ticket): boolean {
    const removed = this.#takeOut(ticket);
    if (removed) {
      this.drain();
    }
    return removed;
  }

  /** Takes tickets out, and lets others start only when all of them are: none may start in the place of another. */
  removeAll(tickets: Iterable<Ticket>): void {
    for (const ticket of tickets) {
      this.#takeOut(ticket);
    }
    this.drain();
  }

  /** Changes how many requests of a pool may run at once. */
  setLimit(pool: SlotPool, limit: number): void {
    if (!pool.hasFreeSlot && pool.active < limit) {
      pool.freeSince = this.#clock.now();
    }
    pool.limit = limit;
    this.drain();
  }

  /** Moves a ticket whose rank was raised to its new class. */
  promote(ticket: Ticket): void {
    if (ticket.place instanceof Leaf) {
      this.#replace(ticket, ticket.place, this.#clock.now());
      this.drain();
    }
  }

  /** A refusal was heard: takes out all who need not wait any longer. They are told by the next `drain()`. */
  giveUpHopeless(): void {
    if (!this.#hopeless.mayBe) {
      return;
    }
    const now = this.#clock.now();
    for (const ticket of [...this.#backingOff]) {
      const { pool } = ticket.place as BackOff;
      const failure = this.#hopeless.errorOf(pool, ticket, ticket.arrivedAt, now);
      if (failure) {
        this.#giveUp(ticket, pool, failure.error);
      }
    }
    for (const leaf of this.#lines.leaves()) {
      for (const { ticket, error } of this.#hopeless.takeFrom(leaf, now)) {
        // What was moved away and came back stands in the leaf twice.
        if (ticket.place === leaf) {
          this.#giveUp(ticket, leaf.pool, error);
        }
      }
    }
  }

  /** Forgets all that waits for a pool; its owner has ended. Tells the number of each request that waited. */
  forget(pool: SlotPool, forgotten?: (id: number) => void): void {
    const ids: number[] = [];
    this.#lines.forget(pool, forgotten && ((id) => ids.push(id)));
    // Only now, as whoever hears of it may act on the queue.
    for (const id of ids) {
      forgotten!(id);
    }
    this.drain();
  }

  /** Takes the longest waiting request of the lowest waiting priority out of a pool's queue. */
  takeOldest(
    pool: SlotPool,
    from: PriorityRank,
  ): { item: unknown; ticket: Ticket | undefined; arrivedAt: number; id: number } | undefined {
    const leaf = this.#lines.oldest(pool, from);
    if (!leaf) {
      return undefined;
    }
    const ticket = leaf.firstTicket();
    const item = leaf.queue.shift();
    const { arrivedAt, id } = leaf.queue;
    if (ticket) {
      this.#takeOut(ticket);
    } else {
      leaf.lane.priorityClass.left(leaf);
    }
    return { item, ticket, arrivedAt, id };
  }

  /**
   * Lets a request that was just added start. One that has to wait for a slot changes nothing for the others, one of
   * whom may only wait for a gate whose timer is late.
   */
  drainFor(pool: SlotPool): void {
    if (pool.hasFreeSlot || this.#wake.isSet || !this.#hopeless.areTold) {
      this.drain();
    }
  }

  /** Starts everything that may start now, and arranges to be woken when the next one may. */
  drain(): void {
    if (this.#draining) {
      this.#drainAgain = true;
      return;
    }
    this.#draining = true;
    try {
      // What a start does may change what is next, or ask for another round.
      while (this.#hopeless.tell(this.#expire) || this.#startNext() || this.#takeDrainAgain());
    } finally {
      this.#draining = false;
    }
  }

  #takeDrainAgain(): boolean {
    const again = this.#drainAgain;
    this.#drainAgain = false;
    return again;
  }

  #startNext(): boolean {
    const paid = this.#lines.paid.waiting > 0 ? this.#lines.paid.next() : undefined;
    const unpaid = this.#lines.unpaid.waiting > 0 ? this.#lines.unpaid.next() : undefined;
    if (!paid && !unpaid) {
      this.#wake.at(Infinity);
      return false;
    }
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
   * Starts the head of a leaf, or gives it up if it is overdue; tells when it may start, or that it is done with.
   *
   * @param isBehindPaid whether one that has paid waits for its start
   */
  #tryStart(leaf: Leaf, isBehindPaid: boolean): number {
    const { rank, isNew } = leaf.lane.priorityClass;
    const ticket = leaf.firstTicket();
    const gate = this.#gate;
    const now = this.#clock.now();
    if (ticket && endOf(ticket, leaf.pool, this.walls) < now) {
      this.#expire(ticket, overdueError(ticket, now));
      return isDone;
    }
    const asks = ticket ? ticket.asks : 'permit-and-start';
    if (isBehindPaid && asks !== 'permit' && !isNew) {
      // Starts of others would push the start that is paid for farther and farther away.
      return Infinity;
    }
    const size = sizeOf(ticket, leaf.queue.first(), leaf.queue.firstId());
    const opens = gate ? gate.opensAt(rank, size, asks, now, ticket?.id) : now;
    if (opens <= now) {
      this.#serve(leaf, ticket, rank, asks, now);
      return isDone;
    }
    this.#lastHeldAt = now;
    return opens;
  }

  #serve(leaf: Leaf, ticket: Ticket | undefined, rank: PriorityRank, asks: Asks, now: number): void {
    const { priorityClass } = leaf.lane;
    const { pool, queue } = leaf;
    const item = queue.shift();
    const { arrivedAt, id } = queue;
    priorityClass.served(leaf);
    pool.active++;
    this.#gate?.pass(rank, sizeOf(ticket, item, id), asks, now, numberOf(item, id));
    if (ticket) {
      ticket.place = undefined;
      this.#stopWatching(ticket);
      ticket.owner!.start(ticket, now);
    } else {
      pool.starter!.startPlain(item, arrivedAt, id, rank, now);
    }
  }

  #replace(ticket: Ticket, leaf: Leaf, now: number): void {
    this.#lines.leave(ticket, leaf);
    this.#lines.place(ticket, leaf.pool, now);
  }

  #backOff(ticket: Ticket, place: BackOff): void {
    ticket.place = place;
    this.#backingOff.add(ticket);
  }

  #takeOut(ticket: Ticket): boolean {
    const { place } = ticket;
    if (!place) {
      return false;
    }
    if (place instanceof Leaf) {
      this.#lines.leave(ticket, place);
    } else {
      ticket.place = undefined;
      this.#backingOff.delete(ticket);
    }
    this.#stopWatching(ticket);
    return true;
  }

  /** Rings when its back-off is over, when it stands behind others no more, and at its end. */
  #watch(ticket: Ticket): void {
    const place = ticket.place as Leaf | BackOff;
    const isBehind = place instanceof Leaf && place.lane.isOfTheRefused;
    const turn = place instanceof Leaf ? (isBehind ? ticket.behindUntil : Infinity) : place.until;
    const time = Math.min(turn, endOf(ticket, place.pool, this.walls));
    if (time !== Infinity) {
      ticket.alarm = this.#alarms.set(time, () => {
        const now = this.#clock.now();
        if (now < turn && now < endOf(ticket, place.pool, this.walls)) {
          this.#watch(ticket);
          return;
        }
        if (now < turn) {
          this.#expire(ticket, overdueError(ticket, now));
          // Where nothing is let through, the time of others is over as well.
          this.giveUpHopeless();
        } else if (isBehind) {
          // Its rank may have been raised meanwhile.
          this.#replace(ticket, ticket.place as Leaf, now);
          this.#watch(ticket);
        } else {
          this.#takeOut(ticket);
          this.add(ticket, place.pool, ticket.owner!, now);
        }
        this.drain();
      });
    }
  }

  #stopWatching(ticket: Ticket): void {
    if (ticket.alarm) {
      this.#alarms.cancel(ticket.alarm);
      ticket.alarm = undefined;
    }
  }

  #giveUp(ticket: Ticket, pool: SlotPool, error: unknown): void {
    this.#takeOut(ticket);
    this.#backOff(ticket, { pool, until: Infinity });
    this.#hopeless.add({ ticket, error });
  }
}

/** A request without a ticket has announced nothing. */
export function sizeOf(ticket: Ticket | undefined, item: unknown, id: number | undefined): Sized {
  return (
    ticket ?? {
      tokens: undefined,
      textLength: textLength(id === noNumber ? (item as { request?: unknown }).request : item),
    }
  );
}
