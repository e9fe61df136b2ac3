import { chanceFrom, refusePromise } from '../core/settings';

export interface TimeToLiveSettings {
  /** Milliseconds, or a function that returns them. */
  readonly defaultTtl: number | ((value: unknown, request: unknown) => number);
  /** The largest random cut of a TTL, as a share from 0 to 1. */
  readonly ttlJitter: number;
  readonly random: () => number;
}

/**
 * Computes the milliseconds for which an answer stays fresh.
 *
 * @param given the TTL of the first request that wants it kept; it comes before the default
 * @param longest the least TTL that a request asks for
 * @throws RangeError if the `defaultTtl` function returns no number
 */
export function timeToLive(
  { defaultTtl, ttlJitter, random }: TimeToLiveSettings,
  given: number | undefined,
  value: unknown,
  request: unknown,
  longest = Infinity,
): number {
  const asked: unknown =
    given ?? (typeof defaultTtl === 'function' ? defaultTtl(value, request) : defaultTtl);
  refusePromise('defaultTtl', asked);
  if (typeof asked !== 'number' || Number.isNaN(asked)) {
    throw new RangeError(`defaultTtl must return a number of milliseconds, but returned ${typeof asked}.`);
  }
  const ttl = Math.min(asked, longest);
  if (ttlJitter === 0 || ttl <= 0 || ttl === Infinity) {
    return ttl;
  }
  return ttl * (1 - ttlJitter * chanceFrom(random));
}
