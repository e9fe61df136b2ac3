import type { LimitedDimension } from '../provider/rate-limit-headers';
import { placeOf, rememberedStarts, type StartLog } from './start-log';
import type { TokenCost } from './token-estimate';

export const noTokens: TokenCost = { total: 0, input: 0, output: 0 };

/** What one start has taken of a budget. */
export interface Spending {
  readonly at: number;
  readonly cost: number;
}

/** What each of the last starts was to cost: what a provider has not counted when it answers. */
export class SpendingLog {
  readonly #starts: StartLog;
  /** Made once one costs tokens, as far as is known. */
  #costs: TokenCost[] | undefined;

  constructor(starts: StartLog) {
    this.#starts = starts;
  }

  /** Takes note of a start; returns its number. */
  add(at: number, cost: TokenCost): number {
    const number = this.#starts.add(at);
    if (cost.total > 0) {
      this.#costs ??= new Array<TokenCost>(rememberedStarts).fill(noTokens);
    }
    if (this.#costs) {
      this.#costs[placeOf(number)] = cost;
    }
    return number;
  }

  /**
   * The starts after that of this number, oldest first. Of more calls in flight at once than are remembered, the oldest
   * are taken to have been counted.
   */
  since(startNumber: number, dimension: LimitedDimension): Spending[] {
    const starts = this.#starts;
    const spendings: Spending[] = [];
    const first = Math.max(startNumber, starts.count - rememberedStarts) + 1;
    for (let number = first; number <= starts.count; number++) {
      const cost = this.#costs?.[placeOf(number)] ?? noTokens;
      spendings.push({ at: starts.timeOf(number), cost: costIn(dimension, cost) });
    }
    return spendings;
  }
}

/** What a call takes of a limit that counts this. */
export function costIn(dimension: LimitedDimension, tokens: TokenCost): number {
  switch (dimension) {
    case 'requests':
      return 1;
    case 'tokens':
      return tokens.total;
    case 'input-tokens':
      return tokens.input;
    case 'output-tokens':
      return tokens.output;
  }
}
