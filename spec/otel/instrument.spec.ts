import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { defer, from, lastValueFrom, of, toArray, type Observable } from 'rxjs';
import { LLMCallOptimizer, type CallContext, type OptimizerConfig } from '../../lib/index';
import { instrument, type InstrumentOptions } from '../../lib/otel';

const secret = 'a secret that nobody may read';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => {
  context.disable();
  propagation.disable();
});

function observed(config: OptimizerConfig = {}, options: InstrumentOptions = {}) {
  const spans = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const tracer = provider.getTracer('spec');
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 });
  const meters = new MeterProvider({ readers: [reader] });
  const optimizer = new LLMCallOptimizer({ retry: { attempts: 2, baseDelay: 1 }, ...config });
  const traced = instrument(optimizer, { tracer, meter: meters.getMeter('spec'), ...options });
  return {
    optimizer,
    traced,
    tracer,
    spans: () => spans.getFinishedSpans(),
    named: (name: string) => spans.getFinishedSpans().filter((span) => span.name === name),
    metrics: async () => {
      await reader.forceFlush();
      const points = pointsOf(exporter.getMetrics());
      await meters.shutdown();
      return points;
    },
  };
}

const valueOf = <T>(source$: Observable<T>) => lastValueFrom(source$, { defaultValue: undefined });

/** The last points of each metric, by name: labels and value. */
function pointsOf(collections: readonly ResourceMetrics[]) {
  const all = collections.at(-1)!.scopeMetrics.flatMap(({ metrics }) => metrics);
  return new Map(
    all.map(({ descriptor: { name }, dataPoints }) => [
      name,
      dataPoints.map(({ attributes, value }) => ({
        ...attributes,
        value: typeof value === 'number' ? value : (value as { count: number }).count,
      })),
    ]),
  );
}

describe('the span of a request', () => {
  it('is a child of who asked, and the parent of what the call does, retries too', async () => {
    const { optimizer, traced, tracer, named } = observed();
    const ask = async (_request: object, { attempt }: CallContext) => {
      await Promise.resolve();
      tracer.startSpan(`http ${attempt}`).end();
      if (attempt === 1) {
        throw Object.assign(new Error(secret), { status: 500 });
      }
      return 'up';
    };
    await tracer.startActiveSpan('server', async (server) => {
      await optimizer.call(traced(ask), { prompt: secret, priority: 'high' });
      server.end();
    });
    const [server] = named('server');
    const [span] = named('rxllm.request');
    expect(span!.parentSpanContext?.spanId).toBe(server!.spanContext().spanId);
    for (const attempt of [1, 2]) {
      const [child] = named(`http ${attempt}`);
      expect(child!.parentSpanContext?.spanId).toBe(span!.spanContext().spanId);
      expect(child!.spanContext().traceId).toBe(server!.spanContext().traceId);
    }
    expect(span!.kind).toBe(SpanKind.INTERNAL);
    expect(span!.attributes).toMatchObject({
      'rxllm.priority': 'high',
      'rxllm.source': 'call',
      'rxllm.attempts': 2,
    });
    expect(span!.events.map(({ name }) => name)).toEqual([
      'cache-miss',
      'started',
      'finished',
      'retrying',
      'started',
      'finished',
    ]);
    expect(span!.events[2]!.attributes).toMatchObject({ 'rxllm.attempt': 1, 'rxllm.result': 'failed' });
    optimizer.close();
  });

  it.each<[string, (inside: () => void) => (request: number) => unknown]>([
    ['a promise', (inside) => async (request) => (await Promise.resolve(), inside(), request)],
    ['a cold Observable', (inside) => (request) => defer(() => (inside(), of(request)))],
    [
      'an asynchronous generator',
      (inside) =>
        async function* (request) {
          await Promise.resolve();
          inside();
          yield request;
        },
    ],
  ])('is active while the call is %s', async (_kind, make) => {
    const { optimizer, traced, tracer, named } = observed({ maxConcurrent: 2 });
    const call = make(() => tracer.startSpan('inside').end()) as (request: number) => Promise<number>;
    await valueOf(from([1, 2, 3]).pipe(optimizer.optimize(traced(call)), toArray()));
    const parents = named('inside').map(({ parentSpanContext }) => parentSpanContext?.spanId);
    expect(parents.sort()).toEqual(
      named('rxllm.request')
        .map((span) => span.spanContext().spanId)
        .sort(),
    );
    expect(trace.getSpan(context.active())).toBeUndefined();
    optimizer.close();
  });

  it('tells of hits and joins, and that the call was made once', async () => {
    const { optimizer, traced, named } = observed();
    const ask = traced(async (request: string) => (await Promise.resolve(), request.length));
    await optimizer.callBatch(ask, ['a', 'a'], { namespace: 'n' });
    await optimizer.call(ask, 'a', { namespace: 'n' });
    const sources = named('rxllm.request').map(({ attributes }) => attributes['rxllm.source']);
    expect(sources).toEqual(['call', 'shared', 'cache']);
    expect(named('rxllm.request')[2]!.events.map(({ name }) => name)).toEqual(['cache-hit']);
    optimizer.close();
  });

  it('fails by the kind of the error alone', async () => {
    const { optimizer, traced, named } = observed({ retry: false });
    const ask = () => Promise.reject(Object.assign(new Error(secret), { status: 401 }));
    await expect(optimizer.call(traced(ask), secret)).rejects.toThrow(secret);
    const [span] = named('rxllm.request');
    expect(span!.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(span!.attributes['error.type']).toBe('unauthorized');
    optimizer.close();
  });

  it('ends when the request is left, and when the optimizer is closed', async () => {
    const { optimizer, traced, spans } = observed();
    const ask = traced(() => new Promise<string>(() => undefined));
    const stop = new AbortController();
    const left = optimizer.call(ask, 'a', { signal: stop.signal });
    stop.abort();
    await expect(left).rejects.toMatchObject({ name: 'AbortError' });
    expect(spans().map(({ events }) => events.at(-1)!.name)).toEqual(['left']);
    const closed = optimizer.call(ask, 'b');
    optimizer.close();
    await expect(closed).rejects.toMatchObject({ code: 'closed' });
    expect(spans()).toHaveLength(2);
  });

  it('holds nothing of requests, answers, keys and errors', async () => {
    const { optimizer, traced, spans, metrics } = observed({}, { genAI: true });
    const ask = traced(async ({ prompt }: { prompt: string }, { attempt, report }: CallContext) => {
      await Promise.resolve();
      report({ usage: { inputTokens: 3, model: 'small' } });
      if (attempt === 1) {
        throw Object.assign(new Error(secret), { status: 500, code: secret });
      }
      return { answer: prompt };
    });
    await optimizer.call(ask, { prompt: secret, cacheKey: secret, lane: secret } as { prompt: string });
    const told = JSON.stringify([
      spans().map(({ name, attributes, events, status }) => [name, attributes, events, status]),
      [...(await metrics())],
    ]);
    expect(told).toContain('rxllm.request');
    expect(told).not.toContain(secret);
    optimizer.close();
  });
});

describe('a traced call', () => {
  it('is the same for the same call, and keeps what the call says of itself', () => {
    const { optimizer, traced } = observed();
    const mark = Symbol('mark');
    const ask = Object.assign(async (request: string) => Promise.resolve(request), { [mark]: 1 });
    expect(traced(ask)).toBe(traced(ask));
    expect((traced(ask) as unknown as typeof ask)[mark]).toBe(1);
    optimizer.close();
  });

  it('runs as it is where no operator makes it, and after the end', async () => {
    const { optimizer, traced, tracer, named } = observed();
    const ask = traced(async (request: string) => {
      await Promise.resolve();
      tracer.startSpan('inside').end();
      return request;
    });
    optimizer.close();
    const byHand = { attempt: 1, signal: new AbortController().signal, report: () => undefined };
    expect(await context.with(ROOT_CONTEXT, () => valueOf(ask('a', byHand)))).toBe('a');
    expect(named('inside')[0]!.parentSpanContext).toBeUndefined();
    const late = instrument(optimizer);
    expect(await valueOf(late(async () => Promise.resolve(1))('a', byHand))).toBe(1);
  });
});

describe('the metrics', () => {
  const ask = async (request: { model: string }, { attempt, report }: CallContext) => {
    await Promise.resolve();
    report({ usage: { inputTokens: 10, outputTokens: 2, model: request.model } });
    if (attempt === 1 && request.model === 'model 0') {
      throw Object.assign(new Error('refused'), { status: 503 });
    }
    return request.model;
  };
  const requests = Array.from({ length: 30 }, (_, number) => ({
    model: `model ${number}`,
    lane: `lane ${number}`,
  }));

  it('are counted, with labels that are few', async () => {
    const { optimizer, traced, metrics } = observed({ baseInterval: 0, maxConcurrent: 100 });
    await optimizer.callBatch(traced(ask), requests);
    const points = await metrics();
    expect(points.get('rxllm.requests')).toEqual([
      { 'rxllm.outcome': 'answered', 'rxllm.source': 'call', value: 30 },
    ]);
    expect(points.get('rxllm.queue.wait')).toEqual([{ 'rxllm.priority': 'medium', value: 31 }]);
    expect(points.get('rxllm.call.duration')).toEqual([
      { 'rxllm.result': 'failed', 'error.type': 'overloaded', value: 1 },
      { 'rxllm.result': 'succeeded', value: 30 },
    ]);
    expect(points.get('rxllm.tokens')).toHaveLength(2 * 21);
    expect(points.get('rxllm.in_flight')).toEqual([{ value: 0 }]);
    expect(points.get('rxllm.queue.depth')).toHaveLength(4);
    expect(points.has('gen_ai.client.inference.duration')).toBe(false);
    optimizer.close();
  });

  it('have lanes if asked for, bounded', async () => {
    const { optimizer, traced, metrics } = observed({ baseInterval: 0, maxConcurrent: 100 }, { lanes: 5 });
    await optimizer.callBatch(traced(ask), requests);
    const lanes = (await metrics()).get('rxllm.queue.wait')!.map((point) => (point as never)['rxllm.lane']);
    expect(lanes.sort()).toEqual(['lane 0', 'lane 1', 'lane 2', 'lane 3', 'lane 4', 'other']);
    optimizer.close();
  });

  it('have the names of the GenAI conventions if asked for', async () => {
    const genAI = { provider: 'openai', operation: 'chat' };
    const { optimizer, traced, metrics, named } = observed({}, { genAI });
    await optimizer.call(traced(ask), { model: 'small' });
    const [span] = named('rxllm.request');
    expect(span!.kind).toBe(SpanKind.CLIENT);
    expect(span!.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.response.model': 'small',
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 2,
    });
    expect((await metrics()).get('gen_ai.client.inference.duration')).toEqual([
      { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', value: 1 },
    ]);
    optimizer.close();
  });
});
