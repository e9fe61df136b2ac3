import { noTokens, type TokenCost } from './token-estimate';

/** The number of remembered starts; a power of two, so that a mask gives their index. */
export const rememberedStarts = 4096;

interface LoggedStart {
  readonly at: number;
  /** The tokens it takes, as far as is known; undefined for a start that did not happen. */
  cost: TokenCost | undefined;
}

/** What one start has taken of a budget. */
export interface Spending {
  readonly number: number;
  readonly at: number;
  readonly cost: number;
}

/** When the last calls started, and what each takes: what a provider has not counted yet when it answers. */
export class StartLog {
  readonly #starts: LoggedStart[] = [];
  /** The number of starts, and of the last one. */
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Records a start and returns its number. */
  add(at: number, cost: TokenCost | undefined = noTokens): number {
    this.#count++;
    this.#starts[placeOf(this.#count)] = { at, cost };
    return this.#count;
  }

  /** Corrects the cost of a start, if it is still remembered. */
  correct(startNumber: number, cost: TokenCost | undefined): void {
    if (startNumber > this.#count - rememberedStarts) {
      this.#starts[placeOf(startNumber)]!.cost = cost;
    }
  }

  /**
   * The starts after a number, oldest first. If more calls run than are remembered, the provider has probably counted
   * the oldest.
   */
  since(startNumber: number, costOf: (cost: TokenCost | undefined) => number): Spending[] {
    const spendings: Spending[] = [];
    const first = Math.max(startNumber, this.#count - rememberedStarts) + 1;
    for (let number = first; number <= this.#count; number++) {
      const { at, cost } = this.#starts[placeOf(number)]!;
      spendings.push({ number, at, cost: costOf(cost) });
    }
    return spendings;
  }
}

function placeOf(startNumber: number): number {
  return startNumber & (rememberedStarts - 1);
}

/**
 * What is left at `now` of what was left at `from`. The times of starts matter because a full bucket does not fill
 * further.
 */
export function replayed(
  left: number,
  from: number,
  starts: readonly Spending[],
  now: number,
  rate: number,
  depth: number,
): number {
  let level = left;
  let at = from;
  for (const start of starts) {
    level = Math.min(depth, level + rate * (start.at - at)) - start.cost;
    at = start.at;
  }
  return Math.min(depth, level + rate * (now - at));
}
