import type { Ticket } from '../core/ticket';
import type { OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { SlotPool } from '../limiter/slot-pool';
import type { RunSettings } from './run-settings';

/**
 * The overflow policy if a queue has no room for a ticket; undefined if it has.
 *
 * @param ownWaiting the number of waiting requests in the ticket's subscription
 */
export function overflowFor(
  ticket: Ticket,
  ownWaiting: number,
  pool: SlotPool,
  { maxQueue, overflow, queue, limiter, sharedPool }: RunSettings<never>,
): OverflowPolicy | undefined {
  const { rank, asks } = ticket;
  // Promises share slots and the bound, because each is a subscription of its own.
  const waiting = sharedPool ? queue.waiting + queue.backingOff : ownWaiting;
  const isFull = waiting >= maxQueue;
  // The limiter's bound is for requests that wait for its permit.
  const isLimiterFull = limiter !== undefined && asks !== 'start' && queue.waiting >= limiter.maxQueue;
  if ((!isFull && !isLimiterFull) || queue.wouldStart(pool, rank, ticket, asks)) {
    return undefined;
  }
  return isFull ? overflow : limiter!.overflow;
}
