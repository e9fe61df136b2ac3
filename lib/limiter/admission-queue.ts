import { Alarms } from '../core/alarms';
import type { Cancel, Clock } from '../core/clock';
import type { PriorityRank } from '../core/priority';
import { noNumber, numberOf, type Asks, type Queued, type Ticket, type TicketOwner } from '../core/ticket';
import { Leaf, Line } from './priority-line';
import type { SlotPool } from './slot-pool';

/** What decides, besides slots, whether a request may start: the pace, a hold, the budgets. */
export interface StartGate {
  /** Whether everything may start at that time, and whenever it is, as nothing is paced, held or bounded. */
  isOpenAt(now: number): boolean;
  /** When a start may happen: now or earlier means at once, `Infinity` that a change will be told by `drain()`. */
  opensAt(rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number, id?: number): number;
  /** Takes note of a start. */
  pass(rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number, id: number): void;
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
 * starved by what is small.
 */
export class AdmissionQueue {
  readonly #clock: Clock;
  readonly #gate: StartGate | undefined;
  /** What has paid before, by adaptiveThrottle, does not stand in line again behind those who have not. */
  readonly #paid = new Line();
  readonly #unpaid = new Line();
  readonly #alarms: Alarms;
  #later = 0;
  #lastHeldAt = -Infinity;
  #draining = false;
  #drainAgain = false;
  #wakeTime = Infinity;
  #cancelWake: Cancel | undefined;

  constructor(clock: Clock, gate?: StartGate) {
    this.#clock = clock;
    this.#gate = gate;
    this.#alarms = new Alarms(clock);
  }

  /** When the gate last held a request that could have started otherwise. */
  get lastHeldAt(): number {
    return this.#lastHeldAt;
  }

  /** Requests that wait for their turn, those in back-off not counted. */
  get waiting(): number {
    return this.#paid.waiting + this.#unpaid.waiting;
  }

  /** Requests that stand in the queue again when their back-off is over. */
  get backingOff(): number {
    return this.#later;
  }

  waitingOf(rank: PriorityRank): number {
    return this.#paid.classes[rank]!.waiting + this.#unpaid.classes[rank]!.waiting;
  }

  /** The request that is next: what it asks for, or that no slot is free for any. */
  get head():
    | { rank: PriorityRank; tokens: number | undefined; asks: Asks; id: number | undefined }
    | 'no-slot'
    | undefined {
    const leaf = this.#paid.next() ?? this.#unpaid.next();
    if (!leaf) {
      return this.waiting > 0 ? 'no-slot' : undefined;
    }
    const ticket = leaf.firstTicket();
    const { rank } = leaf.lane.priorityClass;
    return { rank, tokens: ticket?.tokens, asks: ticket?.asks ?? 'permit-and-start', id: ticket?.id };
  }

  /** Whether a request of this pool that arrived now would start at once. */
  wouldStart(pool: SlotPool, rank: PriorityRank, tokens: number | undefined, asks: Asks): boolean {
    // Those who wait for a slot of another pool are in nobody's way.
    if (!pool.hasFreeSlot || this.#lineOf(asks).next()) {
      return false;
    }
    const now = this.#clock.now();
    return !this.#gate || this.#gate.opensAt(rank, tokens, asks, now) <= now;
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
    const priorityClass = this.#unpaid.classes[rank]!;
    const leaf = priorityClass.leafOf(lane, pool);
    leaf.queue.push(request, arrivedAt, id);
    priorityClass.joined(leaf);
  }

  /** Puts what may have a ticket later at the end of its class. Its pool starts it, unless it has one by then. */
  addQueued(pool: SlotPool, queued: Queued, arrivedAt: number, rank: PriorityRank): void {
    this.addPlain(pool, queued, arrivedAt, noNumber, rank);
  }

  /** Puts a ticket at the end of its class, or, for a retry, at the front. */
  add(
    ticket: Ticket,
    pool: SlotPool,
    owner: TicketOwner,
    now: number,
    where: 'back' | 'front' = 'back',
  ): void {
    ticket.owner = owner;
    ticket.holder = owner;
    ticket.queuedAt = now;
    this.#place(ticket, pool, where);
    this.#watchDeadline(ticket);
  }

  /** Takes in that a request which waits at the end of its class without a ticket has one now. */
  adopt(ticket: Ticket, pool: SlotPool, owner: TicketOwner): void {
    ticket.owner = owner;
    ticket.holder = owner;
    ticket.queuedAt = ticket.arrivedAt;
    ticket.place = this.#unpaid.classes[ticket.rank]!.leafOf(ticket.lane, pool);
  }

  /** Lets a ticket stand at the front of its class when its back-off is over, if its deadline is not before that. */
  addLater(ticket: Ticket, pool: SlotPool, owner: TicketOwner, delay: number): void {
    const backingOff = { pool };
    const time = this.#clock.now() + delay;
    ticket.owner = owner;
    ticket.holder = owner;
    ticket.place = backingOff;
    this.#later++;
    ticket.alarm = this.#alarms.set(Math.min(time, ticket.deadline), () => {
      if (this.#takeOut(ticket)) {
        if (ticket.deadline < time) {
          owner.expired(ticket);
        } else {
          this.add(ticket, pool, owner, this.#clock.now(), 'front');
        }
        this.drain();
      }
    });
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

  /** Moves a ticket whose rank was raised to the end of its new class. */
  promote(ticket: Ticket): void {
    if (ticket.place instanceof Leaf) {
      const { pool } = ticket.place;
      this.#leave(ticket, ticket.place);
      this.#place(ticket, pool, ticket.attempts > 0 ? 'front' : 'back');
      this.drain();
    }
  }

  /** Forgets all that waits for a pool; its owner has ended. Tells the number of each request that waited. */
  forget(pool: SlotPool, forgotten?: (id: number) => void): void {
    const ids: number[] = [];
    for (const line of [this.#paid, this.#unpaid]) {
      line.forget(pool, forgotten && ((id) => ids.push(id)));
    }
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
    for (let rank = 0; rank <= from; rank++) {
      let oldest: Leaf | undefined;
      for (const { classes } of [this.#unpaid, this.#paid]) {
        for (const leaf of classes[rank]!.leavesOf(pool)) {
          if (leaf.live > 0 && (!oldest || leaf.firstArrivedAt() < oldest.firstArrivedAt())) {
            oldest = leaf;
          }
        }
      }
      if (oldest) {
        const ticket = oldest.firstTicket();
        const item = oldest.queue.shift();
        const { arrivedAt, id } = oldest.queue;
        if (ticket) {
          this.#leave(ticket, oldest);
          this.#ignoreDeadline(ticket);
        } else {
          oldest.lane.priorityClass.left(oldest);
        }
        return { item, ticket, arrivedAt, id };
      }
    }
    return undefined;
  }

  /**
   * Lets a request that was just added start. One that has to wait for a slot changes nothing for the others, one of
   * whom may only wait for a gate whose timer is late.
   */
  drainFor(pool: SlotPool): void {
    if (pool.hasFreeSlot || this.#wakeTime !== Infinity) {
      this.drain();
    }
  }

  /**
   * Starts everything that may start now, and arranges to be woken when the next one may.
   *
   * @param recently a time that was read so recently that it may count as now where nothing is paced; not for tickets
   */
  drain(recently?: number): void {
    if (this.#draining) {
      this.#drainAgain = true;
      return;
    }
    this.#draining = true;
    try {
      // What a start does may change what is next, or ask for another round.
      while (this.#startNext(recently) || this.#takeDrainAgain()) {
        // A call may take its time in being made.
        recently = undefined;
      }
    } finally {
      this.#draining = false;
    }
  }

  #takeDrainAgain(): boolean {
    const again = this.#drainAgain;
    this.#drainAgain = false;
    return again;
  }

  #startNext(recently?: number): boolean {
    const paid = this.#paid.waiting > 0 ? this.#paid.next() : undefined;
    const unpaid = this.#unpaid.waiting > 0 ? this.#unpaid.next() : undefined;
    if (!paid && !unpaid) {
      this.#wakeAt(Infinity);
      return false;
    }
    const opens = paid ? this.#tryStart(paid, false) : Infinity;
    if (opens === isDone) {
      return true;
    }
    const opensUnpaid = unpaid ? this.#tryStart(unpaid, paid !== undefined, recently) : Infinity;
    if (opensUnpaid === isDone) {
      return true;
    }
    this.#wakeAt(Math.min(opens, opensUnpaid));
    return false;
  }

  /**
   * Starts the head of a leaf, or gives it up if it is overdue; tells when it may start, or that it is done with.
   *
   * @param isBehindPaid whether one that has paid waits for its start
   */
  #tryStart(leaf: Leaf, isBehindPaid: boolean, recently?: number): number {
    const { rank, isNew } = leaf.lane.priorityClass;
    const ticket = leaf.firstTicket();
    const gate = this.#gate;
    const isOpen = recently !== undefined && !ticket && (!gate || gate.isOpenAt(recently));
    const now = isOpen ? recently : this.#clock.now();
    if (ticket && ticket.deadline < now) {
      this.#takeOut(ticket);
      ticket.owner!.expired(ticket);
      return isDone;
    }
    const asks = ticket ? ticket.asks : 'permit-and-start';
    if (isBehindPaid && asks !== 'permit' && !isNew) {
      // Starts of others would push the start that is paid for farther and farther away.
      return Infinity;
    }
    const opens = isOpen || !gate ? now : gate.opensAt(rank, ticket?.tokens, asks, now, ticket?.id);
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
    this.#gate?.pass(rank, ticket?.tokens, asks, now, numberOf(item, id));
    if (ticket) {
      ticket.place = undefined;
      this.#ignoreDeadline(ticket);
      ticket.owner!.start(ticket, now);
    } else {
      pool.starter!.startPlain(item, arrivedAt, id, rank, now);
    }
  }

  #place(ticket: Ticket, pool: SlotPool, where: 'back' | 'front'): void {
    ticket.standsWithPaid ||= ticket.asks === 'start';
    const line = ticket.standsWithPaid ? this.#paid : this.#unpaid;
    const priorityClass = line.classes[ticket.rank]!;
    const leaf = priorityClass.leafOf(ticket.lane, pool);
    if (where === 'back') {
      leaf.queue.push(ticket, ticket.queuedAt, noNumber);
    } else {
      leaf.queue.unshift(ticket, ticket.arrivedAt, noNumber);
    }
    ticket.place = leaf;
    priorityClass.joined(leaf);
  }

  #leave(ticket: Ticket, leaf: Leaf): void {
    ticket.place = undefined;
    leaf.lane.priorityClass.left(leaf);
  }

  #lineOf(asks: Asks): Line {
    return asks === 'start' ? this.#paid : this.#unpaid;
  }

  #takeOut(ticket: Ticket): boolean {
    const { place } = ticket;
    if (!place) {
      return false;
    }
    if (place instanceof Leaf) {
      this.#leave(ticket, place);
    } else {
      ticket.place = undefined;
      this.#later--;
    }
    this.#ignoreDeadline(ticket);
    return true;
  }

  #watchDeadline(ticket: Ticket): void {
    if (ticket.deadline !== Infinity) {
      ticket.alarm = this.#alarms.set(ticket.deadline, () => {
        if (ticket.deadline > this.#clock.now()) {
          this.#watchDeadline(ticket);
        } else if (this.#takeOut(ticket)) {
          ticket.owner!.expired(ticket);
          this.drain();
        }
      });
    }
  }

  #ignoreDeadline(ticket: Ticket): void {
    if (ticket.alarm) {
      this.#alarms.cancel(ticket.alarm);
      ticket.alarm = undefined;
    }
  }

  #wakeAt(time: number): void {
    if (time === this.#wakeTime) {
      return;
    }
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#wakeTime = time;
    if (time !== Infinity) {
      this.#cancelWake = this.#scheduleWake(time);
    }
  }

  #scheduleWake(time: number): Cancel {
    return this.#clock.schedule(Math.max(0, time - this.#clock.now()), () => {
      this.#wakeTime = Infinity;
      this.#cancelWake = undefined;
      this.drain();
    });
  }
}
