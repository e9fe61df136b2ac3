import type { Observable, ObservableInput, ObservedValueOf } from 'rxjs';
import type { CallContext, CallOutcome } from '../core/call';
import type { CallEvent } from '../core/events';
import { configObject, type FieldsOf } from '../core/settings';
import type { NotAString } from '../operators/merge-with-concurrency';
import type { RetryConfig } from '../provider/retry-policy';
import type { StatsSnapshot } from '../stats/call-stats';
import { LLMCallOptimizer } from './llm-call-optimizer';
import type { BatchOptions, DrainOptions, OptimizerConfig, PromiseOptions } from './optimizer-config';

const fields: FieldsOf<ExecutorConfig> = {
  retry: true,
  maxWait: true,
  maxConcurrent: true,
  timeout: true,
  maxQueue: true,
  overflow: true,
  errorInAnswer: true,
  traits: true,
  scheduler: true,
};

/** The config of an {@link AsyncLLMExecutor}: the fields of the optimizer's config for slots and queue. */
export interface ExecutorConfig extends Pick<
  OptimizerConfig,
  'maxConcurrent' | 'timeout' | 'maxWait' | 'maxQueue' | 'overflow' | 'errorInAnswer' | 'traits' | 'scheduler'
> {
  /** Whether and how failed calls are retried; a number is the attempts in all. @defaultValue false */
  readonly retry?: boolean | number | RetryConfig | undefined;
}

/** Options of one execution. Its traits replace those of the request. */
export type ExecuteOptions = Pick<PromiseOptions, 'signal' | 'priority' | 'maxWait' | 'lane'>;

/**
 * Runs calls with bounded concurrency and priorities, for code with promises and without streams. All executions share
 * one set of slots. It has no cache and no pace; `LLMCallOptimizer` has both, and the same promises.
 *
 * @example
 * const executor = new AsyncLLMExecutor({ maxConcurrent: 5 });
 * const outcomes = await executor.executeBatch(summarise, articles);
 *
 * @throws TypeError or RangeError if the config has a wrong value
 */
export class AsyncLLMExecutor {
  readonly #optimizer: LLMCallOptimizer;

  constructor(config?: ExecutorConfig) {
    const settings: ExecutorConfig = configObject('AsyncLLMExecutor', config, fields);
    this.#optimizer = new LLMCallOptimizer({
      ...settings,
      retry: settings.retry ?? false,
      enableCache: false,
      enableRateLimit: false,
    });
  }

  /** The events of all requests; completes on `close()`. */
  get events$(): Observable<CallEvent> {
    return this.#optimizer.events$;
  }

  /** Live figures. On `close()` they complete after a last snapshot. */
  get stats$(): Observable<StatsSnapshot> {
    return this.#optimizer.stats$;
  }

  /**
   * Executes one request. Rejects with the error of its failed outcome, with the signal's reason if that is aborted, or
   * with `ClosedError` if the executor is closed. The call and its retries run in the caller's async context.
   */
  execute<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    request: R,
    options: ExecuteOptions = {},
  ): Promise<ObservedValueOf<O>> {
    return this.#optimizer.call<R, O>(call, request, options);
  }

  /**
   * Executes many requests. Resolves with their outcomes, failures included, in the order of the requests. If the
   * signal is aborted, requests without an answer fail with its reason.
   */
  executeBatch<R, O extends ObservableInput<unknown>>(
    call: (request: R, context: CallContext) => O & NotAString<O>,
    requests: Iterable<R>,
    options: ExecuteOptions & Pick<BatchOptions<R, ObservedValueOf<O>>, 'onProgress'> = {},
  ): Promise<CallOutcome<R, ObservedValueOf<O>>[]> {
    return this.#optimizer.callBatch<R, O>(call, requests, options);
  }

  /** Takes no further requests, answers the open ones, and then closes. Resolves when it is closed. */
  drain(options?: DrainOptions): Promise<void> {
    return this.#optimizer.drain(options);
  }

  /** Fails open requests with `ClosedError` and aborts their calls. Later requests are rejected. */
  close(): void {
    this.#optimizer.close();
  }
}
