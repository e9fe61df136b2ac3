import type { Flight } from '../cache/flights';

/** Flights by the request that was sent for them; equal requests may have several. */
export class FlightsByRequest<R, V> {
  readonly #byRequest = new Map<R, Flight<R, V> | Set<Flight<R, V>>>();

  /** The flights of a request, oldest first. */
  of(request: R): Iterable<Flight<R, V>> {
    const flights = this.#byRequest.get(request) ?? [];
    return flights instanceof Set || Array.isArray(flights) ? flights : [flights];
  }

  add(flight: Flight<R, V>): void {
    const others = this.#byRequest.get(flight.request);
    if (others === undefined) {
      this.#byRequest.set(flight.request, flight);
    } else if (others instanceof Set) {
      others.add(flight);
    } else {
      this.#byRequest.set(flight.request, new Set([others, flight]));
    }
  }

  remove(flight: Flight<R, V>): void {
    const flights = this.#byRequest.get(flight.request);
    if (flights === flight || (flights instanceof Set && flights.delete(flight) && flights.size === 0)) {
      this.#byRequest.delete(flight.request);
    }
  }
}
