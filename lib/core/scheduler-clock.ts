import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import type { Cancel, Clock } from './clock';
import { schedulerSetting } from './settings';

/** The longest delay that timers of browsers and Node take; a longer one would fire at once. */
const longestTimer = 2 ** 31 - 1;

const nothingToCancel: Cancel = () => undefined;

/**
 * Makes a `Clock` from an RxJS scheduler, by default `asyncScheduler`, which `TestScheduler.run` makes virtual by itself.
 * Of another scheduler, its `now()` is both clocks.
 *
 * @throws TypeError for what is no scheduler
 */
export function clockFrom(scheduler?: SchedulerLike): Clock {
  const source = schedulerSetting(scheduler);
  return source
    ? new SchedulerClock(
        source,
        () => source.now(),
        () => nothingToCancel,
      )
    : new SchedulerClock(asyncScheduler, steadyTime, scheduleInBackground);
}

class SchedulerClock implements Clock {
  readonly now: () => number;
  readonly date: () => number;
  readonly #source: SchedulerLike;
  readonly #background: Clock['schedule'];

  constructor(source: SchedulerLike, time: () => number, background: Clock['schedule']) {
    this.now = neverBack(time);
    this.date = neverBack(() => source.now());
    this.#source = source;
    this.#background = background;
  }

  get isVirtual(): boolean {
    return this.#source !== asyncScheduler || !isNear(asyncScheduler.now(), Date.now());
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

/** The same clock, but that it goes on from where it stood when it is set back. */
function neverBack(read: () => number): () => number {
  let last = read();
  let steppedBack = 0;
  return () => {
    const reading = read() + steppedBack;
    if (reading < last) {
      steppedBack += last - reading;
    } else {
      last = reading;
    }
    return last;
  };
}

let dateAtOrigin: number | undefined;

/** The date at the first reading, and what has passed since then by a clock that nobody sets. */
function steadyTime(): number {
  const date = asyncScheduler.now();
  if (typeof performance === 'undefined' || !isRealDate(date)) {
    return date;
  }
  dateAtOrigin ??= date - performance.now();
  return Math.floor(dateAtOrigin + performance.now());
}

/** What `Date.now` was when it was looked at last, and whether it was the platform's own. */
let lookedAt: { readonly now: () => number; readonly isNative: boolean } | undefined;

/**
 * Whether a reading of `asyncScheduler` is that of the machine: not in `TestScheduler.run`, and not with the fake timers of
 * a test runner, which replace `Date` but not always `performance`.
 */
function isRealDate(reading: number): boolean {
  const { now } = Date;
  if (lookedAt?.now !== now) {
    lookedAt = { now, isNative: Function.prototype.toString.call(now).includes('[native code]') };
  }
  return lookedAt.isNative && isNear(reading, Date.now());
}

/** Virtual time begins at 0. */
function isNear(reading: number, date: number): boolean {
  return Math.abs(reading - date) < 60_000;
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
