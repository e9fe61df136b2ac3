/* eslint-disable rxjs-x/no-ignored-error -- the events of an optimizer have none */
/** A process of its own for the specs of a fleet: `fleet-process.ts <settings as JSON>`; tells its parent what happens. */
import { Redis } from 'ioredis';
import OpenAI from 'openai';
import type { CallContext } from '../../lib/core/call';
import type { CallPriority } from '../../lib/core/priority';
import { openaiCall } from '../../lib/openai';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { redisFleet } from '../../lib/redis';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';

export interface ProcessSettings {
  /** Absent for a process that shares with nobody. */
  readonly redis?: number;
  /** The provider; absent for calls that take 20 ms and ask nobody. */
  readonly url?: string;
  /** Whether the provider says nothing of its limit on tokens. */
  readonly hidesTokens?: boolean;
  readonly processes: number;
  readonly usesStore?: boolean;
  /** Milliseconds of calls that ask nobody. */
  readonly latency?: number;
  readonly config?: OptimizerConfig;
}

export interface Work {
  readonly requests: readonly string[];
  readonly priority?: CallPriority;
}

export type Told =
  | { readonly type: 'ready' }
  | { readonly type: 'start'; readonly request: string; readonly at: number }
  | { readonly type: 'event'; readonly name: string; readonly at: number }
  | { readonly type: 'answer'; readonly ok: boolean; readonly request: string; readonly source: string }
  | { readonly type: 'done'; readonly refused: number; readonly trips: number; readonly starts: number };

const settings = JSON.parse(process.argv[2]!) as ProcessSettings;
const tell = (told: Told) => process.connected && process.send!(told);

const client = settings.redis
  ? new Redis(settings.redis, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 100 })
  : undefined;
client?.on('error', () => undefined);
const fleet = client && redisFleet(client, { pool: 'spec', processes: settings.processes });
const optimizer = new LLMCallOptimizer({
  maxConcurrent: 50,
  enableCache: settings.usesStore ?? false,
  ...(fleet && { fleet }),
  ...(fleet && settings.usesStore && { cache: { store: fleet.store } }),
  ...settings.config,
});

let refused = 0;
const sdk = new OpenAI({ apiKey: 'any', baseURL: settings.url ?? 'http://127.0.0.1:9' });
const chat = openaiCall(sdk, (content: string) => ({
  model: 'sentiment-demo',
  messages: [{ role: 'user', content }],
}));

async function ask(request: string, context: CallContext): Promise<unknown> {
  tell({ type: 'start', request, at: Date.now() });
  if (!settings.url) {
    await new Promise((resolve) => setTimeout(resolve, settings.latency ?? 20));
    return `answer to ${request}`;
  }
  const visible = (headers: Headers) =>
    new Headers([...headers].filter(([name]) => !settings.hidesTokens || !name.endsWith('-tokens')));
  try {
    return await chat(request, {
      signal: context.signal,
      attempt: context.attempt,
      report: ({ headers, usage }) =>
        context.report({
          ...(headers && { headers: visible(headers as Headers) }),
          ...(usage && { usage }),
        }),
    });
  } catch (error) {
    const { status } = error as { status?: number };
    refused += status === 429 ? 1 : 0;
    throw status === 429 && settings.hidesTokens ? Object.assign(new Error('Too many.'), { status }) : error;
  }
}

optimizer.events$.subscribe(({ type, at }) => {
  if (type.startsWith('fleet') || type.startsWith('store')) {
    tell({ type: 'event', name: type, at });
  }
});

process.on('message', ({ requests, priority }: Work) => {
  const asked = requests.map((text) => ({ text, ...(priority && { priority }) }));
  const call = ({ text }: { text: string }, context: CallContext) => ask(text, context);
  void Promise.all(
    asked.map(async (request) => {
      const [outcome] = await optimizer.callBatch(call, [request], { namespace: 'spec' });
      const source = outcome!.ok ? outcome!.source : String(outcome!.error);
      tell({ type: 'answer', ok: outcome!.ok, request: request.text, source });
    }),
  ).then(() => {
    const { roundTripsPerStart = 0 } = optimizer.limiter!.state.fleet ?? {};
    const starts = optimizer.getStats().metrics.totalCalls;
    tell({ type: 'done', refused, trips: roundTripsPerStart, starts });
  });
});
process.on('disconnect', () => process.exit());
// Until the fleet is joined, so that what follows does not measure how a process is loaded.
const joined = setInterval(() => {
  if (!fleet || optimizer.limiter!.state.fleet!.connection === 'connected') {
    clearInterval(joined);
    tell({ type: 'ready' });
  }
}, 10);
