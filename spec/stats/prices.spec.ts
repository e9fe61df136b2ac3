import { Prices, type ModelPrice, type PriceTable } from '../../lib/stats/prices';

const million = 1_000_000;
const costing = (input: number): ModelPrice => ({ input, output: 0 });
/** The input price of a model; undefined if it has none. */
const priceIn = (table: PriceTable, model: string | undefined) =>
  new Prices(table).costOf({ inputTokens: million, ...(model !== undefined && { model }) });

describe('the price of a model', () => {
  const table = {
    'gpt-4o': costing(2.5),
    'gpt-4o-mini': costing(0.15),
    'gpt-4o-2024-05-13': costing(5),
    'claude-3-5-sonnet': costing(3),
    'claude-sonnet-4': costing(4),
    'mistral-large': costing(6),
    'gemini-2.0-flash': costing(7),
    'nova-lite': costing(8),
    'gpt-3.5-turbo': costing(9),
    'gpt-oss-120b': costing(10),
    'command-r': costing(11),
  };
  it.each([
    ['gpt-4o', 2.5],
    ['gpt-4o-mini', 0.15],
    ['gpt-4o-2024-05-13', 5],
    ['gpt-4o-2024-08-06', 2.5],
    ['gpt-4o-mini-2024-07-18', 0.15],
    ['openai/gpt-4o-mini', 0.15],
    ['openai/gpt-4o-2024-05-13', 5],
    ['openrouter/openai/gpt-4o-mini-2024-07-18', 0.15],
    ['claude-3-5-sonnet-20241022', 3],
    ['claude-3-5-sonnet-latest', 3],
    ['claude-3-5-sonnet@20241022', 3],
    ['us.anthropic.claude-3-5-sonnet-20241022-v2:0', 3],
    ['anthropic.claude-sonnet-4-20250514-v1:0', 4],
    ['mistral-large-2411', 6],
    ['models/gemini-2.0-flash-001', 7],
    ['amazon.nova-lite-v1:0', 8],
    ['gpt-3.5-turbo-0125', 9],
    ['openai.gpt-oss-120b-1:0', 10],
    ['command-r-08-2024', 11],
  ])('%s is that of its name without provider and version', (model, price) => {
    expect(priceIn(table, model)).toBe(price);
  });

  it.each([
    'gpt-4o-audio-preview',
    'gpt-4o-mini-realtime',
    'gpt-4',
    'gpt-4o1',
    'GPT-4o',
    'openai/gpt-4o-mini:free',
    'ft:gpt-4o-mini-2024-07-18:desk::1',
    'claude-sonnet-4-5',
    'claude-sonnet-4-5-20250929',
    'gpt-3.5-turbo-16k',
    'command-r-plus-08-2024',
    'my-deployment',
    '',
    undefined,
  ])('%p is unknown: another model, or another tier', (model) => {
    expect(priceIn(table, model)).toBeUndefined();
  });

  it('is that of the longest name that ends in an asterisk, if none without it is longer', () => {
    const prices = {
      '*': costing(1),
      'llama-*': costing(2),
      'llama-3.1-*': costing(3),
      'llama-3.1-405b': costing(4),
      'groq/*': costing(5),
    };
    const of = (model: string | undefined) => priceIn(prices, model);
    expect(['llama-2-7b', 'llama-3.1-8b', 'llama-3.1-405b', 'llama'].map(of)).toEqual([2, 3, 4, 1]);
    expect(['meta/llama-3.1-8b', 'groq/mixtral', 'groq/llama-2-7b', 'any', undefined].map(of)).toEqual([
      3, 5, 2, 1, 1,
    ]);
  });

  it.each([
    ['gpt-4o', 1],
    ['gpt-4o-2024-08-06', 1],
    ['openai/gpt-4o', 1],
    ['gpt-4o-mini', undefined],
    ['gpt-4omni', undefined],
  ])('by an asterisk behind a letter is that of the versions only: %s', (model, price) => {
    expect(priceIn({ 'gpt-4o*': costing(1) }, model)).toBe(price);
  });

  it('is not found among what every object inherits', () => {
    expect(priceIn(table, 'constructor')).toBeUndefined();
    expect(priceIn(table, '__proto__')).toBeUndefined();
  });
});

describe('the cost of an attempt', () => {
  const price: ModelPrice = { input: 2, output: 8, cachedInput: 0.2, cacheWrite: 2.5, reasoning: 4 };
  const usage = {
    model: 'm',
    inputTokens: 20_000,
    outputTokens: 100,
    cachedInputTokens: 19_000,
    cacheWriteTokens: 500,
    reasoningTokens: 60,
  };
  const cost = (of: Partial<ModelPrice>, more: object = {}) =>
    new Prices({ m: { input: 2, output: 8, ...of } }).costOf({ ...usage, ...more })! * million;

  it('counts each kind of token once, at its own price', () => {
    expect(cost(price)).toBeCloseTo(500 * 2 + 19_000 * 0.2 + 500 * 2.5 + 40 * 8 + 60 * 4);
  });

  it('is 0.0066 for a prompt of which 19,000 of 20,000 tokens were cached', () => {
    const cached = { cacheWriteTokens: 0, reasoningTokens: 0 };
    expect(cost({ cachedInput: 0.2 }, cached) / million).toBeCloseTo(0.0066);
  });

  it('takes prompt and answer for what has no price of its own', () => {
    expect(cost({})).toBeCloseTo(20_000 * 2 + 100 * 8);
  });

  it('is never negative, whatever was reported', () => {
    expect(cost({ cachedInput: 0, cacheWrite: 0, reasoning: 0 }, { inputTokens: 5, outputTokens: 5 })).toBe(
      0,
    );
    expect(cost({}, { inputTokens: NaN, cachedInputTokens: NaN, cacheWriteTokens: -1 })).toBeCloseTo(800);
  });
});

describe('a price table', () => {
  it.each<[string, object, string]>([
    [
      'no price of answers',
      { input: 1 },
      "prices['m'].output is missing. Give 0 for tokens that cost nothing.",
    ],
    [
      'no price of prompts',
      { output: 1 },
      "prices['m'].input is missing. Give 0 for tokens that cost nothing.",
    ],
    [
      'a misspelt field',
      { input: 1, output: 1, cachedInputs: 1 },
      "prices['m'] has no field 'cachedInputs'. Did you mean 'cachedInput'?",
    ],
    [
      'a misspelt price of answers',
      { input: 1, ouput: 1 },
      "prices['m'] has no field 'ouput'. Did you mean 'output'?",
    ],
    [
      'a field in the words of others',
      { input: 1, output: 1, cache_write: 1 },
      "prices['m'] has no field 'cache_write'. Did you mean 'cacheWrite'?",
    ],
    ['a text', { input: '1', output: 1 }, "prices['m'].input must be a number, but is '1' (string)."],
  ])('is refused with %s', (_name, price, message) => {
    expect(() => new Prices({ m: price as never })).toThrow(new TypeError(message));
  });

  it('is refused with a price that is no amount', () => {
    expect(() => new Prices({ m: { input: 1, output: 1, reasoning: -1 } })).toThrow(RangeError);
    expect(() => new Prices('gpt' as never)).toThrow('The config of prices must be an object');
  });

  it('takes a field that is undefined for one that is absent', () => {
    expect(() => new Prices({ m: { input: 1, output: 1, cachedInput: undefined } })).not.toThrow();
    expect(() => new Prices({ m: { input: 1, output: 1, other: undefined } as never })).not.toThrow();
  });
});
