import type { Cancel, Clock } from '../core/clock';

/**
 * Work that is due at some time, in the background: a timer that keeps no process alive sees to it, or else, as a clock
 * need not have such timers, whoever comes by after that time and checks.
 */
export class Reminder {
  readonly #clock: Clock;
  readonly #task: () => void;
  #time = Infinity;
  #cancelTimer: Cancel | undefined;
  #isDue = false;

  constructor(clock: Clock, task: () => void) {
    this.#clock = clock;
    this.#task = task;
  }

  get isSet(): boolean {
    return this.#isDue || this.#time !== Infinity;
  }

  /** Sets it to so many milliseconds from now, in place of what it was set to. */
  set(delay: number): void {
    this.clear();
    if (delay !== Infinity) {
      this.#time = this.#clock.now() + delay;
      this.#wait(delay);
    }
  }

  /** Sees to what is due, though never within the caller's own work. */
  check(): void {
    if (this.#time !== Infinity && this.#clock.now() >= this.#time) {
      this.clear();
      this.#isDue = true;
      this.#cancelTimer = this.#clock.schedule(0, () => this.#ring());
    }
  }

  clear(): void {
    this.#time = Infinity;
    this.#isDue = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #wait(delay: number): void {
    this.#cancelTimer = this.#clock.schedule(
      delay,
      () => {
        // Timers may come a moment early.
        const rest = this.#time - this.#clock.now();
        if (rest > 0) {
          this.#wait(rest);
        } else {
          this.#ring();
        }
      },
      { background: true },
    );
  }

  #ring(): void {
    this.clear();
    this.#task();
  }
}
