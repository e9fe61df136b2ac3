import { refusePromise } from '../core/settings';
import { isAborted, type ErrorClassifier } from './classify-error';
import type { ErrorClassification } from './error-classification';

const kinds: readonly unknown[] = ['stop', 'wait', 'overloaded', 'transient', 'unknown'];

/**
 * Classifies the failure of a call with a classifier that may be the user's. If the classifier throws, or returns no
 * classification (such as a promise), the error is `unknown`; invalid figures are dropped. An abort that the classifier
 * does not explain counts as one of the client's own timer, unless the code that reports the failure may have aborted
 * the call.
 */
export function meaningOfFailure(
  error: unknown,
  classify: ErrorClassifier,
  date: number,
  mayBeAborted = false,
): ErrorClassification {
  try {
    const classification = classify(error, date);
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
