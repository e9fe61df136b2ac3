import { PriorityClass, removeFrom, type Leaf, type StrideOrder } from './priority-class';
import type { SlotPool } from './slot-pool';

/** Requests that wait for the same thing: the four priorities, and where their stride order stands. */
export class Line implements StrideOrder {
  readonly classes = ([0, 1, 2, 3] as const).map((rank) => new PriorityClass(rank, this));
  /** Those that requests have waited for here. */
  readonly #pools: SlotPool[] = [];
  readonly order = new Float64Array(4).fill(Infinity);
  waiting = 0;
  virtualTime = 0;

  /** The leaf whose head is next: of a class that was not waiting before, else of the class with the least pass. */
  next(): Leaf | undefined {
    if (this.waiting === 0 || !this.#hasFreeSlot()) {
      return undefined;
    }
    let passedOver = 0;
    for (;;) {
      let best = -1;
      let least = Infinity;
      for (let rank = 3; rank >= 0; rank--) {
        const order = this.order[rank]!;
        if (order < least && !(passedOver & (1 << rank))) {
          best = rank;
          least = order;
        }
      }
      if (best < 0) {
        return undefined;
      }
      const leaf = this.classes[best]!.next();
      if (leaf) {
        return leaf;
      }
      passedOver |= 1 << best;
    }
  }

  /** Forgets a pool whose pipeline has ended, and tells the number of each request that waited for it. */
  forget(pool: SlotPool, forgotten?: (id: number) => void): void {
    if (removeFrom(this.#pools, pool)) {
      for (const priorityClass of this.classes) {
        priorityClass.forget(pool, forgotten);
      }
    }
  }

  expect(pool: SlotPool): void {
    if (!this.#pools.includes(pool)) {
      this.#pools.push(pool);
    }
  }

  /** Spares a look at every lane while all slots are taken. */
  #hasFreeSlot(): boolean {
    if (this.#pools.length === 1) {
      return this.#pools[0]!.hasFreeSlot;
    }
    for (const pool of this.#pools) {
      if (pool.hasFreeSlot) {
        return true;
      }
    }
    return false;
  }
}
