import type { Cancel, Clock } from '../core/clock';

interface Departure {
  readonly tasks: Set<() => void>;
  readonly cancel: Cancel;
}

/**
 * Tasks by due time, in the order in which they were set. Tasks of one time share one timer, because a virtual
 * scheduler sorts its timers with each new one.
 */
export class Timetable {
  readonly #clock: Clock;
  readonly #departures = new Map<number, Departure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `task` after `delay` milliseconds, never synchronously. */
  set(delay: number, task: () => void): Cancel {
    const due = this.#clock.now() + delay;
    let departure = this.#departures.get(due);
    if (!departure) {
      departure = { tasks: new Set(), cancel: this.#clock.schedule(delay, () => this.#depart(due)) };
      this.#departures.set(due, departure);
    }
    const { tasks, cancel } = departure;
    tasks.add(task);
    return () => {
      if (tasks.delete(task) && tasks.size === 0 && this.#departures.get(due)?.tasks === tasks) {
        this.#departures.delete(due);
        cancel();
      }
    };
  }

  #depart(due: number): void {
    const departure = this.#departures.get(due)!;
    this.#departures.delete(due);
    for (const task of departure.tasks) {
      departure.tasks.delete(task);
      task();
    }
  }
}
