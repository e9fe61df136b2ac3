/**
 * A fleet: four processes take jobs off one queue of BullMQ and share one provider's limit over Redis. A table shows
 * that each gets its share, that nobody is refused, and that what one has bought the others need not buy.
 *
 * Run it: npm run demo:fleet
 */
import { Queue } from 'bullmq';
import Table from 'cli-table3';
import { Redis } from 'ioredis';
import logUpdate from 'log-update';
import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startModelServer } from '../model-server/server';
import { tellEnd } from '../shared/demo-end';
import { DemoError } from '../shared/demo-error';
import { asksForHelp } from '../shared/flags';
import type { WorkerFigures } from './worker';

const about = `Four processes share one provider's limit of 600 requests a minute over Redis.

Usage: npm run demo:fleet

  --help      this text

  REDIS_URL   a Redis (6.2 or later) or Valkey of yours, such as redis://127.0.0.1:6379
              (without it, a redis-server is started on this machine)

Exit codes: 0 done, 1 could not run, 2 wrong flags.
`;

const processes = 4;
const jobs = 300;
const worker = fileURLToPath(new URL('worker.ts', import.meta.url));

/** A server of the user's, or one that lives as long as the demo. */
async function connectRedis(): Promise<{ url: string; close: () => void }> {
  const given = process.env['REDIS_URL']?.trim();
  if (given) {
    return { url: given, close: () => undefined };
  }
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    throw new DemoError(
      'There is no redis-server on this machine: install one (apt-get install redis-server, brew install redis), or name yours in REDIS_URL',
    );
  }
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  const directory = mkdtempSync(join(tmpdir(), 'rxllm-demo-'));
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  const server = spawn('redis-server', settings, { stdio: 'ignore' });
  return {
    url: `redis://127.0.0.1:${port}`,
    close: () => {
      server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function tableOf(figures: readonly (WorkerFigures | undefined)[], line: string): string {
  const table = new Table({
    head: [
      'process',
      'answered',
      'from others',
      'failed tries',
      'waiting',
      'members',
      'Redis',
      'trips a start',
    ],
    style: { head: [], border: [] },
  });
  figures.forEach((of, index) => {
    if (of === undefined) {
      table.push([index + 1, { colSpan: 7, content: 'starting' }]);
    } else {
      const { started, hits, refused, waiting, members, connection, roundTripsPerStart } = of;
      table.push([
        ...[index + 1, started, hits, refused, waiting, members, connection],
        roundTripsPerStart.toFixed(2),
      ]);
    }
  });
  return `${table.toString()}\n${line}`;
}

async function run(): Promise<void> {
  const redis = await connectRedis();
  const provider = await startModelServer({ requestsPerMinute: 600, burstSeconds: 2, latencyBase: 150 });
  const name = `rxllm-demo-${process.pid}`;
  const client = new Redis(redis.url, { maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  const queue = new Queue(name, { connection: client });
  const figures: (WorkerFigures | undefined)[] = Array.from({ length: processes });
  const children: ChildProcess[] = figures.map((_, index) => {
    const child = fork(worker, [redis.url, provider.url, name], { execArgv: ['--import', 'tsx'] });
    child.on('message', (of: WorkerFigures) => (figures[index] = of));
    return child;
  });
  try {
    await queue.addBulk(
      Array.from({ length: jobs }, (_, index) => {
        const isUrgent = index % 20 === 0;
        // A third of the headlines come twice, at another process as a rule.
        const headline = `Headline ${index % 3 === 0 ? index % 100 : index}: profit rose`;
        const data = { headline, priority: isUrgent ? 'critical' : 'low' };
        // One attempt: rxllm tries again by itself, and knows when.
        return { name: 'sentiment', data, opts: { attempts: 1, priority: isUrgent ? 1 : 4 } };
      }),
    );
    const begin = Date.now();
    for (let open = jobs; open > 0;) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const counts = await queue.getJobCounts('completed', 'failed');
      open = jobs - counts['completed']! - counts['failed']!;
      const seconds = (Date.now() - begin) / 1000;
      const { answered, refused } = provider.statistics();
      const line =
        `${seconds.toFixed(0)} s: ${counts['completed']} of ${jobs} jobs done; the provider answered ${answered} calls ` +
        `and refused ${refused.requests + refused.tokens}.`;
      if (process.stdout.isTTY) {
        logUpdate(tableOf(figures, line));
      } else if (Math.round(seconds * 2) % 10 === 0 || open === 0) {
        process.stdout.write(`${tableOf(figures, line)}\n`);
      }
      if (children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)) {
        throw new DemoError('One of the processes has ended');
      }
    }
    logUpdate.done();
  } finally {
    for (const child of children) {
      child.kill('SIGKILL');
    }
    await queue.obliterate({ force: true }).catch(() => undefined);
    client.disconnect();
    await provider.close();
    redis.close();
  }
}

try {
  if (asksForHelp(process.argv.slice(2))) {
    process.stdout.write(about);
  } else {
    await run();
  }
} catch (error) {
  process.exitCode = tellEnd(error);
}
