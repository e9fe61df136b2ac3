import { createClient } from '@keyv/redis';
import { Redis } from 'ioredis';
import { Redis as Valkey } from 'iovalkey';
import { createClient as createNodeRedis } from 'redis';
import { RedisScript, scriptsOver, type RedisClient, type RunScript } from '../../lib/redis/redis-client';
import { redisFleet } from '../../lib/redis';
import { describeWithRedis, RedisServer } from './redis-server';

const echo = () => new RedisScript(`return KEYS[1] .. ' ' .. ARGV[1] -- ${Math.random()}`);

describe('a client of Redis', () => {
  it('is told by its methods, and anything else is refused', () => {
    const given = (value: unknown) => value as RedisClient;
    for (const client of [undefined, null, {}, 'redis://127.0.0.1', { get: () => undefined }]) {
      expect(() => scriptsOver(given(client))).toThrow(TypeError);
      expect(() => redisFleet(given(client), { pool: 'p' })).toThrow('client must be');
    }
    const glide = { customCommand: () => Promise.resolve(null) };
    expect(() => redisFleet(glide, given({ pool: '' }) as never)).toThrow('pool must be');
    expect(() => redisFleet(glide, { pool: 'p', processes: 0 })).toThrow('processes must be');
    expect(() => redisFleet(glide, { pool: 'p', deadline: 0 })).toThrow('deadline must be');
  });

  it('of GLIDE is sent commands by words, with the text of a script that the server does not know', async () => {
    const sent: string[][] = [];
    const script = echo();
    const run = scriptsOver({
      customCommand: (words) => {
        sent.push(words);
        return words[0] === 'EVALSHA'
          ? Promise.reject(
              new Error('An error was signalled by the server: - NoScriptError: No matching script.'),
            )
          : Promise.resolve('done');
      },
    });
    expect(await run(script, ['a', 'b'], ['c'])).toBe('done');
    expect(sent).toEqual([
      ['EVALSHA', script.digest, '2', 'a', 'b', 'c'],
      ['EVAL', script.text, '2', 'a', 'b', 'c'],
    ]);
  });
});

describeWithRedis('a script over a client', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  async function runsScripts(run: RunScript): Promise<void> {
    const script = echo();
    // Unknown to the server, then known.
    expect(await run(script, ['{a}:b'], ['c'])).toBe('{a}:b c');
    expect(await run(script, ['{a}:b'], ['d'])).toBe('{a}:b d');
    await expect(run(new RedisScript('return nonsense('), ['a'], [])).rejects.toThrow();
  }

  it('runs over ioredis and iovalkey', async () => {
    for (const client of [new Redis(server.port, '127.0.0.1'), new Valkey(server.port, '127.0.0.1')]) {
      await runsScripts(scriptsOver(client));
      client.disconnect();
    }
  });

  it('runs over node-redis of two majors', async () => {
    for (const create of [createClient, createNodeRedis] as (typeof createNodeRedis)[]) {
      const client = create({ url: server.url });
      await client.connect();
      await runsScripts(scriptsOver(client));
      client.destroy();
    }
  });
});
