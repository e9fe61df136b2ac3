import { waitMultipliers, type PriorityRank } from '../core/priority';
import { RingQueue } from '../core/ring-queue';
import { Ticket } from '../core/ticket';
import type { SlotPool } from './slot-pool';

/** The waiting requests of one priority, one lane and one pool. */
export class Leaf {
  readonly ring = new RingQueue<unknown>();
  live = 0;

  constructor(
    readonly pool: SlotPool,
    readonly lane: Lane,
  ) {}

  holds(item: unknown): boolean {
    return !(item instanceof Ticket) || item.place === this;
  }

  /** Drops what was removed from the middle as soon as it has come to the head. */
  firstArrivedAt(): number {
    while (this.ring.length > 0 && !this.holds(this.ring.first())) {
      this.ring.shift();
    }
    return this.ring.firstArrivedAt();
  }
}

class Lane {
  readonly leaves: Leaf[] = [];
  live = 0;
  /** When it is next, in the time of its class. */
  turn = 0;

  constructor(
    readonly key: string | undefined,
    readonly priorityClass: PriorityClass,
  ) {}

  leafOf(pool: SlotPool): Leaf {
    for (const leaf of this.leaves) {
      if (leaf.pool === pool) {
        return leaf;
      }
    }
    const leaf = new Leaf(pool, this);
    this.leaves.push(leaf);
    return leaf;
  }

  /** The leaf whose turn it is: the longest waiting request of a pool that has a free slot. */
  next(): Leaf | undefined {
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

/**
 * All waiting requests of one priority. Its lanes share the starts equally, by weighted fair queueing (Demers, Keshav
 * and Shenker, 1989) with equal weights: a lane's turn grows by one with each start, and that of a lane that comes anew
 * is never before the present, so that nobody gains by sending requests one by one.
 */
class PriorityClass {
  waiting = 0;
  /** Position in the stride order. */
  pass = 0;
  /** Whether it was not waiting before: then it is next at once. */
  isNew = false;
  readonly #lanes = new Map<string | undefined, Lane>();
  /** The lanes that wait, by their turn. */
  readonly #waitingLanes: Lane[] = [];
  /** The present: it passes by one while every waiting lane starts one request. */
  #turn = 0;

  constructor(
    readonly rank: PriorityRank,
    readonly line: Line,
  ) {
    this.#lanes.set(undefined, new Lane(undefined, this));
  }

  leafOf(lane: string | undefined, pool: SlotPool): Leaf {
    let found = this.#lanes.get(lane);
    if (!found) {
      found = new Lane(lane, this);
      this.#lanes.set(lane, found);
    }
    return found.leafOf(pool);
  }

  joined(leaf: Leaf): void {
    this.line.waiting++;
    if (this.waiting++ === 0) {
      // A class that is far ahead of the order has had its share and waits its turn.
      this.isNew = this.pass <= this.line.virtualTime + longestStride;
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
    leaf.live--;
    if (--leaf.lane.live === 0) {
      this.#retire(leaf.lane);
    } else if (leaf.ring.length > 2 * leaf.live + 32) {
      leaf.ring.retain((item) => leaf.holds(item));
    }
  }

  served(leaf: Leaf): void {
    const { lane } = leaf;
    this.#advance();
    this.line.waiting--;
    this.waiting--;
    leaf.live--;
    lane.live--;
    this.#turn += 1 / this.#waitingLanes.length;
    lane.turn += 1;
    if (lane.live === 0) {
      this.#retire(lane);
    } else if (this.#waitingLanes.length > 1) {
      removeFrom(this.#waitingLanes, lane);
      this.#queueUp(lane, 'after');
    }
  }

  next(): Leaf | undefined {
    for (const lane of this.#waitingLanes) {
      const leaf = lane.next();
      if (leaf) {
        return leaf;
      }
    }
    return undefined;
  }

  /** Every leaf of a pool. */
  *leavesOf(pool: SlotPool): Iterable<Leaf> {
    for (const lane of this.#lanes.values()) {
      yield* lane.leaves.filter((leaf) => leaf.pool === pool);
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
        lane.live -= leaf!.live;
        if (forgotten) {
          leaf!.ring.retain((item, id) => {
            if (leaf!.holds(item)) {
              forgotten(id);
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

  /** Pays for a start with a stride. */
  #advance(): void {
    const { line } = this;
    if (this.isNew) {
      const isAlone = line.waiting === 1;
      this.isNew = false;
      this.pass = (isAlone ? line.virtualTime : Math.max(line.virtualTime, this.pass)) + strides[this.rank]!;
    } else {
      line.virtualTime = this.pass;
      this.pass += strides[this.rank]!;
    }
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

function removeFrom<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index >= 0) {
    list.splice(index, 1);
  }
  return index >= 0;
}

/** Wait multipliers as whole strides, so that adding them up stays exact. */
const strides = waitMultipliers.map((multiplier) => multiplier * 10);

const longestStride = Math.max(...strides);

/** Requests that wait for the same thing: the four priorities, and where their stride order stands. */
export class Line {
  readonly classes = ([0, 1, 2, 3] as const).map((rank) => new PriorityClass(rank, this));
  waiting = 0;
  virtualTime = 0;

  /** The leaf whose head is next: of a class that was not waiting before, else of the class with the least pass. */
  next(): Leaf | undefined {
    if (this.waiting === 0) {
      return undefined;
    }
    let passedOver = 0;
    for (;;) {
      let best: PriorityClass | undefined;
      for (let rank = 3; rank >= 0; rank--) {
        const candidate = this.classes[rank]!;
        if (candidate.waiting === 0 || passedOver & (1 << rank)) {
          continue;
        }
        if (!best || (candidate.isNew ? !best.isNew : !best.isNew && candidate.pass < best.pass)) {
          best = candidate;
        }
      }
      if (!best) {
        return undefined;
      }
      const leaf = best.next();
      if (leaf) {
        return leaf;
      }
      passedOver |= 1 << best.rank;
    }
  }
}
