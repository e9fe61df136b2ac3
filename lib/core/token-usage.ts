import type { TokenUsage } from './call';

const kinds = [
  'inputTokens',
  'outputTokens',
  'cachedInputTokens',
  'cacheWriteTokens',
  'reasoningTokens',
] as const;

/** The tokens in a reported usage; 0 for an invalid value, so that one NaN spoils no sum. */
export function tokenCount(reported: unknown): number {
  return typeof reported === 'number' && reported >= 0 && reported !== Infinity ? reported : 0;
}

export function totalTokens(usage: TokenUsage | undefined): number {
  return tokenCount(usage?.inputTokens) + tokenCount(usage?.outputTokens);
}

/**
 * What an attempt has used so far: of each kind the largest reported count. So parts and running totals both add up to
 * what the provider bills.
 *
 * @param reported from user code: invalid fields are ignored
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
