import type { LimitedDimension } from '../provider/rate-limit-headers';
import type { TokenCost } from './token-estimate';

/** Starts that are remembered: of more calls in flight at once, the oldest are taken to have been counted. */
const remembered = 4096;

export const noTokens: TokenCost = { total: 0, input: 0, output: 0 };

/** What one start has taken of a budget. */
export interface Spending {
  readonly at: number;
  readonly cost: number;
}

/** When the last calls were started, and what each was to cost: what a provider has not counted when it answers. */
export class SpendingLog {
  readonly #times = new Float64Array(remembered);
  /** Undefined for those that cost no tokens, as far as is known. */
  readonly #costs: (TokenCost | undefined)[] = [];
  #count = 0;

  /** Takes note of a start; returns its number. */
  add(at: number, cost: TokenCost): number {
    const place = this.#count++ % remembered;
    this.#times[place] = at;
    if (cost.total > 0) {
      this.#costs[place] = cost;
    } else if (this.#costs.length > place) {
      this.#costs[place] = undefined;
    }
    return this.#count;
  }

  /** The starts after that of this number, oldest first. */
  since(startNumber: number, dimension: LimitedDimension): Spending[] {
    const spendings: Spending[] = [];
    for (let number = Math.max(startNumber, this.#count - remembered); number < this.#count; number++) {
      const place = number % remembered;
      spendings.push({ at: this.#times[place]!, cost: costIn(dimension, this.#costs[place] ?? noTokens) });
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
