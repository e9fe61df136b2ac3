/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-ignored-default-value -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { getEventListeners } from 'node:events';
import OpenAI, { AuthenticationError } from 'openai';
import { from, lastValueFrom, toArray } from 'rxjs';
import type { ModelServer, ModelServerOptions } from '../../demos/model-server/server';
import { startModelServer } from '../../demos/model-server/server';
import { CallTimeoutError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import { openaiCall } from '../../lib/openai';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';

const quick: ModelServerOptions = { latencyBase: 5, latencyPerToken: 0, jitter: 0 };

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) {
    await close();
  }
});

async function start(options: ModelServerOptions, config: OptimizerConfig) {
  const server: ModelServer = await startModelServer({ ...quick, ...options });
  const client = new OpenAI({ apiKey: 'right', baseURL: server.url });
  const call = openaiCall(client, (story: string) => ({
    model: 'sentiment-demo',
    messages: [{ role: 'user', content: story }],
  }));
  const optimizer = new LLMCallOptimizer(config);
  closers.push(
    () => optimizer.close(),
    () => server.close(),
  );
  return { server, client, call, optimizer };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
const stories = (count: number) =>
  Array.from({ length: count }, (_, index) => `Story ${index}: record profit`);

describe('LLMCallOptimizer over HTTP', () => {
  it('yields one outcome per request through bursts of 429s, 5xx and hangs, and leaves nothing behind', async () => {
    const { server, call, optimizer } = await start(
      { requestsPerMinute: 2400, burstSeconds: 0.25, failureRate: 0.08, hangRate: 0.1, seed: 1 },
      { baseInterval: 0, maxConcurrent: 20, timeout: 200, retry: { attempts: 20, baseDelay: 10 } },
    );
    const before = timers();
    const signal = new AbortController().signal;
    const events: CallEvent[] = [];
    optimizer.events$.subscribe((event) => events.push(event));
    const requests = stories(40);
    const outcomes = await optimizer.callBatch(call, requests, { signal });

    expect(outcomes.map(({ request }) => request)).toEqual(requests);
    for (const outcome of outcomes) {
      expect(outcome.ok || outcome.error).toBe(true);
    }
    const { answered, refused, failed } = server.statistics();
    // An answer may be on its way when its call is given up, and is then asked for again.
    expect(answered).toBeGreaterThanOrEqual(40);
    expect(refused.requests).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(0);
    expect(events.some((event) => event.type === 'finished' && event.error instanceof CallTimeoutError)).toBe(
      true,
    );
    const settled = events.filter(({ type }) => type === 'settled').map((event) => 'id' in event && event.id);
    expect(settled).toHaveLength(40);
    expect(new Set(settled).size).toBe(40);

    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const { executor, rateLimiter, metrics } = optimizer.getStats();
    expect([executor.active, executor.queued, rateLimiter.queued, metrics.inFlight]).toEqual([0, 0, 0, 0]);
    expect(timers()).toBeLessThanOrEqual(before);
  }, 10_000);

  it('aborts at the server what runs when the subscriber leaves', async () => {
    const { server, call, optimizer } = await start(
      { latencyBase: 5000 },
      { baseInterval: 0, maxConcurrent: 3 },
    );
    const subscription = from(stories(5)).pipe(optimizer.optimize(call)).subscribe();
    await until(() => server.statistics().running === 3);
    subscription.unsubscribe();
    await until(() => server.statistics().running === 0);
    expect(server.statistics()).toMatchObject({ received: 3, aborted: 3, answered: 0 });
  });

  it('does not retry a wrong key', async () => {
    const { server, call, optimizer } = await start({ apiKey: 'another' }, { baseInterval: 0 });
    await expect(optimizer.call(call, 'Record profit')).rejects.toBeInstanceOf(AuthenticationError);
    expect(server.statistics()).toMatchObject({ received: 1, unauthorized: 1 });
  });

  it('asks once for what many ask, and counts the tokens that were used and saved', async () => {
    const { server, call, optimizer } = await start({}, { baseInterval: 0 });
    const requests = ['Record profit', 'Profit warning', 'Record profit', 'Record profit'];
    const outcomes = await lastValueFrom(
      from(requests).pipe(optimizer.optimize(call, { ordered: true }), toArray()),
    );
    await optimizer.call(call, 'Profit warning');
    expect(outcomes.map((outcome) => outcome.ok && outcome.source)).toEqual([
      'call',
      'call',
      'shared',
      'shared',
    ]);
    const { answered, promptTokens, completionTokens } = server.statistics();
    const { metrics } = optimizer.getStats();
    expect(answered).toBe(2);
    expect(metrics).toMatchObject({
      inputTokens: promptTokens,
      outputTokens: completionTokens,
      cacheHits: 1,
    });
    expect(metrics.savedTokens).toBeGreaterThan(0);
  });

  it('learns the limits that the provider states', async () => {
    const { call, optimizer } = await start({ requestsPerMinute: 600 }, { baseInterval: 0 });
    await optimizer.call(call, 'Record profit');
    expect(optimizer.limiter!.state.requests?.perMinute).toBeCloseTo(600, 0);
  });
});
