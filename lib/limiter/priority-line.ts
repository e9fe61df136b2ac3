import type { PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import type { Leaf } from './lane';
import { PoolShare } from './pool-share';
import { PriorityClass, type StrideOrder } from './priority-class';
import type { SlotPool } from './slot-pool';

/** Requests that wait for the same thing: the four priorities and their stride order. */
export class Line implements StrideOrder {
  waiting = 0;
  virtualTime = 0;
  readonly #classes = ([0, 1, 2, 3] as const).map((rank) => new PriorityClass(rank, this));
  readonly #shares = new Map<SlotPool, PoolShare>();
  /** The shares of pools that have a free slot. */
  readonly #ready = new Set<PoolShare>();

  waitingOf(rank: PriorityRank): number {
    return this.#classes[rank]!.waiting;
  }

  add(ticket: Ticket, pool: SlotPool, place: 'end' | 'front' | 'refused'): void {
    let share = this.#shares.get(pool);
    if (!share) {
      share = new PoolShare(pool, (changed, isReady) => this.#changed(changed, isReady));
      this.#shares.set(pool, share);
    }
    this.#classes[ticket.rank]!.add(ticket, share, place);
  }

  /** The leaf whose head is next: of a class that was not waiting before, or else of the class with the least pass. */
  next(): Leaf | undefined {
    if (this.#ready.size === 0) {
      return undefined;
    }
    const classes = this.#classes.filter(({ waiting }) => waiting > 0).reverse();
    classes.sort((one, other) => one.position - other.position);
    for (const priorityClass of classes) {
      const leaf = priorityClass.next();
      if (leaf) {
        return leaf;
      }
    }
    return undefined;
  }

  /** The first ticket of a pool and a rank. */
  oldest(pool: SlotPool, rank: PriorityRank): Ticket | undefined {
    return this.#shares.get(pool)?.oldest(rank);
  }

  get shares(): Iterable<PoolShare> {
    return this.#shares.values();
  }

  #changed(share: PoolShare, isReady: boolean): void {
    if (isReady) {
      this.#ready.add(share);
    } else {
      this.#ready.delete(share);
    }
    if (share.isEmpty) {
      this.#shares.delete(share.pool);
    }
  }
}
