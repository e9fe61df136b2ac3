/**
 * How urgent a request is. The priority decides which waiting request is next, and how long it waits after the last
 * start: the limiter's interval times 1.5 (low), 1 (medium), 0.7 (high) or 0.3 (critical).
 *
 * @example
 * const request = { prompt: 'Trading halt in NRDX: what happened?', priority: CallPriority.CRITICAL };
 */
export const CallPriority = { LOW: 'low', MEDIUM: 'medium', HIGH: 'high', CRITICAL: 'critical' } as const;
export type CallPriority = (typeof CallPriority)[keyof typeof CallPriority];

/** The priorities from the least to the most urgent; a priority's index here is its rank. */
export const prioritiesByRank = [
  CallPriority.LOW,
  CallPriority.MEDIUM,
  CallPriority.HIGH,
  CallPriority.CRITICAL,
] as const;

/** 0 (low) to 3 (critical). */
export type PriorityRank = 0 | 1 | 2 | 3;

/** The wait after the last start for each rank, in intervals of the limiter. */
export const waitMultipliers = [1.5, 1, 0.7, 0.3] as const;

export const defaultRank: PriorityRank = 1;

/** The rank of a priority; undefined for any other value. */
export function rankOf(priority: unknown): PriorityRank | undefined {
  switch (priority) {
    case CallPriority.LOW:
      return 0;
    case CallPriority.MEDIUM:
      return 1;
    case CallPriority.HIGH:
      return 2;
    case CallPriority.CRITICAL:
      return 3;
    default:
      return undefined;
  }
}
