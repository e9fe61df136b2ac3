import type { PriorityRank } from '../core/priority';
import { noNumber, type Asks, type Ticket } from '../core/ticket';
import type { Leaf } from './priority-class';
import { Line } from './priority-line';
import type { SlotPool } from './slot-pool';

/** Where requests stand while they wait. */
export class WaitingLines {
  /** What has paid before, by adaptiveThrottle, does not stand in line again behind those who have not. */
  readonly paid = new Line();
  readonly unpaid = new Line();

  get waiting(): number {
    return this.paid.waiting + this.unpaid.waiting;
  }

  waitingOf(rank: PriorityRank): number {
    return this.paid.classes[rank]!.waiting + this.unpaid.classes[rank]!.waiting;
  }

  lineOf(asks: Asks): Line {
    return asks === 'start' ? this.paid : this.unpaid;
  }

  /** Puts a ticket at the end of its class; a retry at the front, unless it is to stand behind the others. */
  place(ticket: Ticket, pool: SlotPool, now: number): void {
    const isBehind = ticket.behindUntil > now;
    ticket.standsWithPaid ||= ticket.asks === 'start';
    const line = ticket.standsWithPaid && !isBehind ? this.paid : this.unpaid;
    const priorityClass = line.classes[ticket.rank]!;
    const leaf = isBehind ? priorityClass.leafOfRefused(pool) : priorityClass.leafOf(ticket.lane, pool);
    if (isBehind || ticket.attempts === 0) {
      leaf.queue.push(ticket, ticket.queuedAt, noNumber);
    } else {
      leaf.queue.unshift(ticket, ticket.arrivedAt, noNumber);
    }
    ticket.place = leaf;
    priorityClass.joined(leaf);
  }

  leave(ticket: Ticket, leaf: Leaf): void {
    ticket.place = undefined;
    leaf.lane.priorityClass.left(leaf);
  }

  /** Every place where requests wait, or may. */
  leaves(): Leaf[] {
    return [this.paid, this.unpaid].flatMap(({ classes }) => classes.flatMap((one) => [...one.leaves()]));
  }

  /** Where the longest waiting request of a pool stands that is of the lowest waiting priority, up to a rank. */
  oldest(pool: SlotPool, from: PriorityRank): Leaf | undefined {
    for (let rank = 0; rank <= from; rank++) {
      let oldest: Leaf | undefined;
      for (const { classes } of [this.unpaid, this.paid]) {
        for (const leaf of classes[rank]!.leaves(pool)) {
          if (leaf.live > 0 && (!oldest || leaf.firstArrivedAt() < oldest.firstArrivedAt())) {
            oldest = leaf;
          }
        }
      }
      if (oldest) {
        return oldest;
      }
    }
    return undefined;
  }

  /** Forgets a pool whose pipeline has ended, and tells the number of each request that waited for it. */
  forget(pool: SlotPool, forgotten?: (id: number) => void): void {
    this.paid.forget(pool, forgotten);
    this.unpaid.forget(pool, forgotten);
  }
}
