import type { TokenUsage } from '../core/call';
import { configObject, noUnknownFields, numberSetting } from '../core/settings';
import { tokenCount } from '../core/token-usage';

/** The price of a million tokens of a model, in any currency. */
export interface ModelPrice {
  /** Per million tokens of prompts. */
  readonly input: number;
  /** Per million tokens of answers. */
  readonly output: number;
  /** Per million tokens of prompts that the provider's prompt cache held. @defaultValue `input` */
  readonly cachedInput?: number | undefined;
  /** Per million tokens of prompts that were written to the provider's prompt cache. @defaultValue `input` */
  readonly cacheWrite?: number | undefined;
  /** Per million tokens of reasoning. @defaultValue `output` */
  readonly reasoning?: number | undefined;
}

/**
 * Prices by the name of the model, as usage reports it. A model that is not in the table by its whole name has the
 * price of the longest name in it that matches it:
 *
 * - its name without the provider in front (`openai/gpt-4o-mini`, `us.anthropic.claude-sonnet-4`), without the version
 *   behind (`-2024-07-18`, `-20250514`, `-0613`, `-001`, `-latest`, `-v1:0`), or without both;
 * - a name in the table that ends in `*` after `-`, `/`, `.`, `:` or `@`, or is `*` alone: it matches all names that
 *   begin so.
 *
 * A `*` after a letter or a digit matches a version only: `gpt-4o*` does not match `gpt-4o-mini`. Tokens without a
 * price count as `unpricedTokens`.
 *
 * @example
 * const prices: PriceTable = {
 *   'gpt-4o-mini': { input: 0.15, output: 0.6, cachedInput: 0.075 }, // also of openai/gpt-4o-mini-2024-07-18
 *   'llama-*': { input: 0.1, output: 0.1 },
 * };
 */
export type PriceTable = Readonly<Record<string, ModelPrice>>;

const million = 1_000_000;

const fields = ['input', 'output', 'cachedInput', 'cacheWrite', 'reasoning'] as const;

/** `openai/`, `accounts/fireworks/models/`, and Amazon's `us.anthropic.`; a dot after a digit belongs to the name. */
const provider = /^(?:.*\/)?(?:(?:[a-z][a-z-]*\.)+(?=[a-z]))?/;

/** A date, the three or four digits of older releases, `latest`, and Amazon's `-v1:0`, but not sizes and kinds. */
const version =
  /(?:[-@](?:\d{4}-\d\d-\d\d|\d\d-\d{4}|\d\d-\d\d|\d{8}|\d{6}|\d{3,4}|latest))?(?:-v?\d{1,2}:\d{1,2})?$/;

const endsWithin = /[a-z\d]\*$/i;

/** Finds the price of a model by the names that it may have. */
export class Prices {
  readonly #prices = new Map<string, ModelPrice>();
  /** Beginnings of names, longest first. */
  readonly #beginnings: string[] = [];

  /** @throws TypeError or RangeError that names the model and the field */
  constructor(table: PriceTable = {}) {
    for (const [model, price] of Object.entries(configObject('prices', table) as PriceTable)) {
      check(model, price);
      if (model.endsWith('*') && !endsWithin.test(model)) {
        this.#beginnings.push(model.slice(0, -1));
      }
      this.#prices.set(model, price);
    }
    this.#beginnings.sort((one, other) => other.length - one.length);
  }

  get areKnown(): boolean {
    return this.#prices.size > 0;
  }

  /** The cost of an attempt; undefined if its model has no price. */
  costOf(usage: TokenUsage): number | undefined {
    const price = this.#priceOf(usage.model);
    if (!price) {
      return undefined;
    }
    const { input, output, cachedInput = input, cacheWrite = input, reasoning = output } = price;
    const cached = tokenCount(usage.cachedInputTokens);
    const written = tokenCount(usage.cacheWriteTokens);
    const reasoned = tokenCount(usage.reasoningTokens);
    const plain = Math.max(0, tokenCount(usage.inputTokens) - cached - written);
    const shown = Math.max(0, tokenCount(usage.outputTokens) - reasoned);
    const sum =
      plain * input + cached * cachedInput + written * cacheWrite + shown * output + reasoned * reasoning;
    return sum / million;
  }

  #priceOf(model: unknown): ModelPrice | undefined {
    // Usage comes from user code, so the name may be anything.
    if (typeof model !== 'string' || model === '') {
      return this.#prices.get('*');
    }
    const exact = this.#prices.get(model);
    if (exact) {
      return exact;
    }
    const bare = model.replace(provider, '');
    const names = [bare, model.replace(version, ''), bare.replace(version, '')];
    const beginning = this.#beginnings.find((one) => model.startsWith(one) || bare.startsWith(one));
    const [longest] = [...names, ...names.map((name) => `${name}*`), `${beginning ?? ''}*`]
      .filter((name) => this.#prices.has(name))
      .sort((one, other) => other.length - one.length);
    return longest === undefined ? undefined : this.#prices.get(longest);
  }
}

function check(model: string, price: ModelPrice): void {
  const owner = `prices['${model}']`;
  noUnknownFields(owner, configObject(owner, price), fields);
  for (const field of fields) {
    if (price[field] === undefined && (field === 'input' || field === 'output')) {
      throw new TypeError(`${owner}.${field} is missing. Give 0 for tokens that cost nothing.`);
    }
    numberSetting(`${owner}.${field}`, price[field], 0);
  }
}
