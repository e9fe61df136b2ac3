import type { PriorityRank } from '../core/priority';
import type { AdmissionQueue } from './admission-queue';
import type { PoolShare } from './pool-share';

/** Since when the longest waiting request has waited; `Infinity` if none waits. */
export function oldestSince(shares: readonly PoolShare[]): number {
  return shares.reduce((since, { standsSince }) => Math.min(since, standsSince), Infinity);
}

/** Waiting requests by rank, and how many have a free slot. */
export function demandOf(queue: AdmissionQueue): { waiting: number[]; startable: number } {
  const waiting = ([0, 1, 2, 3] satisfies PriorityRank[]).map((rank) => queue.waitingOf(rank));
  const startable = queue.shares.map((share) => {
    const free = share.pool.limit - share.pool.active;
    return Math.min(share.waiting, Math.max(0, free));
  });
  return { waiting, startable: startable.reduce((sum, count) => sum + count, 0) };
}
