/** What a limit counts; `tokens` are those of prompt and answer together. */
export type LimitedDimension = 'requests' | 'tokens' | 'input-tokens' | 'output-tokens';

/** What can be told of a budget. */
export interface BudgetState {
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Who says so: you (`given`), or the provider (`stated`). */
  readonly source: 'given' | 'stated';
  /** Per window. */
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
  /** What may be spent now; negative where more was spent than there was. */
  readonly remaining: number;
  /** What calls that run have reserved of it and whose usage is not known yet; what they take is not in `remaining`. */
  readonly inFlight: number;
  /** When all of it is there again if nothing more is spent, in milliseconds on the limiter's clock. */
  readonly fullAt: number;
  /** Per minute: what others spend of the same limit, as far as it was noticed. */
  readonly foreignPerMinute: number;
}
