import { concatMap, map, of, type ObservableInput, type OperatorFunction } from 'rxjs';
import type { CallOutcome, FailedOutcome } from '../core/call';
import { outcomeOr } from './outcomes';

/**
 * Turns outcomes into their values. `onFailure` returns the values that replace a failure; without it, the first
 * failure is the stream's error.
 *
 * ```
 * outcomes   -A-x-B|      (A and B succeeded, x failed)
 * onFailure     (f|)
 * values     -A-f-B|
 * ```
 *
 * @example
 * outcomes$.pipe(unwrapOutcomes(({ request }) => of({ label: 'unknown', story: request.id })));
 *
 * @param onFailure returns the values for a failed request: `EMPTY` drops it, `throwError` ends the stream
 * @throws TypeError, as the stream's error, if a value is no outcome
 */
export function unwrapOutcomes<R, V, F = never>(
  onFailure?: (failure: FailedOutcome<R>) => ObservableInput<F>,
): OperatorFunction<CallOutcome<R, V>, V | F> {
  if (!onFailure) {
    return map((value) => {
      const outcome = outcomeOr(value, advice);
      if (outcome.ok) {
        return outcome.value;
      }
      throw outcome.error;
    });
  }
  return concatMap((value): ObservableInput<V | F> => {
    const outcome = outcomeOr(value, advice);
    return outcome.ok ? of(outcome.value) : onFailure(outcome);
  });
}

const advice =
  'unwrapOutcomes stands behind mergeWithConcurrency, cacheLLM or optimize and takes their outcomes';
