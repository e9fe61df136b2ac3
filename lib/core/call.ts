/** What a response's headers may come as: a `Headers` object, or a plain record with names in any case. */
export type HeadersLike =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>;

/** What one call used up, as the provider counts it. */
export interface TokenUsage {
  /** Tokens of the prompt. */
  readonly inputTokens?: number | undefined;
  /** Tokens of the answer. */
  readonly outputTokens?: number | undefined;
  /** The model that answered; the price table is looked up by it. */
  readonly model?: string | undefined;
}

/** What a call tells rxllm about the provider's answer. */
export interface ProviderFeedback {
  /** The response's headers: rate-limit headers among them set the limiter's budgets. */
  readonly headers?: HeadersLike | undefined;
  /** What the call used up: settles token budgets and feeds the statistics. */
  readonly usage?: TokenUsage | undefined;
}

/** What a call is given besides its request. */
export interface CallContext {
  /**
   * Aborted with `AbortError` when nobody waits for the answer any more, with `TimeoutError` when the attempt
   * timed out, and never by success. Made when it is first read: destructure it only if you pass it on.
   */
  readonly signal: AbortSignal;
  /** 1 for the first attempt, 2 for its first retry. */
  readonly attempt: number;
  /** Passes on headers and usage; may be called more than once while the call runs. */
  readonly report: (feedback: ProviderFeedback) => void;
}

/**
 * Where a value came from: this request's own call, the cache, a call that another request had started, or an expired
 * answer of the cache (`staleWhileRevalidate`, `staleIfError`).
 */
export type OutcomeSource = 'call' | 'cache' | 'shared' | 'stale';

interface OutcomeTimes<R> {
  readonly request: R;
  /** Milliseconds the last attempt took; 0 for cache hits and for what never started. */
  readonly latency: number;
  /** Milliseconds between the request's arrival and the start of its last attempt (or its end, if none started). */
  readonly waited: number;
  /** Calls that were started for this request; 0 for cache hits and for what never started. */
  readonly attempts: number;
}

/** A request that was answered. */
export interface SuccessfulOutcome<R, V> extends OutcomeTimes<R> {
  readonly ok: true;
  readonly value: V;
  readonly source: OutcomeSource;
}

/** A request that was not answered, and why. */
export interface FailedOutcome<R> extends OutcomeTimes<R> {
  readonly ok: false;
  readonly error: unknown;
}

/** What became of a request; every request yields exactly one. */
export type CallOutcome<R, V> = SuccessfulOutcome<R, V> | FailedOutcome<R>;
