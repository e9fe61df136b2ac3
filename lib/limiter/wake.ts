import type { Cancel, Clock } from '../core/clock';

/** One timer that is set again and again. */
export class Wake {
  readonly #clock: Clock;
  readonly #task: () => void;
  #time = Infinity;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, task: () => void) {
    this.#clock = clock;
    this.#task = task;
  }

  /** Moves the timer to this time; `Infinity` for never. */
  at(time: number): void {
    if (time === this.#time) {
      return;
    }
    this.#cancel?.();
    this.#cancel = undefined;
    this.#time = time;
    if (time !== Infinity) {
      this.#schedule(time);
    }
  }

  #schedule(time: number): void {
    this.#cancel = this.#clock.schedule(Math.max(0, time - this.#clock.now()), () => {
      this.#time = Infinity;
      this.#cancel = undefined;
      this.#task();
    });
  }
}
