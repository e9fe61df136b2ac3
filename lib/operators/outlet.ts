import type { Subscriber } from 'rxjs';
import { holdStarts } from '../core/held-starts';

/**
 * Emits an operator's values to its subscriber. While the subscriber takes a value, it may leave, send requests,
 * complete the source or close the optimizer. So nothing completes while a value is on its way down, and no call starts
 * before it has arrived.
 */
export class Outlet<T> {
  readonly #destination: Subscriber<T>;
  /** The number of values on their way down; one may be emitted in reaction to another. */
  #onTheWay = 0;
  /** Values that wait for those on their way. */
  #following: T[] = [];
  #isCompleteDue = false;

  constructor(destination: Subscriber<T>) {
    this.#destination = destination;
  }

  get isClosed(): boolean {
    return this.#destination.closed;
  }

  next(value: T): void {
    this.#send(() => this.#destination.next(value));
  }

  /** Emits a value after those on their way have arrived. */
  nextAfter(value: T): void {
    this.#following.push(value);
    this.#send(() => undefined);
  }

  /** Completes the stream after all values have arrived. */
  complete(): void {
    this.#isCompleteDue = true;
    this.#send(() => undefined);
  }

  #send(emit: () => void): void {
    holdStarts(() => {
      this.#onTheWay++;
      try {
        emit();
        if (this.#onTheWay === 1) {
          this.#sendFollowing();
        }
      } finally {
        this.#onTheWay--;
      }
      if (this.#onTheWay === 0 && this.#isCompleteDue) {
        this.#destination.complete();
      }
    });
  }

  #sendFollowing(): void {
    for (const value of this.#following) {
      this.#destination.next(value);
    }
    this.#following = [];
  }
}
