import { Heap } from '../core/heap';
import { waitMultipliers, type PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import { Lane, type LaneClass, type Leaf } from './lane';
import type { PoolShare } from './pool-share';

/** In place of a name, for the lane of requests that were refused. */
const ofTheRefused = Symbol('refused');

/** Wait multipliers as whole strides, so that adding them up stays exact. */
const strides = waitMultipliers.map((multiplier) => multiplier * 10);

const longestStride = Math.max(...strides);

/** Before every pass. */
const newcomer = -1;

/** Lanes that are remembered at least before those that have nothing to remember are forgotten. */
const fewLanes = 64;

/** What the priorities of a line share. */
export interface StrideOrder {
  waiting: number;
  virtualTime: number;
}

/**
 * The waiting requests of one priority. Its lanes share the starts equally, by start-time fair queueing (Goyal, Vin and
 * Cheng, 1996) with equal weights: the turn of a lane grows by one with each start, and that of a lane that comes anew is
 * never before the present, so that nobody gains by sending requests one by one. Requests that were refused are a lane
 * whose turn never comes: it is served when no other lane can be, so that they are in nobody's way.
 */
export class PriorityClass implements LaneClass {
  waiting = 0;
  /** Position in the stride order. */
  #pass = 0;
  /** Whether it was not waiting before: then it is next at once. */
  #isNew = false;
  readonly #lanes = new Map<string | typeof ofTheRefused | undefined, Lane>();
  /** The lanes that may have a request for a free slot. */
  readonly #turns = new Heap<Lane>((one, other) =>
    one.turn === other.turn ? one.order < other.order : one.turn < other.turn,
  );
  /** The present: the turn of the lane that was served last. */
  #turn = 0;
  #lastOrder = 0;
  #mostLanes = fewLanes;

  constructor(
    readonly rank: PriorityRank,
    private readonly line: StrideOrder,
  ) {}

  get isNew(): boolean {
    return this.#isNew;
  }

  /** Where it stands in the order of the classes, the least first; `Infinity` if nothing waits. */
  get position(): number {
    if (this.waiting === 0) {
      return Infinity;
    }
    return this.#isNew ? newcomer : this.#pass;
  }

  /** Puts a ticket at the end of its lane, or at the front; or among those that were refused. */
  add(ticket: Ticket, share: PoolShare, place: 'end' | 'front' | 'refused'): void {
    const lane = this.#laneOf(place === 'refused' ? ofTheRefused : ticket.lane);
    const leaf = lane.leafOf(share);
    if (place === 'front') {
      leaf.tickets.unshift(ticket);
    } else {
      leaf.tickets.push(ticket);
    }
    ticket.place = leaf;
    share.add(ticket, place === 'front');
    this.line.waiting++;
    if (this.waiting++ === 0) {
      // A class that is far ahead of the order has had its share and waits its turn.
      this.#isNew = this.#pass <= this.line.virtualTime + longestStride;
    }
    if (lane.waiting++ === 0) {
      lane.turn = Math.max(lane.turn, this.#turn);
      lane.order = ++this.#lastOrder;
    }
    this.#arrange(leaf);
  }

  remove(ticket: Ticket, leaf: Leaf): void {
    const { lane, share } = leaf;
    leaf.tickets.remove(ticket);
    ticket.place = undefined;
    share.remove(ticket, this.rank);
    this.line.waiting--;
    this.waiting--;
    lane.waiting--;
    this.#arrange(leaf);
  }

  /** Takes out the head of a leaf because it starts. */
  serve(leaf: Leaf): Ticket {
    const { lane, head } = leaf;
    this.#advance();
    if (!lane.isOfTheRefused) {
      this.#turn = lane.turn;
      lane.turn++;
      lane.order = ++this.#lastOrder;
    }
    this.remove(head, leaf);
    return head;
  }

  /** The leaf whose head is next among those with a free slot. */
  next(): Leaf | undefined {
    for (let lane = this.#turns.first; lane; lane = this.#turns.first) {
      const leaf = lane.next();
      if (leaf) {
        return leaf;
      }
      this.#turns.delete(lane);
    }
    return undefined;
  }

  /** A pool has a free slot again: one of its leaves may be next. */
  unpark(leaf: Leaf): void {
    this.#arrange(leaf);
  }

  /** Pays for a start with a stride. */
  #advance(): void {
    const { virtualTime, waiting } = this.line;
    if (this.#isNew) {
      const isAlone = waiting === 1;
      this.#isNew = false;
      this.#pass = isAlone ? virtualTime : Math.max(virtualTime, this.#pass);
    } else {
      this.line.virtualTime = this.#pass;
    }
    this.#pass += strides[this.rank]!;
  }

  /** Puts a leaf and its lane where they belong after a ticket came or went. */
  #arrange(leaf: Leaf): void {
    const { lane, share } = leaf;
    if (!leaf.tickets.first) {
      lane.ready.delete(leaf);
      share.unpark(leaf);
      lane.leaves.delete(share.pool);
    } else if (!share.isParked(leaf)) {
      lane.ready.put(leaf);
    }
    if (lane.ready.first) {
      this.#turns.put(lane);
    } else {
      this.#turns.delete(lane);
    }
  }

  #laneOf(key: string | typeof ofTheRefused | undefined): Lane {
    let lane = this.#lanes.get(key);
    if (!lane) {
      this.#forgetLanes();
      lane = new Lane(this, key === ofTheRefused);
      lane.turn = lane.isOfTheRefused ? Infinity : 0;
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** A lane whose turn is yet to come is remembered: else it would be new whenever it sends its next request. */
  #forgetLanes(): void {
    if (this.#lanes.size >= this.#mostLanes) {
      for (const [key, { waiting, turn }] of this.#lanes) {
        if (waiting === 0 && turn <= this.#turn) {
          this.#lanes.delete(key);
        }
      }
      this.#mostLanes = 2 * this.#lanes.size + fewLanes;
    }
  }
}
