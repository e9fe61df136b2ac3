import { Receipt } from './budgets';

/** A power of two; most limiters have fewer calls that run. */
const places = 64;

/** Calls that may run at once before the oldest is forgotten: those whose end was never heard of. */
const mostRunning = 100_000;

/**
 * The receipts of the calls that run, by the numbers of their requests. Each has a place by its number, whose receipt is
 * written anew for the next one; one that a later one drives out stands in a Map. A Map alone, to which one is added for
 * each that is deleted, would be rebuilt again and again.
 */
export class Receipts {
  readonly #ids = new Array<number | undefined>(places).fill(undefined);
  readonly #receipts = Array.from({ length: places }, () => new Receipt());
  readonly #others = new Map<number, Receipt>();
  #placed = 0;

  get size(): number {
    return this.#placed + this.#others.size;
  }

  get(id: number): Receipt | undefined {
    const place = id & (places - 1);
    return this.#ids[place] === id ? this.#receipts[place] : this.#others.get(id);
  }

  /** The receipt of a call that has none yet or begins anew, to be filled in. */
  add(id: number): Receipt {
    const place = id & (places - 1);
    const resident = this.#ids[place];
    if (resident === undefined) {
      this.#placed++;
      this.#ids[place] = id;
    } else if (resident !== id) {
      this.#drivenOut(resident, this.#receipts[place]!);
      this.#ids[place] = id;
      this.#receipts[place] = new Receipt();
    }
    if (this.#others.size > 0) {
      this.#others.delete(id);
    }
    return this.#receipts[place]!;
  }

  delete(id: number): void {
    const place = id & (places - 1);
    if (this.#ids[place] === id) {
      this.#ids[place] = undefined;
      this.#placed--;
    } else if (this.#others.size > 0) {
      this.#others.delete(id);
    }
  }

  #drivenOut(id: number, receipt: Receipt): void {
    this.#others.set(id, receipt);
    if (this.size > mostRunning) {
      const [oldest] = this.#others.keys();
      this.#others.delete(oldest!);
    }
  }
}
