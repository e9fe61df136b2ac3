import type { CallEvent, CallEventListener } from '../core/events';
import { reportUnhandled } from '../core/scheduler-clock';

/** Tells a listener of an event; what it throws is reported as RxJS reports unhandled errors, and harms nothing. */
export function tell(listener: CallEventListener, event: CallEvent): void {
  try {
    listener.next(event);
  } catch (error) {
    reportUnhandled(error);
  }
}

/** Runs a callback of the user's; what it throws is reported as RxJS reports unhandled errors, and harms nothing. */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    reportUnhandled(error);
  }
}
