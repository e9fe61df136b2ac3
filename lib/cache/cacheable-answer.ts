type AnswerShape = Readonly<Record<string, unknown>>;

/** Finish reasons, in the words of OpenAI, Anthropic and the AI SDK, of an answer that was given to its end. */
const wholeReasons: ReadonlySet<unknown> = new Set([
  'stop',
  'tool_calls',
  'function_call',
  'end_turn',
  'stop_sequence',
  'tool_use',
  'tool-calls',
]);

/**
 * The default rule of what may be cached: an answer that is there and whole. Undefined, null, '' and answers of the
 * OpenAI, Anthropic and AI SDK shapes that are empty, cut off, filtered or refused are not; 0, false, [] and {} are.
 */
export function isCacheable(value: unknown): boolean {
  if (value === undefined || value === null || value === '') {
    return false;
  }
  if (typeof value !== 'object') {
    return true;
  }
  const answer = value as AnswerShape;
  if (Array.isArray(answer['choices']) && answer['choices'].length > 0) {
    return answer['choices'].every(isWholeChoice);
  }
  if (answer['object'] === 'chat.completion') {
    return false;
  }
  if (answer['object'] === 'response' && typeof answer['status'] === 'string') {
    return (
      answer['status'] === 'completed' && hasContent(answer['output']) && !holdsRefusal(answer['output'])
    );
  }
  if (answer['type'] === 'message' && answer['role'] === 'assistant' && 'stop_reason' in answer) {
    return wholeReasons.has(answer['stop_reason']) && hasContent(answer['content']);
  }
  if ('finishReason' in answer && ('text' in answer || 'content' in answer || 'object' in answer)) {
    const { finishReason } = answer;
    const reason = isShape(finishReason) ? finishReason['unified'] : finishReason;
    return wholeReasons.has(reason) && [answer['text'], answer['content'], answer['object']].some(hasContent);
  }
  return true;
}

function isWholeChoice(choice: unknown): boolean {
  if (!isShape(choice)) {
    return true;
  }
  if (!('finish_reason' in choice)) {
    return true;
  }
  const message = isShape(choice['message']) ? choice['message'] : choice;
  return (
    wholeReasons.has(choice['finish_reason']) &&
    !hasContent(message['refusal']) &&
    [
      message['content'],
      message['tool_calls'],
      message['function_call'],
      message['audio'],
      message['text'],
    ].some(hasContent)
  );
}

function holdsRefusal(output: unknown): boolean {
  return (
    Array.isArray(output) &&
    output.some(
      (item) => isShape(item) && Array.isArray(item['content']) && item['content'].some(isRefusalPart),
    )
  );
}

function isRefusalPart(part: unknown): boolean {
  return isShape(part) && part['type'] === 'refusal';
}

function hasContent(value: unknown): boolean {
  if (Array.isArray(value)) {
    return value.length > 0;
  }
  return value !== undefined && value !== null && value !== '';
}

function isShape(value: unknown): value is AnswerShape {
  return typeof value === 'object' && value !== null;
}
