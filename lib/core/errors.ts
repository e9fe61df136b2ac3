import type { HeadersLike } from './call';
import { durationText } from './duration-text';

/** The base of errors that rxllm makes. Each has a `code` to switch on, and a message that says what to do. */
export abstract class RxllmError extends Error {
  /** Stays the same from release to release; messages may change. */
  abstract readonly code: string;
}

/** The queue was full: the request was refused (`reject`) or made room for a newer one (`drop-oldest`). */
export class QueueOverflowError extends RxllmError {
  readonly code = 'queue-overflow';
  override readonly name = 'QueueOverflowError';
  constructor(readonly maxQueue: number) {
    super(
      `The queue already held ${maxQueue} waiting requests (maxQueue). Raise maxQueue, maxConcurrent or the limits, or send fewer requests.`,
    );
  }
}

/**
 * The request waited longer than its `maxWait` for its next start; or the provider refused all calls for
 * `retry.maxElapsed` and the request had not started by then.
 */
export class DeadlineExceededError extends RxllmError {
  readonly code = 'deadline-exceeded';
  override readonly name = 'DeadlineExceededError';
  /** @param cause the error of the last attempt, or of another request, if there was one */
  constructor(
    readonly waited: number,
    cause?: unknown,
    setting: 'maxWait' | 'retry.maxElapsed' = 'maxWait',
  ) {
    const milliseconds = Math.round(waited);
    super(
      setting === 'maxWait'
        ? `The request waited ${milliseconds} ms and its turn did not come (maxWait). Raise maxWait or its priority, or send fewer requests.`
        : `The request waited ${milliseconds} ms while the provider refused all calls (retry.maxElapsed). Raise retry.maxElapsed, or ask again later.`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/** The provider's quota is spent for longer than this request may wait. */
export class QuotaSpentError extends RxllmError {
  readonly code = 'quota-spent';
  override readonly name = 'QuotaSpentError';
  /**
   * @param until when the provider serves again, in milliseconds on the limiter's clock
   * @param cause the refusal that stated this time
   */
  constructor(
    readonly until: number,
    now: number,
    cause: unknown,
  ) {
    const date = new Date(until);
    const moment = Number.isNaN(date.getTime()) ? String(until) : date.toISOString();
    super(
      `The provider serves nothing until ${moment}, for another ${durationText(until - now)}, and this request may not wait so long (maxWait, retry.maxElapsed). Ask again then, raise the quota, or let requests wait longer.`,
      { cause },
    );
  }
}

const timeoutMessages = {
  timeout: (ms: number) =>
    `The call did not complete within ${ms} ms (timeout). Raise timeout, or let retry try again.`,
  sharedCallTimeout: (ms: number) =>
    `The shared call did not complete within ${ms} ms, retries included (sharedCallTimeout). Raise sharedCallTimeout, or ask again.`,
  firstChunkTimeout: (ms: number) =>
    `No chunk came within ${ms} ms of the start of the call (firstChunkTimeout). Raise firstChunkTimeout, or let retry try again.`,
  chunkTimeout: (ms: number) =>
    `The stream was silent for ${ms} ms after a chunk (chunkTimeout). Raise chunkTimeout, or report({}) whenever the provider gives a sign of life.`,
};

/**
 * A time limit passed: `timeout` for one attempt (its signal was aborted with `TimeoutError`), `sharedCallTimeout` for
 * a shared call, `firstChunkTimeout` or `chunkTimeout` for a stream.
 */
export class CallTimeoutError extends RxllmError {
  readonly code = 'call-timeout';
  override readonly name = 'CallTimeoutError';
  constructor(
    readonly timeout: number,
    readonly setting: keyof typeof timeoutMessages = 'timeout',
  ) {
    super(timeoutMessages[setting](timeout));
  }
}

/** The pipeline for misses ended or failed without an outcome for this request. */
export class MissingOutcomeError extends RxllmError {
  readonly code = 'missing-outcome';
  override readonly name = 'MissingOutcomeError';
  constructor(cause?: unknown) {
    super(
      'The misses pipeline of cacheLLM ended without an outcome for this request. Let it yield one outcome per request, as mergeWithConcurrency does.',
      cause === undefined ? undefined : { cause },
    );
  }
}

/** The call that another process of the fleet made for this request failed. */
export class FleetCallError extends RxllmError {
  readonly code = 'fleet-call';
  override readonly name = 'FleetCallError';
  /** @param failure the error as the other process described it */
  constructor(readonly failure: string) {
    super(
      `The call that another process made for this request failed: ${failure} Ask again to make it here.`,
    );
  }
}

/** The optimizer, executor or limiter was closed, or is draining, before the request was answered. */
export class ClosedError extends RxllmError {
  readonly code = 'closed';
  override readonly name = 'ClosedError';
  constructor(what: string, state: 'closed' | 'draining' = 'closed') {
    const doing = state === 'closed' ? state : 'draining: it only answers what was asked before';
    super(`${what} is ${doing}. Make a new one for further requests.`);
  }
}

/** The calls have cost as much as `maxSpend` allows, so this one was not started. */
export class SpendLimitError extends RxllmError {
  readonly code = 'spend-limit';
  override readonly name = 'SpendLimitError';
  /**
   * @param spent the cost of all calls so far; calls that were still running may have raised it above `limit`
   * @param limit the `maxSpend` of the optimizer
   * @param cause the error of the last attempt, if there was one
   */
  constructor(
    readonly spent: number,
    readonly limit: number,
    cause?: unknown,
  ) {
    super(
      `Calls have cost ${Number(spent.toPrecision(6))} of ${limit} (maxSpend), so no further one is started. Make a new optimizer with a higher maxSpend to go on.`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/** A code that a message may show. A longer text might hold a part of the prompt. */
const isCode = /^[a-z][\w.#-]{0,59}$/i;

/**
 * The call succeeded, but its value is an error or no answer: `{ error }` with status 200, an answer without choices, a
 * page of HTML. It is classified by the provider's error in it; without one it is retried.
 *
 * The message does not show the value, which may hold a part of the prompt. `error` does.
 */
export class NoAnswerError extends Error {
  // Not an RxllmError: it stands for an error of the provider, so it is classified and kept by `errorTtl` like one.
  readonly code = 'no-answer';
  override readonly name = 'NoAnswerError';
  /** The HTTP status in the provider's error; undefined without one. */
  readonly status: number | undefined;
  /** The code or type in the provider's error, such as `rate_limit_exceeded`; undefined without one. */
  readonly providerCode: string | undefined;
  /** The provider's error as it came; undefined without one. */
  readonly error: unknown;
  /** The headers of the response, if they are known. */
  readonly headers: HeadersLike | undefined;

  /** @param what the thing that came in place of an answer, such as `an empty body` */
  constructor(what: string, came: { readonly error?: unknown; readonly headers?: HeadersLike } = {}) {
    const fields: Readonly<Record<string, unknown>> = Object(came.error) as Readonly<Record<string, unknown>>;
    const texts = [fields['code'], fields['type'], fields['status'], fields['__type']];
    const status = texts.map(Number).find((one) => Number.isInteger(one) && one >= 400 && one < 600);
    const providerCode = texts.find((one): one is string => typeof one === 'string' && isCode.test(one));
    const said = [status, providerCode].filter((one) => one !== undefined).join(', ');
    super(`The call succeeded, but it brought ${what}${said && ` (${said})`}. It counts as failed.`);
    this.status = status;
    this.providerCode = providerCode;
    this.error = came.error;
    this.headers = came.headers;
  }
}
