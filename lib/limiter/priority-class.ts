import { Heap } from '../core/heap';
import { waitMultipliers, type PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import { Lane, type LaneClass, type Leaf } from './lane';
import type { PoolShare } from './pool-share';

/** Names the lane of refused requests. */
const ofTheRefused = Symbol('refused');

/** Wait multipliers as integers, so that their sums are exact. */
const strides = waitMultipliers.map((multiplier) => multiplier * 10);

const longestStride = Math.max(...strides);

/** A pass before every other. */
const newcomer = -1;

/** The least number of lanes that are kept before unused ones are removed. */
const fewLanes = 64;

export interface StrideOrder {
  waiting: number;
  virtualTime: number;
}

/**
 * The waiting requests of one priority. Its lanes share the starts equally, by start-time fair queueing (Goyal, Vin and
 * Cheng, 1996) with equal weights. A lane's turn grows by one with each start, and a returning lane's turn is never
 * before the present, so sending requests one by one gains nothing. Refused requests are a lane without turns: it is
 * served when no other lane can be.
 */
export class PriorityClass implements LaneClass {
  waiting = 0;
  /** Its position in the stride order. */
  #pass = 0;
  /** Whether it was not waiting before, so that it is next at once. */
  #isNew = false;
  readonly #lanes = new Map<string | typeof ofTheRefused | undefined, Lane>();
  /** The lanes that may have a request with a free slot. */
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

  /** Its position in the order of the classes, the least first; `Infinity` if no request waits. */
  get position(): number {
    if (this.waiting === 0) {
      return Infinity;
    }
    return this.#isNew ? newcomer : this.#pass;
  }

  /** Adds a ticket at the end or the front of its lane, or to the refused ones. */
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
      // A class that is far ahead has had its share and waits for its turn.
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

  /** Removes the head of a leaf because it starts. */
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

  /** The leaf whose head is next, among those with a free slot. */
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

  /** The leaf's pool has a free slot again. */
  unpark(leaf: Leaf): void {
    this.#arrange(leaf);
  }

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

  /** Moves a leaf and its lane to their places after a ticket came or left. */
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

  /**
   * Removes lanes without requests whose turn has passed. Others are kept, or each of their requests would count as
   * new.
   */
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
