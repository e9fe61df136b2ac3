import type { SchedulerLike } from 'rxjs';
import type { RequestTokens } from './request-tokens';

/** A resource that a limit counts. */
export type LimitedResource = 'requests' | 'tokens' | 'input-tokens' | 'output-tokens';

/** The provider whose header names and formats a simulated provider uses. */
export type SimulatedHeaders = 'openai' | 'anthropic' | 'azure' | 'groq' | 'mistral' | 'none';

/** How a refusal says when to come back. */
export type SimulatedRetryAfter = 'seconds' | 'milliseconds' | 'body' | 'message' | 'none';

/**
 * One limit of a simulated provider.
 *
 * @example
 * const limits: SimulatedLimit[] = [
 *   { of: 'requests', limit: 600 },
 *   { of: 'requests', limit: 10, window: 1000, hidden: true },
 *   { of: 'tokens', limit: 200_000, changes: [{ at: 120_000, limit: 40_000 }] },
 * ];
 */
export interface SimulatedLimit {
  /** What the limit counts: calls, all tokens, tokens of prompts, or tokens of answers. */
  readonly of: LimitedResource;
  /** Requests or tokens per window. */
  readonly limit: number;
  /** Length of the window in milliseconds. @defaultValue 60,000 */
  readonly window?: number | undefined;
  /**
   * A `bucket` refills continuously at `limit / window`. A `fixed-window` is full again at every multiple of `window`
   * since the provider was made.
   * @defaultValue `bucket`
   */
  readonly kind?: 'bucket' | 'fixed-window' | undefined;
  /** The most requests or tokens that a bucket holds. It starts full. @defaultValue `limit` */
  readonly depth?: number | undefined;
  /** Whether the limit is enforced but never stated in headers. @defaultValue false */
  readonly hidden?: boolean | undefined;
  /**
   * Changes of the limit at times `at` (milliseconds since the provider was made). The depth of a bucket changes in
   * proportion unless `depth` is given; its level stays, up to the new depth. A fixed window keeps what was used.
   * @defaultValue none
   */
  readonly changes?:
    | readonly { readonly at: number; readonly limit: number; readonly depth?: number | undefined }[]
    | undefined;
}

/** A time in which calls fail, in milliseconds since the provider was made. */
export interface SimulatedOutage {
  /** The first moment of the outage. */
  readonly from: number;
  /** The first moment after the outage. */
  readonly until: number;
  /** The chance, from 0 to 1, that an admitted call fails. */
  readonly failureRate: number;
  /** The HTTP status of failed calls, 500 or above. @defaultValue 503 */
  readonly status?: number | undefined;
  /** Milliseconds that failed calls are told to wait. @defaultValue none */
  readonly retryAfter?: number | undefined;
}

/** Another client of the same account. Times are milliseconds since the provider was made. */
export interface SimulatedNeighbour {
  /** Its requests per minute. */
  readonly requestsPerMinute: number;
  /** Tokens of each of its requests, all of the prompt. @defaultValue 0 */
  readonly tokensPerRequest?: number | undefined;
  /** When it begins; its first request comes one interval later. @defaultValue 0 */
  readonly from?: number | undefined;
  /** When it stops. @defaultValue `Infinity` */
  readonly until?: number | undefined;
  /** Whether its requests are evenly spaced or random with the same mean rate. @defaultValue `even` */
  readonly arrivals?: 'even' | 'poisson' | undefined;
}

/** The latency of answers in milliseconds. Every answer comes at a whole millisecond. */
export interface LatencyConfig {
  /** Milliseconds for every answer. @defaultValue 300 */
  readonly base?: number | undefined;
  /** Further milliseconds for each token of the answer. @defaultValue 5 */
  readonly perOutputToken?: number | undefined;
  /** Milliseconds until a call is refused or fails. @defaultValue 100 */
  readonly refusal?: number | undefined;
  /**
   * The number of calls that a local model serves at full speed. The n-th running call takes `n / knee` times as long
   * if n is above the knee. It does not slow earlier calls, refusals or failures.
   * @defaultValue `Infinity`
   */
  readonly knee?: number | undefined;
}

/** The timing of streamed answers. */
export interface StreamingConfig {
  /** Milliseconds from the call to its first token. @defaultValue `latency.base` */
  readonly timeToFirstToken?: number | undefined;
  /**
   * Tokens per second after the first; `Infinity` for all at once.
   * @defaultValue one token each `latency.perOutputToken` milliseconds
   */
  readonly tokensPerSecond?: number | undefined;
  /** The chance, from 0 to 1, that the connection breaks after the first token and before the last. @defaultValue 0 */
  readonly deathRate?: number | undefined;
}

/** The state of the provider when it decides whether to refuse a call. */
export interface SimulatedSituation {
  /** Milliseconds since the provider was made. */
  readonly at: number;
  /** Admitted calls that run now. */
  readonly running: number;
}

/** The config of a {@link SimulatedProvider}. Without any field, the provider admits every call. */
export interface SimulatedProviderConfig<R = unknown> {
  /** Its limits. A call must have room in all of them. @defaultValue none */
  readonly limits?: readonly SimulatedLimit[] | undefined;
  /**
   * The header names and formats; `none` sends only hints of when to come back. A limit without a name in the format
   * (OpenAI's names know only requests and tokens, Mistral's only minutes) is enforced and not stated. Of several
   * limits with one name, the one with the least left is stated.
   * @defaultValue `openai`
   */
  readonly headers?: SimulatedHeaders | undefined;
  /**
   * How a refusal (429) says when to come back: in `retry-after` (whole seconds, rounded up), in `retry-after-ms`, in
   * the body like Gemini's `RetryInfo`, in the message like OpenAI (`Limit 3, Used 3, Requested 1. Please try again in
   * 20s.`), or not at all.
   * @defaultValue `seconds`
   */
  readonly retryAfter?: SimulatedRetryAfter | undefined;
  /**
   * Whether a refused call takes a request from every limit of requests, down to 0. It takes no tokens.
   * @defaultValue true
   */
  readonly refusedCallsCount?: boolean | undefined;
  /**
   * Refuses a call for another reason than the limits: shed load, too many calls at once, a model outside the plan. It
   * runs before the limits, and a refused call takes nothing from them. With `retryAfter` (milliseconds) the refusal
   * says when to come back, in the configured form.
   * @defaultValue none
   *
   * @example
   * // At most ten calls at once, and a fifth of the rest is shed.
   * refuse: (request, { running }) => running >= 10 || (Math.random() < 0.2 && { retryAfter: 1000 }),
   */
  readonly refuse?:
    ((request: R, situation: SimulatedSituation) => boolean | { readonly retryAfter: number }) | undefined;
  /**
   * Counts the tokens of a request.
   * @defaultValue a token of input for every 4 characters of its strings, and `max_tokens` of output, or 100 without
   * one
   */
  readonly tokensOf?: ((request: R) => RequestTokens) | undefined;
  /** The latency of answers. @defaultValue those of {@link LatencyConfig} */
  readonly latency?: LatencyConfig | undefined;
  /** The timing of streamed answers. @defaultValue that of {@link StreamingConfig} */
  readonly streaming?: StreamingConfig | undefined;
  /** Times in which calls fail. @defaultValue none */
  readonly outages?: readonly SimulatedOutage[] | undefined;
  /**
   * Other clients of the same account. Each takes from the limits what it is not refused; its refusals cost nothing.
   * @defaultValue none
   */
  readonly neighbours?: readonly SimulatedNeighbour[] | undefined;
  /** The seed of all chance, a whole number. The same seed gives the same run. @defaultValue 1 */
  readonly seed?: number | undefined;
  /** The scheduler whose time is used, virtual in `TestScheduler.run`. @defaultValue `asyncScheduler` */
  readonly scheduler?: SchedulerLike | undefined;
}
