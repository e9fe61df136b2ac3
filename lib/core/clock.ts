/** Takes back a task that has not run yet; calling it again, or after the task ran, does nothing. */
export type Cancel = () => void;

/** The time that every engine of rxllm lives by, so that virtual time can drive all of them. */
export interface Clock {
  /** Milliseconds on a clock that nobody sets, for waits and latencies. It may stand still while the machine sleeps. */
  now(): number;
  /**
   * Milliseconds since 1970 as the machine says, for what other processes and providers mean by a moment. When the
   * machine's clock is set back, it goes on from where it stood.
   */
  date(): number;
  /** Whether its time is driven by hand, as in tests: then nothing may wait for a promise. Default false. */
  readonly isVirtual?: boolean;
  /**
   * Runs `task` once, `delay` milliseconds from now. A `background` task never keeps a process alive, and is not
   * scheduled at all on a clock that was made from a scheduler of the user's.
   */
  schedule(delay: number, task: () => void, options?: { readonly background?: boolean }): Cancel;
}

/** Runs a task once at a time on a clock, and never before it: a timer may ring a little early. */
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
