/** Tokens of a usage that a call reported: 0 for what is no number of tokens, so that one NaN spoils no sum. */
export function tokenCount(reported: unknown): number {
  return typeof reported === 'number' && reported >= 0 && reported !== Infinity ? reported : 0;
}
