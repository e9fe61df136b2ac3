import { secondsOf } from './durations';
import { countOf, type HeaderReader } from './header-reader';
import { resetWithin } from './limit-window';
import type { StatedLimit } from './stated-limit';

interface Item {
  /** The names of the item; some servers write two. */
  readonly heads: readonly string[];
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads the `RateLimit` headers of the IETF's drafts (`draft-ietf-httpapi-ratelimit-headers`), which state the window
 * of a limit and what it counts:
 * - until draft 6 `RateLimit-Policy: 100;w=60` with `RateLimit-Limit: 100`, `RateLimit-Remaining: 50`,
 *   `RateLimit-Reset: 30`;
 * - draft 7 the same in one: `RateLimit: limit=100, remaining=50, reset=30`;
 * - from draft 8 on `RateLimit-Policy: "burst";q=100;w=60` with `RateLimit: "burst";r=50;t=30`.
 */
export function statedPolicyOf(read: HeaderReader): StatedLimit[] {
  const limitItems = itemsOf(read('ratelimit-limit'));
  const policies = itemsOf(read('ratelimit-policy'));
  const limit = limitItems[0]?.heads[0] ?? figureOf('limit', read);
  if (limit !== undefined) {
    const candidates = (policies.length > 0 ? policies : limitItems.slice(1)).filter(({ heads }) =>
      heads.includes(limit),
    );
    const [remaining, reset] = [figureOf('remaining', read), figureOf('reset', read)];
    const stated = candidates.map((candidate) => policyLimit('policy', candidate, limit, remaining, reset));
    return stated.length === 1 && stated[0] ? [stated[0]] : [];
  }
  return itemsOf(read('ratelimit')).flatMap(({ heads, parameters }) => {
    const candidates = policies.filter((policy) => policy.heads.some((head) => heads.includes(head)));
    const quota = candidates[0]?.parameters.get('q');
    const name = /^"([\w .,-]{1,64})"$/.exec(heads[0] ?? '')?.[1];
    if (candidates.length !== 1 || quota === undefined || name === undefined) {
      return [];
    }
    const [left, until] = [parameters.get('r'), parameters.get('t')];
    return policyLimit(`policy-${name}`, candidates[0]!, quota, left, until) ?? [];
  });
}

/** Milliseconds until the longest of the spent policies is renewed; undefined if none is spent. */
export function spentPolicyUntil(read: HeaderReader): number | undefined {
  const resets = itemsOf(read('ratelimit'))
    .filter(({ parameters }) => countOf(parameters.get('r')) === 0)
    .map(({ parameters }) => parameters.get('t'));
  if (countOf(figureOf('remaining', read)) === 0) {
    resets.push(figureOf('reset', read));
  }
  const waits = resets.flatMap((text) => secondsOf(text) ?? []);
  return waits.length > 0 ? Math.max(...waits) : undefined;
}

/** A figure of the older drafts, which have a header for each figure or one for all. */
function figureOf(name: string, read: HeaderReader): string | undefined {
  const item = itemsOf(read('ratelimit')).find(({ parameters }) => parameters.has(name));
  return item?.parameters.get(name) ?? read(`ratelimit-${name}`);
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

/** The items of a list of structured fields (RFC 9651). Commas and semicolons inside quotes do not separate. */
function itemsOf(text: string | undefined): Item[] {
  const items = text?.match(/(?:"[^"]*"|[^",])+/g) ?? [];
  return items.map((item) => {
    const parts = (item.match(/(?:"[^"]*"|[^";])+/g) ?? []).map((part) => part.trim());
    const isParameter = (part: string): boolean => /^[\w*-]+ ?=/.test(part);
    return {
      heads: parts.filter((part) => !isParameter(part)),
      parameters: new Map(
        parts.filter(isParameter).map((part) => {
          const at = part.indexOf('=');
          return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
        }),
      ),
    };
  });
}
