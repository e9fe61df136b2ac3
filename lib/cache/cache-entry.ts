import type { TokenUsage } from '../core/call';

/** An answer as a cache keeps it. */
export interface CacheEntry {
  readonly value: unknown;
  /** When it was stored, in milliseconds on the clock of the cache. */
  readonly storedAt: number;
  /** When it expires, in milliseconds on the clock of the cache; may be `Infinity`. */
  readonly freshUntil: number;
  /** The tokens that the call used. */
  readonly usage: TokenUsage | undefined;
  /** Milliseconds that the call took. */
  readonly latency: number;
  /** The tags by which it can be invalidated. */
  readonly tags: readonly string[];
}

export function withValue(entry: CacheEntry, value: unknown): CacheEntry {
  return { ...entry, value };
}

export const noTags: readonly string[] = Object.freeze([]);

/**
 * Adapts an entry to one more request: it adds the tags of the request, and shortens the freshness to what the request
 * asks for. Returns the same entry if nothing changes.
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

/** Takes the place of the answer of a failed call (`errorTtl`). */
export class KeptFailure {
  constructor(readonly error: unknown) {}
}
