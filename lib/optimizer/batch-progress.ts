import type { CallOutcome } from '../core/call';
import { attempt } from '../core/listener';
import { functionSetting } from '../core/settings';

/** The progress of a batch. */
export interface BatchProgress<R, V> {
  /** Outcomes so far, including this one. */
  readonly done: number;
  /** Failed outcomes so far. */
  readonly failed: number;
  /** Requests in all; undefined if the source does not state their number, such as a generator. */
  readonly total: number | undefined;
  readonly outcome: CallOutcome<R, V>;
}

/** Counts the outcomes of a batch and reports each. */
export function progressOf<R, V>(
  requests: Iterable<R>,
  onProgress: ((progress: BatchProgress<R, V>) => void) | undefined,
): ((outcome: CallOutcome<R, V>) => void) | undefined {
  const tell = functionSetting('onProgress', onProgress);
  if (!tell) {
    return undefined;
  }
  const { length, size } = requests as { readonly length?: unknown; readonly size?: unknown };
  const total = [length, size].find((count) => typeof count === 'number');
  let done = 0;
  let failed = 0;
  return (outcome) => {
    done++;
    failed += outcome.ok ? 0 : 1;
    const progress = { done, failed, total, outcome };
    attempt(() => tell(progress));
  };
}
