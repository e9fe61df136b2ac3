import type { Subscriber } from 'rxjs';
import { holdStarts } from '../core/held-starts';

/**
 * The way of an operator's values to its subscriber. The subscriber may do anything while it takes a value: leave, send
 * requests, complete the source, close the optimizer. Nothing completes while a value is on its way down, and no call
 * starts before the value has arrived.
 */
export class Outlet<T> {
  readonly #destination: Subscriber<T>;
  /** Values on their way down: one in reaction to another may be among them. */
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
    holdStarts(() => {
      this.#onTheWay++;
      try {
        this.#destination.next(value);
      } finally {
        this.#onTheWay--;
        this.#arrived();
      }
    });
  }

  /** Emits a value when those on their way have arrived. */
  nextAfter(value: T): void {
    this.#following.push(value);
    this.#arrived();
  }

  /** Completes the stream when the values on their way have arrived. */
  complete(): void {
    this.#isCompleteDue = true;
    this.#arrived();
  }

  #arrived(): void {
    if (this.#onTheWay > 0) {
      return;
    }
    const following = this.#following;
    this.#following = [];
    for (const value of following) {
      this.next(value);
    }
    if (this.#isCompleteDue && this.#onTheWay === 0) {
      this.#destination.complete();
    }
  }
}
