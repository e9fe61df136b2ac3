import { concatMap, map, of, type ObservableInput, type OperatorFunction } from 'rxjs';
import type { CallOutcome, FailedOutcome } from '../core/call';

/**
 * Turns outcomes into their values. A failure becomes what `onFailure` returns for it, in its place; without
 * `onFailure` the first failure is the stream's error.
 *
 * ```
 * outcomes   -A-x-B|        A, B answered, x failed
 * onFailure     (f|)
 * values     -A-f-B|
 * ```
 *
 * @example
 * outcomes$.pipe(unwrapOutcomes(({ request }) => of({ label: 'unknown', story: request.id })));
 *
 * @param onFailure gives the values that stand for a failed request: `EMPTY` leaves it out, `throwError` ends the stream
 */
export function unwrapOutcomes<R, V, F = never>(
  onFailure?: (failure: FailedOutcome<R>) => ObservableInput<F>,
): OperatorFunction<CallOutcome<R, V>, V | F> {
  if (!onFailure) {
    return map((outcome) => {
      if (outcome.ok) {
        return outcome.value;
      }
      throw outcome.error;
    });
  }
  return concatMap((outcome): ObservableInput<V | F> =>
    outcome.ok ? of(outcome.value) : onFailure(outcome),
  );
}
