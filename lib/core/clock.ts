/** Cancels a task that has not run yet. Later calls do nothing. */
export type Cancel = () => void;

/** The clock of every engine, so that virtual time can drive all of them. */
export interface Clock {
  /** Milliseconds on a steady clock, for waits and latencies. It may stand still while the machine sleeps. */
  now(): number;
  /**
   * Milliseconds since 1970 by the machine's clock, for moments that other processes and providers name. It never goes
   * back.
   */
  date(): number;
  /** Whether the time is virtual, as in tests. Then nothing may wait for a promise. @defaultValue false */
  readonly isVirtual?: boolean;
  /**
   * Runs `task` once, `delay` milliseconds from now. A `background` task never keeps a process alive. It is not
   * scheduled at all on a clock made from a scheduler that the user gave.
   */
  schedule(delay: number, task: () => void, options?: { readonly background?: boolean }): Cancel;
}

/**
 * Runs a task once at a time on a clock. It checks the clock when the timer fires, because timers may fire a little
 * early.
 */
export function scheduleAt(clock: Clock, time: number, task: () => void): Cancel {
  const schedule = () => clock.schedule(Math.max(0, time - clock.now()), ring);
  const ring = () => {
    if (clock.now() < time) {
      cancel = schedule();
    } else {
      task();
    }
  };
  let cancel = schedule();
  return () => cancel();
}
