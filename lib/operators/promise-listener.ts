import type { RunningCall } from './running-call';

/** The `then` of promises when this was loaded, which tells the end of one once at most. */
const nativeThen = /* @__PURE__ */ Reflect.get(Promise.prototype, 'then') as Then;

type Then = (
  this: PromiseLike<unknown>,
  fulfilled: (value: unknown) => void,
  rejected: (error: unknown) => void,
) => unknown;

/** So many that listen to nothing are kept for the next calls of a subscription. */
const mostIdle = 1000;

const ignored = () => undefined;

/**
 * Tells the owner of a call how the promise of that ends.
 *
 * Two functions for each call would be a quarter of what a call of mergeWithConcurrency leaves to collections, so they are
 * used again for the next one. That needs promises that tell their end only once: others get functions of their own.
 */
export class PromiseListener {
  #call: RunningCall | undefined;
  readonly #idle: PromiseListener[];

  constructor(idle: PromiseListener[]) {
    this.#idle = idle;
  }

  listen(call: RunningCall, promise: PromiseLike<unknown>): void {
    this.#call = call;
    nativeThen.call(promise, this.#fulfilled, this.#rejected);
  }

  readonly #fulfilled = (value: unknown): void => {
    const call = this.#leave();
    call.owner.succeeded(call, value);
  };

  readonly #rejected = (error: unknown): void => {
    const call = this.#leave();
    call.owner.failed(call, error);
  };

  #leave(): RunningCall {
    const call = this.#call!;
    this.#call = undefined;
    if (this.#idle.length < mostIdle) {
      this.#idle.push(this);
    }
    return call;
  }
}

/**
 * Tells the owner of a call how a promise ends.
 *
 * @param idle the listeners of that owner which listen to nothing
 */
export function listenTo(promise: PromiseLike<unknown>, call: RunningCall, idle: PromiseListener[]): void {
  // Read once, as it may be another one each time.
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its promise
  const then = promise.then as Then;
  if (then === nativeThen) {
    (idle.pop() ?? new PromiseListener(idle)).listen(call, promise);
  } else {
    listenApart(promise, then, call);
  }
}

function listenApart(promise: PromiseLike<unknown>, then: Then, call: RunningCall): void {
  then.call(
    promise,
    (value) => call.owner.succeeded(call, value),
    (error) => call.owner.failed(call, error),
  );
}

/** What nobody wants any more may be a promise, which runs all the same: a failure of it is no unhandled rejection. */
export function ignoreEnd(result: unknown): void {
  if (result instanceof Promise) {
    nativeThen.call(result, ignored, ignored);
  }
}
