import type { CacheEngine, FoundEntry } from '../cache/cache-engine';
import { withValue } from '../cache/cache-entry';
import type { Flight } from '../cache/flights';

/**
 * Looks up the answer of a flight in the store. All its waiters get it. If there is none, one of them makes the call,
 * or waits for another process that does.
 *
 * @param fail fails the flight because its call failed in another process
 */
export function lookInStore<R, V>(
  flight: Flight<R, V>,
  engine: CacheEngine,
  fail: (error: Error) => void,
): void {
  flight.state = 'reading';
  const cancel = engine.store!.read(flight.key!, (stored) => {
    flight.carrier = undefined;
    flight.state = 'grounded';
    const now = engine.clock.date();
    const found = engine.adopt(stored, flight, now);
    if (found) {
      foundForAll(flight, found, engine, now);
    } else if (isOvertaken(flight, engine) || !awaitsLease(flight, engine, fail)) {
      missedByAll(flight, engine);
    }
  });
  // A store may answer synchronously.
  if (isReading(flight)) {
    flight.carrier = { abandon: cancel };
  }
}

export function isReading({ state }: Flight): boolean {
  return state === 'reading';
}

/** Waits for the right to make the flight's call; returns false if no other process could make it. */
function awaitsLease<R, V>(flight: Flight<R, V>, engine: CacheEngine, fail: (error: Error) => void): boolean {
  flight.state = 'reading';
  const lease = engine.store!.lease(flight.key!, (result) => {
    flight.carrier = undefined;
    flight.state = 'grounded';
    if (result === 'answered') {
      flight.lease = undefined;
      lookInStore(flight, engine, fail);
    } else if (result === 'taken') {
      missedByAll(flight, engine);
    } else {
      flight.lease = undefined;
      fail(result.error);
    }
  });
  if (lease) {
    flight.lease = lease;
    flight.carrier = { abandon: () => undefined };
    return true;
  }
  flight.state = 'grounded';
  return false;
}

function isOvertaken<R, V>(flight: Flight<R, V>, { flights }: CacheEngine): boolean {
  const running = flights.get(flight.key!);
  return running !== undefined && running !== flight && !flight.bypass?.sharing;
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

/** The store has no answer: the waiters join the call that now runs for the key, or one of them makes it. */
function missedByAll<R, V>(flight: Flight<R, V>, engine: CacheEngine): void {
  const { flights } = engine;
  const waiters = flight.waiters();
  const running = flights.get(flight.key!) as Flight<R, V> | undefined;
  const joinsOther = isOvertaken(flight, engine);
  flight.wasRead = true;
  flights.remove(flight);
  if (!joinsOther) {
    // The call begins after everything that fenced the look-up.
    flight.isFenced = false;
    flights.add(flight);
  }
  if (!joinsOther || !isReading(running!)) {
    // Waiters that join another look-up have not missed yet.
    for (const waiter of waiters) {
      waiter.missed(joinsOther || waiter !== waiters[0]);
    }
  }
  if (joinsOther) {
    flight.lease?.end();
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
