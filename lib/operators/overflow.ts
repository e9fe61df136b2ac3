import type { Ticket } from '../core/ticket';
import type { OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { SlotPool } from '../limiter/slot-pool';
import type { RunSettings } from './run-settings';

/**
 * The policy of a queue that is too full for a ticket; undefined if there is room.
 *
 * @param ownWaiting how many wait in the subscription that the ticket came to
 */
export function overflowFor(
  ticket: Ticket,
  ownWaiting: number,
  pool: SlotPool,
  { maxQueue, overflow, queue, limiter, sharedPool }: RunSettings<never>,
): OverflowPolicy | undefined {
  const { rank, asks } = ticket;
  // Promises that share slots share the bound as well, as each is a subscription of its own.
  const waiting = sharedPool ? queue.waiting + queue.backingOff : ownWaiting;
  const isFull = waiting >= maxQueue;
  // The bound of the limiter is for requests that wait for its permit.
  const isLimiterFull = limiter !== undefined && asks !== 'start' && queue.waiting >= limiter.maxQueue;
  if ((!isFull && !isLimiterFull) || queue.wouldStart(pool, rank, ticket, asks)) {
    return undefined;
  }
  return isFull ? overflow : limiter!.overflow;
}
