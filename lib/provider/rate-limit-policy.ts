import { secondsOf } from './durations';
import { countOf, type HeaderReader } from './header-reader';
import { resetWithin } from './limit-window';
import type { StatedLimit } from './stated-limit';

interface Item {
  readonly head: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads the `RateLimit` headers of the IETF's drafts (`draft-ietf-httpapi-ratelimit-headers`), old and new, where a
 * policy says for how long the limit holds and that it counts requests:
 * `RateLimit-Policy: 100;w=60` with `RateLimit-Limit: 100`, `RateLimit-Remaining: 50`, `RateLimit-Reset: 30`, or
 * `RateLimit-Policy: "burst";q=100;w=60` with `RateLimit: "burst";r=50;t=30`.
 */
export function statedPolicyOf(read: HeaderReader): StatedLimit[] {
  const limitItems = itemsOf(read('ratelimit-limit'));
  const policies = itemsOf(read('ratelimit-policy'));
  const limit = limitItems[0]?.head;
  if (limit !== undefined) {
    const candidates = (policies.length > 0 ? policies : limitItems.slice(1)).filter(
      ({ head }) => head === limit,
    );
    const stated =
      candidates.length === 1
        ? policyLimit('policy', candidates[0]!, limit, read('ratelimit-remaining'), read('ratelimit-reset'))
        : undefined;
    return stated ? [stated] : [];
  }
  return itemsOf(read('ratelimit')).flatMap(({ head, parameters }) => {
    const candidates = policies.filter((policy) => policy.head === head);
    const quota = candidates[0]?.parameters.get('q');
    const name = /^"([\w .-]{1,64})"$/.exec(head)?.[1];
    if (candidates.length !== 1 || quota === undefined || name === undefined) {
      return [];
    }
    const [remaining, reset] = [parameters.get('r'), parameters.get('t')];
    return policyLimit(`policy-${name}`, candidates[0]!, quota, remaining, reset) ?? [];
  });
}

function policyLimit(
  name: string,
  { parameters }: Item,
  limitText: string,
  remainingText: string | undefined,
  resetText: string | undefined,
): StatedLimit | undefined {
  const limit = countOf(limitText);
  const window = secondsOf(parameters.get('w'));
  const remaining = countOf(remainingText);
  const isOfRequests = (parameters.get('qu') ?? '"requests"') === '"requests"';
  if (!limit || !window || !isOfRequests || (remaining ?? 0) > limit) {
    return undefined;
  }
  const seconds = secondsOf(resetText);
  const reset =
    seconds === undefined
      ? undefined
      : resetWithin(window, {
          limit,
          remaining,
          reset: { milliseconds: seconds, precision: 1000, form: 'count' },
        });
  return { name, dimension: 'requests', limit, remaining, reset, window };
}

function itemsOf(text: string | undefined): Item[] {
  if (text === undefined) {
    return [];
  }
  return text.split(',').map((item) => {
    const [head, ...parameters] = item.split(';').map((part) => part.trim());
    return {
      head: head!,
      parameters: new Map(
        parameters.map((parameter) => {
          const at = parameter.indexOf('=');
          return [parameter.slice(0, Math.max(0, at)), parameter.slice(at + 1)];
        }),
      ),
    };
  });
}
