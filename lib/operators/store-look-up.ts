import type { CacheEngine, FoundEntry } from '../cache/cache-engine';
import { withValue } from '../cache/cache-entry';
import type { Flight } from '../cache/flights';

/** Looks in the store for the answer of a flight. All its waiters get it; if there is none, one of them makes the call. */
export function lookInStore<R, V>(flight: Flight<R, V>, engine: CacheEngine): void {
  flight.state = 'reading';
  const cancel = engine.store!.read(flight.key!, (stored) => {
    flight.carrier = undefined;
    flight.state = 'grounded';
    const now = engine.clock.date();
    const found = engine.adopt(stored, flight, now);
    if (found) {
      foundForAll(flight, found, engine, now);
    } else {
      missedByAll(flight, engine);
    }
  });
  // A store may answer at once.
  if (isReading(flight)) {
    flight.carrier = { abandon: cancel };
  }
}

/** Whether the answer of a flight is looked for in the store. */
export function isReading({ state }: Flight): boolean {
  return state === 'reading';
}

function foundForAll<R, V>(
  flight: Flight<R, V>,
  { entry, tier }: FoundEntry,
  engine: CacheEngine,
  now: number,
): void {
  const waiters = flight.waiters();
  flight.state = 'landed';
  engine.flights.remove(flight);
  flight.removeAll();
  if (now >= entry.freshUntil) {
    waiters.find(({ writes }) => writes)?.renew(flight.key!);
  }
  for (const waiter of waiters) {
    const value = waiters.length > 1 ? engine.share(entry.value) : entry.value;
    waiter.found(flight.key!, withValue(entry, value), tier);
  }
}

/** The store holds nothing: the waiters join the call that runs for the key by now, or one of them makes it. */
function missedByAll<R, V>(flight: Flight<R, V>, { flights }: CacheEngine): void {
  const waiters = flight.waiters();
  const running = flights.get(flight.key!) as Flight<R, V> | undefined;
  const isOvertaken = running !== undefined && running !== flight && !flight.bypass?.sharing;
  flight.wasRead = true;
  flights.remove(flight);
  if (!isOvertaken) {
    // The call that is made now begins after all that fenced the look-up.
    flight.isFenced = false;
    flights.add(flight);
  }
  if (!isOvertaken || !isReading(running)) {
    // Waiters that join another look-up have not missed yet.
    for (const waiter of waiters) {
      waiter.missed(isOvertaken || waiter !== waiters[0]);
    }
  }
  if (isOvertaken) {
    for (const waiter of flight.waiters()) {
      flight.remove(waiter);
      waiter.joinRunning(flight.key!);
    }
  } else {
    flight.firstWaiter?.startAnew(flight);
  }
  for (const waiter of waiters) {
    waiter.departed();
  }
}
