import { defer, Observable, type ObservableInput } from 'rxjs';
import type { CallContext } from '../core/call';
import type { Clock } from '../core/clock';
import { observeInput } from '../operators/observe-input';

/**
 * The async context of a caller, as `AsyncLocalStorage` and tracers know it. A call that starts later, after another
 * caller's call or by a timer, starts in a continuation of this object's promise, which runs in the context in which
 * the object was made. A call that starts while its request is made starts synchronously. So does every call in virtual
 * time, because promises do not follow it.
 */
export class AskersContext {
  readonly #due: (() => void)[] = [];
  readonly #clock: Clock;
  #isAsking = false;
  #resume: () => void;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#resume = this.#continuation();
  }

  ask<T>(request: () => T): T {
    const wasAsking = this.#isAsking;
    this.#isAsking = true;
    try {
      return request();
    } finally {
      this.#isAsking = wasAsking;
    }
  }

  bind<R, V>(
    call: (request: R, context: CallContext) => ObservableInput<V>,
  ): (request: R, context: CallContext) => ObservableInput<V> {
    return (request, context) =>
      this.#isAsking || this.#clock.isVirtual
        ? call(request, context)
        : new Observable<V>((subscriber) => {
            this.#due.push(() => {
              if (!subscriber.closed) {
                defer(() => observeInput(call(request, context))).subscribe(subscriber);
              }
            });
            this.#resume();
          });
  }

  /** Returns a function that starts the calls that are due. */
  #continuation(): () => void {
    let resume!: () => void;
    void new Promise<void>((resolve) => (resume = resolve)).then(() => {
      this.#resume = this.#continuation();
      for (const start of this.#due.splice(0)) {
        start();
      }
    });
    return resume;
  }
}
