import type { CacheStore } from '../cache/cache-store';
import type { Fleet, FleetHost, FleetMember } from '../core/fleet';
import { configObject, numberSetting, requiredText } from '../core/settings';
import { clockFrom } from '../core/scheduler-clock';
import { PoolMember } from './pool-member';
import { poolScript } from './pool-script';
import { scriptsOver, type RedisClient } from './redis-client';
import { RedisStore } from './redis-store';

/** The config of a fleet. */
export interface RedisFleetConfig {
  /**
   * What the processes share: one name for each key and limit of a provider, as `openai:gpt-4o-mini`. All keys in the
   * server begin with `{rxllm:<pool>}`, so that a cluster keeps them on one node.
   */
  readonly pool: string;
  /**
   * Processes that the limits are divided by while the server was never heard. Default 1: then a process that never
   * reaches it takes the limits for its own.
   */
  readonly processes?: number;
  /** Milliseconds that a start waits for the server at most. Default 100. */
  readonly deadline?: number;
}

/**
 * Makes a fleet of processes that share what a provider allows: the limits that it states, those that you give, what
 * refusals taught, holds, and the order of priorities. Each process gives its own to its limiter, over a client that is
 * yours to make and to close. If the server is slow or gone, each process goes on with its share; no call fails for it.
 *
 * @example
 * const fleet = redisFleet(new Redis(), { pool: 'openai:gpt-4o-mini', processes: 4 });
 * const optimizer = new LLMCallOptimizer({ fleet });
 *
 * @throws TypeError for a client that is not known; TypeError or RangeError for a config that names a wrong value
 */
export function redisFleet(client: RedisClient, config: RedisFleetConfig): RedisFleet {
  return new RedisFleet(client, config);
}

/** A process's way into its fleet. */
export class RedisFleet implements Fleet {
  /**
   * Answers that all processes share, over the same client: `cache: { store: fleet.store }`. One process makes the call
   * for all that ask the same at the same time, and a deletion in one reaches the memory of all within a second.
   */
  readonly store: CacheStore;
  readonly #join: (host: FleetHost) => FleetMember;

  /** @internal */
  constructor(client: RedisClient, config: RedisFleetConfig) {
    const settings: Partial<RedisFleetConfig> = configObject('redisFleet', config);
    const pool = requiredText('pool', settings.pool);
    const processes = numberSetting('processes', settings.processes, 1, { min: 1, whole: true });
    const deadline = numberSetting('deadline', settings.deadline, 100, { above: true });
    const run = scriptsOver(client);
    const prefix = `{rxllm:${pool}}`;
    const ask = (question: string) => run(poolScript, [`${prefix}:pool`], [question]);
    this.#join = (host) => new PoolMember({ id: crypto.randomUUID(), processes, deadline, ask }, host);
    this.store = new RedisStore(run, prefix, crypto.randomUUID(), clockFrom(), deadline);
  }

  /** @internal */
  join(host: FleetHost): FleetMember {
    return this.#join(host);
  }
}
