import type { EvictionReason } from '../core/events';
import { SlidingCounts } from '../core/sliding-counts';
import { totalTokens } from '../core/token-usage';
import type { CacheEntry } from './cache-entry';

/** The seconds of `recentHitRate`. */
const recentSeconds = 60;

/** Counts how a cache is used, and what its hits save. */
export class CacheUsage {
  readonly evictions: Record<EvictionReason, number> = {
    expired: 0,
    size: 0,
    bytes: 0,
    deleted: 0,
    invalidated: 0,
  };
  hits = 0;
  misses = 0;
  staleHits = 0;
  savedTokens = 0;
  savedLatency = 0;
  readonly #recentHits = new SlidingCounts(recentSeconds);
  readonly #recentMisses = new SlidingCounts(recentSeconds);

  /** Hits over look-ups in the last minute, 0 to 1; 0 without any. */
  recentHitRate(now: number): number {
    const hits = this.#recentHits.total(now);
    const lookUps = hits + this.#recentMisses.total(now);
    return lookUps === 0 ? 0 : hits / lookUps;
  }

  countHit({ usage, latency, freshUntil }: CacheEntry, now: number): void {
    this.hits++;
    this.#recentHits.add(now);
    if (now >= freshUntil) {
      this.staleHits++;
    }
    this.savedLatency += latency;
    this.savedTokens += totalTokens(usage);
  }

  countMiss(now: number): void {
    this.misses++;
    this.#recentMisses.add(now);
  }
}
