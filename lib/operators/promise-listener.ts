import type { RunningCall } from './running-call';

/** The `then` that calls back once at most, whatever happens. */
const nativeThen: unknown = /* @__PURE__ */ Reflect.get(Promise.prototype, 'then');

/** So many that listen to nothing are kept for the next calls. */
const mostIdle = 1000;

/**
 * Tells the owner of a call how the promise of that ends.
 *
 * Two functions for each call would be a quarter of all the memory that a call takes, so they are made once for as many
 * calls as run at a time. That needs promises that tell their end only once: others get functions of their own.
 */
export class PromiseListener {
  #call: RunningCall | undefined;
  readonly #idle: PromiseListener[];

  constructor(idle: PromiseListener[]) {
    this.#idle = idle;
  }

  listen(call: RunningCall, promise: PromiseLike<unknown>): void {
    this.#call = call;
    promise.then(this.#fulfilled, this.#rejected);
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
  if (promise.then === nativeThen) {
    (idle.pop() ?? new PromiseListener(idle)).listen(call, promise);
  } else {
    listenApart(promise, call);
  }
}

function listenApart(promise: PromiseLike<unknown>, call: RunningCall): void {
  promise.then(
    (value) => call.owner.succeeded(call, value),
    (error: unknown) => call.owner.failed(call, error),
  );
}
