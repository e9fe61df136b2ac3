import { goDuration, roundedUp } from './header-writers';
import type { SimulatedRetryAfter } from './provider-config';
import { SimulatedProviderError } from './simulated-error';
import type { CallCost, SimulatedLimit } from './simulated-limit';

const second = 1000;
const minute = 60_000;
const day = 86_400_000;

/** The names of limits in OpenAI's messages and Gemini's quotas. */
const periods: Readonly<Record<number, readonly [words: string, letter: string, quota: string]>> = {
  [second]: ['per sec', 'S', 'PerSecond'],
  [minute]: ['per min', 'M', 'PerMinute'],
  [day]: ['per day', 'D', 'PerDay'],
};

/** `requests per min (RPM)`. */
function nameOf({ of, window }: SimulatedLimit): string {
  const [words, letter] = periods[window] ?? [`per ${goDuration(window)}`, undefined];
  const resource = of.replace('-', ' ');
  const initials = resource.replace(/(\w)\w* ?/g, '$1').toUpperCase();
  return letter === undefined ? `${resource} ${words}` : `${resource} ${words} (${initials}P${letter})`;
}

/** The 429 for a `limit` without room for `cost`, with the `wait` in milliseconds until it has. */
export function refusal(
  limit: SimulatedLimit,
  cost: CallCost,
  wait: number,
  form: SimulatedRetryAfter,
  headers: Record<string, string>,
): SimulatedProviderError {
  const type = limit.of === 'requests' ? 'requests' : 'tokens';
  let message = 'Rate limit reached';
  if (!limit.hidden) {
    message += ` on ${nameOf(limit)}`;
    if (form === 'message') {
      const used = limit.limit - Math.floor(limit.level + 1e-6);
      message += `: Limit ${limit.limit}, Used ${used}, Requested ${cost[limit.of]}`;
    }
  }
  message += '.';
  if (form === 'message') {
    message += ` Please try again in ${goDuration(wait)}.`;
  }
  const code = 'rate_limit_exceeded';
  const error =
    form === 'body'
      ? {
          code: 429,
          message,
          status: 'RESOURCE_EXHAUSTED',
          details: [...violationOf(limit), retryInfo(wait)],
        }
      : { message, type, param: null, code };
  return new SimulatedProviderError({
    status: 429,
    headers: { ...headers, ...hintHeaders(form, wait) },
    message,
    code,
    type,
    error,
  });
}

/** The 429 for another reason than a limit. */
export function refusalOutsideLimits(
  wait: number | undefined,
  form: SimulatedRetryAfter,
  headers: Record<string, string>,
): SimulatedProviderError {
  const again = form === 'message' && wait !== undefined ? ` Please try again in ${goDuration(wait)}.` : '';
  const message = `The request was refused.${again}`;
  const isInBody = form === 'body' && wait !== undefined;
  return new SimulatedProviderError({
    status: 429,
    headers: { ...headers, ...(wait !== undefined && hintHeaders(form, wait)) },
    message,
    error: isInBody
      ? { code: 429, message, status: 'RESOURCE_EXHAUSTED', details: [retryInfo(wait)] }
      : { message, type: null, param: null, code: null },
  });
}

/** The answer during an outage. The hint is in a header, or in the body if refusals have it there. */
export function failure(
  status: number,
  retryAfter: number | undefined,
  form: SimulatedRetryAfter,
  headers: Record<string, string>,
): SimulatedProviderError {
  const message = 'The engine is currently overloaded, please try again later.';
  const isInBody = form === 'body' && retryAfter !== undefined;
  const hintForm = form === 'milliseconds' || form === 'body' ? form : 'seconds';
  return new SimulatedProviderError({
    status,
    headers: { ...headers, ...(retryAfter !== undefined && hintHeaders(hintForm, retryAfter)) },
    message,
    type: 'server_error',
    error: isInBody
      ? { code: status, message, status: 'UNAVAILABLE', details: [retryInfo(retryAfter)] }
      : { message, type: 'server_error', param: null, code: null },
  });
}

function hintHeaders(form: SimulatedRetryAfter, wait: number): Record<string, string> {
  switch (form) {
    case 'seconds':
      return { 'retry-after': String(roundedUp(wait / 1000)) };
    case 'milliseconds':
      return { 'retry-after-ms': String(roundedUp(wait)) };
    default:
      return {};
  }
}

function retryInfo(wait: number): object {
  return { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${roundedUp(wait) / 1000}s` };
}

function violationOf({ of, window, hidden }: SimulatedLimit): object[] {
  const [, , period] = periods[window] ?? [];
  if (hidden || period === undefined) {
    return [];
  }
  const resource = of === 'requests' ? 'Requests' : 'InputTokens';
  const quotaId = `Generate${resource}${period}PerProjectPerModel`;
  return [{ '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [{ quotaId }] }];
}
