import { ChunkedQueue } from '../core/chunked-queue';
import { waitMultipliers, type PriorityRank } from '../core/priority';
import { numberOf, ticketOf, type Ticket } from '../core/ticket';
import type { SlotPool } from './slot-pool';

/** In place of a name, for the lane of those who were refused. */
const ofTheRefused = Symbol('refused');

type LaneKey = string | typeof ofTheRefused | undefined;

/** The waiting requests of one priority, one lane and one pool. */
export class Leaf {
  readonly queue = new ChunkedQueue<unknown>();
  live = 0;

  constructor(
    readonly pool: SlotPool,
    readonly lane: Lane,
  ) {}

  holds(item: unknown, id: number): boolean {
    const ticket = ticketOf(item, id);
    return ticket === undefined || ticket.place === this;
  }

  /** Drops what was removed from the middle, as soon as it has come to the head. */
  tidy(): void {
    const { queue } = this;
    // Only a queue that is longer than what waits holds anything to drop.
    while (queue.length > this.live && !this.holds(queue.first(), queue.firstId()!)) {
      queue.shift();
    }
  }

  /** The ticket of what is next, if that has one. */
  firstTicket(): Ticket | undefined {
    this.tidy();
    return ticketOf(this.queue.first(), this.queue.firstId());
  }

  firstArrivedAt(): number {
    this.tidy();
    return this.queue.firstArrivedAt();
  }
}

/** Whose turn it is within a priority: the requests of one tenant, or all without one. */
class Lane {
  readonly leaves: Leaf[] = [];
  live = 0;

  /** @param turn when it is next, in the time of its class */
  constructor(
    readonly key: LaneKey,
    readonly priorityClass: PriorityClass,
    public turn = 0,
  ) {}

  get isOfTheRefused(): boolean {
    return this.key === ofTheRefused;
  }

  leafOf(pool: SlotPool): Leaf {
    // A function that is given to `find` would be made, or what it needs, at every call.
    for (const leaf of this.leaves) {
      if (leaf.pool === pool) {
        return leaf;
      }
    }
    return this.#newLeaf(pool);
  }

  #newLeaf(pool: SlotPool): Leaf {
    const leaf = new Leaf(pool, this);
    this.leaves.push(leaf);
    this.priorityClass.line.expect(pool);
    return leaf;
  }

  /** The leaf whose turn it is: the longest waiting request of a pool that has a free slot. */
  next(): Leaf | undefined {
    if (this.leaves.length === 1) {
      const only = this.leaves[0]!;
      return only.live > 0 && only.pool.hasFreeSlot ? only : undefined;
    }
    let best: Leaf | undefined;
    let bestArrival = Infinity;
    for (const leaf of this.leaves) {
      if (leaf.live > 0 && leaf.pool.hasFreeSlot) {
        const arrival = leaf.firstArrivedAt();
        if (!best || arrival < bestArrival) {
          best = leaf;
          bestArrival = arrival;
        }
      }
    }
    return best;
  }
}

/** What the priorities of a line share. */
export interface StrideOrder {
  /** By rank: where each class stands, the least first; `Infinity` where none waits. */
  readonly order: Float64Array;
  waiting: number;
  virtualTime: number;
  /** From now on a request may wait for this pool. */
  expect(pool: SlotPool): void;
}

/**
 * All waiting requests of one priority. Its lanes share the starts equally, by weighted fair queueing (Demers, Keshav
 * and Shenker, 1989) with equal weights: a lane's turn grows by one with each start, and that of a lane that comes anew
 * is never before the present, so that nobody gains by sending requests one by one. Those who were refused are a lane
 * whose turn never comes: it is served when no other can be, so that they are in nobody's way.
 */
export class PriorityClass {
  waiting = 0;
  /** Position in the stride order. */
  pass = 0;
  /** Whether it was not waiting before: then it is next at once. */
  isNew = false;
  /** The lane of the requests that name none. */
  readonly #common = new Lane(undefined, this);
  readonly #refused = new Lane(ofTheRefused, this, Infinity);
  readonly #lanes = new Map<LaneKey, Lane>([
    [undefined, this.#common],
    [ofTheRefused, this.#refused],
  ]);
  /** The lanes that wait, by their turn. */
  readonly #waitingLanes: Lane[] = [];
  /** The present: it passes by one while every waiting lane starts one request. */
  #turn = 0;

  constructor(
    readonly rank: PriorityRank,
    readonly line: StrideOrder,
  ) {}

  leafOfRefused(pool: SlotPool): Leaf {
    return this.#refused.leafOf(pool);
  }

  leafOf(lane: string | undefined, pool: SlotPool): Leaf {
    return (lane === undefined ? this.#common : this.#laneOf(lane)).leafOf(pool);
  }

  #laneOf(lane: string): Lane {
    let found = this.#lanes.get(lane);
    if (!found) {
      found = new Lane(lane, this);
      this.#lanes.set(lane, found);
    }
    return found;
  }

  joined(leaf: Leaf): void {
    this.line.waiting++;
    if (this.waiting++ === 0) {
      // A class that is far ahead of the order has had its share and waits its turn.
      this.isNew = this.pass <= this.line.virtualTime + longestStride;
      this.#reorder();
    }
    leaf.live++;
    const { lane } = leaf;
    if (lane.live++ === 0) {
      const isAhead = lane.turn > this.#turn;
      lane.turn = Math.max(lane.turn, this.#turn);
      this.#queueUp(lane, isAhead ? 'after' : 'before');
    }
  }

  /** One request left this leaf unserved. */
  left(leaf: Leaf): void {
    this.line.waiting--;
    this.waiting--;
    this.#reorder();
    leaf.live--;
    if (--leaf.lane.live === 0) {
      this.#retire(leaf.lane);
    } else if (leaf.queue.length > 2 * leaf.live + 32) {
      leaf.queue.retain((item, id) => leaf.holds(item, id));
    }
  }

  served(leaf: Leaf): void {
    const { lane } = leaf;
    this.#advance();
    this.line.waiting--;
    this.waiting--;
    this.#reorder();
    leaf.live--;
    lane.live--;
    if (lane !== this.#refused) {
      this.#turn += 1 / (this.#waitingLanes.length - (this.#refused.live > 0 ? 1 : 0));
      lane.turn += 1;
    }
    if (lane.live === 0) {
      this.#retire(lane);
    } else if (this.#waitingLanes.length > 1) {
      removeFrom(this.#waitingLanes, lane);
      this.#queueUp(lane, 'after');
    }
  }

  next(): Leaf | undefined {
    const lanes = this.#waitingLanes;
    if (lanes.length === 1) {
      return lanes[0]!.next();
    }
    for (const lane of lanes) {
      const leaf = lane.next();
      if (leaf) {
        return leaf;
      }
    }
    return undefined;
  }

  /** Every leaf, or every one of a pool. */
  *leaves(pool?: SlotPool): Iterable<Leaf> {
    for (const lane of this.#lanes.values()) {
      yield* lane.leaves.filter((leaf) => pool === undefined || leaf.pool === pool);
    }
  }

  /** Forgets a pool whose pipeline has ended, and tells the number of each request that waited for it. */
  forget(pool: SlotPool, forgotten?: (id: number) => void): void {
    for (const lane of [...this.#lanes.values()]) {
      const index = lane.leaves.findIndex((leaf) => leaf.pool === pool);
      if (index >= 0) {
        const [leaf] = lane.leaves.splice(index, 1);
        this.line.waiting -= leaf!.live;
        this.waiting -= leaf!.live;
        this.#reorder();
        lane.live -= leaf!.live;
        if (forgotten) {
          leaf!.queue.retain((item, id) => {
            if (leaf!.holds(item, id)) {
              forgotten(numberOf(item, id));
            }
            return false;
          });
        }
        if (lane.live === 0) {
          this.#retire(lane);
        }
      }
    }
  }

  #reorder(): void {
    this.line.order[this.rank] = this.waiting === 0 ? Infinity : this.isNew ? newcomer : this.pass;
  }

  /** Pays for a start with a stride. */
  #advance(): void {
    if (this.isNew) {
      this.#advanceFirst();
    } else {
      this.line.virtualTime = this.pass;
      this.pass += strides[this.rank]!;
    }
  }

  #advanceFirst(): void {
    const { virtualTime, waiting } = this.line;
    const isAlone = waiting === 1;
    this.isNew = false;
    this.pass = (isAlone ? virtualTime : Math.max(virtualTime, this.pass)) + strides[this.rank]!;
  }

  /** @param place where to stand among lanes whose turn is the same */
  #queueUp(lane: Lane, place: 'before' | 'after'): void {
    const lanes = this.#waitingLanes;
    let index = lanes.length;
    while (
      index > 0 &&
      (place === 'after' ? lanes[index - 1]!.turn > lane.turn : lanes[index - 1]!.turn >= lane.turn)
    ) {
      index--;
    }
    lanes.splice(index, 0, lane);
  }

  #retire(lane: Lane): void {
    removeFrom(this.#waitingLanes, lane);
    for (const { queue } of lane.leaves) {
      // What was removed from the middle must not be kept by a lane that may stay idle.
      if (queue.length > 0) {
        queue.clear();
      }
    }
    // A lane whose turn is yet to come is remembered, or it would be new whenever it sends its next request.
    if (this.#lanes.size > 2 * this.#waitingLanes.length + 64) {
      for (const [key, { live, turn }] of this.#lanes) {
        if (key !== undefined && live === 0 && turn <= this.#turn) {
          this.#lanes.delete(key);
        }
      }
    }
  }
}

/** Wait multipliers as whole strides, so that adding them up stays exact. */
const strides = waitMultipliers.map((multiplier) => multiplier * 10);

/** Before every pass. */
const newcomer = -1;

const longestStride = Math.max(...strides);

export function removeFrom<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index >= 0) {
    list.splice(index, 1);
  }
  return index >= 0;
}
