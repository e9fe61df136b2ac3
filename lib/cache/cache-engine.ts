import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock';
import type { EvictionReason, NotKeptReason } from '../core/events';
import { verdictOf } from '../core/settings';
import type { StreamedAnswer } from '../core/stream';
import type { CallTraits } from '../core/traits';
import { AnswerCopies } from './answer-copies';
import { asAskedFor, KeptFailure, type CacheEntry } from './cache-entry';
import { CacheUsage } from './cache-usage';
import { Departures } from './departures';
import { Flights, isAffected, type Flight } from './flights';
import { forgetDeleted } from './invalidation';
import { MemoryTier } from './memory-tier';
import type { CacheEngineSettings, StoreOptions } from './result-cache-config';
import { StoreTier } from './store-tier';
import { timeToLive } from './time-to-live';

interface LandedAnswer {
  readonly value: unknown;
  /** Milliseconds that the call took. */
  readonly latency: number;
  readonly now: number;
}

/** An answer that is ready to be kept. */
interface MeasuredAnswer {
  readonly key: string;
  readonly entry: CacheEntry;
  readonly ttl: number;
  readonly bytes: number;
}

export interface FoundEntry {
  readonly entry: CacheEntry;
  /** The tier that has it. Memory may have it by the time that the store answers. */
  readonly tier: 'memory' | 'store';
}

/** Writes run in the background, so they get a longer deadline (ms). */
const shortestWriteDeadline = 10_000;

/** The most departures that are remembered. A smaller cache remembers as many as its entries. */
const mostDepartures = 10_000;

/** The most keys whose renewals are paused. */
const mostPauses = 1000;

/** Milliseconds until a failed renewal is repeated without an `errorTtl`. */
const usualPause = 1000;

/** An LRUCache with `max` allocates room for all entries in advance; with sizes it does not. */
const one = () => 1;

/** The work of an LLMResultCache: its tiers, its flights, and the rules for keeping answers. */
export class CacheEngine {
  readonly clock: Clock;
  readonly flights = new Flights();
  readonly memory: MemoryTier;
  readonly store: StoreTier | undefined;
  readonly usage = new CacheUsage();
  readonly departures: Departures;
  readonly keepAlive: boolean;
  readonly sharedCallTimeout: number;
  readonly #settings: CacheEngineSettings;
  readonly #copies: AnswerCopies;
  readonly #unwatch: (() => void) | undefined;
  /** Milliseconds for which an expired answer may still be used. */
  readonly #grace: number;
  /** When the answer of each key may be renewed again. */
  readonly #renewalPauses = new LRUCache<string, number>({ maxSize: mostPauses, sizeCalculation: one });

  constructor(settings: CacheEngineSettings) {
    const { clock, maxSize, store, storeDeadline, staleIfError, staleWhileRevalidate } = settings;
    this.#settings = settings;
    this.clock = clock;
    this.keepAlive = settings.keepAlive;
    this.sharedCallTimeout = settings.sharedCallTimeout;
    this.#copies = new AnswerCopies(settings.clone);
    this.#grace = Math.max(staleIfError, staleWhileRevalidate);
    this.departures = new Departures(Math.min(maxSize, mostDepartures));
    this.memory = new MemoryTier({
      ...settings,
      grace: this.#grace,
      left: (key, reason, at) => this.#left(key, reason, at),
    });
    this.store =
      store &&
      new StoreTier({
        store,
        clock,
        deadline: storeDeadline,
        writeDeadline: Math.max(storeDeadline, shortestWriteDeadline),
        notify: (event) => settings.events?.next(event),
      });
    this.#unwatch = store?.watch?.((key) => forgetDeleted(this, key));
  }

  /** Whether a look-up may use an entry, fresh or stale. */
  isOfUse({ value, freshUntil }: CacheEntry, now: number): boolean {
    const { staleWhileRevalidate } = this.#settings;
    return now < freshUntil || (!(value instanceof KeptFailure) && now < freshUntil + staleWhileRevalidate);
  }

  /**
   * Looks in memory for a request: a fresh answer, or a stale one that may be given while a call renews it. The entry
   * gets the tags of the request, and its time to live if that is shorter.
   */
  find(key: string, traits: CallTraits, now: number): CacheEntry | undefined {
    const kept = this.memory.get(key, now);
    const entry = kept && this.#asAskedFor(key, kept, traits, now);
    const found = entry && this.isOfUse(entry, now) ? this.#copies.toTake(entry) : undefined;
    if (found) {
      this.usage.countHit(found, now);
    }
    return found;
  }

  /** Looks in memory for a user that asks by key. */
  findFresh(key: string, now: number): CacheEntry | undefined {
    const entry = this.memory.get(key, now);
    const found = entry && now < entry.freshUntil ? this.#copies.toTake(entry) : undefined;
    if (found && !(found.value instanceof KeptFailure)) {
      this.usage.countHit(found, now);
      return found;
    }
    this.usage.countMiss(now);
    return undefined;
  }

  /**
   * Applies the store's answer to a look-up that found nothing in memory. It is kept in memory unless the flight was
   * fenced. An answer that memory has by now comes first.
   */
  adopt(stored: CacheEntry | undefined, flight: Flight, now: number): FoundEntry | undefined {
    const key = flight.key!;
    const isInvalidated = stored && isAffected(stored, flight.landingChecks);
    // A call made from now on begins after all invalidations so far.
    flight.landingChecks = undefined;
    // A user may have set the answer, or a request that bypasses the look-up may have brought it.
    const asked = { cacheTags: flight.tags, cacheTtl: flight.longestTtl };
    const kept = this.memory.peek(key);
    if (kept && !(kept.value instanceof KeptFailure)) {
      const newer = this.#asAskedFor(key, kept, asked, now);
      if (this.isOfUse(newer, now)) {
        return found(this.#copies.toTake(newer), 'memory');
      }
    }
    if (!stored || isInvalidated || now >= stored.freshUntil + this.#grace) {
      return undefined;
    }
    const entry = asAskedFor(this.#copies.ofStored(stored), asked.cacheTags, asked.cacheTtl);
    const bytes = this.memory.measure(key, entry.value);
    // User code measured the answer and may have deleted the key, so check last.
    if (flight.isFenced) {
      return undefined;
    }
    this.memory.set(key, entry, bytes, now);
    if (entry.tags !== stored.tags || entry.freshUntil !== stored.freshUntil) {
      this.#writeToStore(key, entry, entry.freshUntil - now);
    }
    return this.isOfUse(entry, now) ? found(this.#copies.toTake(entry), 'store') : undefined;
  }

  /** The expired answer that may replace a failed call. */
  fallback(key: string, now: number): CacheEntry | undefined {
    const { staleIfError } = this.#settings;
    const entry = staleIfError > 0 ? this.memory.peek(key) : undefined;
    return entry && !(entry.value instanceof KeptFailure) && now < entry.freshUntil + staleIfError
      ? this.#copies.toTake(entry)
      : undefined;
  }

  share<V>(value: V, request?: unknown): V {
    return this.#copies.toShare(value, request);
  }

  /** Keeps the answer of a call. Returns the reason if it is not kept. */
  keep(flight: Flight, came: LandedAnswer): NotKeptReason | undefined {
    const key = flight.key!;
    const { now } = came;
    const refused = this.#keep(flight, came);
    if (refused === undefined) {
      this.flights.overtake(flight);
      return undefined;
    }
    this.departures.note(key, refused, now);
    if (flight.isRenewal && refused !== 'fenced') {
      this.#renewalPauses.set(key, now + usualPause);
    }
    return refused;
  }

  /** Whether a stale answer may be renewed now. A failed renewal is not repeated at once. */
  mayRenew(key: string, now: number): boolean {
    return now >= (this.#renewalPauses.peek(key) ?? -Infinity);
  }

  /** Records that a call failed. Keeps the failure if there is an `errorTtl` and no answer may replace it. */
  keepFailure(flight: Flight, error: unknown, isOfTheCall: boolean, now: number): void {
    const { errorTtl } = this.#settings;
    const key = flight.key!;
    if (flight.isFenced) {
      return;
    }
    if (flight.isRenewal) {
      this.#renewalPauses.set(key, now + (errorTtl || usualPause));
    }
    const standing = this.memory.peek(key);
    if (standing && !(standing.value instanceof KeptFailure) && now < standing.freshUntil + this.#grace) {
      return;
    }
    // A store that was not asked may hold an answer.
    const mayHideAnswer = this.store !== undefined && !flight.wasRead;
    if (errorTtl > 0 && isOfTheCall && flight.writes && !mayHideAnswer) {
      const value = new KeptFailure(error);
      const times = { storedAt: now, freshUntil: now + errorTtl, latency: 0 };
      const entry: CacheEntry = { value, ...times, usage: undefined, tags: flight.tags };
      this.memory.set(key, entry, this.memory.measure(key, value), now);
    }
    this.departures.note(key, 'failed', now);
  }

  set(key: string, value: unknown, options: StoreOptions): void {
    // Running calls would bring older answers.
    this.flights.fenceKey(key);
    const ttl = timeToLive(this.#settings, options.ttl, value, undefined);
    if (ttl <= 0) {
      this.delete(key);
      this.departures.note(key, 'ttl', this.clock.date());
      return;
    }
    const { usage, latency = 0, tags = [] } = options;
    const copy = this.#copies.toKeep(value);
    const now = this.clock.date();
    const entry = { value: copy, storedAt: now, freshUntil: now + ttl, usage, latency, tags };
    const refused = this.#write({ key, entry, ttl, bytes: this.memory.measure(key, copy) }, now);
    if (refused !== undefined) {
      this.departures.note(key, refused, now);
    }
  }

  delete(key: string): boolean {
    this.flights.fenceKey(key);
    const now = this.clock.date();
    const wasKept = this.memory.delete(key, 'deleted', now);
    if (!wasKept) {
      this.departures.note(key, 'deleted', now);
    }
    this.store?.delete(key);
    return wasKept;
  }

  clear(): void {
    this.flights.fenceAll();
    this.memory.clear(this.clock.date());
    this.store?.clear();
  }

  /** Cancels the timers and the calls that only the cache needs, and clears memory. */
  close(): void {
    this.#unwatch?.();
    this.flights.fenceAll();
    this.memory.close();
    this.store?.close();
  }

  /** Adapts an entry to a request, and keeps the adapted one. */
  #asAskedFor(
    key: string,
    kept: CacheEntry,
    { cacheTags, cacheTtl, bypass }: CallTraits,
    now: number,
  ): CacheEntry {
    const entry = bypass?.write ? kept : asAskedFor(kept, cacheTags, cacheTtl);
    if (entry !== kept) {
      this.memory.replace(key, entry);
      if (!(entry.value instanceof KeptFailure)) {
        this.#writeToStore(key, entry, entry.freshUntil - now);
      }
    }
    return entry;
  }

  #writeToStore(key: string, entry: CacheEntry, ttl: number): void {
    const usefulFor = ttl + this.#grace;
    this.store?.write(key, entry, usefulFor === Infinity ? undefined : usefulFor);
  }

  #keep(flight: Flight, { value, latency, now }: LandedAnswer): NotKeptReason | undefined {
    if (!this.flights.mayWrite(flight)) {
      return 'fenced';
    }
    const { request, usage, tags } = flight;
    const answered = flight.chunks ? (value as StreamedAnswer).value : value;
    const key = flight.key!;
    let answer: MeasuredAnswer;
    try {
      const { shouldCache } = this.#settings;
      const isWhole = !flight.isWhole || verdictOf('isWhole', flight.isWhole(flight.chunks as never[]));
      if (!isWhole || !verdictOf('shouldCache', shouldCache(answered, request))) {
        return 'should-cache';
      }
      const ttl = timeToLive(this.#settings, flight.ttl, answered, request, flight.longestTtl);
      const copy = this.#copies.toKeep(value, request);
      const entry = { value: copy, storedAt: now, freshUntil: now + ttl, usage, latency, tags };
      answer = { key, entry, ttl, bytes: this.memory.measure(key, copy) };
    } catch {
      return 'unusable';
    }
    // User code ran in between and may have deleted the key, so check again, predicates first.
    if (isAffected(answer.entry, flight.landingChecks) || !this.flights.mayWrite(flight)) {
      return 'fenced';
    }
    if (answer.ttl <= 0) {
      // Otherwise the older answer would come back.
      this.memory.delete(key, 'deleted', now);
      this.store?.delete(key);
      return 'ttl';
    }
    return this.#write(answer, now);
  }

  /** Returns the reason if an answer is kept nowhere. */
  #write({ key, entry, ttl, bytes }: MeasuredAnswer, now: number): NotKeptReason | undefined {
    const refused = this.memory.set(key, entry, bytes, now);
    // A listener of evictions may have deleted or replaced the entry.
    if (refused !== undefined || this.memory.peek(key) === entry) {
      this.#writeToStore(key, entry, ttl);
    }
    return this.store ? undefined : refused;
  }

  #left(key: string, reason: EvictionReason, at: number): void {
    this.usage.evictions[reason]++;
    this.departures.note(key, reason, at);
    this.#settings.events?.next({ type: 'cache-evicted', at, reason });
  }
}

function found(entry: CacheEntry | undefined, tier: FoundEntry['tier']): FoundEntry | undefined {
  return entry && { entry, tier };
}
