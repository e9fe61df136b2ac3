import type { Clock } from '../core/clock';
import { KeptFailure, withValue, type CacheEntry } from './cache-entry';
import { storeKeyOf } from './entry-text';
import type { Flight, Flights } from './flights';
import type { MemoryTier } from './memory-tier';
import { ruleOf, type CacheSelection, type SelectionRule } from './selection';
import type { StoreTier } from './store-tier';

export interface InvalidatedCache {
  readonly clock: Clock;
  readonly memory: MemoryTier;
  readonly store: StoreTier | undefined;
  readonly flights: Flights;
}

/** The most selections that a running call remembers. */
const mostLandingChecks = 100;

/**
 * Deletes the selected answers, and keeps running calls from writing one.
 *
 * @returns how many answers left memory
 * @throws TypeError if the selection is wrong; the error of a predicate, and then nothing has changed
 */
export function invalidate(cache: InvalidatedCache, selection: CacheSelection): number {
  const { clock, memory, store, flights } = cache;
  const rule = ruleOf(selection);
  // Judge all entries before the first one leaves, because the predicate may throw.
  const keys = selectedKeys(memory, rule);
  // If the predicate throws later, no caller can be told, so the answer is dropped.
  const appliesLater = (key: string, entry: CacheEntry) =>
    isSelected(rule, key, entry.tags, entry, { ifItThrows: true });
  const covered = flights.all().filter((flight) => rule.covers(flight.key!, flight.tags));
  const fenced = new Set(
    covered.filter(({ key, tags }) => isSelected(rule, key!, tags, undefined, { ifItThrows: false })),
  );
  for (const flight of covered) {
    if (!fenced.has(flight) && !checkOnLanding(flights, flight, appliesLater)) {
      fenced.add(flight);
    }
  }
  flights.fence([...fenced]);
  const now = clock.date();
  for (const key of keys) {
    memory.delete(key, 'invalidated', now);
  }
  store?.invalidate((entry, key) => appliesLater(key, entry));
  return keys.length;
}

/** Another process deleted one or all answers of the store: memory drops them too, and running calls write nothing. */
export function forgetDeleted(
  { clock, memory, flights }: InvalidatedCache,
  storeKey: string | undefined,
): void {
  const isMeant = (key: string) => storeKey === undefined || storeKeyOf(key) === storeKey;
  const now = clock.now();
  flights.fence(flights.all().filter(({ key }) => isMeant(key!)));
  for (const [key] of memory.entries()) {
    if (isMeant(key)) {
      memory.delete(key, 'deleted', now);
    }
  }
}

function selectedKeys(memory: MemoryTier, rule: SelectionRule): string[] {
  const keys: string[] = [];
  for (const [key, entry] of memory.entries()) {
    const { tags, value } = entry;
    // A kept failure has no value, so predicates do not see it.
    const isKeySelected =
      value instanceof KeptFailure
        ? isSelected(rule, key, tags, withValue(entry, undefined), { ifItThrows: false })
        : rule.appliesTo(key, tags, entry);
    if (isKeySelected) {
      keys.push(key);
    }
  }
  return keys;
}

/** Judges the answer of a call when it lands. Returns false if the call remembers too many selections. */
function checkOnLanding(
  flights: Flights,
  flight: Flight,
  applies: (key: string, entry: CacheEntry) => boolean,
): boolean {
  flight.landingChecks ??= [];
  flight.landingChecks.push((entry) => applies(flight.key!, entry));
  flights.close(flight);
  return flight.landingChecks.length <= mostLandingChecks;
}

function isSelected(
  rule: SelectionRule,
  key: string,
  tags: readonly string[],
  entry: CacheEntry | undefined,
  { ifItThrows }: { readonly ifItThrows: boolean },
): boolean {
  try {
    return rule.appliesTo(key, tags, entry);
  } catch {
    return ifItThrows;
  }
}
