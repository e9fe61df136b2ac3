/* eslint-disable rxjs-x/no-ignored-error -- the events of an optimizer have none */
import { Redis } from 'ioredis';
import type { CallContext } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { FleetCallError } from '../../lib/core/errors';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { redisFleet } from '../../lib/redis';
import { describeWithRedis, RedisServer } from '../redis/redis-server';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
});

interface Request {
  readonly text: string;
  readonly priority?: 'low' | 'critical';
}

const requests = (count: number, name = 'request'): Request[] =>
  Array.from({ length: count }, (_, index) => ({ text: `${name} ${index}` }));

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(condition: () => boolean, within = 10_000): Promise<void> {
  const end = Date.now() + within;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error('It did not come to pass in time.');
    }
    await sleep(5);
  }
}

describeWithRedis('a fleet over Redis', () => {
  let server: RedisServer;
  let pools = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  /** Optimizers with a connection each, as processes have them. */
  async function fleetOf(count: number, config: OptimizerConfig = {}, usesStore = false) {
    const pool = `pool-${++pools}`;
    const members = Array.from({ length: count }, () => {
      const client = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null });
      client.on('error', () => undefined);
      const fleet = redisFleet(client, { pool, processes: count, deadline: 1000 });
      const optimizer = new LLMCallOptimizer({
        baseInterval: 0,
        maxConcurrent: 20,
        ...(usesStore ? { cache: { store: fleet.store } } : { enableCache: false }),
        ...config,
        fleet,
      });
      const events: CallEvent[] = [];
      optimizer.events$.subscribe((event) => events.push(event));
      closers.push(async () => {
        optimizer.close();
        await sleep(20);
        client.disconnect();
      });
      return { client, fleet, optimizer, events };
    });
    await until(() =>
      members.every(({ optimizer }) => optimizer.limiter!.state.fleet!.connection === 'connected'),
    );
    return { members, pool };
  }

  it('shares a limit of the user, and is told of itself in the statistics', async () => {
    const limits = { requestsPerMinute: 60 };
    const { members } = await fleetOf(3, { limits });
    const starts = members.map(() => 0);
    const stop = new AbortController();
    const open = members.map(({ optimizer }, index) =>
      optimizer
        .callBatch(async () => (starts[index]!++, sleep(5)), requests(40), { signal: stop.signal })
        .catch(() => undefined),
    );
    await until(() => starts.reduce((sum, count) => sum + count, 0) >= 60);
    await sleep(300);
    expect(starts.reduce((sum, count) => sum + count, 0)).toBe(60);
    expect(Math.max(...starts) - Math.min(...starts)).toBeLessThanOrEqual(30);
    const [{ optimizer }] = members as [(typeof members)[0]];
    await until(() => optimizer.getStats().rateLimiter.fleet!.members === 3);
    expect(optimizer.getStats().rateLimiter.fleet).toMatchObject({
      connection: 'connected',
      members: 3,
      ownShare: 1 / 3,
    });
    expect(optimizer.limiter!.state.next).toMatchObject({ gate: 'fleet' });
    expect(optimizer.limiter!.state.next!.reason).toContain("'limits.requestsPerMinute'");
    stop.abort();
    await Promise.all(open);
  }, 20_000);

  it('starts a critical request of one before the backlog of another', async () => {
    // Ten a second, of which nothing is left.
    const { members } = await fleetOf(2);
    const headers = {
      'x-ratelimit-limit-requests': '600',
      'x-ratelimit-remaining-requests': '6',
      'x-ratelimit-reset-requests': '1s',
    };
    const order: string[] = [];
    const call = ({ text }: Request, { report }: CallContext) => {
      order.push(text);
      if (text === 'first 0') report({ headers });
      return sleep(5);
    };
    const [one, other] = members as [(typeof members)[0], (typeof members)[0]];
    await one.optimizer.callBatch(call, requests(1, 'first'));
    const low = requests(30, 'low').map((request) => ({ ...request, priority: 'low' as const }));
    const stop = new AbortController();
    const backlog = one.optimizer.callBatch(call, low, { signal: stop.signal }).catch(() => undefined);
    await until(() => order.length >= 5);
    const before = order.length;
    await other.optimizer.call(call, { text: 'urgent', priority: 'critical' });
    // One was perhaps granted within the horizon.
    expect(order.indexOf('urgent')).toBeLessThanOrEqual(before + 2);
    stop.abort();
    await backlog;
  }, 20_000);

  it('holds everybody when one is told to wait', async () => {
    const { members } = await fleetOf(2, { retry: { baseDelay: 1 } });
    const [one, other] = members as [(typeof members)[0], (typeof members)[0]];
    let isOpen = false;
    const refusing = () =>
      isOpen
        ? Promise.resolve('answer')
        : Promise.reject(Object.assign(new Error('wait'), { status: 429, headers: { 'retry-after': '1' } }));
    const answer = one.optimizer.call(refusing, { text: 'a' });
    await until(() => one.optimizer.limiter!.state.heldUntil !== undefined);
    await sleep(50);
    isOpen = true;
    const from = Date.now();
    await other.optimizer.call(refusing, { text: 'b' });
    expect(Date.now() - from).toBeGreaterThan(700);
    await answer;
  }, 20_000);

  it('takes few round trips for many starts, and gives back what it does not use', async () => {
    const { members, pool } = await fleetOf(1, {
      limits: { requestsPerMinute: 100_000 },
      maxConcurrent: 500,
    });
    const [{ optimizer, client }] = members as [(typeof members)[0]];
    await optimizer.callBatch(() => sleep(1), requests(2000));
    expect(optimizer.limiter!.state.fleet!.roundTripsPerStart).toBeLessThan(0.1);
    optimizer.close();
    await sleep(50);
    expect(await client.exists(`{rxllm:${pool}}:pool`)).toBe(1);
  }, 20_000);

  it('goes on with its share when the server is gone, and joins again when it is back', async () => {
    const own = await RedisServer.start();
    closers.push(() => own.stop());
    const client = new Redis(own.port, '127.0.0.1', {
      maxRetriesPerRequest: null,
      retryStrategy: () => 50,
    });
    client.on('error', () => undefined);
    const fleet = redisFleet(client, { pool: 'p', processes: 4 });
    const optimizer = new LLMCallOptimizer({
      fleet,
      enableCache: false,
      baseInterval: 0,
      maxConcurrent: 50,
      limits: { requestsPerMinute: 40 },
    });
    closers.push(
      () => client.disconnect(),
      () => optimizer.close(),
    );
    const events: string[] = [];
    optimizer.events$.subscribe(({ type }) => type.startsWith('fleet') && events.push(type));
    await until(() => optimizer.limiter!.state.fleet!.connection === 'connected');
    const call = () => Promise.resolve('answer');
    await optimizer.callBatch(call, requests(10));
    await own.kill();
    const from = Date.now();
    // What is left of the window is its own, as it was alone in the fleet.
    await optimizer.callBatch(call, requests(10, 'alone'));
    expect(Date.now() - from).toBeLessThan(2000);
    await until(() => events.includes('fleet-bypassed'));
    await own.start();
    await until(() => optimizer.limiter!.state.fleet!.connection === 'connected');
    expect(events.filter((type, index) => type !== events[index - 1])).toEqual(
      events.length > 2
        ? ['fleet-bypassed', 'fleet-restored', 'fleet-bypassed', 'fleet-restored']
        : ['fleet-bypassed', 'fleet-restored'],
    );
    // The pool was lost, but not what was spent: 20 of 40.
    let starts = 0;
    const stop = new AbortController();
    const rest = optimizer
      .callBatch(() => (starts++, Promise.resolve('answer')), requests(30, 'back'), { signal: stop.signal })
      .catch(() => undefined);
    await sleep(500);
    expect(starts).toBe(20);
    stop.abort();
    await rest;
  }, 30_000);

  it('takes its part of `processes` for its own when there is no server', async () => {
    const client = new Redis(1, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 1000 });
    client.on('error', () => undefined);
    const fleet = redisFleet(client, { pool: 'p', processes: 4 });
    const limits = { requestsPerMinute: 40 };
    const optimizer = new LLMCallOptimizer({
      fleet,
      limits,
      enableCache: false,
      baseInterval: 0,
      maxConcurrent: 50,
    });
    closers.push(
      () => client.disconnect(),
      () => optimizer.close(),
    );
    let starts = 0;
    const stop = new AbortController();
    const open = optimizer
      .callBatch(() => (starts++, Promise.resolve('answer')), requests(30), { signal: stop.signal })
      .catch(() => undefined);
    await sleep(600);
    expect(starts).toBe(10);
    expect(optimizer.limiter!.state.fleet).toMatchObject({
      connection: 'bypassed',
      members: 4,
      ownShare: 0.25,
    });
    stop.abort();
    await open;
  }, 20_000);

  describe('with its store', () => {
    it('makes one call for all that ask the same, and keeps the answer for all', async () => {
      const { members } = await fleetOf(4, {}, true);
      let calls = 0;
      const call = async ({ text }: Request) => {
        calls++;
        await sleep(300);
        return `answer to ${text}`;
      };
      const [request] = requests(1);
      const answers = await Promise.all(
        members.map(({ optimizer }) => optimizer.call(call, request!, { namespace: 'n' })),
      );
      expect(new Set(answers)).toEqual(new Set(['answer to request 0']));
      expect(calls).toBe(1);
      expect(await members[2]!.optimizer.call(call, request!, { namespace: 'n' })).toBe(
        'answer to request 0',
      );
      expect(calls).toBe(1);
    }, 20_000);

    it('has those who wait fail alike, and asks anew later', async () => {
      const { members } = await fleetOf(3, { retry: false }, true);
      let calls = 0;
      const call = async (): Promise<string> => {
        calls++;
        await sleep(300);
        throw new Error('broken');
      };
      const outcomes = await Promise.allSettled(
        members.map(({ optimizer }) => optimizer.call(call, { text: 'a' }, { namespace: 'n' })),
      );
      const errors = outcomes.map((outcome) =>
        outcome.status === 'rejected' ? (outcome.reason as unknown) : undefined,
      );
      expect(errors.filter((error) => error instanceof FleetCallError)).toHaveLength(2);
      expect(errors.map(String).every((text) => text.includes('broken'))).toBe(true);
      expect(calls).toBe(1);
      await expect(members[0]!.optimizer.call(call, { text: 'a' }, { namespace: 'n' })).rejects.toThrow(
        'broken',
      );
      expect(calls).toBe(2);
    }, 20_000);

    it('lets another one make the call when the owner gives up', async () => {
      const { members } = await fleetOf(2, {}, true);
      const [one, other] = members as [(typeof members)[0], (typeof members)[0]];
      const stop = new AbortController();
      const lost = one.optimizer
        .call(() => sleep(5000), { text: 'a' }, { namespace: 'n', signal: stop.signal })
        .catch(() => 'left');
      await sleep(100);
      const answer = other.optimizer.call(() => Promise.resolve('mine'), { text: 'a' }, { namespace: 'n' });
      await sleep(100);
      stop.abort();
      expect(await lost).toBe('left');
      expect(await answer).toBe('mine');
    }, 20_000);

    it('forgets in every process what one deletes, invalidates or clears', async () => {
      const { members } = await fleetOf(2, {}, true);
      const [one, other] = members as [(typeof members)[0], (typeof members)[0]];
      const caches = [one.optimizer.cache!, other.optimizer.cache!];
      const inBoth = async (key: string, tags: string[] = []) => {
        for (const cache of caches) cache.set(key, key, { tags });
        await until(() => caches.every((cache) => cache.get(key) === key));
      };
      await inBoth('deleted');
      await inBoth('tagged', ['news']);
      await inBoth('kept');
      await inBoth('x'.repeat(600));
      await sleep(100);
      caches[0]!.delete('deleted');
      caches[0]!.delete('x'.repeat(600));
      caches[0]!.invalidate({ tag: 'news' });
      await until(() => caches[1]!.get('deleted') === undefined && caches[1]!.get('tagged') === undefined);
      await until(() => caches[1]!.get('x'.repeat(600)) === undefined);
      expect(caches[1]!.get('kept')).toBe('kept');
      caches[0]!.clear();
      await until(() => caches[1]!.get('kept') === undefined);
    }, 20_000);
  });
});
