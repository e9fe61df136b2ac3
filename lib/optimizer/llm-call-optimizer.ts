import {
  firstValueFrom,
  from,
  isObservable,
  Observable,
  of,
  Subject,
  Subscription,
  toArray,
  type ObservableInput,
  type ObservedValueOf,
  type OperatorFunction,
} from 'rxjs';
import type { CacheExplanation } from '../cache/explanation';
import { internalsOf, type LLMResultCache } from '../cache/llm-result-cache';
import { keySpaceOf } from '../cache/request-identity';
import type { CallContext, CallOutcome } from '../core/call';
import type { Clock } from '../core/clock';
import { ClosedError } from '../core/errors';
import type { CallEvent, CallEventListener } from '../core/events';
import { holdStarts } from '../core/held-starts';
import { attempt, guarded } from '../core/listener';
import { clockFrom } from '../core/scheduler-clock';
import {
  choiceSetting,
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
  requiredFunction,
  switchSetting,
} from '../core/settings';
import { noTraits, validated, type TraitsReader } from '../core/traits';
import type { AdaptiveRateLimiter } from '../limiter/adaptive-rate-limiter';
import { AdmissionQueue } from '../limiter/admission-queue';
import { engineOf } from '../limiter/engine-of';
import { SlotPool } from '../limiter/slot-pool';
import { answerJudgeOf } from '../operators/answer-verdict';
import { cacheBySettings } from '../operators/cache-llm';
import type { CacheRun } from '../operators/cache-run';
import type { LastingPipeline } from '../operators/cache-run-settings';
import type { RunSettings } from '../operators/run-settings';
import {
  followLimit,
  mergeBySettings,
  retryConfigOf,
  type NotAString,
} from '../operators/merge-with-concurrency';
import type { ErrorClassifier } from '../provider/classify-error';
import { RetryPolicy } from '../provider/retry-policy';
import { CallStats, type StatsSnapshot } from '../stats/call-stats';
import { abortedBy } from './aborted-by';
import {
  cacheOf,
  given,
  limiterOf,
  type CallOptions,
  type OptimizeOptions,
  type OptimizerConfig,
  type PromiseOptions,
} from './optimizer-config';

/**
 * The three operators put together over one limiter, one cache, one set of slots and one set of statistics, for
 * streams and promises alike: hits are answered at once, equal requests share one call, the rest start by priority as
 * fast as the provider allows, failures are tried again, and every request yields one outcome.
 *
 * @example
 * const optimizer = new LLMCallOptimizer({ maxConcurrent: 10, cacheTtl: 10 * 60_000 });
 * news$.pipe(optimizer.optimize(callModel)).subscribe((outcome) => console.log(outcome));
 * optimizer.stats$.subscribe(({ metrics }) => console.log(metrics.cacheHitRate));
 *
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export class LLMCallOptimizer {
  /** The limiter; undefined with `enableRateLimit: false`. */
  readonly limiter: AdaptiveRateLimiter | undefined;
  /** The cache; undefined with `enableCache: false`. */
  readonly cache: LLMResultCache | undefined;
  /** The figures, live; completes after a last snapshot on `close()`. */
  readonly stats$: Observable<StatsSnapshot>;
  /** What happens to every request; completes on `close()`. */
  readonly events$: Observable<CallEvent>;
  readonly #stats: CallStats;
  readonly #clock: Clock;
  readonly #queue: AdmissionQueue;
  readonly #pool: SlotPool;
  readonly #settings: Omit<RunSettings<unknown>, 'events'>;
  readonly #events = new Subject<CallEvent>();
  readonly #listener: CallEventListener;
  readonly #isOwnCache: boolean;
  readonly #classifyError: ErrorClassifier | undefined;
  readonly #open = new Set<CacheRun<never, never>>();
  /** Pipelines that go on for the sake of the cache. */
  readonly #lasting = new Set<LastingPipeline>();
  readonly #following = new Subscription();
  #limitError: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(config?: OptimizerConfig) {
    const settings: OptimizerConfig = configObject('LLMCallOptimizer', config);
    const { scheduler } = settings;
    const classifyError = functionSetting('classifyError', settings.classifyError);
    this.#classifyError = classifyError;
    const onScheduler = scheduler ? { scheduler } : {};
    const maxQueue = numberSetting('maxQueue', settings.maxQueue, Infinity, { whole: true, infinite: true });
    const overflow = choiceSetting('overflow', settings.overflow, 'reject', ['reject', 'drop-oldest']);
    this.#listener = {
      next: (event) => {
        attempt(() => this.#stats.next(event));
        this.#events.next(event);
      },
    };
    this.events$ = this.#events.asObservable();
    this.limiter = limiterOf(settings);
    this.cache = cacheOf(settings, this.#listener);
    this.#isOwnCache = this.cache !== settings.cache;
    const engine = this.limiter?.[engineOf];
    this.#clock = engine?.clock ?? this.cache?.[internalsOf].clock ?? clockFrom(scheduler);
    this.#queue = engine?.queue ?? new AdmissionQueue(this.#clock);
    const { maxConcurrent } = settings;
    const retryConfig = retryConfigOf(settings.retry ?? true);
    const retry =
      retryConfig && new RetryPolicy({ ...given({ classifyError }), ...retryConfig }, this.#clock);
    this.#pool = new SlotPool(
      isObservable(maxConcurrent)
        ? 3
        : numberSetting('maxConcurrent', maxConcurrent, 3, { min: 1, whole: true, infinite: true }),
      retry?.maxElapsed,
    );
    this.#settings = {
      clock: this.#clock,
      queue: this.#queue,
      sharedPool: this.#pool,
      limiter: this.limiter && {
        engine: this.limiter[engineOf],
        key: this.limiter,
        maxQueue: Infinity,
        overflow,
      },
      retry,
      ordered: false,
      timeout: numberSetting('timeout', settings.timeout, Infinity, { above: true, infinite: true }),
      maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
      maxQueue,
      overflow,
      traits: validated(functionSetting('traits', settings.traits) as TraitsReader<unknown> | undefined),
      errorInAnswer: answerJudgeOf(settings.errorInAnswer),
    };
    this.#stats = new CallStats({
      ...given({
        sampleInterval: settings.sampleInterval,
        prices: settings.prices,
        limiter: this.limiter,
        cache: this.cache,
      }),
      executor: () => ({
        active: this.#pool.active,
        queued: this.#queue.waiting + this.#queue.backingOff,
        maxConcurrent: this.#pool.limit,
      }),
      events: this.#listener,
      ...onScheduler,
    });
    this.stats$ = this.#stats.stats$;
    if (isObservable(maxConcurrent)) {
      followLimit(maxConcurrent, this.#pool, this.#queue, {
        add: (teardown) => this.#following.add(teardown),
        error: (error) => {
          this.#limitError = { error };
          this.close();
        },
      });
    }
  }

  /**
   * An operator that answers every request of a stream with one outcome, in the order they are ready (or in that of
   * the source with `ordered`). Two different calls over one optimizer share its cache: give each a `namespace`, or
   * one will be answered with what the other said about an equal request, and a call that asks the optimizer for its
   * own request waits for itself.
   *
   * ```
   * requests  -a--a--b---|
   * outcomes  ----(AA)--B|      one call for both a
   * ```
   *
   * @example
   * articles$.pipe(optimizer.optimize(summarise, { namespace: 'summary' }), unwrapOutcomes());
   */
  optimize<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    options: OptimizeOptions = {},
  ): OperatorFunction<R, CallOutcome<R, ObservedValueOf<O>>> {
    requiredFunction('call', call);
    const keySpace = keySpaceOf(options);
    listenerSetting('events', options.events);
    const ordered = switchSetting('ordered', options.ordered, false);
    const events = options.events ? bothOf(this.#listener, guarded(options.events)!) : this.#listener;
    // What there is to know of a request is on its ticket, as the cache in front has read its traits.
    const settings: RunSettings<R> = { ...this.#settings, traits: () => noTraits, maxWait: Infinity, events };
    const operator = cacheBySettings<R, ObservedValueOf<O>>(
      () => ({
        cache: this.cache,
        clock: this.#clock,
        misses: mergeBySettings<R, ObservedValueOf<O>>(call, () => settings),
        keySpace,
        ordered,
        maxWait: this.#settings.maxWait,
        traits: this.#settings.traits,
        events,
        lasting: this.#lasting,
        classify: this.#classifyError,
      }),
      (run) => {
        this.#open.add(run as unknown as CacheRun<never, never>);
        return () => this.#open.delete(run as unknown as CacheRun<never, never>);
      },
    );
    return (source) =>
      new Observable((subscriber) => {
        if (this.#isClosed) {
          subscriber.error(this.#closedError());
          return;
        }
        subscriber.add(source.pipe(operator).subscribe(subscriber));
      });
  }

  /**
   * Answers one request. Rejects with the error of its failed outcome, with the signal's reason when that is aborted,
   * and with `ClosedError` when the optimizer is closed.
   *
   * @example
   * const summary = await optimizer.call(summarise, { article }, { namespace: 'summary' });
   */
  async call<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    request: R,
    options: PromiseOptions = {},
  ): Promise<ObservedValueOf<O>> {
    const outcome = await firstValueFrom(
      of(request).pipe(this.optimize<R, O>(call, options), abortedBy(options.signal)),
      { defaultValue: undefined },
    );
    if (!outcome) {
      throw this.#closedError();
    }
    if (outcome.ok) {
      return outcome.value;
    }
    throw outcome.error;
  }

  /**
   * Answers many requests; the outcomes come in the order of the requests, failures among them.
   *
   * @example
   * const outcomes = await optimizer.callBatch(summarise, articles);
   */
  async callBatch<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    requests: Iterable<R>,
    options: PromiseOptions = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>[]> {
    return firstValueFrom(
      from(requests).pipe(
        this.optimize<R, O>(call, { ...options, ordered: true }),
        toArray(),
        abortedBy(options.signal),
      ),
      { defaultValue: [] },
    );
  }

  /**
   * Tells whether a request would be answered from the cache now, and if not, why not; undefined with
   * `enableCache: false`.
   *
   * @example
   * console.log((await optimizer.explain({ article }, { namespace: 'summary' }))?.text);
   */
  async explain(request: unknown, options: CallOptions = {}): Promise<CacheExplanation | undefined> {
    return this.cache?.explain(request, { ...options, traits: this.#settings.traits });
  }

  /** The figures now. */
  getStats(): StatsSnapshot {
    return this.#stats.snapshot();
  }

  /**
   * Fails open requests with `ClosedError` and aborts their calls, then completes the streams, `events$` and, after a
   * last snapshot, `stats$`. What is asked of it later is rejected.
   */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#following.unsubscribe();
    holdStarts(() => {
      for (const run of [...this.#open]) {
        run.closeWith(this.#closedError());
      }
      for (const pipeline of [...this.#lasting]) {
        pipeline.abandonUnwanted();
      }
    });
    this.limiter?.close();
    this.#stats.close();
    this.#events.complete();
    if (this.#isOwnCache) {
      // Last, so that the last snapshot tells what the cache held; what the store holds stays.
      this.cache?.close();
    }
  }

  #closedError(): Error {
    const error = new ClosedError('The LLMCallOptimizer');
    if (this.#limitError) {
      error.cause = this.#limitError.error;
    }
    return error;
  }
}

function bothOf(one: CallEventListener, other: CallEventListener): CallEventListener {
  return {
    next: (event) => {
      one.next(event);
      other.next(event);
    },
  };
}
