import { errorInAnswer } from '../core/answer-error';
import { functionSetting, refusePromise, type Lenient } from '../core/settings';

/** A failed attempt, with the value of its chunks if any came. */
export interface FailedResult {
  readonly ok: false;
  readonly error: unknown;
  readonly partial?: unknown;
}

/** The result of an attempt. */
export type CallResult = { readonly ok: true; readonly value: unknown } | FailedResult;

/** Returns the error in an answer that came as a success; undefined if there is none. */
export type AnswerJudge = (answer: unknown, request: never) => unknown;

/** The judge for a config; undefined if every answer counts as a success. */
export function answerJudgeOf(
  setting: false | Lenient<[answer: unknown, request: unknown], unknown> | undefined,
): AnswerJudge | undefined {
  return setting === false ? undefined : (functionSetting('errorInAnswer', setting) ?? errorInAnswer);
}

/** The result of an answered attempt, after its answer was judged. */
export function resultOf(
  answer: { readonly value: unknown },
  request: never,
  judge: AnswerJudge | undefined,
): CallResult {
  try {
    const { value } = answer;
    const error = judge?.(value, request);
    refusePromise('errorInAnswer', error);
    // Null and false count as no error.
    return error ? { ok: false, error } : { ok: true, value };
  } catch (error) {
    return { ok: false, error };
  }
}
