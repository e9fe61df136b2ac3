/** One process of the fleet: takes jobs off the queue, and has the optimizer make the calls. */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import OpenAI from 'openai';
import { LLMCallOptimizer } from '../../lib/index';
import { openaiCall } from '../../lib/openai';
import { redisFleet } from '../../lib/redis';

/** What a process tells the table. */
export interface WorkerFigures {
  readonly started: number;
  readonly hits: number;
  readonly refused: number;
  readonly waiting: number;
  readonly members: number;
  readonly connection: string;
  readonly roundTripsPerStart: number;
}

const [redisUrl, modelUrl, queue] = process.argv.slice(2) as [string, string, string];
const client = new Redis(redisUrl, { maxRetriesPerRequest: null });
client.on('error', () => undefined);

const fleet = redisFleet(client, { pool: queue, processes: 4 });
const optimizer = new LLMCallOptimizer({ fleet, cache: { store: fleet.store }, maxConcurrent: 20 });
let refused = 0;
const ask = openaiCall(
  new OpenAI({ baseURL: modelUrl, apiKey: 'demo' }),
  ({ headline }: { headline: string }) => ({
    model: 'sentiment-demo',
    messages: [{ role: 'user', content: headline }],
  }),
);
optimizer.events$.subscribe({
  next: (event) => {
    refused += event.type === 'finished' && event.result === 'failed' ? 1 : 0;
  },
  error: () => undefined,
});

const worker = new Worker<{ headline: string; priority: 'low' | 'critical' }>(
  queue,
  // The third parameter is aborted when the job is cancelled: then its call is given up.
  (job, _token, signal) => optimizer.call(ask, job.data, { signal }),
  { connection: client, concurrency: 50, lockDuration: 60_000 },
);
worker.on('error', () => undefined);

const told = setInterval(() => {
  const { metrics, rateLimiter } = optimizer.getStats();
  const { fleet: state } = rateLimiter;
  const figures: WorkerFigures = {
    started:
      metrics.totalCalls - metrics.cacheHits - metrics.sharedCalls - rateLimiter.queued - metrics.inFlight,
    hits: metrics.cacheHits + metrics.sharedCalls,
    refused,
    waiting: rateLimiter.queued,
    members: state?.members ?? 0,
    connection: state?.connection ?? 'connecting',
    roundTripsPerStart: state?.roundTripsPerStart ?? 0,
  };
  process.send?.(figures);
}, 200);

process.on('disconnect', () => {
  clearInterval(told);
  optimizer.close();
  process.exit();
});
