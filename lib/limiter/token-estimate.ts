import type { TokenUsage } from '../core/call';
import type { LimitedDimension } from '../provider/stated-limit';

/** Share of the newest usage in the running means: about the last twenty calls count. */
const smoothing = 0.1;

/** Calls whose dearest tells what the next one may cost. */
const remembered = 100;

/** Tokens that a call takes or may take, by what the limits count. */
export interface TokenCost {
  readonly total: number;
  readonly input: number;
  readonly output: number;
}

export const noTokens: TokenCost = { total: 0, input: 0, output: 0 };

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

/** Learns from usage what calls cost whose requests do not say it. */
export class TokenEstimate {
  /** Mean tokens of a prompt and of an answer. */
  #input = 0;
  #output = 0;
  readonly #recent = new Float64Array(remembered);
  #count = 0;

  learn(usage: TokenUsage): void {
    const input = amount(usage.inputTokens);
    const output = amount(usage.outputTokens);
    if (input + output > 0) {
      this.#recent[this.#count++ % remembered] = input + output;
      // The plain mean until there are enough calls for a running one.
      const weight = Math.max(smoothing, 1 / this.#count);
      this.#input += weight * (input - this.#input);
      this.#output += weight * (output - this.#output);
    }
  }

  /** What a call will probably cost: what its traits announce, else the mean. */
  expected(announced: number | undefined): TokenCost {
    return this.#split(announced ?? this.#input + this.#output);
  }

  /** What a call may cost: what its traits announce, else as much as the dearest of the last calls. */
  possible(announced: number | undefined): TokenCost {
    return this.#split(announced ?? Math.max(...this.#recent));
  }

  /** Splits a total as usage was split so far; before any usage, all of it may be either. */
  #split(total: number): TokenCost {
    const mean = this.#input + this.#output;
    return mean === 0
      ? { total, input: total, output: total }
      : { total, input: (total * this.#input) / mean, output: (total * this.#output) / mean };
  }
}

/** Usage comes from the user's code: a value that is no amount must not poison the means. */
function amount(tokens: number | undefined): number {
  return tokens !== undefined && tokens > 0 && tokens <= Number.MAX_SAFE_INTEGER ? tokens : 0;
}
