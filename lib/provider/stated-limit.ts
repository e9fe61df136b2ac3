import type { LimitedDimension } from '../core/budget-state';

export type { LimitedDimension } from '../core/budget-state';

/**
 * One limit as a provider states it in its headers, or in the body of a refusal.
 *
 * @example
 * // x-ratelimit-limit-tokens: 250000, x-ratelimit-remaining-tokens: 249989, x-ratelimit-reset-tokens: 2ms
 * { name: 'tokens', dimension: 'tokens', limit: 250_000, remaining: 249_989, reset: 2, window: 60_000 }
 */
export interface StatedLimit {
  /**
   * Tells budgets of one dimension apart, as the provider names them: `requests`, `project-tokens`, `tokens-minute`.
   * Where only the figures show that a limit is not per minute, the window is added: `requests-day`.
   */
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Requests or tokens per window; above 0. */
  readonly limit: number;
  /** What can be spent now, from 0 to `limit`; undefined where the provider does not say so. */
  readonly remaining: number | undefined;
  /** Milliseconds until all of it is there again; undefined where the provider does not say so. */
  readonly reset: number | undefined;
  /** Length of the window in milliseconds: a minute unless the name or the figures tell otherwise. */
  readonly window: number;
}

/** What is stated twice under one name counts as it was stated first. */
export const firstOfEachName = (limits: readonly StatedLimit[]): StatedLimit[] =>
  limits.filter((one, index) => limits.findIndex(({ name }) => name === one.name) === index);
