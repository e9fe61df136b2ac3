import { errorInChoices, isFields, isHtmlPage } from '../core/answer-error';
import type { HeadersLike } from '../core/call';
import { NoAnswerError } from '../core/errors';

/** Texts that are no JSON may be long pages. */
const longestText = 65_536;

/**
 * Why the body of a response to `chat.completions.create` is no completion, although it came with status 200; undefined
 * if it is one. What is cut off, refused or empty is one.
 */
export function noCompletion(body: unknown, headers: HeadersLike): NoAnswerError | undefined {
  if (body === undefined || body === null || body === '') {
    return new NoAnswerError('an empty body', { headers });
  }
  if (typeof body === 'string') {
    // The SDK hands a body on as it came if its type is not that of JSON.
    return new NoAnswerError(isHtmlPage(body) ? 'an HTML page' : 'a text in place of JSON', {
      headers,
      error: errorIn(parsed(body)),
    });
  }
  const error = errorIn(body);
  if (error !== undefined) {
    return new NoAnswerError('an error in place of an answer', { headers, error });
  }
  const choices: unknown = isFields(body) ? body['choices'] : undefined;
  if (!Array.isArray(choices) || choices.length === 0) {
    return new NoAnswerError('no choices', { headers });
  }
  return choices.some((choice) => isFields(choice) && choice['finish_reason'] === 'error')
    ? new NoAnswerError('a choice that ended with an error', { headers })
    : undefined;
}

function errorIn(came: unknown): unknown {
  // Gemini wraps its errors into a list now and then.
  const body: unknown = Array.isArray(came) ? came[0] : came;
  if (!isFields(body)) {
    return undefined;
  }
  const { error, object } = body;
  if (typeof error === 'string' && error !== '') {
    return { message: error };
  }
  return isFields(error) ? error : object === 'error' ? body : errorInChoices(body);
}

function parsed(text: string): unknown {
  try {
    return text.length <= longestText ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}
