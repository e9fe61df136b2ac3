import { Observable, type SchedulerLike, type Subscriber } from 'rxjs';
import type { BudgetState } from '../core/budget-state';
import type { Cancel, Clock } from '../core/clock';
import type { CallEvent, CallEventListener, RefusalCause } from '../core/events';
import type { NextStart } from '../core/gates';
import { guarded } from '../core/listener';
import type { FleetState } from '../core/fleet';
import type { CallPriority } from '../core/priority';
import { clockFrom } from '../core/scheduler-clock';
import { configObject, listenerSetting, numberSetting, type FieldsOf } from '../core/settings';
import { MetricsFold, type CallMetrics } from './call-metrics';
import { Prices, type PriceTable } from './prices';
import {
  RequestFold,
  type CallTimes,
  type ErrorCounts,
  type OutcomeCounts,
  type TokensByModel,
} from './request-fold';
import { StreamFold, type StreamMetrics } from './stream-metrics';

const fields: FieldsOf<StatsConfig> = {
  sampleInterval: true,
  prices: true,
  events: true,
  limiter: true,
  cache: true,
  executor: true,
  scheduler: true,
};

/** The figures of a limiter in a snapshot. */
export interface RateLimiterGauges {
  /** Milliseconds between starts of MEDIUM requests. */
  readonly currentInterval: number;
  /** Starts per second over the last ten seconds. */
  readonly callRate: number;
  readonly queued: number;
  readonly queuedByPriority: Readonly<Record<CallPriority, number>>;
  readonly isPaused: boolean;
  /** When a hold ends, in milliseconds on the limiter's clock. */
  readonly heldUntil?: number;
  readonly holdReason?: string;
  /** The state of the process in its fleet; absent without one. */
  readonly fleet?: FleetState;
  /** The gate that holds the next request, when it opens, and why; absent if no request waits. */
  readonly next?: NextStart;
  /** All given and stated limits. */
  readonly budgets: readonly BudgetState[];
  /** The probable cause of the last refusals; absent if there were too few. */
  readonly refusalCause?: RefusalCause;
  /** Share of calls, 0 to 1, that is refused at any pace. */
  readonly refusedShare: number;
  /** Calls per second that the provider accepts, learned from refusals. */
  readonly learnedRate?: number;
  /** Calls that the provider accepts at once, learned from refusals. */
  readonly maxRunning?: number;
}

/** The figures of a cache in a snapshot. */
export interface CacheGauges {
  readonly size: number;
  readonly maxSize: number;
  readonly totalAccesses: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits over accesses, 0 to 1. */
  readonly hitRate: number;
  /** Hits over accesses in the last minute, 0 to 1. */
  readonly recentHitRate: number;
  /** Bytes of keys and answers in memory; 0 if they are not counted. */
  readonly bytes: number;
}

/** The figures of the slots in a snapshot. */
export interface ExecutorGauges {
  /** Running calls. */
  readonly active: number;
  /** Requests that wait for their start. */
  readonly queued: number;
  readonly maxConcurrent: number;
  /** The cost after which no call starts, to compare with `metrics.spent`; absent without such a limit. */
  readonly maxSpend?: number;
  /** Milliseconds that the longest waiting request has waited, without those in back-off; 0 if none waits. */
  readonly oldestWait: number;
}

/** The figures at one moment. Gauges are read when the snapshot is made; the rest is folded from events. */
export interface StatsSnapshot {
  /** Milliseconds on the clock of the statistics. */
  readonly at: number;
  readonly metrics: CallMetrics;
  /** The figures of stream calls, folded from events. */
  readonly streams: StreamMetrics;
  readonly rateLimiter: RateLimiterGauges;
  readonly cache: CacheGauges;
  readonly executor: ExecutorGauges;
  readonly times: CallTimes;
  readonly outcomes: OutcomeCounts;
  readonly errors: ErrorCounts;
  readonly tokensByModel: TokensByModel;
}

/** The config of {@link CallStats}. */
export interface StatsConfig {
  /** Milliseconds between two snapshots at least. @defaultValue 1000 */
  readonly sampleInterval?: number | undefined;
  /** The prices of tokens. @defaultValue none */
  readonly prices?: PriceTable | undefined;
  /** Receives `model-unpriced` when tokens of a model without a price were used. @defaultValue none */
  readonly events?: CallEventListener | undefined;
  /** The limiter whose state snapshots show. @defaultValue none */
  readonly limiter?: { readonly state: RateLimiterGauges } | undefined;
  /** The cache whose use snapshots show. @defaultValue none */
  readonly cache?: { readonly stats: CacheGauges } | undefined;
  /** Reads the slots. @defaultValue the running calls by the events, with `maxConcurrent` 0 (unknown) */
  readonly executor?: (() => ExecutorGauges) | undefined;
  /** The scheduler whose time is used. @defaultValue `asyncScheduler` */
  readonly scheduler?: SchedulerLike | undefined;
}

const noLimiter: RateLimiterGauges = {
  currentInterval: 0,
  callRate: 0,
  queued: 0,
  queuedByPriority: { low: 0, medium: 0, high: 0, critical: 0 },
  isPaused: false,
  budgets: [],
  refusedShare: 0,
};

const noCache: CacheGauges = {
  size: 0,
  maxSize: 0,
  totalAccesses: 0,
  hits: 0,
  misses: 0,
  hitRate: 0,
  recentHitRate: 0,
  bytes: 0,
};

/**
 * Folds events into live figures. Pass it as `events` to the operators whose calls it should count.
 *
 * `stats$` gives a new subscriber the current snapshot, then at most one every `sampleInterval` milliseconds and only
 * after a change. On `close()` it emits a last snapshot and completes. It holds no timer while nothing changes or
 * nothing is subscribed, and none at all on a scheduler that you gave: there the next event brings the snapshot that is
 * due.
 *
 * @example
 * const stats = new CallStats({ sampleInterval: 5000, limiter });
 * tickets$.pipe(mergeWithConcurrency(classify, { limiter, events: stats }));
 * stats.stats$.subscribe(({ metrics }) => console.log(metrics.failedCalls));
 *
 * @throws TypeError or RangeError if the config has a wrong value
 */
export class CallStats implements CallEventListener {
  /** Live snapshots. */
  readonly stats$: Observable<StatsSnapshot>;
  readonly #clock: Clock;
  readonly #fold: MetricsFold;
  readonly #streams = new StreamFold();
  readonly #requests = new RequestFold();
  readonly #sampleInterval: number;
  readonly #limiter: { readonly state: RateLimiterGauges } | undefined;
  readonly #cache: { readonly stats: CacheGauges } | undefined;
  readonly #executor: (() => ExecutorGauges) | undefined;
  readonly #subscribers = new Set<Subscriber<StatsSnapshot>>();
  #lastSampleAt = -Infinity;
  #cancelSample: Cancel | undefined;
  #last: StatsSnapshot | undefined;

  constructor(config?: StatsConfig) {
    const settings: StatsConfig = configObject('CallStats', config, fields);
    this.#sampleInterval = numberSetting('sampleInterval', settings.sampleInterval, 1000);
    const events = guarded(listenerSetting('events', settings.events));
    this.#fold = new MetricsFold(new Prices(settings.prices), (event) => events?.next(event));
    this.#limiter = settings.limiter;
    this.#cache = settings.cache;
    this.#executor = settings.executor;
    this.#clock = clockFrom(settings.scheduler);
    this.stats$ = new Observable((subscriber) => {
      subscriber.next(this.#last ?? this.snapshot());
      if (this.#last) {
        subscriber.complete();
        return;
      }
      if (this.#subscribers.size === 0) {
        this.#lastSampleAt = this.#clock.now();
      }
      this.#subscribers.add(subscriber);
      subscriber.add(() => {
        this.#subscribers.delete(subscriber);
        if (this.#subscribers.size === 0) {
          this.#stopSampling();
        }
      });
    });
  }

  /** Folds an event into the figures. */
  next(event: CallEvent): void {
    this.#fold.next(event);
    this.#streams.next(event);
    this.#requests.next(event);
    if (this.#subscribers.size > 0) {
      this.#sampleWhenDue();
    }
  }

  /** The current figures. */
  snapshot(): StatsSnapshot {
    const metrics = this.#fold.metrics();
    const rateLimiter = this.#limiter?.state ?? noLimiter;
    return {
      at: this.#clock.now(),
      metrics,
      streams: this.#streams.metrics(),
      rateLimiter,
      cache: this.#cache?.stats ?? noCache,
      executor: this.#executor?.() ?? {
        active: metrics.inFlight,
        queued: rateLimiter.queued,
        maxConcurrent: 0,
        oldestWait: 0,
      },
      times: {
        ...this.#requests.times,
        call: this.#fold.latencies,
        firstChunk: this.#streams.firstChunks,
      },
      outcomes: this.#requests.outcomes,
      errors: this.#requests.errors,
      tokensByModel: this.#requests.tokensByModel,
    };
  }

  /** Emits a last snapshot and completes `stats$`. */
  close(): void {
    if (this.#last) {
      return;
    }
    this.#stopSampling();
    this.#last = this.snapshot();
    for (const subscriber of [...this.#subscribers]) {
      subscriber.next(this.#last);
      subscriber.complete();
    }
  }

  #sampleWhenDue(): void {
    const due = this.#lastSampleAt + this.#sampleInterval;
    const now = this.#clock.now();
    if (due <= now) {
      this.#stopSampling();
      this.#sample(now);
    } else if (!this.#cancelSample) {
      this.#cancelSample = this.#clock.schedule(
        due - now,
        () => {
          this.#cancelSample = undefined;
          this.#sample(this.#clock.now());
        },
        { background: true },
      );
    }
  }

  #sample(now: number): void {
    this.#lastSampleAt = now;
    const snapshot = this.snapshot();
    for (const subscriber of [...this.#subscribers]) {
      subscriber.next(snapshot);
    }
  }

  #stopSampling(): void {
    this.#cancelSample?.();
    this.#cancelSample = undefined;
  }
}
