import type { TokenUsage } from '../core/call';

/** Share of the newest usage in the running means. */
const smoothing = 0.1;

/** Calls whose largest is what the next one may cost. */
const remembered = 100;

/** Tokens that a call takes or may take, by what the limits count. */
export interface TokenCost {
  readonly total: number;
  readonly input: number;
  readonly output: number;
}

/** Learns from usage what calls cost whose requests do not say it. */
export class TokenEstimate {
  #input = 0;
  #output = 0;
  #isEmpty = true;
  readonly #recent = new Float64Array(remembered);
  #count = 0;
  #largest = 0;
  /** What a call is expected to cost whose request does not say it: most ask for this, and many remember it. */
  #mean: TokenCost = { total: 0, input: 0, output: 0 };

  learn(usage: TokenUsage): void {
    const input = amount(usage.inputTokens);
    const output = amount(usage.outputTokens);
    const total = input + output;
    if (total <= 0) {
      return;
    }
    const weight = this.#isEmpty ? 1 : Math.max(smoothing, 1 / (this.#count + 1));
    this.#isEmpty = false;
    this.#input += weight * (input - this.#input);
    this.#output += weight * (output - this.#output);
    const place = this.#count++ % remembered;
    const replaced = this.#recent[place]!;
    this.#recent[place] = total;
    this.#largest = replaced < this.#largest ? Math.max(this.#largest, total) : Math.max(...this.#recent);
    this.#mean = this.#of(this.#input + this.#output);
  }

  /** What a call will probably cost: as announced by its traits, else the mean. */
  expected(announced: number | undefined): TokenCost {
    return announced === undefined ? this.#mean : this.#of(announced);
  }

  /** What a call may cost: as announced, else as much as the dearest of the last ones. */
  possible(announced: number | undefined): TokenCost {
    return this.#of(announced ?? this.#largest);
  }

  #of(total: number): TokenCost {
    const mean = this.#input + this.#output;
    if (mean === 0) {
      return { total, input: total, output: total };
    }
    return { total, input: (total * this.#input) / mean, output: (total * this.#output) / mean };
  }
}

/** Usage comes from the user's code: what is no amount must not poison the means. */
function amount(tokens: number | undefined): number {
  return tokens !== undefined && tokens > 0 && tokens <= Number.MAX_SAFE_INTEGER ? tokens : 0;
}
