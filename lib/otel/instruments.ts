import type { BatchObservableCallback, Meter } from '@opentelemetry/api';
import { errorKindOf, type CallEvent, type StatsSnapshot, type TokenUsage } from 'rxllm';
import { commonAttributes, genAI, type GenAIOptions } from './gen-ai';

/** The metrics that are counted from events, in seconds, requests, calls and tokens. */
export class Instruments {
  readonly #wait;
  readonly #duration;
  readonly #requests;
  readonly #tokens;
  readonly #inference;
  readonly #modelOf = bounded(20);
  readonly #laneOf: (lane: string) => string;
  readonly #conventions: Record<string, string> | undefined;

  constructor(meter: Meter, lanes: number, conventions: GenAIOptions | undefined) {
    this.#wait = meter.createHistogram('rxllm.queue.wait', { unit: 's' });
    this.#duration = meter.createHistogram('rxllm.call.duration', { unit: 's' });
    this.#requests = meter.createCounter('rxllm.requests', { unit: '{request}' });
    this.#tokens = meter.createCounter('rxllm.tokens', { unit: '{token}' });
    this.#laneOf = bounded(lanes);
    this.#conventions = conventions && commonAttributes(conventions);
    this.#inference = conventions && meter.createHistogram(genAI.duration, { unit: 's' });
  }

  /** @param lane the lane of its request, if lanes are told apart */
  next(event: CallEvent, lane: string | undefined): void {
    switch (event.type) {
      case 'started':
        this.#wait.record(event.waited / 1000, {
          'rxllm.priority': event.priority,
          ...(lane !== undefined && { 'rxllm.lane': this.#laneOf(lane) }),
        });
        break;
      case 'finished': {
        const failure = event.result === 'failed' && { 'error.type': errorKindOf(event.error) };
        this.#used(event.usage ?? {});
        this.#duration.record(event.latency / 1000, { 'rxllm.result': event.result, ...failure });
        if (event.result !== 'aborted') {
          this.#inference?.record(event.latency / 1000, { ...this.#conventions, ...failure });
        }
        break;
      }
      case 'settled':
        this.#requests.add(
          1,
          event.ok
            ? { 'rxllm.outcome': 'answered', 'rxllm.source': event.source ?? 'call' }
            : { 'rxllm.outcome': 'failed', 'error.type': errorKindOf(event.error) },
        );
        break;
      case 'left':
        this.#requests.add(1, { 'rxllm.outcome': 'left' });
        break;
      default:
    }
  }

  #used({ model, inputTokens = 0, outputTokens = 0 }: TokenUsage): void {
    const labels = model === undefined ? {} : { 'rxllm.model': this.#modelOf(model) };
    this.#tokens.add(inputTokens, { ...labels, 'rxllm.direction': 'input' });
    this.#tokens.add(outputTokens, { ...labels, 'rxllm.direction': 'output' });
  }
}

/** Lets a meter read gauges and costs from a snapshot when it collects. Returns a function that ends this. */
export function observeSnapshots(meter: Meter, read: () => StatsSnapshot): () => void {
  const depth = meter.createObservableGauge('rxllm.queue.depth', { unit: '{request}' });
  const oldest = meter.createObservableGauge('rxllm.queue.oldest_age', { unit: 's' });
  const running = meter.createObservableGauge('rxllm.in_flight', { unit: '{call}' });
  const left = meter.createObservableGauge('rxllm.budget.remaining');
  const cost = meter.createObservableCounter('rxllm.cost');
  const saved = meter.createObservableCounter('rxllm.cache.saved_cost');
  const all = [depth, oldest, running, left, cost, saved];
  const observe: BatchObservableCallback = (result) => {
    const { rateLimiter, executor, metrics } = read();
    Object.entries(rateLimiter.queuedByPriority).forEach(([priority, count]) =>
      result.observe(depth, count, { 'rxllm.priority': priority }),
    );
    rateLimiter.budgets.forEach(({ name, dimension, remaining }) =>
      result.observe(left, remaining, { 'rxllm.budget': name, 'rxllm.dimension': dimension }),
    );
    result.observe(oldest, executor.oldestWait / 1000);
    result.observe(running, executor.active);
    result.observe(cost, metrics.spent);
    result.observe(saved, metrics.saved);
  };
  meter.addBatchObservableCallback(observe, all);
  return () => meter.removeBatchObservableCallback(observe, all);
}

/** Limits a label to the first values that come; all others are `other`. */
function bounded(most: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => (known.has(value) || known.size < most ? (known.add(value), value) : 'other');
}
