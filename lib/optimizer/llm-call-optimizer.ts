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
import { explain, type CacheExplanation } from '../cache/explanation';
import { internalsOf, type LLMResultCache } from '../cache/llm-result-cache';
import type { CallContext, CallOutcome } from '../core/call';
import type { CallEvent, CallEventListener } from '../core/events';
import { attempt } from '../core/listener';
import { configObject, type FieldsOf } from '../core/settings';
import type { StreamCall, StreamItem } from '../core/stream';
import type { AdaptiveRateLimiter } from '../limiter/adaptive-rate-limiter';
import { followLimit, type NotAString } from '../operators/merge-with-concurrency';
import type { CallStats, StatsSnapshot } from '../stats/call-stats';
import { abortedBy, onAbort } from './aborted-by';
import { AskersContext } from './askers-context';
import { progressOf } from './batch-progress';
import {
  refuseSharedKey,
  type BatchOptions,
  type DrainOptions,
  type LLMCall,
  type OptimizeOptions,
  type OptimizerConfig,
  type PromiseOptions,
} from './optimizer-config';
import { partsOf } from './optimizer-parts';
import {
  callOperatorOf,
  requestRules,
  type Asked,
  type OperatorOptions,
  type OptimizerWork,
} from './optimizer-work';
import {
  chunksOnly,
  streamOperatorOf,
  type OptimizeStreamOptions,
  type StreamOptions,
} from './stream-options';

const fields: FieldsOf<OptimizerConfig> = {
  baseInterval: true,
  minInterval: true,
  maxInterval: true,
  adaptive: true,
  limits: true,
  fleet: true,
  cache: true,
  cacheTtl: true,
  cacheMaxSize: true,
  shouldCache: true,
  clone: true,
  maxConcurrent: true,
  maxQueue: true,
  overflow: true,
  enableCache: true,
  enableRateLimit: true,
  retry: true,
  timeout: true,
  maxWait: true,
  classifyError: true,
  errorInAnswer: true,
  traits: true,
  prices: true,
  maxSpend: true,
  sampleInterval: true,
  scheduler: true,
};

/**
 * Answers requests of streams and promises with one limiter, one cache, one set of slots and one set of statistics.
 * Hits are answered at once, equal requests share one call, the others start by priority as fast as the provider
 * allows, failures are retried, and every request yields one outcome.
 *
 * @example
 * const optimizer = new LLMCallOptimizer({ maxConcurrent: 10, cacheTtl: 10 * 60_000 });
 * news$.pipe(optimizer.optimize(callModel)).subscribe((outcome) => console.log(outcome));
 * optimizer.stats$.subscribe(({ metrics }) => console.log(metrics.cacheHitRate));
 *
 * @throws TypeError or RangeError if the config has a wrong value
 */
export class LLMCallOptimizer {
  /** The limiter; undefined with `enableRateLimit: false`. */
  readonly limiter: AdaptiveRateLimiter | undefined;
  /** The cache; undefined with `enableCache: false`. */
  readonly cache: LLMResultCache | undefined;
  /** Live figures. On `close()` they complete after a last snapshot. */
  readonly stats$: Observable<StatsSnapshot>;
  /** The events of all requests; completes on `close()`. */
  readonly events$: Observable<CallEvent>;
  readonly #stats: CallStats;
  readonly #work: OptimizerWork;
  readonly #events = new Subject<CallEvent>();
  readonly #following = new Subscription();
  #drained: Promise<void> | undefined;

  constructor(config?: OptimizerConfig) {
    const settings: OptimizerConfig = configObject('LLMCallOptimizer', config, fields);
    const { maxConcurrent } = settings;
    const listener: CallEventListener = {
      next: (event) => {
        attempt(() => this.#stats.next(event));
        this.#events.next(event);
      },
    };
    this.events$ = this.#events.asObservable();
    const { limiter, cache, queue, pool, work, stats } = partsOf(settings, listener);
    this.limiter = limiter;
    this.cache = cache;
    this.#work = work;
    this.#stats = stats;
    this.stats$ = this.#stats.stats$;
    if (isObservable(maxConcurrent)) {
      followLimit(maxConcurrent, pool, queue, {
        add: (teardown) => this.#following.add(teardown),
        error: (error) => {
          work.open.cause = { error };
          this.close();
        },
      });
    }
  }

  /**
   * Makes an operator that answers every request of a stream with one outcome, in the order in which they are ready, or
   * with `ordered` in the order of the source. Equal requests to one function share answers and calls; two functions
   * with one `namespace` do too. A call must not ask the optimizer for its own request, or it waits for itself.
   *
   * ```
   * requests  -a--a--b---|
   * outcomes  ----(AA)--B|      (one call for both a)
   * ```
   *
   * @example
   * articles$.pipe(optimizer.optimize(summarise, { priority: 'low' }), unwrapOutcomes());
   *
   * @throws TypeError if an option is wrong, or if a call has no `namespace` and the cache is shared or has a store
   */
  optimize<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    options: OptimizeOptions = {},
  ): OperatorFunction<R, CallOutcome<R, ObservedValueOf<O>>> {
    refuseSharedKey(options);
    return callOperatorOf(this.#work, call, options);
  }

  /**
   * Makes an operator for calls whose answers arrive in chunks. It emits the chunks of every answer as they come, and
   * then the one outcome of its request, whose value is the result of `collect`. An equal request that comes while a
   * stream runs gets the chunks so far at once, and then shares the rest. A cached answer comes with its chunks. The
   * answers of `optimize` are separate from these.
   *
   * ```
   * requests  -a--------a------------------b----|
   * open a     -1---2-----------3-----|
   * open b                                 -(4|)
   * items     --1---2---(12)----(33)--(AA)--(4B)|      (1 to 4 are chunks, A and B are outcomes; one call for both a)
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
   *
   * @throws TypeError as `optimize` does, and TypeError or RangeError if a timeout or `replay` is wrong
   */
  optimizeStream<R, C, V>(
    call: StreamCall<R, C, V>,
    options: OptimizeStreamOptions = {},
  ): OperatorFunction<R, StreamItem<R, C, V>> {
    refuseSharedKey(options);
    return streamOperatorOf(this.#work, call, options);
  }

  /**
   * Streams the chunks of the answer to one request as they come, or at once if they were cached. Each subscription is
   * a request; unsubscribing gives it up. Errors with the error of its failed outcome, with the signal's reason if that
   * is aborted, or with `ClosedError` if the optimizer is closed. The call runs in the async context of the caller of
   * `stream`.
   *
   * @example
   * optimizer.stream(ask, 'Why is gold up?').subscribe((text) => process.stdout.write(text));
   */
  stream<R, C, V>(call: StreamCall<R, C, V>, request: R, options: StreamOptions = {}): Observable<C> {
    const context = new AskersContext(this.#work.settings.clock);
    const operator = streamOperatorOf(this.#work, call, options, context);
    const chunks$ = of(request).pipe(operator, chunksOnly(), abortedBy(options.signal));
    return new Observable((subscriber) => context.ask(() => chunks$.subscribe(subscriber)));
  }

  /**
   * Answers one request. Traits among the options replace those of the request. Rejects with the error of its failed
   * outcome, with the signal's reason if that is aborted, or with `ClosedError` if the optimizer is closed. The call
   * and its retries run in the caller's async context.
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
    const context = new AskersContext(this.#work.settings.clock);
    const operator = callOperatorOf<R, ObservedValueOf<O>>(this.#work, call, options, { context });
    const outcome$ = of(request).pipe(operator, abortedBy(options.signal));
    const outcome = (await context.ask(() => firstValueFrom(outcome$, { defaultValue: undefined })))!;
    if (outcome.ok) {
      return outcome.value;
    }
    throw outcome.error;
  }

  /**
   * Answers one request as `call` does, but resolves with its outcome, which says where the answer came from and how
   * long it took. Failures are outcomes too, also if the signal is aborted or the optimizer is closed meanwhile.
   * Rejects with `ClosedError` only after `drain()` or `close()`.
   *
   * @example
   * const outcome = await optimizer.callOutcome(summarise, { article });
   * console.log(outcome.ok ? `${outcome.source}, ${outcome.latency} ms` : outcome.error);
   *
   * @throws TypeError as `optimize` does
   */
  async callOutcome<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    request: R,
    options: PromiseOptions = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>> {
    const [outcome] = await this.#outcomesOf<R, ObservedValueOf<O>>(call, [request], options);
    return outcome!;
  }

  /**
   * Answers many requests. Resolves with their outcomes, failures included, in the order of the requests. If the signal
   * is aborted, requests without an answer fail with its reason; answers are kept. The calls run in the caller's async
   * context.
   *
   * @example
   * const outcomes = await optimizer.callBatch(summarise, articles, { priority: 'low' });
   *
   * @throws TypeError as `optimize` does
   */
  async callBatch<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    requests: Iterable<R>,
    options: BatchOptions<R, ObservedValueOf<O>> = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>[]> {
    refuseSharedKey(options);
    return this.#outcomesOf(call, requests, options, progressOf(requests, options.onProgress));
  }

  /**
   * Explains whether a request to a call would be answered from the cache now, and if not, why; undefined with
   * `enableCache: false`.
   *
   * @example
   * console.log((await optimizer.explain(summarise, { article }))?.text);
   */
  async explain<R>(
    call: LLMCall<R, unknown> | StreamCall<R, never, unknown>,
    request: R,
    options: PromiseOptions = {},
  ): Promise<CacheExplanation | undefined> {
    const { traits, keys } = requestRules<R>(this.#work, call, options);
    const read = traits.read(request);
    return this.cache && explain(this.cache[internalsOf], keys.of(request, read), read);
  }

  /** The current figures. */
  getStats(): StatsSnapshot {
    return this.#stats.snapshot();
  }

  /**
   * Takes no further requests, answers those that wait, run or back off, finishes calls that the cache keeps alive, and
   * then closes. A stream completes when its requests so far are answered; requests that it sends meanwhile fail with
   * `ClosedError`. Resolves when the optimizer is closed. Its promise never rejects, and it may be called again.
   *
   * @example
   * process.once('SIGTERM', () => void optimizer.drain({ signal: AbortSignal.timeout(30_000) }));
   *
   * @throws TypeError if the options have another field, or `signal` is no AbortSignal
   */
  drain(options?: DrainOptions): Promise<void> {
    const { signal }: DrainOptions = configObject('drain', options, { signal: true });
    this.#following.add(onAbort(signal, () => this.close()));
    return (this.#drained ??= this.#work.open.drain().then(() => this.close()));
  }

  /**
   * Fails open requests with `ClosedError` and aborts their calls, then completes the streams, `events$` and, after a
   * last snapshot, `stats$`. Later requests are rejected.
   */
  close(): void {
    if (this.#work.open.isClosed) {
      return;
    }
    this.#work.open.close();
    this.#following.unsubscribe();
    this.limiter?.close();
    this.#stats.close();
    this.#events.complete();
    if (this.#work.isOwn) {
      // Last, so that the last snapshot shows the cache's figures. The store stays open.
      this.cache?.close();
    }
  }

  /**
   * The outcomes of requests in their order. If the signal is aborted, requests without an outcome fail with its
   * reason.
   */
  async #outcomesOf<R, V>(
    call: LLMCall<R, unknown>,
    requests: Iterable<R>,
    { signal, ...options }: OperatorOptions & Pick<PromiseOptions, 'signal'>,
    told?: Asked<R, V>['told'],
  ): Promise<CallOutcome<R, V>[]> {
    const context = new AskersContext(this.#work.settings.clock);
    const operator = callOperatorOf<R, V>(
      this.#work,
      call,
      { ...options, ordered: true },
      { context, told, opened: (run) => onAbort(signal, () => run.failWith(signal!.reason)) },
    );
    const outcomes$ = from(requests).pipe(operator, toArray());
    return context.ask(() => firstValueFrom(outcomes$, { defaultValue: [] }));
  }
}
