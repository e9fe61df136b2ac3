/** What a response's headers may come as: a `Headers` object, or a plain record with names in any case. */
export type HeadersLike =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * What one attempt used up, as the provider counts it. Prompt and answer are given whole; the other fields say how many
 * of these tokens were of a kind that is billed differently.
 */
export interface TokenUsage {
  /**
   * All tokens of the prompt, those that came from the provider's prompt cache or went into it among them. Anthropic's
   * `input_tokens` leaves these two out, so add them.
   */
  readonly inputTokens?: number | undefined;
  /** All tokens of the answer, those of reasoning among them. Gemini's `candidatesTokenCount` leaves these out. */
  readonly outputTokens?: number | undefined;
  /** How many of `inputTokens` were read from the provider's prompt cache. */
  readonly cachedInputTokens?: number | undefined;
  /** How many of `inputTokens` were written to the provider's prompt cache. */
  readonly cacheWriteTokens?: number | undefined;
  /** How many of `outputTokens` were reasoning that the answer does not show. */
  readonly reasoningTokens?: number | undefined;
  /** The model that answered; the price table is looked up by it. */
  readonly model?: string | undefined;
}

/** What a call tells rxllm about the provider's answer. */
export interface ProviderFeedback {
  /** The response's headers: rate-limit headers among them set the limiter's budgets. */
  readonly headers?: HeadersLike | undefined;
  /** What the attempt used up so far: settles token budgets and feeds the statistics. */
  readonly usage?: TokenUsage | undefined;
}

/** What a call is given besides its request. */
export interface CallContext {
  /**
   * Aborted with `AbortError` when nobody waits for the answer any more, with `TimeoutError` when the attempt
   * timed out, and never by success. Made when it is first read: destructure it only if you pass it on.
   */
  readonly signal: AbortSignal;
  /** The number of the request, as in its events; absent if the call is not made by an operator. */
  readonly id?: number;
  /** 1 for the first attempt, 2 for its first retry. */
  readonly attempt: number;
  /**
   * Passes on headers and usage; may be called more than once while the attempt runs. The usage of an attempt is, field
   * by field, the largest that it has reported. So report it as the provider does: once, in parts (the prompt at first,
   * the answer at the end), or again and again as a running total. Never report what came in addition.
   * `report({})` says nothing but that the provider is alive (a ping, a comment): `chunkTimeout` begins anew.
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
export interface FailedOutcome<R, V = unknown> extends OutcomeTimes<R> {
  readonly ok: false;
  readonly error: unknown;
  /** What `collect` makes of the chunks that had come before a stream call failed; absent if none had come. */
  readonly partial?: V;
}

/** What became of a request; every request yields exactly one. */
export type CallOutcome<R, V> = SuccessfulOutcome<R, V> | FailedOutcome<R, V>;
