import type { PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import { TicketList } from '../core/ticket-list';
import type { SlotPool } from './slot-pool';

/** A leaf that waits until its pool has a free slot. */
interface Parked {
  readonly priorityClass: { unpark(leaf: Parked): void };
}

/** The waiting requests of one pool in one line. */
export class PoolShare {
  #waiting = 0;
  /** By rank, in the order of arrival. */
  readonly #tickets: (TicketList | undefined)[] = [];
  /** The leaves that were skipped because the pool had no free slot. */
  readonly #parked = new Set<Parked>();

  /** @param changed called when it changes whether a request of the share has a free slot */
  constructor(
    readonly pool: SlotPool,
    private readonly changed: (share: PoolShare, isReady: boolean) => void,
  ) {}

  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** The first ticket of a rank. A retry comes before all others. */
  oldest(rank: PriorityRank): Ticket | undefined {
    return this.#tickets[rank]?.first;
  }

  add(ticket: Ticket, isFirst: boolean): void {
    const tickets = (this.#tickets[ticket.rank] ??= new TicketList('pool'));
    if (isFirst) {
      tickets.unshift(ticket);
    } else {
      tickets.push(ticket);
    }
    if (this.#waiting++ === 0) {
      this.pool.waiting.add(this);
      this.slotsChanged();
    }
  }

  /** @param rank the rank of the ticket when it was added */
  remove(ticket: Ticket, rank: PriorityRank): void {
    this.#tickets[rank]!.remove(ticket);
    if (--this.#waiting === 0) {
      this.pool.waiting.delete(this);
      this.changed(this, false);
    }
  }

  park(leaf: Parked): void {
    this.#parked.add(leaf);
  }

  isParked(leaf: Parked): boolean {
    return this.#parked.has(leaf);
  }

  unpark(leaf: Parked): void {
    this.#parked.delete(leaf);
  }

  slotsChanged(): void {
    const { hasFreeSlot } = this.pool;
    this.changed(this, hasFreeSlot);
    if (hasFreeSlot) {
      for (const leaf of this.#parked) {
        this.#parked.delete(leaf);
        leaf.priorityClass.unpark(leaf);
      }
    }
  }

  /** Since when the longest waiting ticket has waited; `Infinity` for none. */
  get standsSince(): number {
    let since = Infinity;
    for (const tickets of this.#tickets) {
      for (const { standsSince, attempts } of tickets ?? []) {
        since = Math.min(since, standsSince);
        if (attempts === 0) {
          break;
        }
      }
    }
    return since;
  }

  *[Symbol.iterator](): Iterator<Ticket> {
    for (const tickets of this.#tickets) {
      if (tickets) {
        yield* tickets;
      }
    }
  }
}
