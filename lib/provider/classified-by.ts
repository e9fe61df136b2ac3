import { refusePromise } from '../core/settings';
import type { ErrorClassifier } from './classify-error';
import type { ErrorClassification } from './error-classification';

const kinds: readonly unknown[] = ['stop', 'wait', 'overloaded', 'transient', 'unknown'];

/**
 * What an error means by a classifier that may be the user's. One that throws, or returns anything but a classification,
 * a promise above all, does not know the error.
 */
export function classifiedBy(classify: ErrorClassifier, error: unknown): ErrorClassification {
  try {
    const classification = classify(error);
    refusePromise('classifyError', classification);
    if (kinds.includes(classification.kind)) {
      return classification;
    }
  } catch {
    // As if it knew nothing.
  }
  return { kind: 'unknown' };
}
