import { numberSetting } from '../core/settings';

/** The tokens of a request. */
export interface RequestTokens {
  /** Tokens of the prompt. */
  readonly input: number;
  /** Tokens of the answer. */
  readonly output: number;
}

const charactersPerToken = 4;
const usualOutput = 100;

/** An estimate: four characters of the request's strings are a token of input, and `max_tokens` is the output. */
export function estimatedTokens(request: unknown): RequestTokens {
  return {
    input: Math.ceil(charactersIn(request, new Set()) / charactersPerToken),
    output: outputOf(request),
  };
}

/** Checks the result of the user's `tokensOf`. */
export function checkedTokens({ input, output }: RequestTokens): RequestTokens {
  return {
    input: numberSetting('tokensOf(request).input', input, 0),
    output: numberSetting('tokensOf(request).output', output, 0),
  };
}

function charactersIn(value: unknown, seen: Set<object>): number {
  if (typeof value === 'string') {
    return value.length;
  }
  if (typeof value !== 'object' || value === null || seen.has(value)) {
    return 0;
  }
  seen.add(value);
  let characters = 0;
  for (const part of Object.values(value)) {
    characters += charactersIn(part, seen);
  }
  return characters;
}

function outputOf(request: unknown): number {
  const stated =
    typeof request === 'object' && request !== null
      ? (request as { readonly max_tokens?: unknown }).max_tokens
      : undefined;
  return typeof stated === 'number' && stated >= 0 && stated < Infinity ? stated : usualOutput;
}
