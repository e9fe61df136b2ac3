import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import type { CallOutcome } from '../../lib/index';
import { DemoError } from './demo-error';
import { fatalReason, mostFailures, reasonInVain, type NamedConnection } from './failures';

/**
 * Passes outcomes on, and fails with a DemoError at a failure that every further call would meet too, at many failures
 * before the first answer, or at the end if calls failed and none was answered.
 */
export function endIfInVain<R, V>(connection: NamedConnection): MonoTypeOperatorFunction<CallOutcome<R, V>> {
  return (outcomes$) =>
    defer(() => {
      let hasAnswered = false;
      const errors: unknown[] = [];
      return outcomes$.pipe(
        tap({
          next: (outcome) => {
            if (outcome.ok) {
              hasAnswered = true;
              return;
            }
            const reason = fatalReason(outcome.error, connection, hasAnswered);
            if (reason !== undefined) throw new DemoError(reason);
            if (hasAnswered) return;
            // One call may fail for many requests.
            if (!errors.includes(outcome.error)) errors.push(outcome.error);
            if (errors.length >= mostFailures) throw new DemoError(reasonInVain(errors, connection));
          },
          complete: () => {
            if (!hasAnswered && errors.length > 0) throw new DemoError(reasonInVain(errors, connection));
          },
        }),
      );
    });
}
