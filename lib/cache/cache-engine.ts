import { LRUCache } from 'lru-cache';
import type { TokenUsage } from '../core/call';
import type { Clock } from '../core/clock';
import { reportUnhandled } from '../core/scheduler-clock';
import type { CallEvent, CallEventListener, EvictionReason, NotKeptReason } from '../core/events';
import { counterOf } from '../core/steps';
import { KeptEntry, KeptFailure, noTags, withValue, type CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import { CacheUsage } from './cache-usage';
import { explain, type CacheExplanation, type Departure, type DepartureReason } from './explanation';
import { Flights, type Flight, type Landing, type PlainFlight } from './flights';
import { freezeAnswer } from './freeze';
import { invalidate } from './invalidation';
import { KeyTable } from './key-table';
import { MemoryTier } from './memory-tier';
import type { KeylessRequest } from './request-identity';
import type { CacheSelection } from './selection';
import { StoreTier } from './store-tier';
import { timeToLive, type TimeToLiveSettings } from './time-to-live';

/** The checked settings of a cache; times are milliseconds. */
export interface CacheEngineSettings extends TimeToLiveSettings {
  readonly clock: Clock;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly errorTtl: number;
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly sizeOf: (value: unknown) => number;
  readonly sweepInterval: number;
  readonly keepAlive: boolean;
  readonly sharedCallTimeout: number;
  readonly shouldCache: (value: unknown, request: unknown) => boolean;
  readonly clone: (<V>(value: V) => V) | undefined;
  readonly store: CacheStore | undefined;
  readonly storeDeadline: number;
  readonly events: CallEventListener | undefined;
}

/** What is kept besides an answer. */
export interface AnswerDetails {
  /** Milliseconds; the cache's own default where undefined. */
  readonly ttl: number | undefined;
  readonly usage: TokenUsage | undefined;
  readonly latency: number;
  readonly tags: readonly string[] | undefined;
}

/** What a look-up in the store came to. */
export interface FoundEntry {
  readonly entry: CacheEntry;
  /** Where it was found: by now memory may hold it. */
  readonly tier: 'memory' | 'store';
}

/** Milliseconds: nobody waits for a write, and a disk that is busy with others may take seconds for one. */
const shortestWriteDeadline = 10_000;

/** Milliseconds. */
const longestLatency = 2 ** 31 - 1;

/** So many departures are remembered, or as many as entries may be kept, if that is fewer. */
const mostDepartures = 10_000;

/** So many failed renewals are remembered. */
const mostPauses = 1000;

/** Bounded by `max`, an LRUCache takes all of its room in advance; bounded by the size of entries it does not. */
const one = () => 1;

/** Milliseconds until a renewal that failed is tried again, where `errorTtl` does not say. */
const usualPause = 1000;

/** The work of an LLMResultCache: its tiers, its flights and its rules of what is kept, for how long, and why not. */
export class CacheEngine {
  readonly clock: Clock;
  readonly #table = new KeyTable<PlainFlight>();
  readonly flights = new Flights(this.#table);
  readonly memory: MemoryTier;
  readonly store: StoreTier | undefined;
  readonly keepAlive: boolean;
  readonly sharedCallTimeout: number;
  readonly usage = new CacheUsage();
  readonly #settings: CacheEngineSettings;
  /** Milliseconds an expired answer is still of use. */
  readonly #grace: number;
  readonly #departures: LRUCache<string, Departure>;
  /** Until when the answers of keys are not renewed. */
  readonly #renewalPauses = new LRUCache<string, number>({ maxSize: mostPauses, sizeCalculation: one });

  constructor(settings: CacheEngineSettings) {
    this.#settings = settings;
    const { clock, maxSize, maxBytes, sizeOf, sweepInterval, staleIfError, staleWhileRevalidate } = settings;
    this.clock = clock;
    this.keepAlive = settings.keepAlive;
    this.sharedCallTimeout = settings.sharedCallTimeout;
    this.#grace = Math.max(staleIfError, staleWhileRevalidate);
    this.#departures = new LRUCache({ maxSize: Math.min(maxSize, mostDepartures), sizeCalculation: one });
    this.memory = new MemoryTier({
      clock,
      table: this.#table,
      maxSize,
      maxBytes,
      sizeOf,
      sweepInterval,
      grace: this.#grace,
      left: (key, reason, at) => this.#left(key, reason, at),
    });
    this.store =
      settings.store &&
      new StoreTier({
        store: settings.store,
        clock,
        deadline: settings.storeDeadline,
        writeDeadline: Math.max(settings.storeDeadline, shortestWriteDeadline),
        notify: (event) => this.#tell(event),
      });
  }

  /** What there is of a key, to look up in or to tell that there is nothing: its entry, or a flight that may be joined. */
  known(key: string): KeptEntry | PlainFlight | undefined {
    return this.#table.of(key);
  }

  /** What memory holds for a look-up: a fresh answer, or a stale one that may be given while a call renews it. */
  find(known: KeptEntry | PlainFlight, now: number): CacheEntry | undefined {
    const entry = known instanceof KeptEntry ? this.memory.use(known, now) : undefined;
    const found = entry && this.#isOfUse(entry, now) ? this.#taken(entry) : undefined;
    if (found) {
      this.countHit(found, now);
    }
    return found;
  }

  /** What memory holds for a user who asks by key. */
  findFresh(key: string, now: number): CacheEntry | undefined {
    const entry = this.memory.get(key, now);
    const found = entry && now < entry.freshUntil ? this.#taken(entry) : undefined;
    if (found && !(found.value instanceof KeptFailure)) {
      this.countHit(found, now);
      return found;
    }
    this.countMiss(now);
    return undefined;
  }

  /**
   * What the store holds for a look-up that found nothing in memory; kept in memory from now on, unless the flight
   * that it was read for was fenced. What memory holds by now comes first.
   */
  adopt(stored: CacheEntry | undefined, flight: Flight, now: number): FoundEntry | undefined {
    const key = flight.key!;
    const isInvalidated = stored && flight.landingChecks && isAffected(stored, flight.landingChecks);
    // The call that is made now begins after all that.
    flight.landingChecks = undefined;
    // A request that went past the look-up may have been answered meanwhile, or a user have set the answer.
    const newer = this.memory.peek(key);
    if (newer && !(newer.value instanceof KeptFailure) && this.#isOfUse(newer, now)) {
      return found(this.#taken(newer), 'memory');
    }
    if (!stored || flight.isFenced || isInvalidated || now >= stored.freshUntil + this.#grace) {
      return undefined;
    }
    const value = this.#settings.clone ? stored.value : freezeAnswer(stored.value);
    const { storedAt, freshUntil, usage, latency, tags } = stored;
    const bytes = this.memory.measure(key, value);
    const entry = new KeptEntry(key, value, storedAt, freshUntil - storedAt, usage, latency, tags, bytes);
    this.memory.set(entry, now);
    return this.#isOfUse(entry, now) ? found(this.#taken(entry), 'store') : undefined;
  }

  countHit(entry: CacheEntry, now: number): void {
    this.usage.countHit(entry, now);
  }

  countMiss(now: number): void {
    this.usage.countMiss(now);
  }

  /** An expired answer that may be given because the call for it failed. */
  fallback(key: string, now: number): CacheEntry | undefined {
    const { staleIfError } = this.#settings;
    const entry = staleIfError > 0 ? this.memory.peek(key) : undefined;
    return entry && !(entry.value instanceof KeptFailure) && now < entry.freshUntil + staleIfError
      ? this.#taken(entry)
      : undefined;
  }

  /** The answer as every waiter of a flight may have it. */
  share<V>(value: V): V {
    try {
      return this.#copied(value);
    } catch {
      return value;
    }
  }

  /** Keeps the answer of a call, or says why not. */
  keep(landing: Landing, value: unknown, latency: number, now: number): NotKeptReason | undefined {
    const key = landing.key!;
    const refused = this.#keep(landing, key, value, latency, now);
    if (refused === undefined) {
      this.flights.overtake(landing);
      return undefined;
    }
    this.#noteDeparture(key, refused, now);
    if (landing.isRenewal && refused !== 'fenced') {
      this.#renewalPauses.set(key, now + usualPause);
    }
    return refused;
  }

  /** Whether a stale answer may be renewed now: a renewal that failed is not tried again at once. */
  mayRenew(key: string, now: number): boolean {
    return now >= (this.#renewalPauses.peek(key) ?? -Infinity);
  }

  /** Notes that a call failed, and keeps the failure where that is asked for and no answer stands in its place. */
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
    // Where the store was not asked it may hold an answer.
    const mayHideAnswer = this.store !== undefined && !flight.wasRead;
    if (errorTtl > 0 && isOfTheCall && flight.writes && !mayHideAnswer) {
      this.memory.set(
        this.#entryOf(key, new KeptFailure(error), now, errorTtl, undefined, 0, flight.tags),
        now,
      );
    }
    this.#noteDeparture(key, 'failed', now);
  }

  /** Keeps an answer that a user gives, whatever it is. */
  set(key: string, value: unknown, details: AnswerDetails): void {
    // What a call brings that began before is older.
    this.flights.fenceKey(key);
    const ttl = timeToLive(this.#settings, details.ttl, value, undefined);
    if (ttl <= 0) {
      this.delete(key);
      this.#noteDeparture(key, 'ttl', this.clock.now());
      return;
    }
    const { usage, latency, tags } = details;
    const copy = this.#copied(value);
    const now = this.clock.now();
    const refused = this.#write(this.#entryOf(key, copy, now, ttl, usage, latency, tags), ttl, now);
    if (refused !== undefined) {
      this.#noteDeparture(key, refused, now);
    }
  }

  delete(key: string): boolean {
    this.flights.fenceKey(key);
    const now = this.clock.now();
    const wasKept = this.memory.delete(key, 'deleted', now);
    if (!wasKept) {
      this.#noteDeparture(key, 'deleted', now);
    }
    this.store?.delete(key);
    return wasKept;
  }

  clear(): void {
    this.flights.fenceAll();
    this.memory.clear(this.clock.now());
    this.store?.clear();
  }

  /**
   * Forgets the answers that a selection applies to.
   *
   * @returns how many answers left memory
   */
  invalidate(selection: CacheSelection): number {
    return invalidate(this, selection);
  }

  /** Why a request would be answered from the cache, or not. */
  explain(identity: string | KeylessRequest, skipsLookUp: boolean): Promise<CacheExplanation> {
    const { clock, memory, store, flights } = this;
    const sources = { clock, memory, store, flights, departures: this.#departures };
    return explain({ ...sources, isOfUse: this.#isOfUse }, identity, skipsLookUp);
  }

  /** Ends what would outlive the cache: its timers, the calls that only it wants, and what it holds in memory. */
  close(): void {
    this.flights.fenceAll();
    this.memory.close();
    this.store?.close();
  }

  readonly #isOfUse = ({ value, freshUntil }: CacheEntry, now: number): boolean =>
    now < freshUntil ||
    (!(value instanceof KeptFailure) && now < freshUntil + this.#settings.staleWhileRevalidate);

  /** The entry with an answer of its own where answers are copied; undefined where that fails, as if it were not there. */
  #taken(entry: CacheEntry): CacheEntry | undefined {
    const { clone } = this.#settings;
    if (!clone || entry.value instanceof KeptFailure) {
      return entry;
    }
    try {
      return withValue(entry, clone(entry.value));
    } catch {
      return undefined;
    }
  }

  #copied<V>(value: V): V {
    const { clone } = this.#settings;
    return clone ? clone(value) : freezeAnswer(value);
  }

  #keep(
    landing: Landing,
    key: string,
    value: unknown,
    latency: number,
    now: number,
  ): NotKeptReason | undefined {
    if (!mayWrite(landing)) {
      return 'fenced';
    }
    let ttl: number;
    let entry: KeptEntry;
    try {
      if (!this.#settings.shouldCache(value, landing.request)) {
        return 'should-cache';
      }
      ttl = timeToLive(this.#settings, landing.ttl, value, landing.request);
      entry = this.#entryOf(key, this.#copied(value), now, ttl, landing.usage, latency, landing.tags);
    } catch {
      return 'unusable';
    }
    const isInvalidated = landing.landingChecks !== undefined && isAffected(entry, landing.landingChecks);
    // Callbacks of the user's ran: the key may have been deleted meanwhile.
    if (!mayWrite(landing) || isInvalidated) {
      return 'fenced';
    }
    if (ttl <= 0) {
      // An older answer must not come back in its place.
      this.memory.delete(key, 'deleted', now);
      this.store?.delete(key);
      return 'ttl';
    }
    return this.#write(entry, ttl, now, landing);
  }

  #entryOf(
    key: string,
    value: unknown,
    now: number,
    ttl: number,
    usage: TokenUsage | undefined,
    latency: number,
    tags: readonly string[] = noTags,
  ): KeptEntry {
    // As a small whole number it needs no box of its own, which would cost each entry 16 bytes.
    const wholeLatency = Math.round(Math.min(latency, longestLatency)) | 0;
    return new KeptEntry(key, value, now, ttl, usage, wholeLatency, tags, this.memory.measure(key, value));
  }

  /** Why it is kept nowhere, if so. */
  #write(entry: KeptEntry, ttl: number, now: number, landing?: Landing): NotKeptReason | undefined {
    const { key } = entry;
    const refused = this.memory.set(entry, now, landing);
    // Whoever heard what left for it may have deleted or replaced it.
    if (this.store && (refused !== undefined || this.memory.peek(key) === entry)) {
      const usefulFor = ttl + this.#grace;
      this.store.write(key, entry, usefulFor === Infinity ? undefined : usefulFor);
    }
    return this.store ? undefined : refused;
  }

  #noteDeparture(key: string, reason: DepartureReason, at: number): void {
    this.#departures.set(key, { reason, at });
  }

  #left(key: string, reason: EvictionReason, at: number): void {
    this.usage.evictions[reason]++;
    this.#noteDeparture(key, reason, at);
    const { events } = this.#settings;
    const counter = events && counterOf(events);
    if (counter) {
      counter.evicted(reason);
    } else {
      this.#tell({ type: 'cache-evicted', at, reason });
    }
  }

  #tell(event: CallEvent): void {
    try {
      this.#settings.events?.next(event);
    } catch (error) {
      reportUnhandled(error);
    }
  }
}

/** Asked anew, as callbacks of the user's may have had the key deleted. */
function mayWrite(landing: Landing): boolean {
  return landing.mayWrite;
}

function found(entry: CacheEntry | undefined, tier: FoundEntry['tier']): FoundEntry | undefined {
  return entry && { entry, tier };
}

/** Whether what was forgotten while a call or a look-up in the store ran applies to what it brought. */
function isAffected(entry: CacheEntry, checks: NonNullable<Landing['landingChecks']>): boolean {
  return checks.some((applies) => applies(entry));
}
