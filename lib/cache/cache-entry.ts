import type { TokenUsage } from '../core/call';

/** An answer as a cache keeps it. */
export interface CacheEntry {
  readonly value: unknown;
  /** When it was stored, in milliseconds on the clock of the cache. */
  readonly storedAt: number;
  /** Until when it is fresh, in milliseconds on the clock of the cache; may be `Infinity`. */
  readonly freshUntil: number;
  /** What the call had used up. */
  readonly usage: TokenUsage | undefined;
  /** Milliseconds the call had taken. */
  readonly latency: number;
  /** What it can be invalidated by. */
  readonly tags: readonly string[];
}

/** The tags of an entry that has none. */
export const noTags: readonly string[] = Object.freeze([]);

/** Stands in an entry for the value that a failed call did not give (`errorTtl`). */
export class KeptFailure {
  constructor(readonly error: unknown) {}
}
