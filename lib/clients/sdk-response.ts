import { errorInAnswer } from '../core/answer-error';
import type { CallContext, HeadersLike } from '../core/call';
import { NoAnswerError } from '../core/errors';
import { refusePromise } from '../core/settings';
import { fromFirstWords, isPrelude } from './first-words';
import { usageOf } from './usage';

/** A promise of an SDK that also tells the response that its data came with. */
export interface WithResponse<T> {
  withResponse(): Promise<{ readonly data: T; readonly response: { readonly headers: HeadersLike } }>;
}

/** Sends a body by an SDK. */
type Send<P, T> = (params: P, context: CallContext) => WithResponse<T>;

/**
 * A call of an SDK whose answer comes as one. It reports headers and usage, those of refusals too.
 *
 * @param failureOf returns the error if what came is no answer
 */
export function wholeCall<R, P, T>(
  toParams: (request: R) => P,
  send: Send<P, T>,
  failureOf: (came: unknown, headers: HeadersLike) => NoAnswerError | undefined,
): (request: R, context: CallContext) => Promise<T> {
  return async (request, context) => {
    const { data, headers } = await responseTo(request, toParams, send, context);
    const failure = failureOf(data, headers);
    if (failure) {
      throw failure;
    }
    return data;
  };
}

/** The `open` of a stream call of an SDK. It reports headers, and the usage that the events tell. */
export function eventsOf<R, P, E>(
  toParams: (request: R) => P,
  send: Send<P, AsyncIterable<E>>,
): (request: R, context: CallContext) => AsyncGenerator<E> {
  return async function* (request, context) {
    const { data, headers } = await responseTo(request, toParams, send, context);
    yield* fromFirstWords(withoutErrors(data, headers, context), isPrelude, headers);
  };
}

async function* withoutErrors<E>(
  events: AsyncIterable<E>,
  headers: HeadersLike,
  { report }: CallContext,
): AsyncGenerator<E> {
  for await (const event of events) {
    const error = errorInAnswer(event)?.error;
    if (error !== undefined) {
      throw new NoAnswerError('an error in the stream', { headers, error });
    }
    const usage = usageOf(event);
    if (usage) {
      report({ usage });
    }
    yield event;
  }
}

/** Finds out why what came is no answer: it holds an error, or lacks the list that every answer has. */
export function answersHave(
  field: string,
): (came: unknown, headers: HeadersLike) => NoAnswerError | undefined {
  return (came, headers) => {
    const error = errorInAnswer(came)?.error;
    if (error !== undefined) {
      return new NoAnswerError('an error in place of an answer', { headers, error });
    }
    const list = (came as Readonly<Record<string, unknown>> | null | undefined)?.[field];
    return Array.isArray(list) ? undefined : new NoAnswerError(`no ${field}`, { headers });
  };
}

async function responseTo<R, P, T>(
  request: R,
  toParams: (request: R) => P,
  send: Send<P, T>,
  context: CallContext,
): Promise<{ readonly data: T; readonly headers: HeadersLike }> {
  const params = toParams(request);
  refusePromise('toParams', params);
  try {
    const { data, response } = await send(params, context).withResponse();
    const { headers } = response;
    const usage = usageOf(data);
    context.report({ headers, ...(usage && { usage }) });
    return { data, headers };
  } catch (error) {
    const { headers } = error as { readonly headers?: HeadersLike };
    if (headers) {
      context.report({ headers });
    }
    throw error;
  }
}
