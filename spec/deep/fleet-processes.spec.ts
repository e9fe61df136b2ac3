import { Redis } from 'ioredis';
import { startModelServer } from '../../demos/model-server/server';
import { describeWithRedis, RedisServer } from '../redis/redis-server';
import type { ProcessSettings } from './fleet-process';
import { mostIn, startProcesses, until, type FleetProcess } from './fleet-processes';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
});

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const requests = (count: number, name: string) =>
  Array.from({ length: count }, (_, index) => `${name}.${index}`);
const startsOf = (processes: readonly FleetProcess[]) => processes.flatMap(({ starts }) => starts);
const timesOf = (processes: readonly FleetProcess[]) => startsOf(processes).map(({ at }) => at);

async function startRedis(...settings: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...settings);
  closers.push(() => server.stop());
  return server;
}

async function start(count: number, settings: Omit<ProcessSettings, 'processes'>): Promise<FleetProcess[]> {
  const processes = await startProcesses(count, { processes: count, ...settings });
  closers.push(() => processes.forEach((process) => process.kill()));
  return processes;
}

describeWithRedis('a fleet of processes', () => {
  async function run(count: number, tokensPerMinute: number, total: number, redis?: number) {
    const provider = await startModelServer({
      ...{ requestsPerMinute: 600, tokensPerMinute, burstSeconds: 10 },
      ...{ latencyBase: 100, latencyPerToken: 0, jitter: 0.25 },
    });
    const processes = await start(count, { url: provider.url, hidesTokens: true, ...(redis && { redis }) });
    const begin = Date.now();
    processes.forEach((process, index) =>
      process.work({ requests: requests(total / count, `Story ${index}`) }),
    );
    // At first, who comes first takes what may be spent at once.
    const counts = () => processes.map(({ starts }) => starts.length);
    await until(() => startsOf(processes).length > 0.3 * total);
    const before = counts();
    await until(() => startsOf(processes).length > 0.8 * total);
    const shares = counts().map((count, index) => count - before[index]!);
    await until(() => processes.every(({ done }) => done));
    const took = Date.now() - begin;
    const { answered, refused, received } = provider.statistics();
    processes.forEach((process) => process.kill());
    await provider.close();
    const share = (refused.requests + refused.tokens) / received;
    const spread = (Math.max(...shares) - Math.min(...shares)) / ((0.5 * total) / count);
    return { took, answered, refused: share, spread };
  }

  it('is as fast as one process, as fair as turns, and not refused, by a limit that is stated', async () => {
    const one = await run(1, Infinity, 400);
    const eight = await run(8, Infinity, 400, (await startRedis()).port);
    console.info('one process', one, 'eight', eight);
    expect(eight.answered).toBe(400);
    expect(eight.took).toBeLessThanOrEqual(1.05 * one.took);
    expect(eight.refused).toBeLessThanOrEqual(0.01);
    expect(eight.spread).toBeLessThanOrEqual(0.2);
  }, 400_000);

  it('is refused less than one process by a limit that nobody states', async () => {
    const one = await run(1, 36_000, 800);
    const eight = await run(8, 36_000, 800, (await startRedis()).port);
    console.info('one process', one, 'eight', eight);
    expect(eight.answered).toBe(800);
    expect(eight.took).toBeLessThanOrEqual(1.2 * one.took);
    expect(eight.refused).toBeLessThanOrEqual(Math.max(0.06, one.refused));
  }, 400_000);

  it('loses nothing and passes no limit when a process and the server are killed and the server comes back', async () => {
    const server = await startRedis();
    const limit = 120;
    const processes = await start(4, {
      redis: server.port,
      config: { baseInterval: 0, limits: { requestsPerMinute: limit } },
    });
    processes.forEach((process, index) => process.work({ requests: requests(60, `${index}`) }));
    await sleep(2000);
    processes[0]!.kill();
    await sleep(3000);
    await server.kill();
    await sleep(6000);
    await server.start();
    const rest = processes.slice(1);
    await until(() => rest.every(({ done }) => done), 240_000);
    for (const { answers, events } of rest) {
      expect(answers.filter(({ ok }) => ok)).toHaveLength(60);
      expect(events).toEqual(expect.arrayContaining(['fleet-bypassed', 'fleet-restored']));
    }
    const most = mostIn(60_000, timesOf(processes));
    console.info(`most in a minute: ${most} of ${limit}`);
    expect(most).toBeLessThanOrEqual(1.25 * limit);
  }, 300_000);

  it('makes one call for equal requests, and one more when its process is killed', async () => {
    const server = await startRedis();
    const processes = await start(8, { redis: server.port, usesStore: true, latency: 3000 });
    processes.forEach((process) => process.work({ requests: ['same'] }));
    await until(() => processes.every(({ done }) => done));
    expect(startsOf(processes)).toHaveLength(1);
    expect(processes.flatMap(({ answers }) => answers.filter(({ ok }) => ok))).toHaveLength(8);

    processes.forEach((process) => process.work({ requests: ['other'] }));
    const owner = () => processes.find(({ starts }) => starts.some(({ request }) => request === 'other'));
    await until(() => owner() !== undefined);
    const killed = owner()!;
    killed.kill();
    const rest = processes.filter((process) => process !== killed);
    await until(() => rest.every(({ done }) => done));
    expect(startsOf(processes).filter(({ request }) => request === 'other')).toHaveLength(2);
    expect(rest.every(({ answers }) => answers.at(-1)!.ok)).toBe(true);
  }, 120_000);

  it('starts a thousand a second with few round trips', async () => {
    const server = await startRedis();
    const processes = await start(8, {
      redis: server.port,
      latency: 1,
      config: { baseInterval: 0, limits: { requestsPerMinute: 6_000_000 } },
    });
    processes.forEach((process, index) => process.work({ requests: requests(1000, `${index}`) }));
    await until(() => processes.every(({ done }) => done));
    const trips = processes.map(({ done }) => done!.trips);
    console.info('round trips a start', trips);
    expect(Math.max(...trips)).toBeLessThanOrEqual(0.2);
  }, 120_000);

  const troubles: Readonly<Record<string, (server: RedisServer, client: Redis) => Promise<void>>> = {
    'is paused for 5 s': (server) => server.pause(5000),
    'is full': async (_server, client) => {
      await client.config('SET', 'maxmemory-policy', 'noeviction');
      await client.config('SET', 'maxmemory', '1');
      await sleep(5000);
      await client.config('SET', 'maxmemory', '0');
    },
    'has become a replica that only can be read': async (_server, client) => {
      await client.replicaof('127.0.0.1', 1);
      await sleep(5000);
      await client.replicaof('NO', 'ONE');
    },
  };
  it.each(Object.keys(troubles))(
    'fails no call when the server %s',
    async (trouble) => {
      const server = await startRedis();
      const client = new Redis(server.port, '127.0.0.1');
      closers.push(() => client.disconnect());
      const processes = await start(3, {
        redis: server.port,
        usesStore: true,
        config: { baseInterval: 50, adaptive: false, limits: { requestsPerMinute: 600 } },
      });
      processes.forEach((process, index) => process.work({ requests: requests(150, `${index}`) }));
      await sleep(1000);
      await troubles[trouble]!(server, client);
      await until(() => processes.every(({ done }) => done));
      for (const { answers, events } of processes) {
        expect(answers.filter(({ ok }) => !ok)).toEqual([]);
        expect(answers).toHaveLength(150);
        expect(events).toContain('fleet-bypassed');
      }
      expect(mostIn(60_000, timesOf(processes))).toBeLessThanOrEqual(600);
    },
    120_000,
  );
});
