import type { Ticket } from '../core/ticket';
import type { SlotPool } from './slot-pool';
import { hopelessError, type Failure, type Walls } from './walls';

/** A request that need not wait any longer, and is to be told so. */
interface Hopeless extends Failure {
  readonly ticket: Ticket;
}

/**
 * Requests that fail because the provider lets nothing through for longer than they may wait, or because no more may be
 * spent. They are found when a refusal is heard, when the money is spent, or when they arrive, and fail when the queue is
 * drained, as their subscribers may act on the queue.
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

  /** Whether a request of a pool may be hopeless. */
  mayBeIn({ patience, spendGate }: SlotPool, now: number): boolean {
    if (!this.#walls || spendGate?.isReached) {
      return spendGate?.isReached === true;
    }
    const { closure, wall } = this.#walls;
    return closure !== undefined || (wall !== undefined && now - wall.since > patience);
  }

  /** Why a request need not wait any longer; undefined if it may be served yet. */
  errorOf(pool: SlotPool, ticket: Ticket, now: number): Failure | undefined {
    return hopelessError(this.#walls, pool, ticket, ticket.arrivedAt, now);
  }

  /** Why a request that arrives need not wait; undefined if it may be served yet. */
  errorOfNewcomer(pool: SlotPool, ticket: Ticket, now: number): Failure | undefined {
    return pool.spendGate?.isReached || this.#walls?.closure ? this.errorOf(pool, ticket, now) : undefined;
  }

  add(one: Hopeless): void {
    this.#untold.push(one);
  }

  /** Tells those who do not know yet; false if there was nobody. */
  tell(expire: (ticket: Ticket, error: unknown) => void): boolean {
    const untold = this.#untold;
    this.#untold = [];
    for (const { ticket, error } of untold) {
      expire(ticket, error);
    }
    return untold.length > 0;
  }
}
