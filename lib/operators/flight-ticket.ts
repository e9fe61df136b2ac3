import type { Flight } from '../cache/flights';
import { Ticket } from '../core/ticket';

/** The ticket of a request that a cache may ask a call for: the outcome of that call leads by it to the flight. */
export class FlightTicket<R, V> extends Ticket<R> {
  flight: Flight<R, V> | undefined;

  override lostSight(): void {
    this.flight?.carrier?.lostSight?.();
  }
}
