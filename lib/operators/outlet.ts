import type { Subscriber } from 'rxjs';
import { holdStarts } from '../core/held-starts';

/**
 * The way of an operator's values to its subscriber. The subscriber may do anything while it takes a value: leave, send
 * requests, complete the source, close the optimizer. Nothing completes while a value is on its way down, and no call
 * starts before the value has arrived.
 */
export class Outlet<T> {
  readonly #destination: Subscriber<T>;
  /** How many values are on their way down: one may be emitted in reaction to another. */
  #onTheWay = 0;
  /** Values that follow those on their way. */
  #following: T[] = [];
  #isCompleteDue = false;

  constructor(destination: Subscriber<T>) {
    this.#destination = destination;
  }

  /** Whether the subscriber has left, or the stream has ended. */
  get isClosed(): boolean {
    return this.#destination.closed;
  }

  next(value: T): void {
    this.#send(() => this.#destination.next(value));
  }

  /** Emits a value when those on their way have arrived. */
  nextAfter(value: T): void {
    this.#following.push(value);
    this.#send(() => undefined);
  }

  /** Completes the stream when all values have arrived. */
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
