import type { Clock } from '../core/clock';
import type { CallTraits } from '../core/traits';
import { asAskedFor, KeptFailure, noTags, type CacheEntry } from './cache-entry';
import type { DepartureReason, Departures } from './departures';
import type { Flights } from './flights';
import type { MemoryTier } from './memory-tier';
import type { KeyedRequest, KeylessRequest } from './request-identity';
import type { StoreTier } from './store-tier';

/**
 * Why a request would or would not be answered from the cache: `fresh`, `stale` (given while a call renews it),
 * `failure` (a kept failure), `in-flight` (it would share a running call), `expired` (kept only for `staleIfError`),
 * `bypassed`, `never-seen`, or the reason why its answer left.
 */
export type CacheExplanationReason =
  'fresh' | 'stale' | 'failure' | 'in-flight' | 'bypassed' | 'never-seen' | DepartureReason;

/** The result of {@link LLMResultCache.explain}. */
export interface CacheExplanation {
  /** Whether an answer would be taken from the cache now. */
  readonly wouldHit: boolean;
  readonly reason: CacheExplanationReason;
  /** A sentence that holds no part of the request but names of fields. */
  readonly text: string;
  /** The whole key; undefined if the request has none. */
  readonly key: string | undefined;
  /** The tier that holds the answer. */
  readonly tier?: 'memory' | 'store';
  /** Milliseconds since the answer was stored. */
  readonly age?: number;
  /** Milliseconds for which the answer is still fresh; negative after it has expired. */
  readonly freshFor?: number;
  /** When the answer left, expired or was not kept, in milliseconds on the clock of the cache. */
  readonly at?: number;
  /** The path of the value that cannot be part of a key. */
  readonly path?: string;
  /** The fields of the request or of the sent body that the key leaves out; absent if there are none. */
  readonly leftOut?: readonly string[];
}

const sentences: Readonly<Record<CacheExplanationReason, string>> = {
  fresh: 'The answer is in the cache and fresh.',
  stale: 'The answer has expired, but is given while a call renews it (staleWhileRevalidate).',
  failure: 'The call failed a moment ago, and the failure is kept (errorTtl).',
  'in-flight': 'A call for the same key runs now; the request would share it.',
  bypassed: 'The request bypasses the cache.',
  'never-seen': 'No request with this key was answered lately.',
  expired: 'The answer has expired.',
  size: 'The answer was the least recently used one when the cache was full (maxSize).',
  bytes: 'The answer was evicted because the cache held too many bytes, or it was larger than maxBytes.',
  deleted: 'The answer was deleted, or the cache cleared.',
  invalidated: 'The answer was invalidated.',
  'should-cache':
    'An answer came but was not kept: it was empty, cut off or refused, or shouldCache returned false.',
  ttl: 'An answer came but was not kept, because its time to live is 0.',
  fenced:
    'An answer came but was not kept: its key was set, deleted, cleared or invalidated while the call ran.',
  unusable: 'An answer came but was not kept: it could not be copied, judged or measured.',
  failed: 'The last call for this key failed.',
};

export interface ExplainedCache {
  readonly clock: Clock;
  readonly memory: MemoryTier;
  readonly store: StoreTier | undefined;
  readonly flights: Flights;
  readonly departures: Departures;
  isOfUse(entry: CacheEntry, now: number): boolean;
}

export async function explain(
  cache: ExplainedCache,
  identity: KeyedRequest | KeylessRequest,
  { bypass, cacheTtl }: CallTraits,
): Promise<CacheExplanation> {
  if (identity.key === undefined) {
    const { reason, path } = identity;
    const text = `The request bypasses the cache: ${reason}`;
    return explained('bypassed', undefined, { text, ...(path !== undefined && { path }) });
  }
  const { key, leftOut } = identity;
  const explanation = bypass?.lookUp
    ? explained('bypassed', key, { text: 'The request bypasses the cache: bypass.lookUp is set' })
    : await explainKey(cache, key, cacheTtl);
  return leftOut ? { ...explanation, leftOut } : explanation;
}

async function explainKey(
  cache: ExplainedCache,
  key: string,
  cacheTtl: number | undefined,
): Promise<CacheExplanation> {
  const inMemory = explainMemory(cache, key, cacheTtl);
  const { store, clock } = cache;
  if (inMemory.wouldHit || inMemory.reason === 'in-flight' || !store || store.isBypassed) {
    return inMemory;
  }
  const read = await new Promise<CacheEntry | undefined>((resolve) => store.read(key, resolve));
  if (!read) {
    return inMemory;
  }
  const stored = asAskedFor(read, noTags, cacheTtl);
  const now = clock.date();
  const times = { tier: 'store', ...timesOf(stored, now) } as const;
  if (cache.isOfUse(stored, now)) {
    return explained(now < stored.freshUntil ? 'fresh' : 'stale', key, { wouldHit: true, ...times });
  }
  return explained('expired', key, { at: stored.freshUntil, ...times });
}

function explainMemory(cache: ExplainedCache, key: string, cacheTtl: number | undefined): CacheExplanation {
  const { clock, memory, flights, departures } = cache;
  const now = clock.date();
  const kept = memory.peek(key);
  const entry = kept && asAskedFor(kept, noTags, cacheTtl);
  const isFailure = entry?.value instanceof KeptFailure;
  if (entry && cache.isOfUse(entry, now)) {
    const reason = isFailure ? 'failure' : now < entry.freshUntil ? 'fresh' : 'stale';
    return explained(reason, key, { wouldHit: true, tier: 'memory', ...timesOf(entry, now) });
  }
  if (flights.has(key)) {
    return explained('in-flight', key);
  }
  if (entry && !isFailure) {
    return explained('expired', key, { at: entry.freshUntil, ...timesOf(entry, now) });
  }
  const departure = departures.get(key);
  return departure ? explained(departure.reason, key, { at: departure.at }) : explained('never-seen', key);
}

function explained(
  reason: CacheExplanationReason,
  key: string | undefined,
  details: Omit<Partial<CacheExplanation>, 'reason' | 'key'> = {},
): CacheExplanation {
  return { wouldHit: false, reason, text: sentences[reason], key, ...details };
}

function timesOf(entry: CacheEntry, now: number): { readonly age: number; readonly freshFor: number } {
  return { age: now - entry.storedAt, freshFor: entry.freshUntil - now };
}
