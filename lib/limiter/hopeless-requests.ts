import type { Clock } from '../core/clock';
import { noNumber, ticketOf, type Queued, type Ticket } from '../core/ticket';
import type { Leaf } from './priority-class';
import type { SlotPool } from './slot-pool';
import { hopelessError, type Failure, type Walls } from './walls';

/** A request that need not wait any longer, and is to be told so. */
type Hopeless = Failure & (TicketedRequest | PlainRequest);

interface TicketedRequest {
  readonly ticket: Ticket;
}

interface PlainRequest {
  readonly pool: SlotPool;
  readonly item: unknown;
  readonly arrivedAt: number;
  readonly id: number;
}

/**
 * Those who fail because the provider lets nothing through for longer than they may wait. They are found when a refusal
 * is heard, or when they arrive, and told when the queue is drained, as whoever hears of it may act on the queue.
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

  /** Whether anybody may be without hope. */
  get mayBe(): boolean {
    return this.#walls?.closure !== undefined || this.#walls?.wall !== undefined;
  }

  /** Why a request need not wait any longer; undefined if it may be served yet. */
  errorOf(pool: SlotPool, ticket: Ticket | undefined, arrivedAt: number, now: number): Failure | undefined {
    return hopelessError(this.#walls, pool, ticket, arrivedAt, now);
  }

  /** The same for one that arrives. */
  errorOfNewcomer(
    pool: SlotPool,
    ticket: Ticket | undefined,
    arrivedAt: number,
    clock: Clock,
  ): Failure | undefined {
    return this.#walls?.closure && this.errorOf(pool, ticket, arrivedAt, clock.now());
  }

  add(one: Hopeless): void {
    this.#untold.push(one);
  }

  /** Takes requests without tickets out of a leaf; returns the tickets, which are still to be taken out. */
  takeFrom(leaf: Leaf, now: number): (Failure & TicketedRequest)[] {
    const { pool, queue } = leaf;
    const { closure, wall } = this.#walls!;
    if (!closure && !(wall && now - wall.since > pool.patience)) {
      return [];
    }
    const found: (Failure & { readonly queued: Queued })[] = [];
    let plain = 0;
    queue.retain((item, id, arrivedAt) => {
      const ticket = ticketOf(item, id);
      const failure = this.errorOf(pool, ticket, ticket?.arrivedAt ?? arrivedAt, now);
      if (!failure || !leaf.holds(item, id)) {
        return true;
      }
      if (id === noNumber) {
        found.push({ ...failure, queued: item as Queued });
        return true;
      }
      this.add({ ...failure, pool, item, arrivedAt, id });
      plain++;
      return false;
    });
    for (; plain > 0; plain--) {
      leaf.lane.priorityClass.left(leaf);
    }
    return found.map(({ queued, error }) => ({ ticket: unfolded(queued), error }));
  }

  /** Tells those who do not know yet; false if there was nobody. */
  tell(expire: (ticket: Ticket, error: unknown) => void): boolean {
    const untold = this.#untold;
    if (untold.length === 0) {
      return false;
    }
    this.#untold = [];
    for (const one of untold) {
      if ('ticket' in one) {
        expire(one.ticket, one.error);
      } else {
        one.pool.starter!.failPlain!(one.item, one.arrivedAt, one.id, one.error);
      }
    }
    return true;
  }
}

/** The ticket of what may have none yet. */
export function unfolded(queued: Queued): Ticket {
  queued.unfold();
  return queued.ticket!;
}
