import { fleetDimensions, type FleetCost, type FleetLimit } from '../core/fleet';
import type { PoolReply } from './pool-reply';

interface ShareBucket {
  readonly name: string;
  readonly dimension: number;
  readonly limit: number;
  readonly window: number;
  readonly depth: number;
  level: number;
  at: number;
  /** When it is full again, if it fills all at once. */
  fullAt: number | undefined;
}

interface ShareWindow {
  readonly name: string;
  readonly dimension: number;
  readonly limit: number;
  readonly window: number;
  /** When spent amounts leave the window. */
  spent: { readonly until: number; readonly amount: number }[];
}

/**
 * A process's share of a pool whose server does not answer: the last known limits, and what is left of them, divided by
 * the members. The shares of all members are never more than the limits.
 */
export class OwnShare {
  readonly #buckets: ShareBucket[];
  readonly #windows: ShareWindow[];
  readonly #heldUntil: number;

  /**
   * @param reply the last reply, if there was one
   * @param at when it came
   */
  constructor(
    limits: readonly FleetLimit[],
    reply: PoolReply | undefined,
    at: number,
    private readonly members: number,
  ) {
    this.#heldUntil = at + (reply?.hold ?? 0);
    this.#buckets = (reply?.b ?? []).map(([name, dimension, limit, window, depth, level, full]) => ({
      name,
      dimension: dimension - 1,
      limit: limit / members,
      window,
      depth: depth / members,
      level: level / members,
      at,
      fullAt: full < 0 ? undefined : at + full,
    }));
    this.#windows = limits.map(({ name, dimension, limit, window }) => {
      const [, groups = []] = reply?.w.find(([other]) => other === name) ?? [];
      // Half a request per minute means one in two minutes.
      const stretch = dimension === 'requests' ? Math.max(1, members / limit) : 1;
      return {
        name,
        dimension: fleetDimensions.indexOf(dimension),
        limit: (limit / members) * stretch,
        window: window * stretch,
        spent: groups.map(([leaves, amount]) => ({
          until: at + leaves + window * stretch,
          amount: amount / members,
        })),
      };
    });
  }

  opensAt(cost: FleetCost, now: number): number {
    let opens = this.#heldUntil;
    for (const bucket of this.#buckets) {
      refill(bucket, now);
      const { depth, level, limit, window, fullAt, dimension } = bucket;
      const missing = Math.min(cost[dimension]!, depth) - level;
      if (missing > 1e-9 * depth) {
        opens = Math.max(opens, fullAt ?? now + (missing * window) / limit);
      }
    }
    for (const { dimension, limit, spent } of this.#windows) {
      const left = spent.filter(({ until }) => until > now);
      let missing = left.reduce((sum, { amount }) => sum + amount, Math.min(cost[dimension]!, limit) - limit);
      for (const { until, amount } of left) {
        if (missing <= 1e-9 * limit) break;
        missing -= amount;
        opens = Math.max(opens, until);
      }
    }
    return Math.ceil(opens);
  }

  /** Takes an amount, or gives it back if it is negative. */
  take(cost: FleetCost, now: number): void {
    for (const bucket of this.#buckets) {
      refill(bucket, now);
      bucket.level = Math.min(
        bucket.depth,
        bucket.level - Math.min(cost[bucket.dimension]!, bucket.limit * this.members),
      );
    }
    for (const share of this.#windows) {
      share.spent = share.spent.filter(({ until }) => until > now);
      share.spent.push({ until: now + share.window, amount: Math.min(cost[share.dimension]!, share.limit) });
    }
  }

  /** What this process reports to a pool that was lost: what is left, and what it has spent. */
  brought(now: number): { b: unknown[]; w: unknown[] } {
    const { members } = this;
    return {
      b: this.#buckets.map((bucket) => {
        refill(bucket, now);
        const { name, dimension, limit, window, depth, level } = bucket;
        return [name, dimension + 1, limit * members, window, depth * members, level];
      }),
      w: this.#windows.map(({ name, limit, window, spent }) => [
        name,
        limit,
        spent.map(({ until, amount }) => [now + window - until, amount]),
      ]),
    };
  }
}

function refill(bucket: ShareBucket, now: number): void {
  const { depth, fullAt, limit, window, at } = bucket;
  if (fullAt === undefined) {
    bucket.level = Math.min(depth, bucket.level + ((now - at) * limit) / window);
  } else if (now >= fullAt) {
    bucket.level = depth;
    bucket.fullAt = fullAt + (1 + Math.floor((now - fullAt) / window)) * window;
  }
  bucket.at = now;
}
