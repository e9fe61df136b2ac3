import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import type { Cancel, Clock } from './clock';
import { schedulerSetting } from './settings';

/** The longest delay that timers of browsers and Node accept. They fire at once after a longer one. */
const longestTimer = 2 ** 31 - 1;

const nothingToCancel: Cancel = () => undefined;

/**
 * Makes a `Clock` from an RxJS scheduler, by default `asyncScheduler`, which `TestScheduler.run` makes virtual. With
 * another scheduler, its `now()` serves as both clocks.
 *
 * @throws TypeError if the value is no scheduler
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

/** Makes a clock that goes on from its last reading when it is set back. */
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

/** The date at the first reading, plus the time since then by a steady clock. */
function steadyTime(): number {
  const date = asyncScheduler.now();
  if (typeof performance === 'undefined' || !isRealDate(date)) {
    return date;
  }
  dateAtOrigin ??= date - performance.now();
  return Math.floor(dateAtOrigin + performance.now());
}

/** The last seen `Date.now`, and whether it was the platform's own. */
let lookedAt: { readonly now: () => number; readonly isNative: boolean } | undefined;

/**
 * Whether a reading of `asyncScheduler` is the machine's time. It is not in `TestScheduler.run`, or with the fake
 * timers of a test runner, which replace `Date` but not always `performance`.
 */
function isRealDate(reading: number): boolean {
  const { now } = Date;
  if (lookedAt?.now !== now) {
    lookedAt = { now, isNative: Function.prototype.toString.call(now).includes('[native code]') };
  }
  return lookedAt.isNative && isNear(reading, Date.now());
}

function isNear(reading: number, date: number): boolean {
  return Math.abs(reading - date) < 60_000;
}

/** Reports an error as RxJS does: to `config.onUnhandledError`, or by throwing it later. */
export function reportUnhandled(error: unknown): void {
  new Observable((subscriber) => subscriber.error(error)).subscribe();
}

function scheduleInBackground(delay: number, task: () => void): Cancel {
  const timer = setTimeout(task, Math.min(Math.max(0, delay), longestTimer));
  (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer);
}
