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

/** What stands in the table of a cache by its key; in one table at a time. */
export interface Listed {
  /** Under which it stands. */
  readonly key: string | undefined;
  /** That of its key, and what stands in the same bucket: the table sets them. */
  hash: number;
  nextInBucket: Listed | undefined;
}

/** An entry in memory, which knows who was used right before and after it. */
export class KeptEntry implements CacheEntry, Listed {
  hash = 0;
  nextInBucket: Listed | undefined;
  newer: KeptEntry | undefined;
  older: KeptEntry | undefined;

  constructor(
    readonly key: string,
    readonly value: unknown,
    readonly storedAt: number,
    /** In place of `freshUntil`: as a small whole number it takes no room of its own. */
    private readonly ttl: number,
    readonly usage: TokenUsage | undefined,
    readonly latency: number,
    readonly tags: readonly string[],
    /** 0 where they are not counted. */
    readonly bytes: number,
  ) {}

  get freshUntil(): number {
    return this.storedAt + this.ttl;
  }
}

/** The same entry with another value. */
export function withValue(
  { storedAt, freshUntil, usage, latency, tags }: CacheEntry,
  value: unknown,
): CacheEntry {
  return { value, storedAt, freshUntil, usage, latency, tags };
}

/** The tags of an entry that has none. */
export const noTags: readonly string[] = Object.freeze([]);

/** Stands in an entry for the value that a failed call did not give (`errorTtl`). */
export class KeptFailure {
  constructor(readonly error: unknown) {}
}
