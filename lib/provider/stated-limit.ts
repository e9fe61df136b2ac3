import type { LimitedDimension } from '../core/budget-state';

export type { LimitedDimension } from '../core/budget-state';

/**
 * One limit that a provider states in its headers or in the body of a refusal.
 *
 * @example
 * // x-ratelimit-limit-tokens: 250000, x-ratelimit-remaining-tokens: 249989, x-ratelimit-reset-tokens: 2ms
 * { name: 'tokens', dimension: 'tokens', limit: 250_000, remaining: 249_989, reset: 2, window: 60_000 }
 */
export interface StatedLimit {
  /**
   * The provider's name for the limit: `requests`, `project-tokens`, `tokens-minute`. If only the figures show that a
   * limit is not per minute, the window is added: `requests-day`.
   */
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Requests or tokens per window; above 0. */
  readonly limit: number;
  /** What can be spent now, from 0 to `limit`; undefined if the provider does not state it. */
  readonly remaining: number | undefined;
  /** Milliseconds until the limit is full again; undefined if the provider does not state it. */
  readonly reset: number | undefined;
  /** Length of the window in milliseconds: a minute unless the name or the figures tell otherwise. */
  readonly window: number;
}

/** Keeps the first of several limits with one name. */
export const firstOfEachName = (limits: readonly StatedLimit[]): StatedLimit[] =>
  limits.filter((one, index) => limits.findIndex(({ name }) => name === one.name) === index);
