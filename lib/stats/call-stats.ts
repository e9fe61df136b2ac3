import { Observable, type SchedulerLike, type Subscriber } from 'rxjs';
import type { BudgetState } from '../core/budget-state';
import type { Cancel, Clock } from '../core/clock';
import type { CallEvent, CallEventListener, RefusalCause } from '../core/events';
import type { NextStart } from '../core/gates';
import { guarded } from '../core/listener';
import type { FleetState } from '../core/fleet';
import type { CallPriority } from '../core/priority';
import { clockFrom } from '../core/scheduler-clock';
import { configObject, listenerSetting, numberSetting } from '../core/settings';
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

/** What a snapshot tells of a limiter. */
export interface RateLimiterGauges {
  /** Milliseconds between starts of MEDIUM requests. */
  readonly currentInterval: number;
  /** Starts per second, over the last ten seconds. */
  readonly callRate: number;
  readonly queued: number;
  readonly queuedByPriority: Readonly<Record<CallPriority, number>>;
  readonly isPaused: boolean;
  /** When a hold ends, in milliseconds on the limiter's clock. */
  readonly heldUntil?: number;
  readonly holdReason?: string;
  /** How the process stands in its fleet; absent without one. */
  readonly fleet?: FleetState;
  /** Which gate holds the next request, until when, and why; absent where nothing waits. */
  readonly next?: NextStart;
  /** Every limit that is known or was stated. */
  readonly budgets: readonly BudgetState[];
  /** What the last refusals were put down to; absent while there were too few of them. */
  readonly refusalCause?: RefusalCause;
  /** Share of calls, 0 to 1, that is refused whatever the pace. */
  readonly refusedShare: number;
  /** Calls per second that refusals taught the provider lets through. */
  readonly learnedRate?: number;
  /** Calls that refusals taught the provider takes at once. */
  readonly maxRunning?: number;
}

/** What a snapshot tells of a cache. */
export interface CacheGauges {
  readonly size: number;
  readonly maxSize: number;
  readonly totalAccesses: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits over accesses, 0 to 1. */
  readonly hitRate: number;
  /** Hits over accesses of the last minute, 0 to 1. */
  readonly recentHitRate: number;
  /** Bytes of keys and answers in memory; 0 where they are not counted. */
  readonly bytes: number;
}

/** What a snapshot tells of the slots. */
export interface ExecutorGauges {
  /** Calls that run now. */
  readonly active: number;
  /** Requests that wait for their start. */
  readonly queued: number;
  readonly maxConcurrent: number;
  /** Money after which no call starts, to be compared with `metrics.spent`; absent without such a limit. */
  readonly maxSpend?: number;
  /**
   * Milliseconds that the request has waited which has waited longest; 0 where none does. Those in back-off are left out:
   * this one may start as soon as the gates agree.
   */
  readonly oldestWait: number;
}

/** The figures at one moment: gauges are read when the snapshot is made, the rest is a fold of events. */
export interface StatsSnapshot {
  /** Milliseconds on the clock of the statistics. */
  readonly at: number;
  readonly metrics: CallMetrics;
  /** A fold of events too. */
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
  /** Milliseconds between snapshots at least. Default 1000. */
  readonly sampleInterval?: number | undefined;
  /** What tokens cost. Default: nothing. */
  readonly prices?: PriceTable | undefined;
  /** Hears `model-unpriced` when tokens were used of a model that `prices` lacks. */
  readonly events?: CallEventListener | undefined;
  /** The limiter whose state snapshots tell. Default: none. */
  readonly limiter?: { readonly state: RateLimiterGauges } | undefined;
  /** The cache whose use snapshots tell. Default: none. */
  readonly cache?: { readonly stats: CacheGauges } | undefined;
  /** Reads the slots. Default: calls in flight by the events, `maxConcurrent` unknown (0). */
  readonly executor?: (() => ExecutorGauges) | undefined;
  /** The scheduler whose time it lives by. Default `asyncScheduler`. */
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
 * Folds events into live figures. Give it as `events` to the operators whose calls it is to count.
 *
 * `stats$` gives the present snapshot to a new subscriber, then one at most every `sampleInterval` milliseconds and
 * only after a change; it completes, after a last snapshot, on `close()`. It holds no timer while nothing changes or
 * nobody listens, and none at all on a scheduler that you gave: there the next event brings the snapshot that is due.
 *
 * @example
 * const stats = new CallStats({ sampleInterval: 5000, limiter });
 * tickets$.pipe(mergeWithConcurrency(classify, { limiter, events: stats }));
 * stats.stats$.subscribe(({ metrics }) => console.log(metrics.failedCalls));
 *
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export class CallStats implements CallEventListener {
  /** The figures, live. */
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
    const settings: StatsConfig = configObject('CallStats', config);
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

  /** Takes an event in. */
  next(event: CallEvent): void {
    this.#fold.next(event);
    this.#streams.next(event);
    this.#requests.next(event);
    if (this.#subscribers.size > 0) {
      this.#sampleWhenDue();
    }
  }

  /** The figures now. */
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
