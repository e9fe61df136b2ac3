import type { CacheEngine, FoundEntry } from '../cache/cache-engine';
import { withValue } from '../cache/cache-entry';
import type { Flight } from '../cache/flights';

/**
 * Looks in the store for the answer of a flight. All its waiters get it; if there is none, one of them makes the call, or
 * waits for another process that does.
 *
 * @param fail fails the flight as its call failed in another process
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
  // A store may answer at once.
  if (isReading(flight)) {
    flight.carrier = { abandon: cancel };
  }
}

/** Whether the answer of a flight is looked for in the store. */
export function isReading({ state }: Flight): boolean {
  return state === 'reading';
}

/** Has the flight wait for the right to make its call; returns false if there is nobody to share it with. */
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

/** The store holds nothing: the waiters join the call that runs for the key by now, or one of them makes it. */
function missedByAll<R, V>(flight: Flight<R, V>, engine: CacheEngine): void {
  const { flights } = engine;
  const waiters = flight.waiters();
  const running = flights.get(flight.key!) as Flight<R, V> | undefined;
  const joinsOther = isOvertaken(flight, engine);
  flight.wasRead = true;
  flights.remove(flight);
  if (!joinsOther) {
    // The call that is made now begins after all that fenced the look-up.
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
