import type { HeadersLike } from '../../lib/index';

/** One budget as the endpoint's headers state it. */
export interface StatedLimit {
  /** What comes back each minute. */
  readonly perMinute: number;
  /** What may be spent at once. */
  readonly depth: number;
}

/** What the endpoint's headers say about its limits; undefined where they say nothing. */
export interface StatedLimits {
  readonly requests?: StatedLimit;
  readonly tokens?: StatedLimit;
}

const minute = 60_000;

/** Reads OpenAI's `x-ratelimit-*` headers. */
export function readStatedLimits(headers: HeadersLike): StatedLimits {
  const requests = readLimit(headers, 'requests');
  const tokens = readLimit(headers, 'tokens');
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

/** The limits that both or either state; of two depths the greater, as each was read off rounded figures. */
export function mergeStatedLimits(one: StatedLimits, other: StatedLimits): StatedLimits {
  const merged = (kind: 'requests' | 'tokens'): StatedLimit | undefined => {
    const [first, second] = [one[kind], other[kind]];
    if (first === undefined || second === undefined) return second ?? first;
    return { perMinute: second.perMinute, depth: Math.max(first.depth, second.depth) };
  };
  const requests = merged('requests');
  const tokens = merged('tokens');
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

function readLimit(headers: HeadersLike, kind: 'requests' | 'tokens'): StatedLimit | undefined {
  const figure = (name: string): string | undefined => {
    const header = `x-ratelimit-${name}-${kind}`;
    if (typeof headers.get === 'function') return headers.get(header) ?? undefined;
    const value = (headers as Readonly<Record<string, string | readonly string[] | undefined>>)[header];
    return typeof value === 'string' ? value : value?.[0];
  };
  const limit = Number(figure('limit'));
  if (!(limit > 0)) return undefined;
  const remaining = Number(figure('remaining') ?? NaN);
  const reset = goDuration(figure('reset') ?? '');
  if (Number.isNaN(remaining) || reset === undefined) return { perMinute: limit, depth: limit };
  // What is missing comes back within `reset`, so the figures tell the window: some state a day's budget.
  const window = remaining < limit ? (reset * limit) / (limit - remaining) : minute;
  const perMinute = window > 10 * minute ? (limit * minute) / window : limit;
  return { perMinute, depth: Math.min(limit, remaining + (reset * perMinute) / minute) };
}

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: minute, s: 1_000, ms: 1 };

/** Milliseconds of a duration as Go prints it, such as `6m0s` or `20ms`. */
function goDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|h|m|s))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)) {
    total += Number(amount) * units[unit!]!;
  }
  return total;
}
