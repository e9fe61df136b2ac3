import type { Observable, ObservableInput, ObservedValueOf, SchedulerLike } from 'rxjs';
import type { CallContext, CallOutcome } from '../core/call';
import type { CallEvent } from '../core/events';
import { configObject } from '../core/settings';
import type { TraitsReader } from '../core/traits';
import type { OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { NotAString } from '../operators/merge-with-concurrency';
import type { RetryConfig } from '../provider/retry-policy';
import type { StatsSnapshot } from '../stats/call-stats';
import { LLMCallOptimizer } from './llm-call-optimizer';

/** The config of an {@link AsyncLLMExecutor}. */
export interface ExecutorConfig {
  /** Calls that run at once; an Observable changes it while running. Default 3. */
  readonly maxConcurrent?: number | Observable<number>;
  /** Milliseconds one attempt may take. Default `Infinity`. */
  readonly timeout?: number;
  /** Whether and how failed calls are tried again; a number is the attempts in all. Default false. */
  readonly retry?: boolean | number | RetryConfig;
  /** Milliseconds a request may wait for its start. Default `Infinity`. */
  readonly maxWait?: number;
  /** Requests that may wait. Default `Infinity`. */
  readonly maxQueue?: number;
  /** Whom a full queue refuses: `reject` the newcomer (default), or `drop-oldest` of the lowest priority. */
  readonly overflow?: OverflowPolicy;
  /** Reads the traits of a request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<never>;
  /** The scheduler whose time it lives by. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Bounded concurrency with priorities for code that has promises and no streams: all that is executed shares one set
 * of slots. No cache and no pace; for these, and for the same promises, use `LLMCallOptimizer`.
 *
 * @example
 * const executor = new AsyncLLMExecutor({ maxConcurrent: 5 });
 * const outcomes = await executor.executeBatch(summarise, articles);
 *
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export class AsyncLLMExecutor {
  readonly #optimizer: LLMCallOptimizer;

  constructor(config?: ExecutorConfig) {
    const settings: ExecutorConfig = configObject('AsyncLLMExecutor', config);
    this.#optimizer = new LLMCallOptimizer({
      ...settings,
      retry: settings.retry ?? false,
      enableCache: false,
      enableRateLimit: false,
    });
  }

  /** What happens to every request; completes on `close()`. */
  get events$(): Observable<CallEvent> {
    return this.#optimizer.events$;
  }

  /** The figures, live; completes after a last snapshot on `close()`. */
  get stats$(): Observable<StatsSnapshot> {
    return this.#optimizer.stats$;
  }

  /**
   * Executes one request; rejects with the error of its failed outcome, with the signal's reason when that is
   * aborted, and with `ClosedError` when the executor is closed.
   */
  execute<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    request: R,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ObservedValueOf<O>> {
    return this.#optimizer.call<R, O>(call, request, options);
  }

  /** Executes many requests; the outcomes come in the order of the requests, failures among them. */
  executeBatch<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    requests: Iterable<R>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>[]> {
    return this.#optimizer.callBatch<R, O>(call, requests, options);
  }

  /** Fails open requests with `ClosedError` and aborts their calls; what is asked later is rejected. */
  close(): void {
    this.#optimizer.close();
  }
}
