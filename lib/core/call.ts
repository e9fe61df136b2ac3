/** The headers of a response: a `Headers` object, or a plain record with names in any case. */
export type HeadersLike =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * What one attempt used, as the provider counts it. `inputTokens` and `outputTokens` are totals; the other counts say
 * how many of these tokens are billed differently.
 */
export interface TokenUsage {
  /**
   * All tokens of the prompt, including those read from or written to the provider's prompt cache. Anthropic's
   * `input_tokens` leaves these two out, so add them.
   */
  readonly inputTokens?: number | undefined;
  /** All tokens of the answer, including reasoning. Gemini's `candidatesTokenCount` leaves reasoning out, so add it. */
  readonly outputTokens?: number | undefined;
  /** How many of `inputTokens` were read from the provider's prompt cache. */
  readonly cachedInputTokens?: number | undefined;
  /** How many of `inputTokens` were written to the provider's prompt cache. */
  readonly cacheWriteTokens?: number | undefined;
  /** How many of `outputTokens` were reasoning that the answer does not show. */
  readonly reasoningTokens?: number | undefined;
  /** The model that answered; its price is looked up by this name. */
  readonly model?: string | undefined;
}

/** What a call tells rxllm about the provider's answer. */
export interface ProviderFeedback {
  /** The response's headers. Rate-limit headers set the limiter's budgets. */
  readonly headers?: HeadersLike | undefined;
  /** What the attempt has used so far. It settles token budgets and feeds the statistics. */
  readonly usage?: TokenUsage | undefined;
}

/** What a call receives besides its request. */
export interface CallContext {
  /**
   * Aborted with `AbortError` when no subscriber or caller waits for the answer any more, and with `TimeoutError` when
   * the attempt timed out; never aborted after success. Made on first access: destructure it only if you pass it on.
   */
  readonly signal: AbortSignal;
  /** The number of the request, as in its events; absent if no operator made the call. */
  readonly id?: number;
  /** 1 for the first attempt, 2 for its first retry. */
  readonly attempt: number;
  /**
   * Passes on headers and usage; may be called more than once while the attempt runs. Of each field of `usage` the
   * largest reported value counts. So report usage as the provider does: once, in parts (first the prompt, at the end
   * the answer), or as a running total. Do not report increments. `report({})` restarts `chunkTimeout`: call it when
   * the provider sends a ping.
   *
   * @example
   * report({ headers: response.headers, usage: { inputTokens: 1000, model: 'gpt-4o-mini' } });
   * report({ usage: { outputTokens: 50 } }); // 1050 tokens in all
   */
  readonly report: (feedback: ProviderFeedback) => void;
}

/**
 * Where a value came from: this request's own call, the cache, a call that another request had started, or an expired
 * answer of the cache (`staleWhileRevalidate`, `staleIfError`).
 */
export type OutcomeSource = 'call' | 'cache' | 'shared' | 'stale';

interface OutcomeTimes<R> {
  readonly request: R;
  /** Milliseconds that the last attempt took; 0 for cache hits and for requests that never started. */
  readonly latency: number;
  /** Milliseconds between the request's arrival and the start of its last attempt (or its end, if none started). */
  readonly waited: number;
  /** Calls started for this request; 0 for cache hits and for requests that never started. */
  readonly attempts: number;
}

/** A request that was answered. */
export interface SuccessfulOutcome<R, V> extends OutcomeTimes<R> {
  readonly ok: true;
  readonly value: V;
  readonly source: OutcomeSource;
}

/** A request that failed, and its error. */
export interface FailedOutcome<R, V = unknown> extends OutcomeTimes<R> {
  readonly ok: false;
  readonly error: unknown;
  /** The result of `collect` for the chunks that came before a stream call failed; absent if none came. */
  readonly partial?: V;
}

/** The result of a request. Every request yields exactly one. */
export type CallOutcome<R, V> = SuccessfulOutcome<R, V> | FailedOutcome<R, V>;
