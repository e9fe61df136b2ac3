import type { CacheStore, LeaseResult, StoreLease } from '../cache/cache-store';
import type { Clock } from '../core/clock';
import { RedisScript, type RunScript } from './redis-client';
import { RedisLeases } from './redis-leases';

/** Milliseconds between two questions for deletions of other processes. */
const watchEvery = 500;

/** The most deletions that are kept for processes that have not asked yet. */
const rememberedDeletions = 1000;

/** Keys: the answer, the generation. An answer of a cleared generation counts as absent. */
const getScript = new RedisScript(`
local text, generation = redis.call('GET', KEYS[1]), (redis.call('GET', KEYS[2]) or '0') .. ' '
if text and string.sub(text, 1, #generation) == generation then return string.sub(text, #generation + 1) end
return false
`);

/** Keys: the answer, the generation, the index, the lease. Values: text, time to live, key, token of the lease. */
const setScript = new RedisScript(`
local generation, time = redis.call('GET', KEYS[2]) or '0', redis.call('TIME')
if ARGV[4] ~= '' and redis.call('GET', KEYS[4]) ~= ARGV[4] then return 0 end
local now, ttl = tonumber(time[1]) * 1000, tonumber(ARGV[2])
if ttl > 0 then
  redis.call('SET', KEYS[1], generation .. ' ' .. ARGV[1], 'PX', ttl)
else
  redis.call('SET', KEYS[1], generation .. ' ' .. ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], 0, now)
redis.call('ZADD', KEYS[3], ttl > 0 and now + 1000 + ttl or 'inf', ARGV[3])
if ARGV[4] ~= '' then redis.call('DEL', KEYS[4]) end
return 1
`);

/** Keys: the answer, the lease, the index, the deletions, their number. Values: key, process. */
const deleteScript = new RedisScript(`
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('INCR', KEYS[5])
redis.call('LPUSH', KEYS[4], ARGV[2] .. ' ' .. ARGV[1])
redis.call('LTRIM', KEYS[4], 0, ${rememberedDeletions - 1})
return 1
`);

/** Keys: the generation, the index, the deletions, their number. Values: process. */
const clearScript = new RedisScript(`
redis.call('INCR', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('INCR', KEYS[4])
redis.call('LPUSH', KEYS[3], ARGV[1] .. ' ')
redis.call('LTRIM', KEYS[3], 0, ${rememberedDeletions - 1})
return 1
`);

/**
 * Keys: the deletions, their number. Value: the number of the last known deletion, -1 for none. Returns the last
 * number, and the new deletions, or nothing if they are lost.
 */
const newDeletionsScript = new RedisScript(`
local number, known = tonumber(redis.call('GET', KEYS[2]) or 0), tonumber(ARGV[1])
if known < 0 or known == number then return { number, 1 } end
if known > number or number - known > ${rememberedDeletions} then return { number, 0 } end
return { number, 1, unpack(redis.call('LRANGE', KEYS[1], 0, number - known - 1)) }
`);

/** Key: the index. Value: a cursor. */
const listScript = new RedisScript(`return redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', 200)`);

/**
 * The answers of all processes of a fleet, in its server. Besides what other stores do, it lets one process make a call
 * for all, and reports deletions to the others.
 */
export class RedisStore implements CacheStore {
  readonly #run: RunScript;
  readonly #prefix: string;
  readonly #process: string;
  readonly #clock: Clock;
  readonly #leases: RedisLeases;

  constructor(run: RunScript, prefix: string, process: string, clock: Clock, deadline: number) {
    this.#run = run;
    this.#prefix = prefix;
    this.#process = process;
    this.#clock = clock;
    this.#leases = new RedisLeases(run, (name) => this.#key(name), clock, deadline);
  }

  get(key: string): Promise<unknown> {
    return this.#run(getScript, this.#keys(`answer:${key}`, 'generation'), []);
  }

  async set(key: string, text: string, ttl = 0): Promise<boolean> {
    const token = this.#leases.tokenOf(key);
    const keys = this.#keys(`answer:${key}`, 'generation', 'index', `lease:${key}`);
    await this.#run(setScript, keys, [text, String(ttl), key, token]);
    return true;
  }

  delete(key: string): Promise<unknown> {
    const keys = this.#keys(`answer:${key}`, `lease:${key}`, 'index', 'deletions', 'deleted');
    return this.#run(deleteScript, keys, [key, this.#process]);
  }

  clear(): Promise<unknown> {
    return this.#run(clearScript, this.#keys('generation', 'index', 'deletions', 'deleted'), [this.#process]);
  }

  async *iterator(): AsyncGenerator<[string, unknown]> {
    let cursor = '0';
    do {
      const page = await this.#run(listScript, this.#keys('index'), [cursor]);
      const [next, pairs] = page as [unknown, unknown[]];
      cursor = String(next);
      for (const [index, key] of pairs.entries()) {
        const text = index % 2 === 0 ? await this.get(String(key)) : undefined;
        if (typeof text === 'string') {
          yield [String(key), text];
        }
      }
    } while (cursor !== '0');
  }

  lease(key: string, settled: (result: LeaseResult) => void): StoreLease {
    return this.#leases.lease(key, settled);
  }

  watch(deleted: (key: string | undefined) => void): () => void {
    let known = -1;
    let isOver = false;
    const later = () =>
      this.#clock.schedule(watchEvery, () => void this.#newDeletions(known).then(heard, later), {
        background: true,
      });
    const heard = ([number, isWhole, ...news]: readonly unknown[]) => {
      if (isOver) {
        return;
      }
      known = Number(number);
      cancel = later();
      if (!Number(isWhole)) {
        deleted(undefined);
      }
      for (const line of news.map(String)) {
        const [process, ...key] = line.split(' ');
        if (process !== this.#process) {
          deleted(key.join(' ') || undefined);
        }
      }
    };
    let cancel = later();
    void this.#newDeletions(known).then(heard, () => undefined);
    return () => {
      isOver = true;
      cancel();
    };
  }

  async #newDeletions(known: number): Promise<readonly unknown[]> {
    const answer = await this.#run(newDeletionsScript, this.#keys('deletions', 'deleted'), [String(known)]);
    return answer as unknown[];
  }

  #key(name: string): string {
    return `${this.#prefix}:${name}`;
  }

  #keys(...names: string[]): string[] {
    return names.map((name) => this.#key(name));
  }
}
