import { errorInAnswer } from '../core/answer-error';
import { functionSetting, refusePromise, type Lenient } from '../core/settings';

/** An attempt that failed, and what its chunks are together if any had come. */
export interface FailedResult {
  readonly ok: false;
  readonly error: unknown;
  readonly partial?: unknown;
}

/** What became of an attempt. */
export type CallResult = { readonly ok: true; readonly value: unknown } | FailedResult;

/** Returns the error in an answer that came as a success; undefined if there is none. */
export type AnswerJudge = (answer: unknown, request: never) => unknown;

/** The judge that a config asks for; undefined if every answer counts. */
export function answerJudgeOf(
  setting: false | Lenient<[answer: unknown, request: unknown], unknown> | undefined,
): AnswerJudge | undefined {
  return setting === false ? undefined : (functionSetting('errorInAnswer', setting) ?? errorInAnswer);
}

/** What became of an attempt that was answered: success is judged by what came. */
export function resultOf(value: unknown, request: never, judge: AnswerJudge | undefined): CallResult {
  try {
    const error = judge?.(value, request);
    refusePromise('errorInAnswer', error);
    // Null and false mean no error to most who write JavaScript.
    return error ? { ok: false, error } : { ok: true, value };
  } catch (error) {
    return { ok: false, error };
  }
}
