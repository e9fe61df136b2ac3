import KeyvRedis, { createClient, createKeyv } from '@keyv/redis';
import Keyv from 'keyv';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CacheStore } from '../../lib/cache/cache-store';
import { answersOver } from '../cache/scripted-store';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
});

function cacheOver(store: CacheStore, storeDeadline = 5000) {
  const { cache, events, read } = answersOver(store, { storeDeadline, defaultTtl: 60_000 });
  closers.push(() => cache.close());
  return { cache, events, read: (key: string) => read(key).answer() };
}

async function until(condition: () => boolean | Promise<boolean>, within = 15_000): Promise<void> {
  const end = Date.now() + within;
  while (!(await condition())) {
    if (Date.now() > end) {
      throw new Error('It did not come to pass in time.');
    }
    await sleep(5);
  }
}

/** What every Keyv instance must do, whatever it stands on. */
async function behavesAsAStore(keyv: Keyv): Promise<void> {
  const { cache, events, read } = cacheOver(keyv);
  const written = (count: number) => until(() => cache.stats.store!.writes === count);

  const value = { text: ':a “quote” \ud83d\ude00', when: new Date(0), list: [undefined, NaN] };
  cache.set('key', value, { tags: ['news'] });
  cache.set('x'.repeat(5000), 'long');
  await written(2);
  expect(await read('key')).toEqual(value);
  expect(await read('x'.repeat(5000))).toBe('long');
  expect(await read('none')).toBeUndefined();

  cache.set('key', 'newer', { tags: ['news'] });
  expect(await read('key')).toBe('newer');
  await written(3);
  expect(await read('key')).toBe('newer');
  cache.delete('key');
  cache.delete('none');
  expect(await read('key')).toBeUndefined();

  cache.set('short', 'gone soon', { ttl: 30 });
  cache.set('a', 1, { tags: ['news'] });
  cache.set('b', 2);
  await written(6);
  await sleep(60);
  expect(await read('short')).toBeUndefined();

  cache.invalidate({ tag: 'news' });
  expect(await read('a')).toBeUndefined();
  expect(await read('b')).toBe(2);
  await until(async () => (await keyv.get('a')) === undefined);
  expect(await keyv.get('b')).toBeDefined();

  // Another process, with no memory of what was purged.
  const other = cacheOver(keyv);
  expect(await other.read('a')).toBeUndefined();
  expect(await other.read('b')).toBe(2);

  cache.clear();
  expect(await read('b')).toBeUndefined();
  await until(async () => (await keyv.get('b')) === undefined);
  expect(events).toEqual([]);
  expect(cache.stats.store).toMatchObject({ failures: 0, timeouts: 0, unstorable: 0 });
}

describe('a cache over Keyv', () => {
  it('takes an instance as it is', async () => {
    const store: CacheStore = new Keyv();
    expect(store).toBeInstanceOf(Keyv);
    await behavesAsAStore(new Keyv());
    await behavesAsAStore(new Keyv({ namespace: 'a:b' }));
    await behavesAsAStore(new Keyv(new Map()));
  });

  it('is not taken in by keys that Keyv takes for one', async () => {
    const { cache, read } = cacheOver(new Keyv());
    cache.set('key', 'plain');
    await until(() => cache.stats.store!.writes === 1);
    cache.set('keyv:key', 'like a prefix');
    await until(() => cache.stats.store!.writes === 2);
    expect(await read('key')).toBeUndefined();
    expect(await read('keyv:key')).toBe('like a prefix');
  });

  it('notices what Keyv swallows, whether its adapter rejects or swallows, too', async () => {
    for (const swallows of [true, false]) {
      const texts = new Map<string, string>();
      let isBroken = false;
      const listeners: ((error: unknown) => void)[] = [];
      const work = async (perform: () => unknown) => {
        await sleep(1);
        if (!isBroken) {
          return perform();
        }
        if (!swallows) {
          throw new Error('broken');
        }
        listeners.forEach((listener) => listener(new Error('broken')));
        return undefined;
      };
      const keyv = new Keyv({
        store: {
          opts: { dialect: 'redis', url: '' },
          on: (_event: string, listener: (error: unknown) => void) => listeners.push(listener),
          get: (key: string) => work(() => texts.get(key)),
          set: (key: string, text: string) => work(() => void texts.set(key, text)),
          delete: (key: string) => work(() => texts.delete(key)),
          clear: () => work(() => texts.clear()),
        },
      });
      const { cache, events, read } = cacheOver(keyv);
      cache.set('key', 'old');
      cache.set('cleared', 'old');
      await until(() => cache.stats.store!.writes === 2);
      isBroken = true;
      cache.set('key', 'new');
      await until(() => cache.stats.store!.failures === 2);
      expect(await read('key')).toBeUndefined();
      isBroken = false;
      expect(texts.size).toBe(2);
      expect(await read('key')).toBeUndefined();
      await until(() => texts.size === 1);

      isBroken = true;
      cache.clear();
      await until(() => cache.stats.store!.failures > 2);
      isBroken = false;
      expect(texts.size).toBe(1);
      expect(await read('cleared')).toBeUndefined();
      await until(() => texts.size === 0);
      expect(events.every(({ type }) => type !== 'store-bypassed')).toBe(true);
    }
  }, 20_000);
});

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) {
  console.warn(
    'NOT TESTED: there is no redis-server on this machine. `apt-get install redis-server` makes this spec run.',
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A Redis of one's own, that keeps nothing on disk unless it is asked to. */
async function startRedis(port: number, directory: string): Promise<ChildProcess> {
  const settings = [
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
  ];
  const server = spawn('redis-server', ['--port', String(port), '--save', '', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}.`)));
    server.stdout.on('data', (text: Buffer) => {
      if (text.includes('Ready to accept connections')) {
        resolve();
      }
    });
  });
  return server;
}

async function stop(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    server.kill(signal);
    await once(server, 'exit');
  }
}

(hasRedis ? describe : describe.skip)('a cache over Keyv over Redis', () => {
  async function start() {
    const directory = mkdtempSync(join(tmpdir(), 'rxllm-redis-'));
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    let server = await startRedis(port, directory);
    closers.push(async () => {
      await stop(server, 'SIGKILL');
      rmSync(directory, { recursive: true });
    });
    const adapters: KeyvRedis<string>[] = [];
    closers.push(() => Promise.all(adapters.map((adapter) => adapter.disconnect(true))));
    return {
      url,
      keyv(namespace: string) {
        const adapter = new KeyvRedis<string>(url);
        adapters.push(adapter);
        return new Keyv(adapter, { namespace });
      },
      async client() {
        const client = createClient({ url });
        await client.connect();
        closers.push(() => client.destroy());
        return client;
      },
      kill: () => stop(server, 'SIGKILL'),
      restart: async () => {
        server = await startRedis(port, directory);
      },
    };
  }

  it('takes an instance as it is', async () => {
    const redis = await start();
    await behavesAsAStore(redis.keyv('answers'));
    const short = createKeyv(redis.url, { namespace: 'short' });
    closers.push(() => (short.store as KeyvRedis<string>).disconnect(true));
    await behavesAsAStore(short);
  }, 20_000);

  it('passes the time to live on', async () => {
    const redis = await start();
    const { cache } = cacheOver(redis.keyv('answers'));
    const client = await redis.client();
    cache.set('for a minute', 1, { ttl: 60_000.5 });
    cache.set('for ever', 2, { ttl: Infinity });
    await until(() => cache.stats.store!.writes === 2);
    const left = async (key: string) => {
      const [found] = await client.keys(`*${key}`);
      return client.pTTL(found!);
    };
    expect(await left('for a minute')).toBeGreaterThan(50_000);
    expect(await left('for a minute')).toBeLessThanOrEqual(60_001);
    expect(await left('for ever')).toBe(-1);
  }, 20_000);

  it('clears and invalidates inside its namespace only', async () => {
    const redis = await start();
    const ours = cacheOver(redis.keyv('answers'));
    const theirs = cacheOver(redis.keyv('others'));
    const client = await redis.client();
    await client.set('somebody', 'else');
    for (const { cache } of [ours, theirs]) {
      cache.set('a', 'a');
      cache.set('b', 'b');
    }
    await until(async () => (await client.dbSize()) === 5);
    ours.cache.invalidate({ predicate: ({ value }) => value === 'a' });
    await until(async () => (await client.dbSize()) === 4);
    expect(await ours.read('b')).toBe('b');
    ours.cache.clear();
    await until(async () => (await client.dbSize()) === 3);
    expect(await ours.read('b')).toBeUndefined();
    expect([await theirs.read('a'), await theirs.read('b')]).toEqual(['a', 'b']);
    expect(await client.get('somebody')).toBe('else');
  }, 20_000);

  it('goes on without it when it is killed, and comes back with it, without what was purged meanwhile', async () => {
    const redis = await start();
    const deadline = 500;
    const { cache, events, read } = cacheOver(redis.keyv('answers'), deadline);
    for (const key of ['kept', 'deleted', 'written']) {
      cache.set(key, 'old');
    }
    await until(() => cache.stats.store!.writes === 3);
    expect(await read('kept')).toBe('old');

    await redis.kill();
    const slowest = { first: 0, later: 0 };
    for (let round = 0; round < 100; round++) {
      const wasBypassed = cache.stats.store!.isBypassed;
      const askedAt = performance.now();
      expect(await read('kept')).toBeUndefined();
      const took = performance.now() - askedAt;
      slowest[wasBypassed ? 'later' : 'first'] = Math.max(slowest[wasBypassed ? 'later' : 'first'], took);
      cache.set(`round ${round}`, round);
      await sleep(5);
    }
    expect(slowest.first).toBeLessThan(deadline + 500);
    expect(slowest.later).toBeLessThan(deadline);
    expect(events).toMatchObject([{ type: 'store-bypassed' }]);
    cache.delete('deleted');
    cache.set('written', 'newer');

    await redis.restart();
    await until(() => !cache.stats.store!.isBypassed);
    expect(events).toMatchObject([{ type: 'store-bypassed' }, { type: 'store-restored' }]);
    expect(await read('deleted')).toBeUndefined();
    // What was sent when it died may have been written when it came back.
    expect([undefined, 'newer']).toContain(await read('written'));
    expect(await read('kept')).toBe('old');
    cache.set('written', 'newest');
    await until(async () => (await read('written')) === 'newest');

    const client = await redis.client();
    await until(async () => (await client.keys('*deleted')).length === 0);
    // What was being written when it died may have landed since, and is deleted or the newest.
    for (let round = 0; round < 100; round++) {
      expect([undefined, round]).toContain(await read(`round ${round}`));
    }
  }, 60_000);

  it('does without it from the start where it is not there', async () => {
    const adapter = new KeyvRedis<string>(`redis://127.0.0.1:${await freePort()}`);
    closers.push(() => adapter.disconnect(true));
    const { cache, events, read } = cacheOver(new Keyv(adapter), 100);
    const askedAt = performance.now();
    expect(await read('key')).toBeUndefined();
    cache.set('key', 1);
    expect(await read('key')).toBeUndefined();
    expect(performance.now() - askedAt).toBeLessThan(500);
    await until(() => events.length > 0);
    expect(events).toMatchObject([{ type: 'store-bypassed' }]);
  }, 20_000);
});
