import { map, type OperatorFunction } from 'rxjs';
import type { CallOutcome } from '../lib/core/call';

/** Shows outcomes as marbles can: the value of an answered request, the error's name of a failed one. */
export function showOutcomes<R, V>(): OperatorFunction<CallOutcome<R, V>, V | string> {
  return map((outcome) => (outcome.ok ? outcome.value : nameOf(outcome.error)));
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}
