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
import { holdStarts } from '../core/held-starts';
import { attempt } from '../core/listener';
import { clockFrom } from '../core/scheduler-clock';
import {
  choiceSetting,
  configObject,
  functionSetting,
  numberSetting,
  requiredFunction,
} from '../core/settings';
import type { StreamCall, StreamItem } from '../core/stream';
import { validated, type TraitsReader } from '../core/traits';
import type { AdaptiveRateLimiter } from '../limiter/adaptive-rate-limiter';
import { AdmissionQueue } from '../limiter/admission-queue';
import { engineOf } from '../limiter/engine-of';
import { SlotPool } from '../limiter/slot-pool';
import { answerJudgeOf } from '../operators/answer-verdict';
import {
  followLimit,
  mergeBySettings,
  retryConfigOf,
  type NotAString,
} from '../operators/merge-with-concurrency';
import { requiredStreamCall, streamBySettings, streamTimeouts } from '../operators/stream-with-concurrency';
import { UnknownErrors } from '../operators/unknown-errors';
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
import { operatorOf, type OptimizerWork } from './optimizer-work';
import { chunksOnly, chunkSettings, type OptimizeStreamOptions, type StreamOptions } from './stream-options';

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
  readonly #queue: AdmissionQueue;
  readonly #pool: SlotPool;
  readonly #work: OptimizerWork;
  readonly #events = new Subject<CallEvent>();
  readonly #isOwnCache: boolean;
  readonly #following = new Subscription();
  #limitError: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(config?: OptimizerConfig) {
    const settings: OptimizerConfig = configObject('LLMCallOptimizer', config);
    const { scheduler } = settings;
    const classifyError = functionSetting('classifyError', settings.classifyError);
    const onScheduler = scheduler ? { scheduler } : {};
    const maxQueue = numberSetting('maxQueue', settings.maxQueue, Infinity, { whole: true, infinite: true });
    const overflow = choiceSetting('overflow', settings.overflow, 'reject', ['reject', 'drop-oldest']);
    const listener: CallEventListener = {
      next: (event) => {
        attempt(() => this.#stats.next(event));
        this.#events.next(event);
      },
    };
    this.events$ = this.#events.asObservable();
    this.limiter = limiterOf(settings, listener);
    this.cache = cacheOf(settings, listener);
    this.#isOwnCache = this.cache !== settings.cache;
    const engine = this.limiter?.[engineOf];
    const clock = engine?.clock ?? this.cache?.[internalsOf].clock ?? clockFrom(scheduler);
    this.#queue = engine?.queue ?? new AdmissionQueue(clock);
    const { maxConcurrent } = settings;
    const retryConfig = retryConfigOf(settings.retry ?? true);
    const retry = retryConfig && new RetryPolicy({ ...given({ classifyError }), ...retryConfig }, clock);
    this.#pool = new SlotPool(
      isObservable(maxConcurrent)
        ? 3
        : numberSetting('maxConcurrent', maxConcurrent, 3, { min: 1, whole: true, infinite: true }),
      retry?.maxElapsed,
    );
    const runSettings: OptimizerWork['settings'] = {
      clock,
      queue: this.#queue,
      sharedPool: this.#pool,
      limiter: this.limiter && {
        engine: this.limiter[engineOf],
        key: this.limiter,
        maxQueue: Infinity,
        overflow,
      },
      retry,
      unknownErrors: new UnknownErrors(),
      ordered: false,
      timeout: numberSetting('timeout', settings.timeout, Infinity, { above: true, infinite: true }),
      maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
      maxQueue,
      overflow,
      traits: validated(functionSetting('traits', settings.traits) as TraitsReader<unknown> | undefined),
      errorInAnswer: answerJudgeOf(settings.errorInAnswer),
    };
    this.#work = {
      settings: runSettings,
      cache: this.cache,
      classify: classifyError,
      listener,
      open: new Set(),
      lasting: new Set(),
      closedError: () => (this.#isClosed ? this.#closedError() : undefined),
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
      events: listener,
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
    return operatorOf<R, ObservedValueOf<O>>(this.#work, options, (settings) =>
      mergeBySettings(call, () => settings),
    );
  }

  /**
   * The form of `optimize` for calls whose answers arrive as streams of chunks: it emits the chunks of every answer as
   * they come, and then the one outcome of its request, whose value is what `collect` makes of them. An equal request
   * that comes while a stream runs is given at once what has come so far, and then shares the rest. A kept answer is given
   * with its chunks. Answers of `optimize` are kept apart from these.
   *
   * ```
   * requests  -a---a------b---|
   * items     --1-2(12)(33A A)-(4B)|      1 to 4 are chunks; one call for both a
   * ```
   *
   * @example
   * questions$.pipe(optimizer.optimizeStream(ask)).subscribe((item) => {
   *   if (item.type === 'chunk') {
   *     show(item.id, item.chunk);
   *   } else {
   *     finish(item.id, item.outcome);
   *   }
   * });
   */
  optimizeStream<R, C, V>(
    call: StreamCall<R, C, V>,
    options: OptimizeStreamOptions = {},
  ): OperatorFunction<R, StreamItem<R, C, V>> {
    requiredStreamCall(call);
    const timeouts = streamTimeouts(options);
    const stream = chunkSettings(call, options.replay);
    const operator = operatorOf<R, V>(
      this.#work,
      options,
      (settings) => streamBySettings(call, () => ({ ...settings, ...timeouts })),
      stream,
    );
    return operator as OperatorFunction<R, unknown> as OperatorFunction<R, StreamItem<R, C, V>>;
  }

  /**
   * Streams the answer to one request: its chunks as they come, at once if they were kept. Each subscription is a request,
   * and leaving gives it up. Errors with the error of its failed outcome, with the signal's reason when that is aborted,
   * and with `ClosedError` when the optimizer is closed.
   *
   * @example
   * optimizer.stream(ask, 'Why is gold up?').subscribe((text) => process.stdout.write(text));
   */
  stream<R, C, V>(call: StreamCall<R, C, V>, request: R, options: StreamOptions = {}): Observable<C> {
    const operator = this.optimizeStream(call, options);
    return of(request).pipe(operator, chunksOnly(), abortedBy(options.signal));
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
    return this.cache?.explain(request, { ...options, traits: this.#work.settings.traits });
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
      for (const run of [...this.#work.open]) {
        run.closeWith(this.#closedError());
      }
      for (const pipeline of [...this.#work.lasting]) {
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
