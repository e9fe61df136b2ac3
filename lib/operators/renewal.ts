import type { CacheEngine } from '../cache/cache-engine';
import { Flight } from '../cache/flights';
import { Ticket } from '../core/ticket';
import type { CacheRunSettings } from './cache-run-settings';
import type { CacheWaiter } from './cache-waiter';

/** The subscription that receives a stale answer. */
interface Renewer<R, V> {
  readonly settings: CacheRunSettings<R, V>;
  /** Whether no further calls are made, because requests are refused or the subscriber has left. */
  readonly hasEnded: () => boolean;
  readonly send: (flight: Flight<R, V>) => void;
}

/** Renews the stale answer of a waiter by a call that only the cache waits for, unless a call already runs. */
export function renew<R, V>(
  { request, ticket: { id }, traits }: CacheWaiter<R, V>,
  key: string,
  engine: CacheEngine,
  { settings, hasEnded, send }: Renewer<R, V>,
): void {
  const { events, clock, maxWait } = settings;
  const { flights } = engine;
  const now = clock.now();
  const isUnwanted = traits.bypass?.write === true || !engine.mayRenew(key, engine.clock.date());
  if (isUnwanted || flights.has(key) || hasEnded()) {
    return;
  }
  const ticket = new Ticket(request, now);
  ticket.isRenewal = true;
  ticket.rank = 0;
  ticket.apply(traits, maxWait);
  ticket.receivedReportedTo = events;
  ticket.settledReportedTo = events;
  const flight = new Flight<R, V>(key, undefined, ticket, { ...traits, bypass: {} });
  flight.isRenewal = true;
  flight.isKept = true;
  flights.add(flight);
  events?.next({ type: 'cache-renewing', at: now, id, key, renewal: ticket.id });
  if (!hasEnded() && flights.get(key) === flight) {
    send(flight);
    return;
  }
  // A listener unsubscribed or deleted the key. Requests may have joined meanwhile.
  flight.isKept = false;
  if (flight.waiting > 0) {
    flight.firstWaiter!.startAnew(flight);
  } else {
    flights.remove(flight);
  }
}
