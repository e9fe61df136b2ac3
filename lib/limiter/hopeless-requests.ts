import type { Ticket } from '../core/ticket';
import type { SlotPool } from './slot-pool';
import { hopelessError, type Failure, type Walls } from './walls';

/** A request that can no longer succeed and has not been told yet. */
interface Hopeless extends Failure {
  readonly ticket: Ticket;
}

/**
 * Requests that fail because the provider lets nothing through for longer than they may wait, or because `maxSpend` is
 * reached. They are found on a refusal, when the money is spent, or on arrival. They fail when the queue is drained,
 * because their subscribers may act on the queue.
 */
export class HopelessRequests {
  readonly #walls: Walls | undefined;
  #untold: Hopeless[] = [];

  constructor(walls: Walls | undefined) {
    this.#walls = walls;
  }

  get areTold(): boolean {
    return this.#untold.length === 0;
  }

  mayBeIn({ patience, spendGate }: SlotPool, now: number): boolean {
    if (!this.#walls || spendGate?.isReached) {
      return spendGate?.isReached === true;
    }
    const { closure, wall } = this.#walls;
    return closure !== undefined || (wall !== undefined && now - wall.since > patience);
  }

  /** The error of a request that can no longer succeed; undefined for others. */
  errorOf(pool: SlotPool, ticket: Ticket, now: number): Failure | undefined {
    return hopelessError(this.#walls, pool, ticket, ticket.arrivedAt, now);
  }

  /** The error of a new request that cannot succeed; undefined for others. */
  errorOfNewcomer(pool: SlotPool, ticket: Ticket, now: number): Failure | undefined {
    return pool.spendGate?.isReached || this.#walls?.closure ? this.errorOf(pool, ticket, now) : undefined;
  }

  add(one: Hopeless): void {
    this.#untold.push(one);
  }

  /** Fails the requests that were found. Returns false if there were none. */
  tell(expire: (ticket: Ticket, error: unknown) => void): boolean {
    const untold = this.#untold;
    this.#untold = [];
    for (const { ticket, error } of untold) {
      expire(ticket, error);
    }
    return untold.length > 0;
  }
}
