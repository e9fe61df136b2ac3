import type { TokenUsage } from '../core/call';
import type { LimitedDimension } from '../provider/stated-limit';

/** The weight of the newest usage in the running means: about the last twenty calls count. */
const smoothing = 0.1;

/** The most expensive of so many calls tells what the next one may cost. */
const remembered = 100;

/** Tokens per character before any usage: a token of English has four characters (platform.openai.com/tokenizer). */
const perCharacter = 1 / 4;

/** The least calls for that. */
const fewest = 10;

/** Tokens that a call takes or may take, by what limits count. */
export interface TokenCost {
  readonly total: number;
  readonly input: number;
  readonly output: number;
}

export const noTokens: TokenCost = { total: 0, input: 0, output: 0 };

/** What a call takes of a limit on this dimension. */
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

/** What a request says about its cost. */
export interface Sized {
  /** The tokens that its traits state. */
  readonly tokens: number | undefined;
  /** The number of characters of its text. */
  readonly textLength: number;
}

/**
 * Learns the cost of calls from usage: a straight line through prompt tokens over text lengths (least squares), and the
 * mean of the answers.
 */
export class TokenEstimate {
  #count = 0;
  /** Running means: characters of a text, tokens of its prompt and of its answer. */
  #text = 0;
  #input = 0;
  #output = 0;
  /** Running means of the square of the first, and of its product with the second, both about their means. */
  #variance = 0;
  #covariance = 0;
  /** The cost and text length of the last calls. */
  readonly #costs: number[] = [];
  readonly #texts: number[] = [];

  /** @param text characters of the request; undefined if unknown */
  learn(usage: TokenUsage, text = this.#text): void {
    const input = amount(usage.inputTokens);
    const output = amount(usage.outputTokens);
    if (input + output > 0) {
      this.#costs[this.#count % remembered] = input + output;
      this.#texts[this.#count++ % remembered] = text;
      // The plain mean, until there are enough calls for a running one.
      const weight = Math.max(smoothing, 1 / this.#count);
      const longer = text - this.#text;
      const dearer = input - this.#input;
      this.#text += weight * longer;
      this.#input += weight * dearer;
      this.#output += weight * (output - this.#output);
      this.#variance = (1 - weight) * (this.#variance + weight * longer * longer);
      this.#covariance = (1 - weight) * (this.#covariance + weight * longer * dearer);
    }
  }

  get mean(): TokenCost {
    return { total: this.#input + this.#output, input: this.#input, output: this.#output };
  }

  /** The probable cost of a call: what its traits state, or else what calls with such texts cost. */
  expected({ tokens, textLength }: Sized): TokenCost {
    return tokens === undefined ? this.#ofText(textLength) : this.#split(tokens);
  }

  /**
   * The possible cost of a call: what its traits state, or else as much above the expected cost as any of the last
   * calls.
   */
  possible(request: Sized): TokenCost {
    const excess = this.#costs.map((cost, index) => cost - this.#ofText(this.#texts[index]!).total);
    return this.#split(request.tokens ?? this.expected(request).total + Math.max(0, ...excess));
  }

  #ofText(text: number): TokenCost {
    const input = Math.max(0, this.#input + this.#perCharacter * (text - this.#text));
    return { total: input + this.#output, input, output: this.#output };
  }

  get #perCharacter(): number {
    if (this.#count < fewest) {
      return perCharacter;
    }
    return this.#variance > 0 ? Math.max(0, this.#covariance / this.#variance) : 0;
  }

  /** Splits a total in the proportion of past usage. Before any usage, all of it may be either. */
  #split(total: number): TokenCost {
    const mean = this.#input + this.#output;
    return mean === 0
      ? { total, input: total, output: total }
      : { total, input: (total * this.#input) / mean, output: (total * this.#output) / mean };
  }
}

/** A valid amount from user code; 0 for any other value. */
function amount(tokens: number | undefined): number {
  return tokens !== undefined && tokens > 0 && tokens <= Number.MAX_SAFE_INTEGER ? tokens : 0;
}
