import {
  isObservable,
  Observable,
  type ObservableInput,
  type ObservedValueOf,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import type { CallContext, CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { guarded } from '../core/listener';
import { clockFrom } from '../core/scheduler-clock';
import {
  choiceSetting,
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
  requiredNumber,
  requiredFunction,
  schedulerSetting,
  switchSetting,
  type Lenient,
  type FieldsOf,
} from '../core/settings';
import { validated, type TraitsReader } from '../core/traits';
import type { AdaptiveRateLimiter, OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import { AdmissionQueue } from '../limiter/admission-queue';
import { engineOf } from '../limiter/engine-of';
import { SlotPool } from '../limiter/slot-pool';
import { RetryPolicy, type RetryConfig } from '../provider/retry-policy';
import { answerJudgeOf } from './answer-verdict';
import { ConcurrentRun } from './concurrent-run';
import type { RunSettings } from './run-settings';
import { subscribeWhileOpen } from './subscribe-while-open';
import { UnknownErrors } from './unknown-errors';

export const concurrencyFields: FieldsOf<ConcurrencyConfig<never>> = {
  maxConcurrent: true,
  ordered: true,
  timeout: true,
  limiter: true,
  retry: true,
  maxWait: true,
  maxQueue: true,
  overflow: true,
  errorInAnswer: true,
  traits: true,
  events: true,
  scheduler: true,
};

/** The config of {@link mergeWithConcurrency}. */
export interface ConcurrencyConfig<R> {
  /**
   * Calls that run at once; `Infinity` is allowed. An Observable changes it while running: 3 applies before its first
   * value, 0 pauses, a lower value lets running calls finish, and its error is the stream's error.
   * @defaultValue 3
   */
  readonly maxConcurrent?: number | Observable<number> | undefined;
  /** Whether outcomes keep the order of the source. @defaultValue false */
  readonly ordered?: boolean | undefined;
  /** Milliseconds that one attempt may take before it fails with `CallTimeoutError`. @defaultValue `Infinity` */
  readonly timeout?: number | undefined;
  /** The limiter that gives the permit for each start. @defaultValue none */
  readonly limiter?: AdaptiveRateLimiter | undefined;
  /** Whether and how failed calls are retried; a number is the attempts in all. @defaultValue false */
  readonly retry?: boolean | number | RetryConfig | undefined;
  /**
   * Milliseconds that a request may wait, from its first rxllm operator on, before it fails with
   * `DeadlineExceededError`. The request's own `maxWait` may be shorter.
   * @defaultValue `Infinity`
   */
  readonly maxWait?: number | undefined;
  /** Requests that may wait here; further ones fail with `QueueOverflowError`. @defaultValue `Infinity` */
  readonly maxQueue?: number | undefined;
  /**
   * Which request a full queue refuses: the new one (`reject`), or the oldest of the lowest priority (`drop-oldest`).
   * @defaultValue `reject`
   */
  readonly overflow?: OverflowPolicy | undefined;
  /**
   * Finds the error in an answer that came as a success. The call fails with the returned value, unless that is
   * undefined. `false` accepts every answer.
   * @defaultValue the exported function `errorInAnswer`, which knows the errors of LLM providers
   */
  readonly errorInAnswer?: false | Lenient<[answer: unknown, request: unknown], unknown> | undefined;
  /** Reads the traits of a request. @defaultValue the request's own fields that are valid traits */
  readonly traits?: TraitsReader<R> | undefined;
  /** Receives the events of all requests. @defaultValue none */
  readonly events?: CallEventListener | undefined;
  /** The scheduler whose time is used. @defaultValue the limiter's; without a limiter `asyncScheduler` */
  readonly scheduler?: SchedulerLike | undefined;
}

/** A call must not return a bare string, because RxJS would emit its characters. Wrap it with `of()`. */
export type NotAString<O> = O extends string ? never : unknown;

const defaultMaxConcurrent = 3;

/**
 * A `mergeMap` for calls that cost money. It runs at most `maxConcurrent` of them at once, starts waiting ones by
 * priority, and emits one outcome per request in place of errors, so that a failing call never ends the stream.
 *
 * The value of a call is its last emission. A call that completes without one fails with `EmptyError`. Unsubscribing
 * aborts running calls through `context.signal`. An error of the source is passed on at once, its completion after the
 * last outcome.
 *
 * ```
 * maxConcurrent: 2
 * source    -a--b--c------|
 * call a     ---A|
 * call b        ---B|
 * call c           -C|
 * outcomes  -----A--BC----|
 * ```
 *
 * @example
 * news$.pipe(
 *   mergeWithConcurrency((news, { signal }) => fetchSentiment(news, signal), { maxConcurrent: 5, timeout: 30_000 }),
 *   unwrapOutcomes((failure) => of({ label: 'unknown', reason: String(failure.error) })),
 * );
 *
 * @param call makes the call for a request: an Observable, a promise, or any other `ObservableInput` except a string
 * @param config a number is `maxConcurrent`
 * @throws TypeError or RangeError if the config has a wrong value
 */
export function mergeWithConcurrency<R, O extends ObservableInput<unknown>>(
  call: (request: R, context: CallContext) => O & NotAString<O>,
  config?: number | ConcurrencyConfig<R>,
): OperatorFunction<R, CallOutcome<R, ObservedValueOf<O>>> {
  requiredFunction('call', call);
  const { settingsOf, maxConcurrent } = checkedConcurrency(
    'mergeWithConcurrency',
    typeof config === 'number' ? { maxConcurrent: config } : config,
  );
  return mergeBySettings(call, settingsOf, maxConcurrent);
}

/** A checked config: the settings of each subscription, and its number of slots. */
export interface CheckedConcurrency<R> {
  readonly settingsOf: () => RunSettings<R>;
  readonly maxConcurrent: number | Observable<number>;
}

/**
 * Checks the config of an operator.
 *
 * @throws TypeError or RangeError if the config has a wrong value
 */
export function checkedConcurrency<R>(
  owner: string,
  config: ConcurrencyConfig<R> | undefined,
  fields = concurrencyFields,
): CheckedConcurrency<R> {
  const settings: ConcurrencyConfig<R> = configObject(owner, config, fields);
  const maxConcurrent = isObservable(settings.maxConcurrent)
    ? settings.maxConcurrent
    : numberSetting('maxConcurrent', settings.maxConcurrent, defaultMaxConcurrent, {
        min: 1,
        whole: true,
        infinite: true,
      });
  const { limiter } = settings;
  const events = guarded(listenerSetting('events', settings.events));
  if (limiter !== undefined && !isLimiter(limiter)) {
    throw new TypeError('limiter must be an AdaptiveRateLimiter.');
  }
  const ordered = switchSetting('ordered', settings.ordered, false);
  const timeout = numberSetting('timeout', settings.timeout, Infinity, { above: true, infinite: true });
  const maxWait = numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true });
  const maxQueue = numberSetting('maxQueue', settings.maxQueue, Infinity, { whole: true, infinite: true });
  const overflow = choiceSetting('overflow', settings.overflow, 'reject', ['reject', 'drop-oldest']);
  const traits = validated(functionSetting('traits', settings.traits));
  const errorInAnswer = answerJudgeOf(settings.errorInAnswer);
  schedulerSetting(settings.scheduler);
  const retryConfig = retryConfigOf(settings.retry);
  if (retryConfig) {
    new RetryPolicy(retryConfig, { now: () => 0, date: () => 0, schedule: () => () => undefined });
  }

  return {
    maxConcurrent,
    settingsOf: () => {
      const engine = limiter?.[engineOf];
      const clock = engine?.clock ?? clockFrom(settings.scheduler);
      return {
        clock,
        queue: engine?.queue ?? new AdmissionQueue(clock),
        limiter: limiter && {
          engine: limiter[engineOf],
          key: limiter,
          maxQueue: limiter.maxQueue,
          overflow: limiter.overflow,
        },
        retry: retryConfig && new RetryPolicy(retryConfig, clock),
        unknownErrors: new UnknownErrors(),
        ordered,
        timeout,
        maxWait,
        maxQueue,
        overflow,
        traits,
        errorInAnswer,
        events,
      };
    },
  };
}

/**
 * The operator behind {@link mergeWithConcurrency}, with checked settings. Each subscription makes its own settings,
 * and has its own slots unless they name a shared pool.
 */
export function mergeBySettings<R, V>(
  call: (request: R, context: CallContext) => ObservableInput<unknown>,
  settingsOf: () => RunSettings<R>,
  maxConcurrent: number | Observable<number> = defaultMaxConcurrent,
): OperatorFunction<R, CallOutcome<R, V>> {
  return (source) =>
    new Observable((destination) => {
      const settings = settingsOf();
      const limit = isObservable(maxConcurrent) ? defaultMaxConcurrent : maxConcurrent;
      const pool = settings.sharedPool ?? new SlotPool(limit, settings.retry?.maxElapsed);
      const run = new ConcurrentRun<R, V>(call, settings, pool, destination);
      if (isObservable(maxConcurrent) && !settings.sharedPool) {
        followLimit(maxConcurrent, pool, settings.queue, destination);
      }
      if (!destination.closed) {
        subscribeWhileOpen(source, destination, run);
      }
    });
}

function isLimiter(value: unknown): value is AdaptiveRateLimiter {
  return typeof value === 'object' && value !== null && engineOf in value;
}

/** The retry config for a switch, a number of attempts or a config; undefined for no retries. */
export function retryConfigOf(retry: boolean | number | RetryConfig | undefined): RetryConfig | undefined {
  if (typeof retry === 'number') {
    return { attempts: retry };
  }
  if (retry === true) {
    return {};
  }
  return retry === false ? undefined : retry;
}

/** Lets a pool's limit follow an Observable until `destination` is closed. */
export function followLimit(
  limit$: Observable<number>,
  pool: SlotPool,
  queue: AdmissionQueue,
  destination: { add(teardown: { unsubscribe(): void }): void; error(error: unknown): void },
): void {
  destination.add(
    limit$.subscribe({
      next: (limit) => {
        try {
          limit = requiredNumber('maxConcurrent', limit, { whole: true, infinite: true });
        } catch (error) {
          destination.error(error);
          return;
        }
        queue.setLimit(pool, limit);
      },
      error: (error: unknown) => destination.error(error),
    }),
  );
}
