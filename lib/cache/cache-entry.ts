import type { TokenUsage } from '../core/call';

/** An answer as a cache keeps it. */
export interface CacheEntry {
  readonly value: unknown;
  /** The moment when it was stored, in milliseconds on the clock of the cache. */
  readonly storedAt: number;
  /** The moment when it expires, in milliseconds on the clock of the cache; may be `Infinity`. */
  readonly freshUntil: number;
  /** The tokens that the call used. */
  readonly usage: TokenUsage | undefined;
  /** Milliseconds the call took. */
  readonly latency: number;
  /** `cache.invalidate({ tag })` forgets it by these. */
  readonly tags: readonly string[];
}

/** The same entry with another value. */
export function withValue(entry: CacheEntry, value: unknown): CacheEntry {
  return { ...entry, value };
}

/** The tags of an entry that has none. */
export const noTags: readonly string[] = Object.freeze([]);

/**
 * An entry as one more request asks for it: with the tags of the request, and fresh for no longer than the request says.
 * It is the same entry if that changes nothing.
 */
export function asAskedFor(entry: CacheEntry, tags: readonly string[] = noTags, ttl = Infinity): CacheEntry {
  const { value, storedAt } = entry;
  const added = tags.filter((tag) => !entry.tags.includes(tag));
  const freshUntil =
    value instanceof KeptFailure ? entry.freshUntil : Math.min(entry.freshUntil, storedAt + ttl);
  return added.length === 0 && freshUntil === entry.freshUntil
    ? entry
    : { ...entry, tags: [...entry.tags, ...added], freshUntil };
}

/** Stands in an entry for the answer that a failed call did not give (`errorTtl`). */
export class KeptFailure {
  constructor(readonly error: unknown) {}
}
