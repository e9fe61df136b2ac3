import type { CallEventListener } from './events';
import { reportUnhandled } from './scheduler-clock';

/** Runs user code. An error is reported as RxJS reports unhandled errors. */
export function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    reportUnhandled(error);
  }
}

/** The guarded form of each listener, so that operators recognise a listener that they share. */
const guardedListeners = new WeakMap<CallEventListener, CallEventListener>();

/** A listener that passes events on and never throws. */
export function guarded(listener: CallEventListener | undefined): CallEventListener | undefined {
  if (!listener) {
    return undefined;
  }
  let found = guardedListeners.get(listener);
  if (!found) {
    found = { next: (event) => attempt(() => listener.next(event)) };
    guardedListeners.set(listener, found);
    guardedListeners.set(found, found);
  }
  return found;
}
