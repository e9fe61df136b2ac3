import type { CallOutcome } from '../core/call';
import type { Ticket } from '../core/ticket';

/** One request that waits for a flight. */
export interface Waiter<R = unknown, V = unknown> {
  readonly request: R;
  readonly ticket: Ticket;
  /** Whether it asked when the call had been asked for already. */
  readonly joined: boolean;
  /** Makes the call in place of a starter whose own limits ended it. */
  startAnew(flight: Flight<R, V>): void;
  settle(outcome: CallOutcome<R, V>, flight: Flight<R, V>): void;
}

/** The one running call that all requests with one key share. */
export class Flight<R = unknown, V = unknown> {
  readonly waiters = new Set<Waiter<R, V>>();
  /** Whether its key was deleted or cleared meanwhile: nobody joins it any more, and it writes nothing. */
  isFenced = false;
  /** Lets go of the call; set by whoever makes it. */
  abandon: (() => void) | undefined;

  constructor(
    /** Undefined for a request that bypasses the cache. */
    readonly key: string | undefined,
    /** The request that the call is made for, and its ticket. */
    public starter: Waiter<R, V> | undefined,
    public ticket: Ticket,
  ) {}
}

/** The flights of a cache by key. A Map, as a key may be any string, `__proto__` too. */
export class Flights {
  readonly #byKey = new Map<string, Flight>();

  get(key: string): Flight | undefined {
    return this.#byKey.get(key);
  }

  add(flight: Flight): void {
    if (flight.key !== undefined) {
      this.#byKey.set(flight.key, flight);
    }
  }

  /** Takes a flight off, unless another one has taken its key meanwhile. */
  remove(flight: Flight): void {
    if (flight.key !== undefined && this.#byKey.get(flight.key) === flight) {
      this.#byKey.delete(flight.key);
    }
  }

  fence(key: string): void {
    const flight = this.#byKey.get(key);
    if (flight) {
      flight.isFenced = true;
      this.#byKey.delete(key);
    }
  }

  fenceAll(): void {
    for (const flight of this.#byKey.values()) {
      flight.isFenced = true;
    }
    this.#byKey.clear();
  }
}
