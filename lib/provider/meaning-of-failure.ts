import { refusePromise } from '../core/settings';
import { isAborted, type ErrorClassifier } from './classify-error';
import type { ErrorClassification } from './error-classification';

const kinds: readonly unknown[] = ['stop', 'wait', 'overloaded', 'transient', 'unknown'];

/**
 * What the failure of a call means by a classifier that may be the user's. One that throws, or returns anything but a
 * classification, a promise above all, does not know the error; a figure that is none must not stop everybody for ever.
 * Unless who tells of the failure may have aborted the call, an abort that the classifier does not explain is one by the
 * client's own timer, or its own signal.
 */
export function meaningOfFailure(
  error: unknown,
  classify: ErrorClassifier,
  mayBeAborted = false,
): ErrorClassification {
  try {
    const classification = classify(error);
    refusePromise('classifyError', classification);
    const { kind, retryAfter = 0, period, limits } = classification;
    if (!kinds.includes(kind)) {
      return { kind: 'unknown' };
    }
    if (kind === 'unknown' && !mayBeAborted && isAborted(error)) {
      return { kind: 'transient' };
    }
    const isCount = (count: number): boolean => count > 0 && count < Infinity;
    const sound = limits?.filter(({ limit, window }) => isCount(limit) && isCount(window));
    return {
      kind,
      ...(isCount(retryAfter) && { retryAfter }),
      ...(period && { period }),
      ...(sound && { limits: sound }),
    };
  } catch {
    return { kind: 'unknown' };
  }
}
