import type { ModelConnection } from '../shared/model-connection';
import type { Desk } from './desk';
import type { PlainFigures } from './plain-client';
import { priceOf, type Price } from './prices';
import type { Tally } from './tally';

/** The figures of a whole run. Times are milliseconds, money is US dollars. */
export interface FinalFigures {
  readonly events: number;
  readonly answered: number;
  readonly failed: number;
  readonly stopped: number;
  /** What could not be used of the input: the first piece of each kind, and how many there were. */
  readonly skipped: Tally['skipped'];
  readonly labels: Readonly<Record<string, number>>;
  readonly duration: number;
  readonly calls: number;
  readonly cacheHits: number;
  readonly shared: number;
  readonly cacheHitRate: number;
  readonly latency: {
    readonly mean: number;
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
  };
  /** Milliseconds from the start of a call to its first token; undefined if no answer came token by token. */
  readonly firstToken: { readonly p50: number; readonly p95: number } | undefined;
  readonly throttled: number;
  readonly retried: number;
  readonly refused: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** What answers of the cache and shared calls did not cost. */
  readonly saved: { readonly tokens: number; readonly money: number | undefined; readonly latency: number };
  readonly price: Price | undefined;
  readonly spent: number | undefined;
  readonly model: string;
  readonly maxConcurrent: number;
  /** What the official client alone made of the same events in the same time; undefined if it did not run. */
  readonly plain: PlainFigures | undefined;
}

/** Sums up a run. */
export function finalFigures(
  { tally, stats }: Desk,
  { model }: Pick<ModelConnection, 'model'>,
  maxConcurrent: number,
  plain: PlainFigures | undefined,
): FinalFigures {
  const { metrics, streams } = stats;
  const price = priceOf(model);
  return {
    events: tally.taken,
    answered: tally.answered,
    failed: tally.failed,
    stopped: tally.stopped,
    skipped: tally.skipped,
    labels: tally.labels,
    duration: tally.elapsed,
    calls: metrics.startedCalls,
    cacheHits: metrics.cacheHits,
    shared: metrics.sharedCalls,
    cacheHitRate: metrics.cacheHitRate,
    latency: {
      mean: metrics.avgLatency,
      p50: metrics.p50Latency,
      p95: metrics.p95Latency,
      p99: metrics.p99Latency,
    },
    firstToken: streams.started > 0 ? { p50: streams.p50FirstChunk, p95: streams.p95FirstChunk } : undefined,
    throttled: metrics.throttledCalls,
    retried: metrics.retriedCalls,
    refused: tally.refused,
    inputTokens: metrics.inputTokens,
    outputTokens: metrics.outputTokens,
    saved: {
      tokens: metrics.savedTokens,
      money: price && metrics.saved,
      latency: metrics.savedLatency,
    },
    price,
    spent: price && metrics.spent,
    model,
    maxConcurrent,
    plain,
  };
}
