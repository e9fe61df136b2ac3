import type { CallContext, HeadersLike } from '../core/call';
import { errorInAnswer } from '../core/answer-error';
import { NoAnswerError } from '../core/errors';
import { usageOf } from './usage';

/** Milliseconds in a day. The timers of SDKs would run while rxllm means the call to go on; `timeout` takes their place. */
export const noTimeout = 86_400_000;

/** A promise of an SDK that also tells the response that its data came with. */
export interface WithResponse<T> {
  withResponse(): Promise<{ readonly data: T; readonly response: { readonly headers: HeadersLike } }>;
}

/** Waits for a response of an SDK, and reports the limits that it states, as refusals do too. */
export async function responseOf<T>(
  made: WithResponse<T>,
  { report }: CallContext,
): Promise<{ readonly data: T; readonly headers: HeadersLike }> {
  try {
    const { data, response } = await made.withResponse();
    report({ headers: response.headers });
    return { data, headers: response.headers };
  } catch (error) {
    const { headers } = error as { readonly headers?: HeadersLike };
    if (headers) {
      report({ headers });
    }
    throw error;
  }
}

/**
 * Waits for an answer of an SDK that comes as one, and reports its usage.
 *
 * @param field the field that every answer has
 * @throws NoAnswerError if what came is an error, or no answer
 */
export async function answerOf<T extends object>(
  made: WithResponse<T>,
  context: CallContext,
  field: keyof T & string,
): Promise<T> {
  const { data, headers } = await responseOf(made, context);
  const usage = usageOf(data);
  if (usage) {
    context.report({ usage });
  }
  // The types promise an object, the network does not.
  const came: unknown = data;
  const error = errorInAnswer(came)?.error;
  if (error !== undefined) {
    throw new NoAnswerError('an error in place of an answer', { headers, error });
  }
  if (typeof came !== 'object' || came === null || !Array.isArray((came as T)[field])) {
    throw new NoAnswerError(`no ${field}`, { headers });
  }
  return data;
}

/** Hands the events of an SDK's stream on, and reports the usage that they tell. */
export async function* eventsOf<E>(
  made: WithResponse<AsyncIterable<E>>,
  context: CallContext,
): AsyncGenerator<E> {
  const { data, headers } = await responseOf(made, context);
  for await (const event of data) {
    const error = errorInAnswer(event)?.error;
    if (error !== undefined) {
      throw new NoAnswerError('an error in the stream', { headers, error });
    }
    const usage = usageOf(event);
    if (usage) {
      context.report({ usage });
    }
    yield event;
  }
}
