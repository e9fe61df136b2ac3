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

/** Stands in an entry for the answer that a failed call did not give (`errorTtl`). */
export class KeptFailure {
  constructor(readonly error: unknown) {}
}
