import type { LeaseResult, StoreLease } from '../cache/cache-store';
import type { Cancel, Clock } from '../core/clock';
import { FleetCallError } from '../core/errors';
import { RedisScript, type RunScript } from './redis-client';

/** Milliseconds after which a lease ends without renewal, and between renewals. */
const leaseTime = 10_000;
const renewEvery = 3000;

/** Milliseconds between two checks of another process's lease, at first and at most. */
const firstLook = 100;
const longestLook = 500;

/** Milliseconds for which waiting processes can read a failure. */
const failureTime = 5000;

/**
 * Keys: the lease, the answer, the failure, the generation, the number of leases. Values: the awaited lease of another
 * process, milliseconds. Each lease has its own number, so that a process that has lost it writes nothing.
 */
const claimScript = new RedisScript(`
local generation = redis.call('GET', KEYS[4]) or '0'
local holder = redis.call('GET', KEYS[1])
if holder then return 'held ' .. holder end
if ARGV[1] ~= '' then
  local failure = redis.call('GET', KEYS[3])
  if failure and string.sub(failure, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then return 'failed ' .. string.sub(failure, #ARGV[1] + 2) end
  if redis.call('EXISTS', KEYS[2]) == 1 then return 'answered' end
end
local token = generation .. '.' .. redis.call('INCR', KEYS[5])
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return 'taken ' .. token
`);

/** Keys: leases. Values: milliseconds, their tokens. */
const renewScript = new RedisScript(`
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[i + 1] then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 1
`);

/**
 * Keys: the lease, the failure. Values: the token, the failure or nothing, the milliseconds for which it can be read.
 */
const endScript = new RedisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3]) end
return 1
`);

/** The rights to make answers. One process has the right for each key. */
export class RedisLeases {
  readonly #tokens = new Map<string, string>();
  #cancelRenewal: Cancel | undefined;

  constructor(
    private readonly run: RunScript,
    private readonly keyOf: (name: string) => string,
    private readonly clock: Clock,
    private readonly deadline: number,
  ) {}

  /** The token of a lease that this process has, or had and lost; empty without one. */
  tokenOf(key: string): string {
    return this.#tokens.get(key) ?? '';
  }

  lease(key: string, settled: (result: LeaseResult) => void): StoreLease {
    let isOver = false;
    let cancel: Cancel = () => undefined;
    const settle = (result: LeaseResult) => {
      isOver = true;
      cancel();
      settled(result);
    };
    const look = (followed: string, pause: number) => {
      let isLate = false;
      // Without the server, each process makes its own calls.
      cancel = this.clock.schedule(this.deadline, () => {
        isLate = true;
        settle('taken');
      });
      this.#claim(key, followed).then(
        ([word, ...rest]) => {
          if (word === 'taken' && (isOver || isLate)) {
            this.#end(key, rest[0]!, '');
          }
          if (isOver) return;
          cancel();
          if (word === 'held') {
            cancel = this.clock.schedule(pause, () => look(rest[0]!, Math.min(longestLook, 1.5 * pause)));
          } else if (word === 'failed') {
            settle({ error: new FleetCallError(rest.join(' ')) });
          } else if (word === 'answered') {
            settle('answered');
          } else {
            this.#tokens.set(key, rest[0]!);
            this.#renewLater();
            settle('taken');
          }
        },
        () => {
          if (!isOver) settle('taken');
        },
      );
    };
    look('', firstLook);
    return {
      end: (failure) => {
        if (!isOver) {
          isOver = true;
          cancel();
        }
        const token = this.tokenOf(key);
        if (token !== '') {
          this.#tokens.delete(key);
          this.#end(key, token, failure ? textOf(failure.error) : '');
        }
      },
    };
  }

  async #claim(key: string, followed: string): Promise<string[]> {
    const keys = [`lease:${key}`, `answer:${key}`, `failure:${key}`, 'generation', 'leases'].map(this.keyOf);
    return String(await this.run(claimScript, keys, [followed, String(leaseTime)])).split(' ');
  }

  #end(key: string, token: string, failure: string): void {
    const keys = [`lease:${key}`, `failure:${key}`].map(this.keyOf);
    this.run(endScript, keys, [token, failure, String(failureTime)]).catch(ignore);
  }

  #renewLater(): void {
    this.#cancelRenewal ??= this.clock.schedule(renewEvery, () => this.#renew(), { background: true });
  }

  #renew(): void {
    this.#cancelRenewal = undefined;
    if (this.#tokens.size > 0) {
      const keys = [...this.#tokens.keys()].map((key) => this.keyOf(`lease:${key}`));
      this.run(renewScript, keys, [String(leaseTime), ...this.#tokens.values()]).catch(ignore);
      this.#renewLater();
    }
  }
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : 'It failed.';
  return text.slice(0, 500);
}

function ignore(): void {
  // A lease that is not renewed ends anyway.
}
