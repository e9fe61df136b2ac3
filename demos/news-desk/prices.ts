/** What a model's tokens cost. */
export interface Price {
  /** US dollars for a million tokens of the prompt. */
  readonly input: number;
  /** US dollars for a million tokens of the answer. */
  readonly output: number;
}

const gpt4oMini: Price = { input: 0.15, output: 0.6 };

/** List prices as they were when this was written; the model server asks nothing, so it is priced as gpt-4o-mini. */
const prices: Readonly<Record<string, Price>> = {
  'sentiment-demo': gpt4oMini,
  'gpt-4o-mini': gpt4oMini,
  'gpt-4o': { input: 2.5, output: 10 },
  'gpt-4.1': { input: 2, output: 8 },
  'gpt-4.1-mini': { input: 0.4, output: 1.6 },
  'gpt-4.1-nano': { input: 0.1, output: 0.4 },
};

/** The price of a model, or of the one that a dated name such as `gpt-4o-2024-08-06` is a release of. */
export function priceOf(model: string): Price | undefined {
  return prices[model.replace(/-\d{4}-\d{2}-\d{2}$/, '')];
}

/** US dollars for so many tokens. */
export function costOf({ input, output }: Price, inputTokens: number, outputTokens: number): number {
  return (inputTokens * input + outputTokens * output) / 1_000_000;
}
