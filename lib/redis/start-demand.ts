import { horizon } from './pool-limits';

/** Starts that are asked for at once, at first and at most. */
const fewest = 4;
const most = 100;

/** Decides how many starts a process asks its pool for, by how many it has been making. */
export class StartDemand {
  starts = 0;
  /** When this horizon ends, and the starts of it and of the one before. */
  #until = 0;
  #newest = 0;
  #before = 0;

  count(now: number): void {
    this.starts++;
    if (now >= this.#until) {
      this.#before = now - this.#until < horizon ? this.#newest : 0;
      this.#newest = 0;
      this.#until = now + horizon;
    }
    this.#newest++;
  }

  /** The number of starts to ask for, in all and by rank. */
  wanted(
    { waiting, startable }: { readonly waiting: readonly number[]; readonly startable: number },
    now: number,
  ): { want: number; d: readonly number[] } {
    const recent = now - this.#until < horizon ? Math.max(this.#newest, this.#before) : 0;
    const want = Math.min(most, Math.max(1, recent, Math.min(startable, Math.max(fewest, 2 * recent))));
    const d = waiting.map((count) => Math.min(count, want));
    // Requests that will come soon at this pace are added to the last waiting rank.
    const last = d.reduce((found, count, rank) => (count > 0 ? rank : found), -1);
    d[last < 0 ? 1 : last]! += Math.max(0, want - d.reduce((sum, count) => sum + count, 0));
    return { want, d };
  }
}
