import type { HeadersLike } from '../core/call';
import {
  day,
  durationOf,
  epochOf,
  goDurationOf,
  hintOf,
  hour,
  httpDateOf,
  internetDateOf,
  millisecondsOf,
  minute,
  secondsOf,
  untilOf,
} from './durations';
import { countOf, headerReader, type HeaderReader } from './header-reader';
import { resetWithin, windowOf, windowSuffix, type StatedFigures, type StatedReset } from './limit-window';
import { spentPolicyUntil, statedPolicyOf } from './rate-limit-policy';
import { firstOfEachName, type LimitedDimension, type StatedLimit } from './stated-limit';

export type { LimitedDimension, StatedLimit } from './stated-limit';

interface KnownLimit {
  readonly name: string;
  readonly dimension: LimitedDimension;
  /** Milliseconds, if the name tells. */
  readonly window?: number;
  /** The remaining amount is rounded to a multiple of this. */
  readonly roundedTo?: number;
  readonly headers: { readonly limit: string; readonly remaining: string; readonly reset?: string };
  /** The header with the seconds of the enforced period. */
  readonly renewal?: string;
}

/** OpenAI's header names, which Azure, Groq, Cerebras, Mistral and others share or extend. */
function openAILimit(name: string, dimension: LimitedDimension, window?: number): KnownLimit {
  const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map(
    (figure) => `x-ratelimit-${figure}-${name}`,
  ) as [string, string, string];
  return {
    name,
    dimension,
    ...(window === undefined ? { renewal: `x-ratelimit-renewalperiod-${name}` } : { window }),
    headers: { limit, remaining, reset },
  };
}

function anthropicLimit(dimension: LimitedDimension): KnownLimit {
  const prefix = `anthropic-ratelimit-${dimension}`;
  return {
    name: dimension,
    dimension,
    ...(dimension !== 'requests' && { roundedTo: 1000 }),
    headers: { limit: `${prefix}-limit`, remaining: `${prefix}-remaining`, reset: `${prefix}-reset` },
  };
}

/**
 * The headers that state limits. Left out on purpose: Mistral's monthly budgets (months differ in length), Anthropic's
 * `priority`, `fast` and `unified` figures (they bound only some calls, or have no limit), and bare
 * `x-ratelimit-limit`, which OpenRouter and many gateways send without a period.
 */
const knownLimits: readonly KnownLimit[] = [
  openAILimit('requests', 'requests'),
  openAILimit('tokens', 'tokens'),
  openAILimit('project-tokens', 'tokens'),
  openAILimit('input-tokens', 'input-tokens'),
  openAILimit('output-tokens', 'output-tokens'),
  openAILimit('requests-minute', 'requests', minute),
  openAILimit('requests-hour', 'requests', hour),
  openAILimit('requests-day', 'requests', day),
  openAILimit('req-minute', 'requests', minute),
  openAILimit('tokens-minute', 'tokens', minute),
  openAILimit('tokens-hour', 'tokens', hour),
  openAILimit('tokens-day', 'tokens', day),
  anthropicLimit('requests'),
  anthropicLimit('input-tokens'),
  anthropicLimit('output-tokens'),
  anthropicLimit('tokens'),
  {
    name: 'tokens',
    dimension: 'tokens',
    window: minute,
    headers: {
      limit: 'ratelimitbysize-limit',
      remaining: 'ratelimitbysize-remaining',
      reset: 'ratelimitbysize-reset',
    },
  },
  {
    name: 'tokens-minute',
    dimension: 'tokens',
    window: minute,
    headers: {
      limit: 'x-ratelimitbysize-limit-minute',
      remaining: 'x-ratelimitbysize-remaining-minute',
    },
  },
];

/** Anthropic's header for whichever limit is the most restrictive now. */
const mostRestrictive = 'anthropic-ratelimit-tokens-limit';

/**
 * Reads the rate-limit headers of a response: those of OpenAI, Azure OpenAI, Anthropic, Groq, Mistral, Cerebras and
 * providers with the same names, and those of the IETF draft. Absent, unknown (-1), contradictory or malformed figures
 * are left out. It never throws.
 *
 * @param now milliseconds since the epoch by the caller's clock; only used for moments in a response without `date`
 */
export function statedLimitsOf(headers: HeadersLike, now?: number): readonly StatedLimit[] {
  const read = headerReader(headers);
  const from = readMomentOf(read, now);
  const limits: StatedLimit[] = [];
  for (const known of knownLimits) {
    const isShifting =
      known.headers.limit === mostRestrictive &&
      limits.some(({ dimension }) => dimension === 'input-tokens' || dimension === 'output-tokens');
    const stated = isShifting ? undefined : statedLimitOf(known, read, from);
    limits.push(...(stated ? [stated] : []));
  }
  return firstOfEachName([...limits, ...statedPolicyOf(read)]);
}

function statedLimitOf(
  known: KnownLimit,
  read: HeaderReader,
  from: () => number | undefined,
): StatedLimit | undefined {
  const limit = countOf(read(known.headers.limit));
  if (!limit) {
    return undefined;
  }
  const left = countOf(read(known.headers.remaining));
  // If more is left than the limit allows, one of the two is wrong, and it is unknown which.
  if (left !== undefined && left - limit > (known.roundedTo ?? 0) / 2) {
    return undefined;
  }
  const figures: StatedFigures = {
    limit,
    remaining: left === undefined ? undefined : Math.min(left, limit),
    reset: known.headers.reset === undefined ? undefined : resetOf(read(known.headers.reset), from),
  };
  const named = known.window ?? (known.renewal && renewalWindowOf(read(known.renewal)));
  const window = named || windowOf(figures);
  if (window === undefined) {
    return undefined;
  }
  return {
    name: known.window === undefined ? `${known.name}${windowSuffix(window)}` : known.name,
    dimension: known.dimension,
    limit,
    remaining: figures.remaining,
    reset: resetWithin(window, figures),
    window,
  };
}

/**
 * Azure states the period over which a limit is enforced, which is not the period that it is stated for. It has sent
 * 9,000 requests with a period of 10 seconds, next to 1,500,000 tokens a minute, for which it grants 9,000 requests a
 * minute.
 */
function renewalWindowOf(text: string | undefined): number | undefined {
  const period = secondsOf(text);
  if (period === undefined || period === 0) {
    return undefined;
  }
  return period <= minute ? minute : [hour, day].find((window) => window === period);
}

/**
 * Whether a refusal states a limit of 0, as Mistral does for models outside one's plan, so that no wait helps. Azure's
 * Responses API has sent zeros next to -1, which mean that it does not know.
 */
export function hasNoLimit(headers: HeadersLike): boolean {
  const read = headerReader(headers);
  const limits = knownLimits.map((known) => read(known.headers.limit));
  return limits.some((limit) => countOf(limit) === 0) && !limits.includes('-1');
}

/**
 * Milliseconds that a refusal asks to wait: `retry-after-ms` or `x-ms-retry-after-ms`, else `retry-after` in seconds or
 * as a moment (relative to the `date` header, so the caller's clock matters only without one). Zero is no hint: Azure
 * has sent `retry-after-ms: 0` with `retry-after: 1`. Undefined without a hint. It never throws.
 *
 * @param now milliseconds since the epoch by the caller's clock; only used for a moment in a response without `date`
 */
export function retryAfterOf(headers: HeadersLike, now?: number): number | undefined {
  const read = headerReader(headers);
  // If there are two values, take the first.
  const text = read('retry-after')?.replace(/^([\d.]+),.*$/, '$1');
  return (
    hintOf(millisecondsOf(read('retry-after-ms'))) ??
    hintOf(millisecondsOf(read('x-ms-retry-after-ms'))) ??
    hintOf(durationOf(text)) ??
    hintOf(untilOf(momentOf(text), readMomentOf(read, now)()))
  );
}

/** Milliseconds until a spent window ends, if a response states it only in the headers of gateways and IETF drafts. */
export function spentUntil(headers: HeadersLike, now?: number): number | undefined {
  const read = headerReader(headers);
  const from = readMomentOf(read, now);
  const resets = ['x-ratelimit', 'x-rate-limit']
    .filter((prefix) => countOf(read(`${prefix}-remaining`)) === 0)
    .flatMap((prefix) => resetOf(read(`${prefix}-reset`), from)?.milliseconds ?? []);
  return hintOf(resets[0] ?? spentPolicyUntil(read));
}

function resetOf(text: string | undefined, from: () => number | undefined): StatedReset | undefined {
  const seconds = secondsOf(text);
  if (seconds !== undefined) {
    return { milliseconds: seconds, precision: text!.includes('.') ? 1 : 1000, form: 'count' };
  }
  const duration = goDurationOf(text);
  if (duration !== undefined) {
    return { milliseconds: duration, precision: 1, form: 'duration' };
  }
  const until = untilOf(momentOf(text), from());
  return until === undefined ? undefined : { milliseconds: until, precision: 1000, form: 'moment' };
}

const momentOf = (text: string | undefined): number | undefined =>
  internetDateOf(text) ?? epochOf(text) ?? httpDateOf(text);

/** When the response was made. */
function readMomentOf(read: HeaderReader, now: number | undefined): () => number | undefined {
  return () => httpDateOf(read('date')) ?? (Number.isFinite(now) ? now : undefined);
}
