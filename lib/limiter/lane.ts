import { Heap, type HeapItem } from '../core/heap';
import type { Ticket } from '../core/ticket';
import { TicketList } from '../core/ticket-list';
import type { PriorityRank } from '../core/priority';
import type { PoolShare } from './pool-share';
import type { SlotPool } from './slot-pool';

export interface LaneClass {
  readonly rank: PriorityRank;
  readonly isNew: boolean;
  remove(ticket: Ticket, leaf: Leaf): void;
  serve(leaf: Leaf): Ticket;
  unpark(leaf: Leaf): void;
}

/** The waiting requests of one priority, one lane and one pool. */
export class Leaf implements HeapItem {
  heapIndex = 0;
  readonly tickets = new TicketList('lane');

  constructor(
    readonly lane: Lane,
    readonly share: PoolShare,
  ) {}

  get priorityClass(): LaneClass {
    return this.lane.priorityClass;
  }

  get pool(): SlotPool {
    return this.share.pool;
  }

  get head(): Ticket {
    return this.tickets.first!;
  }
}

/** The requests of one tenant in one priority, or all requests without a lane. */
export class Lane implements HeapItem {
  heapIndex = 0;
  waiting = 0;
  /** Its position in the virtual time of its class. */
  turn = 0;
  /** Its order among lanes with the same turn. */
  order = 0;
  readonly leaves = new Map<SlotPool, Leaf>();
  /** The leaves whose pools have a free slot. */
  readonly ready = new Heap<Leaf>(({ head: one }, { head: other }) =>
    one.standsSince === other.standsSince ? one.id < other.id : one.standsSince < other.standsSince,
  );

  constructor(
    readonly priorityClass: LaneClass,
    /** Whether it holds refused requests. Such a lane takes no turns and is served when no other can be. */
    readonly isOfTheRefused: boolean,
  ) {}

  leafOf(share: PoolShare): Leaf {
    let leaf = this.leaves.get(share.pool);
    if (!leaf) {
      leaf = new Leaf(this, share);
      this.leaves.set(share.pool, leaf);
    }
    return leaf;
  }

  /** The leaf of a pool with a free slot whose head has waited longest. */
  next(): Leaf | undefined {
    for (let leaf = this.ready.first; leaf; leaf = this.ready.first) {
      if (leaf.pool.hasFreeSlot) {
        return leaf;
      }
      this.ready.delete(leaf);
      leaf.share.park(leaf);
    }
    return undefined;
  }
}
