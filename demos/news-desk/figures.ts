import type { ModelConnection } from '../shared/model-connection';
import type { Desk } from './desk';
import { attemptsOfOfficialClient, runNaively, type NaiveResult } from './naive-client';
import { costOf, priceOf, type Price } from './prices';

/** The figures of a whole run. Times are milliseconds, money is US dollars. */
export interface FinalFigures {
  readonly events: number;
  readonly answered: number;
  readonly failed: number;
  readonly stopped: number;
  readonly brokenInput: number;
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
  /** What the same events cost the naive way; undefined if nothing was answered. */
  readonly naive: NaiveFigures | undefined;
}

/** What the same events cost a naive client that goes on until each of them is answered. */
export interface NaiveFigures extends NaiveResult {
  readonly spent: number | undefined;
  /** Events that would stay unanswered with the two retries of the official client; undefined if limits are unknown. */
  readonly unansweredAfterTwoRetries: number | undefined;
}

/** Sums up a run. */
export function finalFigures(
  { tally, stats }: Desk,
  { model }: Pick<ModelConnection, 'model'>,
  maxConcurrent: number,
): FinalFigures {
  const { metrics } = stats;
  const price = priceOf(model);
  const naive = (): NaiveFigures => {
    const events = tally.naiveEvents;
    const patient = runNaively(events, tally.limits, { maxConcurrent, attempts: Infinity });
    const usual = runNaively(events, tally.limits, { maxConcurrent, attempts: attemptsOfOfficialClient });
    return {
      ...patient,
      spent: price && costOf(price, patient.inputTokens, patient.outputTokens),
      unansweredAfterTwoRetries: usual.refusals?.givenUp,
    };
  };
  return {
    events: tally.taken,
    answered: tally.answered,
    failed: tally.failed,
    stopped: tally.stopped,
    brokenInput: tally.broken,
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
    naive: tally.answered === 0 ? undefined : naive(),
  };
}
