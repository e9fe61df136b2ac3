import type { SchedulerLike } from 'rxjs';
import type { RequestTokens } from './request-tokens';

/** What a limit can count. */
export type LimitedResource = 'requests' | 'tokens' | 'input-tokens' | 'output-tokens';

/** Whose header names and formats a simulated provider answers in. */
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
  /** What it counts: calls, all tokens, those of the prompt, or those of the answer. */
  readonly of: LimitedResource;
  /** Requests or tokens per window. */
  readonly limit: number;
  /** Milliseconds. Default 60,000. */
  readonly window?: number | undefined;
  /**
   * A `bucket` refills continuously at `limit / window`; a `fixed-window` is full again at every multiple of
   * `window` since the provider was made. Default `bucket`.
   */
  readonly kind?: 'bucket' | 'fixed-window' | undefined;
  /** The most requests or tokens that a bucket holds, with which it starts. Default: `limit`. */
  readonly depth?: number | undefined;
  /** Enforced but never stated in headers. Default false. */
  readonly hidden?: boolean | undefined;
  /**
   * From `at` on (milliseconds since the provider was made) the limit is another. The depth of a bucket changes in
   * proportion unless `depth` says otherwise; its level stays as far as the new depth holds it. A fixed window keeps
   * what was used of it.
   */
  readonly changes?:
    | readonly { readonly at: number; readonly limit: number; readonly depth?: number | undefined }[]
    | undefined;
}

/** A time in which calls fail. Times are milliseconds since the provider was made. */
export interface SimulatedOutage {
  /** The first moment of it. */
  readonly from: number;
  /** The first moment after it. */
  readonly until: number;
  /** The chance that an admitted call fails, from 0 to 1. */
  readonly failureRate: number;
  /** The HTTP status of calls that fail, 500 or above. Default 503. */
  readonly status?: number | undefined;
  /** Milliseconds that calls which fail are told to wait. Default: they are told nothing. */
  readonly retryAfter?: number | undefined;
}

/** Somebody else on the same account. Times are milliseconds since the provider was made. */
export interface SimulatedNeighbour {
  /** How often it comes: that many requests a minute. */
  readonly requestsPerMinute: number;
  /** Tokens of each of its requests, all of the prompt. Default 0. */
  readonly tokensPerRequest?: number | undefined;
  /** When it begins; it first comes one interval later. Default 0. */
  readonly from?: number | undefined;
  /** When it leaves. Default `Infinity`. */
  readonly until?: number | undefined;
  /** Evenly spaced, or by chance at the same mean rate. Default `even`. */
  readonly arrivals?: 'even' | 'poisson' | undefined;
}

/** How long answers take, in milliseconds; every answer comes at a whole millisecond. */
export interface LatencyConfig {
  /** Milliseconds of every answer. Default 300. */
  readonly base?: number | undefined;
  /** Milliseconds more for each token of the answer. Default 5. */
  readonly perOutputToken?: number | undefined;
  /** Milliseconds until a refused or failed call hears of it. Default 100. */
  readonly refusal?: number | undefined;
  /**
   * The calls that a local model serves at full speed. A call that starts as the n-th of the admitted calls that run
   * at that moment takes `n / knee` times as long, if n is above the knee. What starts later stretches nothing that
   * runs already, and refusals and failures are never stretched. Default `Infinity`.
   */
  readonly knee?: number | undefined;
}

/** How answers are streamed. */
export interface StreamingConfig {
  /** Milliseconds from the call to its first token. Default: `latency.base`. */
  readonly timeToFirstToken?: number | undefined;
  /** Tokens a second after that; `Infinity` for all at once. Default: one each `latency.perOutputToken` milliseconds. */
  readonly tokensPerSecond?: number | undefined;
  /** The chance, from 0 to 1, that the connection breaks off after the first token and before the last. Default 0. */
  readonly deathRate?: number | undefined;
}

/** What a provider knows when it decides whether to refuse a call. */
export interface SimulatedSituation {
  /** Milliseconds since the provider was made. */
  readonly at: number;
  /** Admitted calls that run at that moment. */
  readonly running: number;
}

/** How a simulated provider behaves; without any of it, it admits everything. */
export interface SimulatedProviderConfig<R = unknown> {
  /** Its limits; a call must find room in all of them. Default: none. */
  readonly limits?: readonly SimulatedLimit[] | undefined;
  /**
   * Whose header names and formats it answers in; `none` sends none but a hint of when to come back. A limit that
   * the format has no name for (OpenAI's names know only requests and tokens, Mistral's only minutes) is enforced
   * and not stated; of several limits with one name the one with the least left is stated. Default `openai`.
   */
  readonly headers?: SimulatedHeaders | undefined;
  /**
   * How a refusal (429) says when to come back: in `retry-after` (whole seconds, rounded up), in `retry-after-ms`, in
   * the body as Gemini's `RetryInfo`, in the message as OpenAI does (`Limit 3, Used 3, Requested 1. Please try again
   * in 20s.`), or not at all. Default `seconds`.
   */
  readonly retryAfter?: SimulatedRetryAfter | undefined;
  /**
   * Whether a refused call takes a request from every limit of requests, down to 0 and never below; it takes no
   * tokens. Default true.
   */
  readonly refusedCallsCount?: boolean | undefined;
  /**
   * Refuses a call for a reason other than the limits: shed load, too many calls at once, a model that is not in one's
   * plan. It is asked before the limits, and what it refuses takes nothing from them: the headers of such a 429 state
   * them as they are. With `retryAfter` (milliseconds) the refusal says when to come back, in the form that the config
   * names. Default: no call is refused but by the limits.
   *
   * @example
   * // At most ten calls at once, and a fifth of the rest is shed.
   * refuse: (request, { running }) => running >= 10 || (Math.random() < 0.2 && { retryAfter: 1000 }),
   */
  readonly refuse?:
    ((request: R, situation: SimulatedSituation) => boolean | { readonly retryAfter: number }) | undefined;
  /**
   * The tokens of a request. Default: a token of input for every 4 characters of its strings, and `max_tokens` of
   * output, or 100 without one.
   */
  readonly tokensOf?: ((request: R) => RequestTokens) | undefined;
  /** How long answers take. */
  readonly latency?: LatencyConfig | undefined;
  /** How answers are streamed. */
  readonly streaming?: StreamingConfig | undefined;
  /** Times in which calls fail. Default: none. */
  readonly outages?: readonly SimulatedOutage[] | undefined;
  /**
   * Others on the same account: each takes what it wants when it is there, and drops what is refused to it (which
   * costs nothing). Default: none.
   */
  readonly neighbours?: readonly SimulatedNeighbour[] | undefined;
  /** The seed of all chance, a whole number: with the same seed everything happens again. Default 1. */
  readonly seed?: number | undefined;
  /** The scheduler whose time it lives by. Default `asyncScheduler`, which is virtual in `TestScheduler.run`. */
  readonly scheduler?: SchedulerLike | undefined;
}
