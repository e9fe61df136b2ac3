import type { Observable } from 'rxjs';
import {
  firstValueFrom,
  from,
  isObservable,
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
import type { CallContext, CallOutcome } from '../core/call';
import { ClosedError } from '../core/errors';
import type { CallEvent, CallEventListener } from '../core/events';
import { attempt } from '../core/listener';
import { clockFrom } from '../core/scheduler-clock';
import { choiceSetting, configObject, functionSetting, numberSetting } from '../core/settings';
import { noTraits, type TraitsReader } from '../core/traits';
import type { AdaptiveRateLimiter } from '../limiter/adaptive-rate-limiter';
import { AdmissionQueue } from '../limiter/admission-queue';
import { engineOf } from '../limiter/engine-of';
import { SlotPool } from '../limiter/slot-pool';
import { followLimit, retryConfigOf, type NotAString } from '../operators/merge-with-concurrency';
import { RetryPolicy } from '../provider/retry-policy';
import { CallStats, type StatsSnapshot } from '../stats/call-stats';
import { abortedBy, onAbort } from './aborted-by';
import { AskersContext } from './askers-context';
import { CallOperators } from './call-operators';
import {
  cacheOf,
  limiterOf,
  type BatchOptions,
  type LLMCall,
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
  readonly #operators: CallOperators;
  readonly #queue: AdmissionQueue;
  readonly #pool: SlotPool;
  readonly #events = new Subject<CallEvent>();
  readonly #isOwnCache: boolean;
  readonly #following = new Subscription();
  #limitError: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(config?: OptimizerConfig) {
    const settings: OptimizerConfig = configObject('LLMCallOptimizer', config);
    const { scheduler, maxConcurrent, prices, sampleInterval } = settings;
    const classify = functionSetting('classifyError', settings.classifyError);
    const maxQueue = numberSetting('maxQueue', settings.maxQueue, Infinity, { whole: true, infinite: true });
    const overflow = choiceSetting('overflow', settings.overflow, 'reject', ['reject', 'drop-oldest']);
    const events: CallEventListener = {
      next: (event) => {
        attempt(() => this.#stats.next(event));
        this.#events.next(event);
      },
    };
    this.events$ = this.#events.asObservable();
    this.limiter = limiterOf(settings);
    const { cache, isOwn, needsNames } = cacheOf(settings, events);
    this.cache = cache;
    this.#isOwnCache = isOwn;
    const engine = this.limiter?.[engineOf];
    const clock = engine?.clock ?? this.cache?.[internalsOf].clock ?? clockFrom(scheduler);
    this.#queue = engine?.queue ?? new AdmissionQueue(clock);
    const retryConfig = retryConfigOf(settings.retry ?? true);
    const retry =
      retryConfig &&
      new RetryPolicy({ ...retryConfig, classifyError: retryConfig.classifyError ?? classify }, clock);
    this.#pool = new SlotPool(
      isObservable(maxConcurrent)
        ? 3
        : numberSetting('maxConcurrent', maxConcurrent, 3, { min: 1, whole: true, infinite: true }),
      retry?.maxElapsed,
    );
    this.#operators = new CallOperators({
      cache,
      needsNames,
      events,
      classify,
      traits: functionSetting('traits', settings.traits) as TraitsReader<unknown> | undefined,
      maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
      run: {
        clock,
        queue: this.#queue,
        sharedPool: this.#pool,
        limiter: engine && { engine, key: this.limiter, maxQueue: Infinity, overflow },
        retry,
        ordered: false,
        timeout: numberSetting('timeout', settings.timeout, Infinity, { above: true, infinite: true }),
        maxQueue,
        overflow,
        // What there is to know of a request is on its ticket, as the cache in front has read its traits.
        traits: () => noTraits,
        maxWait: Infinity,
      },
    });
    this.#stats = new CallStats({
      sampleInterval,
      prices,
      limiter: this.limiter,
      cache: this.cache,
      executor: () => ({
        active: this.#pool.active,
        queued: this.#queue.waiting + this.#queue.backingOff,
        maxConcurrent: this.#pool.limit,
      }),
      scheduler,
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
   * the source with `ordered`). Answers are shared by requests to the same function; give two functions one `namespace`
   * to have them share theirs. A call that asks the optimizer for its own request waits for itself.
   *
   * ```
   * requests  -a--a--b---|
   * outcomes  ----(AA)--B|      one call for both a
   * ```
   *
   * @example
   * articles$.pipe(optimizer.optimize(summarise, { priority: 'low' }), unwrapOutcomes());
   *
   * @throws TypeError for a wrong option, and for a call without a `namespace` where the cache is shared or has a store
   */
  optimize<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    options: OptimizeOptions = {},
  ): OperatorFunction<R, CallOutcome<R, ObservedValueOf<O>>> {
    refuseSharedKey(options);
    return this.#operators.make<R, ObservedValueOf<O>>(call, options);
  }

  /**
   * Answers one request. Traits among the options come before those of the request. Rejects with the error of its failed
   * outcome, with the signal's reason when that is aborted, and with `ClosedError` when the optimizer is closed. The call
   * and its retries run in the async context of who asks.
   *
   * @example
   * const summary = await optimizer.call(summarise, { article }, { priority: 'high', maxWait: 10_000 });
   *
   * @throws TypeError as `optimize` does
   */
  async call<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    request: R,
    options: PromiseOptions = {},
  ): Promise<ObservedValueOf<O>> {
    const context = new AskersContext();
    const outcome$ = of(request).pipe(
      this.#operators.make<R, ObservedValueOf<O>>(call, options, { context }),
      abortedBy(options.signal),
    );
    const outcome = await context.ask(() => firstValueFrom(outcome$, { defaultValue: undefined }));
    if (!outcome) {
      throw this.#closedError();
    }
    if (outcome.ok) {
      return outcome.value;
    }
    throw outcome.error;
  }

  /**
   * Answers many requests; the outcomes come in the order of the requests, failures among them. When the signal is
   * aborted, the requests without an answer fail with its reason, and what was answered stays. The calls run in the async
   * context of who asks.
   *
   * @example
   * const outcomes = await optimizer.callBatch(summarise, articles, { priority: 'low' });
   *
   * @throws TypeError as `optimize` does
   */
  async callBatch<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    requests: Iterable<R>,
    options: BatchOptions = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>[]> {
    refuseSharedKey(options);
    const { signal } = options;
    const context = new AskersContext();
    const operator = this.#operators.make<R, ObservedValueOf<O>>(
      call,
      { ...options, ordered: true },
      { context, opened: (run) => onAbort(signal, () => run.failWith(signal!.reason)) },
    );
    return context.ask(() => firstValueFrom(from(requests).pipe(operator, toArray()), { defaultValue: [] }));
  }

  /**
   * Tells whether a request to a call would be answered from the cache now, and if not, why not; undefined with
   * `enableCache: false`.
   *
   * @example
   * console.log((await optimizer.explain(summarise, { article }))?.text);
   */
  async explain<R>(
    call: LLMCall<R, unknown>,
    request: R,
    options: PromiseOptions = {},
  ): Promise<CacheExplanation | undefined> {
    return this.#operators.explain(call, request, options);
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
    this.#operators.close(() => this.#closedError());
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

function refuseSharedKey({ cacheKey }: { readonly cacheKey?: unknown }): void {
  if (cacheKey !== undefined && cacheKey !== false) {
    throw new TypeError(
      'cacheKey must be false here: all requests would get one answer. Give each request its own as a trait.',
    );
  }
}
