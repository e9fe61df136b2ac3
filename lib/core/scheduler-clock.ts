import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import type { Cancel, Clock } from './clock';
import { schedulerSetting } from './settings';

/** The longest delay that timers of browsers and Node take; a longer one would fire at once. */
const longestTimer = 2 ** 31 - 1;

const nothingToCancel: Cancel = () => undefined;

/**
 * Makes a `Clock` from an RxJS scheduler, by default `asyncScheduler`, which `TestScheduler.run` makes virtual by
 * itself. A wall clock that is set back only stops for a moment: time goes on from where it stood.
 *
 * @throws TypeError for what is no scheduler
 */
export function clockFrom(scheduler?: SchedulerLike): Clock {
  const source = schedulerSetting(scheduler);
  return source
    ? new SchedulerClock(source, () => nothingToCancel)
    : new SchedulerClock(asyncScheduler, scheduleInBackground);
}

class SchedulerClock implements Clock {
  readonly #source: SchedulerLike;
  readonly #background: Clock['schedule'];
  #last: number;
  #steppedBack = 0;

  constructor(source: SchedulerLike, background: Clock['schedule']) {
    this.#source = source;
    this.#background = background;
    this.#last = source.now();
  }

  now(): number {
    const reading = this.#source.now() + this.#steppedBack;
    if (reading < this.#last) {
      this.#steppedBack += this.#last - reading;
      return this.#last;
    }
    this.#last = reading;
    return reading;
  }

  schedule(delay: number, task: () => void, options?: { readonly background?: boolean }): Cancel {
    if (options?.background) {
      return this.#background(delay, task);
    }
    let due = delay;
    const action = this.#source.schedule(
      function () {
        due -= longestTimer;
        if (due > 0) {
          this.schedule(undefined, Math.min(due, longestTimer));
        } else {
          task();
        }
      },
      Math.min(Math.max(0, due), longestTimer),
    );
    return () => action.unsubscribe();
  }
}

/** Reports an error that nobody can be told of as RxJS does: to `config.onUnhandledError`, else by throwing it later. */
export function reportUnhandled(error: unknown): void {
  new Observable((subscriber) => subscriber.error(error)).subscribe();
}

function scheduleInBackground(delay: number, task: () => void): Cancel {
  const timer = setTimeout(task, Math.min(Math.max(0, delay), longestTimer));
  (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer);
}
