import type { TokenUsage } from './call';

const kinds = [
  'inputTokens',
  'outputTokens',
  'cachedInputTokens',
  'cacheWriteTokens',
  'reasoningTokens',
] as const;

/** Tokens of a usage that a call reported: 0 for what is no number of tokens, so that one NaN spoils no sum. */
export function tokenCount(reported: unknown): number {
  return typeof reported === 'number' && reported >= 0 && reported !== Infinity ? reported : 0;
}

/** Tokens of prompt and answer together. */
export function totalTokens(usage: TokenUsage | undefined): number {
  return tokenCount(usage?.inputTokens) + tokenCount(usage?.outputTokens);
}

/**
 * What an attempt has used so far: the largest figure that it has reported of each kind. So a usage that comes in parts,
 * and a running total that comes again and again, both add up to what the provider bills.
 *
 * @param reported what comes from the user's code: fields that are no number of tokens are left out
 */
export function usedSoFar(
  before: TokenUsage | undefined,
  reported: TokenUsage | undefined,
): TokenUsage | undefined {
  if (!reported) {
    return before;
  }
  const used: { -readonly [Name in keyof TokenUsage]: TokenUsage[Name] } = { ...before };
  for (const kind of kinds) {
    const count: unknown = reported[kind];
    if (typeof count === 'number' && tokenCount(count) === count && !(count <= (used[kind] ?? -1))) {
      used[kind] = count;
    }
  }
  if (typeof reported.model === 'string' && reported.model !== '') {
    used.model = reported.model;
  }
  return used;
}
