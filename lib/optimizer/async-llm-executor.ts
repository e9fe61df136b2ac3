import type { Observable, ObservableInput, ObservedValueOf } from 'rxjs';
import type { CallContext, CallOutcome } from '../core/call';
import type { CallEvent } from '../core/events';
import { configObject } from '../core/settings';
import type { NotAString } from '../operators/merge-with-concurrency';
import type { RetryConfig } from '../provider/retry-policy';
import type { StatsSnapshot } from '../stats/call-stats';
import { LLMCallOptimizer } from './llm-call-optimizer';
import type { BatchOptions, DrainOptions, OptimizerConfig, PromiseOptions } from './optimizer-config';

/** The config of an {@link AsyncLLMExecutor}: that of the optimizer, as far as it concerns slots and queue. */
export interface ExecutorConfig extends Pick<
  OptimizerConfig,
  'maxConcurrent' | 'timeout' | 'maxWait' | 'maxQueue' | 'overflow' | 'errorInAnswer' | 'traits' | 'scheduler'
> {
  /** Whether and how failed calls are tried again; a number is the attempts in all. Default false. */
  readonly retry?: boolean | number | RetryConfig | undefined;
}

/** What may differ from execution to execution; traits among it come before those of the request. */
export type ExecuteOptions = Pick<PromiseOptions, 'signal' | 'priority' | 'maxWait' | 'lane'>;

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
   * aborted, and with `ClosedError` when the executor is closed. The call and its retries run in the async context of who
   * asks.
   */
  execute<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    request: R,
    options: ExecuteOptions = {},
  ): Promise<ObservedValueOf<O>> {
    return this.#optimizer.call<R, O>(call, request, options);
  }

  /**
   * Executes many requests; the outcomes come in the order of the requests, failures among them. When the signal is
   * aborted, the requests without an answer fail with its reason.
   */
  executeBatch<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    requests: Iterable<R>,
    options: ExecuteOptions & Pick<BatchOptions<R, ObservedValueOf<O>>, 'onProgress'> = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>[]> {
    return this.#optimizer.callBatch<R, O>(call, requests, options);
  }

  /** Takes no further requests, answers those that are open, and closes then; resolves when it is closed. */
  drain(options?: DrainOptions): Promise<void> {
    return this.#optimizer.drain(options);
  }

  /** Fails open requests with `ClosedError` and aborts their calls; what is asked later is rejected. */
  close(): void {
    this.#optimizer.close();
  }
}
