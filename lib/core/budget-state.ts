/** What a limit counts. `tokens` are the tokens of prompt and answer together. */
export type LimitedDimension = 'requests' | 'tokens' | 'input-tokens' | 'output-tokens';

/** The state of one budget of a limiter. */
export interface BudgetState {
  /** The field of your `limits` (`limits.requestsPerMinute`), or the provider's name for it. */
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Where the limit comes from: your config (`given`) or the provider (`stated`). */
  readonly source: 'given' | 'stated';
  /** Requests or tokens per window. */
  readonly limit: number;
  /** Length of the window in milliseconds. */
  readonly window: number;
  /** What may be spent now; negative if more was spent than the limit allows. */
  readonly remaining: number;
  /** What running calls have reserved and not yet reported as used. It is already subtracted from `remaining`. */
  readonly inFlight: number;
  /** When the whole budget is available again if nothing more is spent, in milliseconds on the limiter's clock. */
  readonly fullAt: number;
  /** What other clients of the provider spend of the same limit, per minute, as far as it can be told. */
  readonly foreignPerMinute: number;
}
