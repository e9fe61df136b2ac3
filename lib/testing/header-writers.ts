import type { LimitedResource, SimulatedHeaders } from './provider-config';
import type { CallCost, SimulatedLimit } from './simulated-limit';

type HeaderWriter = (
  limits: readonly SimulatedLimit[],
  cost: CallCost,
  now: number,
) => Record<string, string>;

const minute = 60_000;

/** Rounds up, so that no caller comes back too early, but ignores the rounding error of floating-point sums. */
export function roundedUp(figure: number): number {
  return Math.max(0, Math.ceil(figure - 1e-6));
}

/** A duration as Go prints it, in whole milliseconds: `20ms`, `8.64s`, `6m0s`, `1h0m0s`. */
export function goDuration(milliseconds: number): string {
  const whole = roundedUp(milliseconds);
  if (whole === 0) {
    return '0s';
  }
  if (whole < 1000) {
    return `${whole}ms`;
  }
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor((whole % 3_600_000) / minute);
  const seconds = `${(whole % minute) / 1000}s`;
  if (hours > 0) {
    return `${hours}h${minutes}m${seconds}`;
  }
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** RFC 3339 in whole seconds. */
function timestamp(milliseconds: number): string {
  return new Date(roundedUp(milliseconds / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

function writeOpenAI(limits: readonly SimulatedLimit[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { of, limit, remaining, untilFull } of tightest(limits, ['requests', 'tokens'])) {
    headers[`x-ratelimit-limit-${of}`] = String(limit);
    headers[`x-ratelimit-remaining-${of}`] = String(remaining);
    headers[`x-ratelimit-reset-${of}`] = goDuration(untilFull);
  }
  return headers;
}

function writeAzure(limits: readonly SimulatedLimit[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { of, limit, remaining, untilFull, window } of tightest(limits, ['requests', 'tokens'])) {
    headers[`x-ratelimit-limit-${of}`] = String(limit);
    headers[`x-ratelimit-remaining-${of}`] = String(remaining);
    headers[`x-ratelimit-reset-${of}`] = String(roundedUp(untilFull / 1000));
    headers[`x-ratelimit-renewalperiod-${of}`] = String(roundedUp(window / 1000));
  }
  return headers;
}

function writeAnthropic(
  limits: readonly SimulatedLimit[],
  _cost: CallCost,
  now: number,
): Record<string, string> {
  const headers: Record<string, string> = { date: new Date(now).toUTCString() };
  const named = tightest(limits, ['requests', 'tokens', 'input-tokens', 'output-tokens']);
  for (const { of, limit, remaining, untilFull } of named) {
    headers[`anthropic-ratelimit-${of}-limit`] = String(limit);
    headers[`anthropic-ratelimit-${of}-remaining`] = String(remaining);
    headers[`anthropic-ratelimit-${of}-reset`] = timestamp(now + untilFull);
  }
  return headers;
}

function writeMistral(limits: readonly SimulatedLimit[], cost: CallCost): Record<string, string> {
  const headers: Record<string, string> = {};
  const perMinute = limits.filter(({ window }) => window === minute);
  for (const { of, limit, remaining } of tightest(perMinute, ['requests', 'tokens'])) {
    const name = of === 'requests' ? 'req-minute' : 'tokens-minute';
    headers[`x-ratelimit-limit-${name}`] = String(limit);
    headers[`x-ratelimit-remaining-${name}`] = String(remaining);
    if (of === 'tokens') {
      headers['x-ratelimit-tokens-query-cost'] = String(cost.tokens);
    }
  }
  return headers;
}

/** Of several limits with one name, the one with the least left, because only one can be stated. */
function tightest(
  limits: readonly SimulatedLimit[],
  named: readonly LimitedResource[],
): readonly SimulatedLimit[] {
  const found = new Map<LimitedResource, SimulatedLimit>();
  for (const limit of limits) {
    const other = found.get(limit.of);
    if (named.includes(limit.of) && !(other && other.level <= limit.level)) {
      found.set(limit.of, limit);
    }
  }
  return [...found.values()];
}

/** How each provider states its limits. A limit without a header is enforced but not stated. */
export const headerWriters: Readonly<Record<SimulatedHeaders, HeaderWriter>> = {
  openai: writeOpenAI,
  groq: writeOpenAI,
  azure: writeAzure,
  anthropic: writeAnthropic,
  mistral: writeMistral,
  none: () => ({}),
};
