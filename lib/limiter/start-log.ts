import { noTokens, type TokenCost } from './token-estimate';

/** Starts that are remembered: a power of two, as their places are told by the last bits of their numbers. */
export const rememberedStarts = 4096;

/** Starts that tell a rate where calls are rare, and the milliseconds within which they must lie. */
const few = 4;
const minute = 60_000;

/** One of the last starts. */
interface LoggedStart {
  readonly at: number;
  /** The tokens it takes, as far as is known; undefined for a start that did not happen after all. */
  cost: TokenCost | undefined;
}

/** What one start has taken of a budget. */
export interface Spending {
  readonly at: number;
  readonly cost: number;
}

/** When the last calls were started and what each takes: what a provider has not counted yet when it answers. */
export class StartLog {
  readonly #starts: LoggedStart[] = [];
  /** Starts in all; the number of the last one. */
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Takes note of a start; returns its number. */
  add(at: number, cost: TokenCost | undefined = noTokens): number {
    this.#count++;
    this.#starts[placeOf(this.#count)] = { at, cost };
    return this.#count;
  }

  /** Corrects what a start takes, if it is still remembered. */
  correct(startNumber: number, cost: TokenCost | undefined): void {
    if (startNumber > this.#count - rememberedStarts) {
      this.#starts[placeOf(startNumber)]!.cost = cost;
    }
  }

  /** When a start was that is still remembered. */
  timeOf(startNumber: number): number {
    return this.#starts[placeOf(startNumber)]!.at;
  }

  /**
   * The starts after that of this number, oldest first. If more calls run at once than are remembered, the provider has
   * probably counted the oldest.
   */
  since(startNumber: number, costOf: (cost: TokenCost | undefined) => number): Spending[] {
    const spendings: Spending[] = [];
    const first = Math.max(startNumber, this.#count - rememberedStarts) + 1;
    for (let number = first; number <= this.#count; number++) {
      const { at, cost } = this.#starts[placeOf(number)]!;
      spendings.push({ at, cost: costOf(cost) });
    }
    return spendings;
  }

  /**
   * Starts per second over the `span` milliseconds before the start of that number; where so few came then, over the
   * last few of the minute before; 0 where there are not even these.
   */
  rateBefore(startNumber: number, startedAt: number, span: number): number {
    const oldest = Math.max(1, this.#count - rememberedStarts + 1);
    if (oldest > 1 && startNumber <= oldest + few) {
      // So many came since that it is forgotten: these tell the rate as well.
      return this.#rateSince(oldest, this.#count);
    }
    let first = startNumber;
    while (first > oldest && this.timeOf(first - 1) > startedAt - span) {
      first--;
    }
    const starts = startNumber - first;
    if (starts >= 2) {
      return (starts * 1000) / span;
    }
    first = Math.max(oldest, startNumber - few);
    while (first < startNumber && this.timeOf(first) < startedAt - minute) {
      first++;
    }
    return startNumber - first < few ? 0 : this.#rateSince(first, startNumber);
  }

  /** Starts per second from one start to another. */
  #rateSince(first: number, last: number): number {
    const starts = last - first;
    const time = this.timeOf(last) - this.timeOf(first);
    return starts > 0 ? (starts * 1000) / Math.max(time, 1) : 0;
  }
}

/** The place of a start in a ring of the remembered ones. */
function placeOf(startNumber: number): number {
  return startNumber & (rememberedStarts - 1);
}
