import type { SchedulerAction, Subscription } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';

/** A `TestScheduler` that knows when it last did something: a cancelled timer does nothing, a forgotten one does. */
export class WatchedTestScheduler extends TestScheduler {
  /** The frame in which anything ran last. */
  lastWorkAt = 0;

  constructor() {
    super((actual, expected) => {
      expect(actual).toEqual(expected);
    });
  }

  override schedule<State>(
    work: (this: SchedulerAction<State>, state?: State) => void,
    delay?: number,
    state?: State,
  ): Subscription {
    const noteWork = () => (this.lastWorkAt = this.frame);
    return super.schedule<State>(
      function (given) {
        noteWork();
        work.call(this, given);
      },
      delay,
      state,
    );
  }
}

/** What a test in virtual time works with. */
export interface VirtualTime extends RunHelpers {
  readonly scheduler: WatchedTestScheduler;
}

/** Runs a marble test on a scheduler of its own, and expects that nothing, so no timer either, ran after `endsAt`. */
export function runUntil(endsAt: number, test: (time: VirtualTime) => void): void {
  const scheduler = new WatchedTestScheduler();
  scheduler.run((helpers) => {
    test({ ...helpers, scheduler });
  });
  expect(scheduler.lastWorkAt).toBe(endsAt);
}

/** Runs something on a scheduler of its own that is driven by hand, and returns what it returns. */
export function inVirtualTime<T>(test: (scheduler: WatchedTestScheduler) => T): T {
  const scheduler = new WatchedTestScheduler();
  return scheduler.run(() => test(scheduler));
}

/** The error handler of a stream that must not fail. */
export function rethrow(error: unknown): never {
  throw error;
}
