import { ApiError } from './api-error';
import { Bucket } from './bucket';
import { formatGoDuration, wholeMilliseconds } from './go-duration';
import type { ModelServerSettings } from './options';

/** What a call is counted against. */
export type LimitKind = 'requests' | 'tokens';

const limitNames: Record<LimitKind, string> = {
  requests: 'requests per min (RPM)',
  tokens: 'tokens per min (TPM)',
};

/**
 * The two budgets of the organization, requests and tokens, and the headers that tell about them.
 *
 * The headers stay true when the buckets are shallower than a minute: `limit` is always the budget of a minute, so
 * `limit / 60 s` is the rate at which budget comes back; `remaining` is what can be spent right now; `reset` is the
 * time until the bucket is full. So `remaining + reset × limit / 60 s` is the depth, and with a depth of one minute
 * that is the limit itself, as it is at OpenAI. Numbers are those of the moment of admission, just after the call
 * was paid, however long its answer takes.
 */
export class RateLimits {
  readonly #buckets: Partial<Record<LimitKind, Bucket>> = {};
  readonly #refusedCallsCount: boolean;

  /** @param now the time at which both budgets are full, in milliseconds */
  constructor(settings: ModelServerSettings, now: number) {
    const { requestsPerMinute, tokensPerMinute, burstSeconds } = settings;
    if (requestsPerMinute !== Infinity)
      this.#buckets.requests = new Bucket(requestsPerMinute, burstSeconds, now);
    if (tokensPerMinute !== Infinity) this.#buckets.tokens = new Bucket(tokensPerMinute, burstSeconds, now);
    this.#refusedCallsCount = settings.refusedCallsCount;
  }

  /**
   * Pays for a call from both budgets or from neither.
   * @throws ApiError 429 if a budget does not hold enough, naming the one with the longer wait
   */
  admit(model: string, tokens: number, now: number): void {
    const { requests, tokens: tokenBucket } = this.#buckets;
    if (tokenBucket !== undefined && tokens > tokenBucket.perMinute) {
      throw new ApiError(
        429,
        `Request too large for ${model} in organization org-demo on ${limitNames.tokens}: ` +
          `Limit ${tokenBucket.perMinute}, Requested ${tokens}. ` +
          'The input or output tokens must be reduced in order to run successfully.',
        'tokens',
        'rate_limit_exceeded',
      );
    }
    const requestWait = requests?.waitFor(1, now) ?? 0;
    const tokenWait = tokenBucket?.waitFor(tokens, now) ?? 0;
    if (requestWait > 0 || tokenWait > 0) {
      const refusal =
        tokenWait > requestWait
          ? this.#refusal('tokens', model, tokens, tokenWait, now)
          : this.#refusal('requests', model, 1, requestWait, now);
      if (this.#refusedCallsCount) requests?.drain(1, now);
      throw refusal;
    }
    requests?.take(1, now);
    tokenBucket?.take(tokens, now);
  }

  /** The `x-ratelimit-*` headers as of now; a budget without a limit has none. */
  headers(now: number): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const kind of ['requests', 'tokens'] as const) {
      const bucket = this.#buckets[kind];
      if (bucket === undefined) continue;
      headers[`x-ratelimit-limit-${kind}`] = String(bucket.perMinute);
      headers[`x-ratelimit-remaining-${kind}`] = String(bucket.remaining(now));
      headers[`x-ratelimit-reset-${kind}`] = formatGoDuration(bucket.untilFull(now));
    }
    return headers;
  }

  #refusal(kind: LimitKind, model: string, requested: number, wait: number, now: number): ApiError {
    const bucket = this.#buckets[kind]!;
    // What a shallow bucket can never hold counts as used: only so is (used + requested − limit) / rate the wait.
    const used = bucket.perMinute - bucket.remaining(now);
    const milliseconds = wholeMilliseconds(wait);
    return new ApiError(
      429,
      `Rate limit reached for ${model} in organization org-demo on ${limitNames[kind]}: ` +
        `Limit ${bucket.perMinute}, Used ${used}, Requested ${requested}. ` +
        `Please try again in ${formatGoDuration(milliseconds)}.`,
      kind,
      'rate_limit_exceeded',
      null,
      { 'retry-after': String(Math.ceil(milliseconds / 1_000)), 'retry-after-ms': String(milliseconds) },
    );
  }
}
