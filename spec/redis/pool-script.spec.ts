import fc from 'fast-check';
import { Redis } from 'ioredis';
import { horizon, goneAfter } from '../../lib/redis/pool-limits';
import { poolReplyOf, type PoolReply } from '../../lib/redis/pool-reply';
import { poolScript } from '../../lib/redis/pool-script';
import { RedisScript, scriptsOver, type RunScript } from '../../lib/redis/redis-client';
import { describeWithRedis, RedisServer } from './redis-server';

type Cost = readonly [number, number, number, number];

/** The script with a clock that the spec sets. */
const clocked = new RedisScript(poolScript.text.replaceAll("redis.call('TIME')", '{ARGV[2], ARGV[3]}'));

const minute = 60_000;
const requestLimit = ['limits.requests', 1, 20, minute] as const;
const tokenLimit = ['limits.tokens', 2, 3000, minute] as const;

interface Start {
  /** On the clock of the fleet, and on the true one. */
  readonly at: number;
  readonly truly: number;
  readonly cost: Cost;
}

interface Question {
  readonly d?: readonly number[];
  readonly want?: number;
  readonly cost?: Cost;
  readonly limits?: readonly (readonly [string, number, number, number])[];
  readonly stated?: readonly object[];
  readonly refused?: readonly number[];
  readonly hold?: number;
  readonly passed?: boolean;
  readonly bring?: object;
  readonly era?: number;
}

/** A pool in a world with a true clock, of which that of the server may differ. */
class World {
  now = 1_700_000_000_000;
  offset = 0;
  era = 0;
  readonly #reports = new Map<string, number>();
  readonly #askedAt = new Map<string, number>();
  readonly #corrections = new Map<string, [number, number, readonly number[]][]>();

  constructor(
    readonly run: RunScript,
    readonly pool: string,
  ) {}

  knows(id: string): boolean {
    return this.#askedAt.has(id);
  }

  giveBack(id: string, at: number, mark: number, difference: readonly number[]): void {
    this.#corrections.set(id, [...(this.#corrections.get(id) ?? []), [at, mark, difference]]);
  }

  async ask(id: string, question: Question = {}): Promise<PoolReply> {
    const { d = [0, 0, 0, 0], cost = [1, 0, 0, 0], limits = [], bring } = question;
    const want = question.want ?? d.reduce((sum, count) => sum + count, 0);
    const n = (this.#reports.get(id) ?? 0) + 1;
    this.#reports.set(id, n);
    const { stated = [], refused = [], hold = 0, passed = false, era = this.era } = question;
    const c = this.#corrections.get(id) ?? [];
    this.#corrections.delete(id);
    const report = { n, c, spent: [0, 0, 0, 0], stated, refused, passed, hold };
    const since = this.now - (this.#askedAt.get(id) ?? this.now);
    this.#askedAt.set(id, this.now);
    const reading = this.now + this.offset;
    const text = await this.run(
      clocked,
      [`{${this.pool}}:pool`],
      [
        JSON.stringify({ id, era, since, want, d, c: cost, limits, report, ...(bring && { bring }) }),
        String(Math.floor(reading / 1000)),
        String((reading % 1000) * 1000),
      ],
    );
    const reply = poolReplyOf(text);
    if (reply === 'again') {
      throw new Error('The pool was lost.');
    }
    this.era = reply.era;
    return reply;
  }
}

/** The most that was spent in a window, by the clock that `timeOf` reads. */
function mostIn(
  starts: readonly Start[],
  window: number,
  amountOf: (cost: Cost) => number,
  timeOf: (start: Start) => number,
): number {
  const sorted = [...starts].sort((one, other) => timeOf(one) - timeOf(other));
  let first = 0;
  let sum = 0;
  let most = 0;
  for (const start of sorted) {
    sum += amountOf(start.cost);
    while (timeOf(sorted[first]!) <= timeOf(start) - window) {
      sum -= amountOf(sorted[first++]!.cost);
    }
    most = Math.max(most, sum);
  }
  return most;
}

describeWithRedis('the script of a pool', () => {
  let server: RedisServer;
  let client: Redis;
  let pools = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port, '127.0.0.1');
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });
  const world = () => new World(scriptsOver(client), `spec-${++pools}`);

  it('grants everything where no limit is known', async () => {
    const { grants, ask, members } = await world().ask('a', { d: [0, 50, 0, 50] });
    expect(grants).toEqual(Array.from({ length: 100 }, () => 0));
    expect([ask, members]).toEqual([0, 1]);
  });

  it('spreads the starts of a spent limit over the horizon, and says when to ask again', async () => {
    const pool = world();
    const first = await pool.ask('a');
    const stated = { name: 'requests', dim: 1, limit: 6000, window: minute, depth: 6000, remaining: 50 };
    const { mark } = first;
    const { grants, ask, gate } = await pool.ask('a', {
      d: [0, 100, 0, 0],
      stated: [{ ...stated, mark, at: first.now, era: first.era }],
    });
    // All but half a second's worth may be spent; one comes back every 10 ms.
    expect(grants[0]).toBeCloseTo(10, 3);
    expect(grants).toHaveLength(10);
    expect(grants.at(-1)).toBeCloseTo(100, 3);
    expect([gate, Math.round(ask)]).toEqual(['requests', 110]);
  });

  it('has a critical request go before the backlog of another member', async () => {
    const pool = world();
    const stated = { name: 'requests', dim: 1, limit: 600, window: minute, depth: 600, remaining: 5 };
    const first = await pool.ask('a');
    await pool.ask('a', {
      d: [100, 0, 0, 0],
      stated: [{ ...stated, mark: first.mark, at: first.now, era: first.era }],
    });
    pool.now += 1;
    const urgent = await pool.ask('b', { d: [0, 0, 0, 1] });
    pool.now += 50;
    const again = await pool.ask('a', { d: [100, 0, 0, 0] });
    const place = (reply: PoolReply, from: number) => from + (reply.grants[0] ?? reply.ask);
    expect(place(urgent, 1)).toBeLessThanOrEqual(place(again, 51));
    pool.now += 60;
    const granted = await pool.ask('b', { d: [0, 0, 0, 1] });
    expect(granted.grants).toHaveLength(1);
  });

  it('counts one refusal of an episode, measures at the next, and gives the pace back to what is shed', async () => {
    const serve = async (let_: (second: number, start: number) => boolean, seconds: number) => {
      const pool = world();
      const rates: number[] = [];
      let refused: number[] = [];
      let starts = 0;
      let sum = 0;
      for (let tick = 0; tick < seconds * 10; tick++) {
        pool.now += 100;
        const { grants, mark, b } = await pool.ask('a', { d: [0, 2, 0, 0], refused });
        refused = grants.flatMap((_after, index) => (let_(pool.now, ++starts) ? [] : [mark[0] + index + 1]));
        sum += refused.length;
        rates.push((b.find(([name]) => name === 'learned')?.[2] ?? Infinity) / 60);
      }
      return { rates, refused: sum, starts };
    };
    // A bucket of 10 a second, 50 deep, of which 20 a second are asked.
    let level = 50;
    let at = 0;
    const limited = await serve((now) => {
      level = Math.min(50, level + ((now - (at || now)) * 10) / 1000);
      at = now;
      const isServed = level >= 1;
      level -= isServed ? 1 : 0;
      return isServed;
    }, 120);
    expect(limited.refused / limited.starts).toBeLessThan(0.015);
    expect(limited.rates.at(-1)).toBeGreaterThan(9);
    expect(limited.rates.at(-1)).toBeLessThan(11);
    // A fifth is refused whatever the pace.
    const shed = await serve((_now, start) => start % 5 !== 0, 60);
    expect(shed.rates.at(-1)).toBeGreaterThan(18);
  });

  it('tries a wall with one call of the whole fleet', async () => {
    const pool = world();
    await pool.ask('a', { hold: 1000 });
    const held = await pool.ask('b', { d: [0, 5, 0, 0] });
    expect([held.grants, held.hold, held.gate]).toEqual([[], 1000, 'hold']);
    pool.now += 1001;
    expect((await pool.ask('b', { d: [0, 5, 0, 0] })).grants).toHaveLength(1);
    expect((await pool.ask('a', { d: [0, 5, 0, 0] })).grants).toHaveLength(0);
    await pool.ask('b', { passed: true });
    expect((await pool.ask('a', { d: [0, 5, 0, 0] })).grants).toHaveLength(5);
  });

  it('is made anew, from the shares that its members bring, when it is lost', async () => {
    const pool = world();
    const limits = [requestLimit];
    await pool.ask('a', { d: [0, 8, 0, 0], limits });
    await client.del(`{${pool.pool}}:pool`);
    pool.now += 10;
    await expect(pool.ask('a', { limits })).rejects.toThrow('lost');
    // Of two members each has 10; one has spent 4 of its own.
    const era = pool.era;
    const bring = (spent: number) => ({ b: [], w: [[requestLimit[0], 10, [[100, spent]]]] });
    const back = await pool.ask('a', { d: [0, 20, 0, 0], limits, bring: bring(4) });
    expect(back.grants).toHaveLength(6);
    await pool.ask('a', { limits });
    const other = await pool.ask('b', { d: [0, 20, 0, 0], limits, bring: bring(0), era });
    expect(other.grants).toHaveLength(10);
  });

  const command = fc.record({
    member: fc.integer({ min: 0, max: 4 }),
    wait: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 8000 })),
    step: fc.option(fc.integer({ min: -90_000, max: 90_000 }), { freq: 12 }),
    d: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 4, maxLength: 4 }),
    tokens: fc.integer({ min: 0, max: 900 }),
    fate: fc.constantFrom('used', 'used', 'used', 'late', 'unused', 'lost', 'dies'),
  });

  it('never grants more than a limit in any window, whatever becomes of members, replies and the clock', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60 }), async (commands) => {
        const pool = world();
        const starts: Start[] = [];
        const lives = [0, 0, 0, 0, 0];
        let steps = 0;
        for (const { member, wait, step, d, tokens, fate } of commands) {
          pool.now += wait;
          const id = `${member}.${lives[member]}`;
          // Of a step forward only a member knows that has asked before.
          const stepped = pool.knows(id) ? (step ?? 0) : Math.min(0, step ?? 0);
          pool.offset += stepped;
          steps += stepped > 0 ? 1 : 0;
          const cost: Cost = [1, tokens, 0, 0];
          const { grants, now, mark } = await pool.ask(id, { d, cost, limits: [requestLimit, tokenLimit] });
          grants.forEach((after, index) => {
            const delay = after + (fate === 'late' ? horizon : 0);
            if (fate === 'used' || fate === 'late') {
              starts.push({ at: now + delay, truly: pool.now + delay, cost });
            } else if (fate === 'unused') {
              pool.giveBack(id, now + after, mark[0] + index + 1, [-1, -tokens, 0, 0]);
            }
          });
          lives[member]! += fate === 'dies' ? 1 : 0;
        }
        // A step forward may hide a second.
        for (const [window, timeOf] of [
          [minute, ({ at }: Start) => at],
          [minute - 1000 * steps, ({ truly }: Start) => truly],
        ] as const) {
          expect(mostIn(starts, window, () => 1, timeOf)).toBeLessThanOrEqual(requestLimit[2]);
          expect(mostIn(starts, window, ([, tokens]) => tokens, timeOf)).toBeLessThanOrEqual(tokenLimit[2]);
        }
      }),
      { numRuns: 100 },
    );
  }, 30_000);

  it('keeps to a stated bucket, serves every member and every priority, and loses one horizon by a death', async () => {
    const asked = fc.record({
      members: fc.integer({ min: 1, max: 8 }),
      perSecond: fc.integer({ min: 2, max: 300 }),
      dies: fc.boolean(),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ members, perSecond, dies, seed }) => {
        const pool = world();
        const first = await pool.ask('0');
        const bucket = {
          name: 'requests',
          dim: 1,
          limit: 60 * perSecond,
          window: minute,
          depth: 60 * perSecond,
        };
        // Nothing is left but what comes back.
        await pool.ask('0', {
          stated: [
            {
              ...bucket,
              remaining: Math.ceil(perSecond / 2),
              mark: first.mark,
              at: first.now,
              era: first.era,
            },
          ],
        });
        const due = Array.from(
          { length: members },
          (_, index) => pool.now + (((seed + index * 37) >>> 0) % 40),
        );
        const served = due.map(() => 0);
        const starts: number[] = [];
        const begin = pool.now;
        const seconds = Math.max(6, Math.ceil((8 * members) / perSecond));
        const end = begin + seconds * 1000;
        const died = dies && members > 1 ? begin + 2000 : Infinity;
        for (;;) {
          const next = due.indexOf(Math.min(...due));
          pool.now = Math.max(pool.now, due[next]!);
          if (pool.now > end) break;
          if (next === 0 && pool.now > died) {
            due[0] = Infinity;
            continue;
          }
          const { grants, ask } = await pool.ask(String(next), { d: [30, 30, 0, 0], want: 30 });
          served[next]! += grants.length;
          starts.push(...grants.map((after) => pool.now + after));
          due[next] = pool.now + (ask > 0 ? Math.max(10, ask - horizon / 2) : 10) + ((seed >>> 3) % 25);
        }
        starts.sort((one, other) => one - other);
        for (const window of [1000, 3000]) {
          starts.forEach((from, index) => {
            const count = starts.filter((at, other) => other >= index && at < from + window).length;
            // What was left for a turn that nobody took is spent later.
            expect(count).toBeLessThanOrEqual(Math.ceil((perSecond * (window + 3 * horizon)) / 1000) + 2);
          });
        }
        starts.forEach((at, index) => {
          expect(index + 1).toBeLessThanOrEqual(1 + (perSecond * (at - begin + 1)) / 1000);
        });
        const expected = (perSecond * seconds) / members;
        const alive = served.slice(died < Infinity ? 1 : 0);
        // Turns: nobody has much less than another with the same demand.
        expect(Math.max(...alive) - Math.min(...alive)).toBeLessThanOrEqual(Math.max(2, 0.2 * expected));
        // Nothing is lost but a horizon's share for each time that nobody knew.
        const total = served.reduce((sum, count) => sum + count, 0);
        const dead = died < Infinity ? (perSecond * 3 * horizon) / 1000 / members + 2 : 0;
        expect(total).toBeGreaterThanOrEqual(0.9 * perSecond * (seconds - 0.3) - dead - members);
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  it('forgets members that are silent', async () => {
    const pool = world();
    await pool.ask('a');
    expect((await pool.ask('b')).members).toBe(2);
    pool.now += goneAfter + 1;
    expect((await pool.ask('b')).members).toBe(1);
  });
});
