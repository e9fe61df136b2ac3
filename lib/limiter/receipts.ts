import type { Receipt } from './budgets';

/** Calls that may run at once: of more, the oldest are taken for calls whose end is never heard. */
const mostRunning = 100_000;

/** The receipts of the calls that run, by the numbers of their requests. */
export class Receipts {
  readonly #receipts = new Map<number, Receipt>();

  get size(): number {
    return this.#receipts.size;
  }

  get(id: number): Receipt | undefined {
    return this.#receipts.get(id);
  }

  set(id: number, receipt: Receipt): void {
    // A Map keeps the order in which keys came: one that begins anew comes last.
    this.#receipts.delete(id);
    this.#receipts.set(id, receipt);
    if (this.#receipts.size > mostRunning) {
      const [oldest] = this.#receipts.keys();
      this.#receipts.delete(oldest!);
    }
  }

  delete(id: number): void {
    this.#receipts.delete(id);
  }
}
