import type { CacheStore } from '../cache/cache-store';
import type { Fleet, FleetHost, FleetMember } from '../core/fleet';
import { configObject, numberSetting, requiredText, type FieldsOf } from '../core/settings';
import { clockFrom } from '../core/scheduler-clock';
import { PoolMember } from './pool-member';
import { poolScript } from './pool-script';
import { scriptsOver, type RedisClient } from './redis-client';
import { RedisStore } from './redis-store';

const fields: FieldsOf<RedisFleetConfig> = { pool: true, processes: true, deadline: true };

/** The config of a fleet. */
export interface RedisFleetConfig {
  /**
   * The name of what the processes share, one for each key and limit of a provider, such as `openai:gpt-4o-mini`. All
   * keys in the server begin with `{rxllm:<pool>}`, so that a cluster keeps them on one node.
   */
  readonly pool: string;
  /**
   * The number of processes that the limits are divided by before the server has answered. With 1, a process that never
   * reaches the server uses the limits alone.
   * @defaultValue 1
   */
  readonly processes?: number;
  /** Milliseconds that a start waits for the server at most. @defaultValue 100 */
  readonly deadline?: number;
}

/**
 * Makes a fleet of processes that share a provider's limits: stated, given and learned ones, holds, and the order of
 * priorities. Each process makes one and passes it to its limiter. The client is yours to make and to close. If the
 * server is slow or gone, each process goes on with its share, and no call fails because of it.
 *
 * @example
 * const fleet = redisFleet(new Redis(), { pool: 'openai:gpt-4o-mini', processes: 4 });
 * const optimizer = new LLMCallOptimizer({ fleet });
 *
 * @throws TypeError if the client is not a known one; TypeError or RangeError if the config has a wrong value
 */
export function redisFleet(client: RedisClient, config: RedisFleetConfig): RedisFleet {
  return new RedisFleet(client, config);
}

/** A process's connection to its fleet. */
export class RedisFleet implements Fleet {
  /**
   * A store whose answers all processes share, over the same client: `cache: { store: fleet.store }`. For equal
   * concurrent requests one process makes the call. A deletion in one process reaches the memory of all within a
   * second.
   */
  readonly store: CacheStore;
  readonly #join: (host: FleetHost) => FleetMember;

  /** @internal */
  constructor(client: RedisClient, config: RedisFleetConfig) {
    const settings: Partial<RedisFleetConfig> = configObject('redisFleet', config, fields);
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
