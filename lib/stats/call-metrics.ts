import type { TokenUsage } from '../core/call';
import type { CallEvent, EvictionReason, ModelUnpricedEvent, SettledEvent } from '../core/events';
import { tokenCount, totalTokens } from '../core/token-usage';
import { LatencyHistogram, type Distribution } from './latency-histogram';
import type { Prices } from './prices';

/** The figures folded from events. */
export interface CallMetrics {
  /** Requests received, answered in any way. */
  readonly totalCalls: number;
  /** Look-ups that found an answer. */
  readonly cacheHits: number;
  /** Look-ups that found no answer, including those that joined a running call. */
  readonly cacheMisses: number;
  /** Hits over look-ups, 0 to 1. */
  readonly cacheHitRate: number;
  /** Requests that did not look in the cache. */
  readonly bypassedCalls: number;
  /** Requests that joined a call another request had started. */
  readonly sharedCalls: number;
  /** Requests that got an expired answer, while a call renewed it or because the call failed. */
  readonly staleAnswers: number;
  /** Calls that the cache started to renew an expired answer. */
  readonly renewedAnswers: number;
  /** Answers of calls that the cache did not keep. */
  readonly answersNotKept: number;
  /** Calls started, retries included. */
  readonly startedCalls: number;
  /** Mean latency of calls that ran to their end, in milliseconds. */
  readonly avgLatency: number;
  /** Latency that half of the calls did not exceed, in milliseconds. */
  readonly p50Latency: number;
  readonly p95Latency: number;
  readonly p99Latency: number;
  /** Requests that waited for a permit (pace, a hold or a budget), not only for a slot. */
  readonly throttledCalls: number;
  /** Failed outcomes. */
  readonly failedCalls: number;
  /** Retries. */
  readonly retriedCalls: number;
  /** Successful outcomes. */
  readonly answeredCalls: number;
  /** Requests whose subscriber or caller left before their outcome. */
  readonly leftCalls: number;
  /** Calls that run now. */
  readonly inFlight: number;
  /** Tokens of prompts that finished calls reported, including failed and aborted calls. */
  readonly inputTokens: number;
  /** Tokens of answers that finished calls reported, including failed and aborted calls. */
  readonly outputTokens: number;
  /** How many of `inputTokens` were read from the provider's prompt cache. */
  readonly cachedInputTokens: number;
  /** How many of `inputTokens` were written to the provider's prompt cache. */
  readonly cacheWriteTokens: number;
  /** How many of `outputTokens` were reasoning. */
  readonly reasoningTokens: number;
  /** Tokens, prompts and answers, without a price in the table; `spent` does not include them. */
  readonly unpricedTokens: number;
  /** Tokens, prompts and answers, that hits and shared calls saved. */
  readonly savedTokens: number;
  /** Milliseconds that hits saved: the latency of the calls whose answers the cache gave. */
  readonly savedLatency: number;
  /** Money spent on calls, by the price table; 0 without one. */
  readonly spent: number;
  /** Money that hits and shared calls saved, by the price table; 0 without one. */
  readonly saved: number;
  /**
   * Entries that left the cache, by reason. All 0 for an optimizer that was given an `LLMResultCache`: a cache that
   * others may share counts them in its own `stats` and reports them to its own `events`.
   */
  readonly evictions: Readonly<Record<EvictionReason, number>>;
}

/** The most models without a price that are reported. */
const mostNames = 100;

/** Longer names of models are cut. */
const longestName = 100;

/** Folds events into figures. */
export class MetricsFold {
  readonly #prices: Prices;
  readonly #unpriced: (event: ModelUnpricedEvent) => void;
  readonly #unpricedNames = new Set<string | undefined>();
  readonly #latencies = new LatencyHistogram();
  readonly #evictions: Record<EvictionReason, number> = {
    expired: 0,
    size: 0,
    bytes: 0,
    deleted: 0,
    invalidated: 0,
  };
  #totalCalls = 0;
  #cacheHits = 0;
  #cacheMisses = 0;
  #bypassedCalls = 0;
  #sharedCalls = 0;
  #staleAnswers = 0;
  #renewedAnswers = 0;
  #answersNotKept = 0;
  #startedCalls = 0;
  #throttledCalls = 0;
  #failedCalls = 0;
  #retriedCalls = 0;
  #answeredCalls = 0;
  #leftCalls = 0;
  #inFlight = 0;
  #inputTokens = 0;
  #outputTokens = 0;
  #cachedInputTokens = 0;
  #cacheWriteTokens = 0;
  #reasoningTokens = 0;
  #unpricedTokens = 0;
  #savedTokens = 0;
  #savedLatency = 0;
  #spent = 0;
  #saved = 0;

  /** @param unpriced receives an event once for each model without a price */
  constructor(prices: Prices, unpriced: (event: ModelUnpricedEvent) => void) {
    this.#prices = prices;
    this.#unpriced = unpriced;
  }

  next(event: CallEvent): void {
    switch (event.type) {
      case 'received':
        this.#totalCalls++;
        break;
      case 'cache-hit':
        this.#cacheHits++;
        this.#savedLatency += event.savedLatency;
        this.#save(event.usage);
        break;
      case 'cache-miss':
        this.#cacheMisses++;
        if (event.joined) {
          this.#sharedCalls++;
        }
        break;
      case 'cache-bypassed':
        this.#bypassedCalls++;
        if (event.joined) {
          this.#sharedCalls++;
        }
        break;
      case 'cache-renewing':
        this.#renewedAnswers++;
        break;
      case 'cache-not-kept':
        this.#answersNotKept++;
        break;
      case 'cache-evicted':
        this.#evictions[event.reason]++;
        break;
      case 'throttled':
        this.#throttledCalls++;
        break;
      case 'started':
        this.#startedCalls++;
        this.#inFlight++;
        break;
      case 'finished':
        this.#inFlight--;
        if (event.result !== 'aborted') {
          this.#latencies.add(event.latency);
        }
        this.#spend(event.usage, event.at);
        break;
      case 'retrying':
        this.#retriedCalls++;
        break;
      case 'settled':
        this.#settled(event);
        break;
      case 'left':
        this.#leftCalls++;
        break;
    }
  }

  get latencies(): Distribution {
    return this.#latencies.distribution();
  }

  metrics(): CallMetrics {
    const lookUps = this.#cacheHits + this.#cacheMisses;
    return {
      totalCalls: this.#totalCalls,
      cacheHits: this.#cacheHits,
      cacheMisses: this.#cacheMisses,
      cacheHitRate: lookUps === 0 ? 0 : this.#cacheHits / lookUps,
      bypassedCalls: this.#bypassedCalls,
      sharedCalls: this.#sharedCalls,
      staleAnswers: this.#staleAnswers,
      renewedAnswers: this.#renewedAnswers,
      answersNotKept: this.#answersNotKept,
      startedCalls: this.#startedCalls,
      avgLatency: this.#latencies.mean,
      p50Latency: this.#latencies.percentile(0.5),
      p95Latency: this.#latencies.percentile(0.95),
      p99Latency: this.#latencies.percentile(0.99),
      throttledCalls: this.#throttledCalls,
      failedCalls: this.#failedCalls,
      retriedCalls: this.#retriedCalls,
      answeredCalls: this.#answeredCalls,
      leftCalls: this.#leftCalls,
      inFlight: this.#inFlight,
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
      cachedInputTokens: this.#cachedInputTokens,
      cacheWriteTokens: this.#cacheWriteTokens,
      reasoningTokens: this.#reasoningTokens,
      unpricedTokens: this.#unpricedTokens,
      savedTokens: this.#savedTokens,
      savedLatency: this.#savedLatency,
      spent: this.#spent,
      saved: this.#saved,
      evictions: { ...this.#evictions },
    };
  }

  #settled({ ok, source, usage }: SettledEvent): void {
    if (!ok) {
      this.#failedCalls++;
      return;
    }
    this.#answeredCalls++;
    if (source === 'stale') {
      this.#staleAnswers++;
    }
    this.#save(usage);
  }

  #spend(usage: TokenUsage | undefined, at: number): void {
    if (!usage) {
      return;
    }
    this.#inputTokens += tokenCount(usage.inputTokens);
    this.#outputTokens += tokenCount(usage.outputTokens);
    this.#cachedInputTokens += tokenCount(usage.cachedInputTokens);
    this.#cacheWriteTokens += tokenCount(usage.cacheWriteTokens);
    this.#reasoningTokens += tokenCount(usage.reasoningTokens);
    const cost = this.#prices.costOf(usage);
    if (cost === undefined) {
      this.#unpricedTokens += totalTokens(usage);
      this.#tellUnpriced(usage, at);
    } else {
      this.#spent += cost;
    }
  }

  #save(usage: TokenUsage | undefined): void {
    if (usage) {
      this.#savedTokens += totalTokens(usage);
      this.#saved += this.#prices.costOf(usage) ?? 0;
    }
  }

  /** Reports a model without a price, if there are prices at all. */
  #tellUnpriced(usage: TokenUsage, at: number): void {
    const model = typeof usage.model === 'string' ? usage.model.slice(0, longestName) : undefined;
    const isNews = !this.#unpricedNames.has(model) && this.#unpricedNames.size < mostNames;
    if (this.#prices.areKnown && isNews && totalTokens(usage) > 0) {
      this.#unpricedNames.add(model);
      this.#unpriced({ type: 'model-unpriced', at, ...(model !== undefined && { model }) });
    }
  }
}
