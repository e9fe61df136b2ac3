import FakeTimers from '@sinonjs/fake-timers';
import { realMilliseconds } from './real-time';

const afterMicrotasks = setImmediate;

/** The real moment this program was started; `Date` is virtual once this module is loaded. */
export const startedAt = new Date();

// Installed before any client is imported, since a module may keep the timers that it finds when it is loaded.
const clock = FakeTimers.install({
  now: Date.UTC(2026, 0, 1),
  toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
});

// Node waits at least 1 ms, and whole ones. Without that, a client that waits for a rounding error of a millisecond
// would wait for ever, since no time goes by.
const { setTimeout: virtualTimeout, setInterval: virtualInterval } = globalThis;
const asNodeWaits = (delay: number | undefined) => Math.max(1, Math.trunc(delay ?? 0) || 1);
globalThis.setTimeout = ((task: () => void, delay?: number, ...values: []) =>
  virtualTimeout(task, asNodeWaits(delay), ...values)) as typeof setTimeout;
globalThis.setInterval = (task: () => void, delay?: number, ...values: []) =>
  virtualInterval(task, asNodeWaits(delay), ...values);

/** How far a run may go. */
export interface Patience {
  /** Milliseconds of virtual time. */
  readonly virtual: number;
  /** Milliseconds of real time. */
  readonly real: number;
}

/** How a piece of work ended; without a value it was stopped, and `stopped` says why. */
export interface Ending<T> {
  readonly value?: T;
  readonly stopped?: string;
}

/**
 * Does one piece of work in virtual time, from the same start each time: the clock goes on to the next timer as soon
 * as all promises have settled.
 */
export async function inVirtualTime<T>(work: () => Promise<T>, patience: Patience): Promise<Ending<T>> {
  clock.reset();
  const start = Date.now();
  const realStart = realMilliseconds();
  let ending: Ending<T> | undefined;
  let failure: { readonly error: unknown } | undefined;
  work().then(
    (value) => (ending = { value }),
    (error: unknown) => (failure = { error }),
  );
  for (let steps = 1; ; steps += 1) {
    await settled();
    if (failure) throw failure.error;
    if (ending) return ending;
    if (clock.countTimers() === 0) return { stopped: 'nothing left to wait for' };
    if (Date.now() - start > patience.virtual) return { stopped: `after ${patience.virtual / 3_600_000} h` };
    if (steps % 256 === 0 && realMilliseconds(realStart) > patience.real) {
      return { stopped: `after ${patience.real / 1_000} s of real time` };
    }
    clock.next();
  }
}

/** Twice, since reading the body of a `Response` takes a turn of the event loop. */
async function settled(): Promise<void> {
  await new Promise((resolve) => afterMicrotasks(resolve));
  await new Promise((resolve) => afterMicrotasks(resolve));
}
