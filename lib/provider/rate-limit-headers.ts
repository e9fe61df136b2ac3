import type { HeadersLike } from '../core/call';

/** One limit as a provider states it in its headers. */
export interface StatedLimit {
  /** Requests or tokens per window. */
  readonly limit: number;
  /** What can be spent now, where the provider says so. */
  readonly remaining: number | undefined;
  /** Milliseconds until all of it is there again, where the provider says so. */
  readonly reset: number | undefined;
  /** Length of the window in milliseconds: a minute, or a day where the figures only fit a day. */
  readonly window: number;
}

/** What a response's headers say about rate limits; what is not understood is left out. */
export interface StatedLimits {
  readonly requests?: StatedLimit;
  readonly tokens?: StatedLimit;
}

const minute = 60_000;
const day = 86_400_000;

/** Reads one header, whatever the headers come as; undefined where it is absent or empty. */
export function headerOf(headers: HeadersLike, name: string): string | undefined {
  if (typeof headers.get === 'function') {
    return headers.get(name) || undefined;
  }
  const record = headers as Readonly<Record<string, string | readonly string[] | undefined>>;
  const own = Object.hasOwn(record, name)
    ? name
    : Object.keys(record).find((key) => key.toLowerCase() === name);
  const value = own === undefined ? undefined : record[own];
  return (typeof value === 'string' ? value : value?.[0]) || undefined;
}

/** A whole number of at least 0; the sentinel -1 and all else are unknown. */
function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
}

const goUnits: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/**
 * Milliseconds of a duration as providers write it: bare seconds (`56`, `0.5`), or Go's and protobuf's durations
 * (`6m0s`, `8.64s`, `20ms`, `34.4s`). Undefined for what is neither.
 */
export function durationOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{1,12}(\.\d+)?$/.test(trimmed)) {
    return Number(trimmed) * 1000;
  }
  if (!/^(\d{1,12}(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(trimmed)) {
    return undefined;
  }
  let total = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) {
    total += Number(amount) * goUnits[unit!]!;
  }
  return total;
}

/**
 * Milliseconds that a refused caller is asked to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP
 * date (counted from the `date` header, so that the caller's clock does not matter).
 */
export function retryAfterOf(headers: HeadersLike): number | undefined {
  const exact = headerOf(headers, 'retry-after-ms');
  if (exact !== undefined && /^\d{1,12}(\.\d+)?$/.test(exact.trim())) {
    return Number(exact);
  }
  const text = headerOf(headers, 'retry-after');
  const duration = durationOf(text);
  if (duration !== undefined || text === undefined) {
    return duration;
  }
  const until = /[a-z]{3},? \d/i.test(text) ? Date.parse(text) : NaN;
  const from = Date.parse(headerOf(headers, 'date') ?? '');
  return until >= from ? until - from : undefined;
}

/** The names under which providers state a limit: OpenAI's (Azure, Groq and others share them), then Anthropic's. */
const families: readonly ((dimension: string, figure: string) => string)[] = [
  (dimension, figure) => `x-ratelimit-${figure}-${dimension}`,
  (dimension, figure) => `anthropic-ratelimit-${dimension}-${figure}`,
];

/** Reads the rate-limit headers of a response. */
export function statedLimitsOf(headers: HeadersLike): StatedLimits {
  const requests = limitOf(headers, 'requests');
  const tokens = limitOf(headers, 'tokens');
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

function limitOf(headers: HeadersLike, dimension: string): StatedLimit | undefined {
  for (const nameOf of families) {
    const limit = countOf(headerOf(headers, nameOf(dimension, 'limit')));
    if (limit !== undefined && limit > 0) {
      const stated = countOf(headerOf(headers, nameOf(dimension, 'remaining')));
      const remaining = stated === undefined ? undefined : Math.min(stated, limit);
      const reset = durationOf(headerOf(headers, nameOf(dimension, 'reset')));
      return { limit, remaining, reset, window: windowOf(limit, remaining, reset) };
    }
  }
  return undefined;
}

/**
 * A bucket that refills continuously resets in (limit - remaining) / rate, so the figures tell the window: Groq's
 * `-requests` headers are per day although they are named like OpenAI's per minute.
 */
function windowOf(limit: number, remaining: number | undefined, reset: number | undefined): number {
  if (remaining === undefined || reset === undefined || remaining >= limit) {
    return minute;
  }
  return (reset * limit) / (limit - remaining) > day / 2 ? day : minute;
}
