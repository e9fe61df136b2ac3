import { holdsNoAnswer, isFields, isHtmlPage, providerErrorIn } from '../core/answer-error';
import { hasContent, hasText, holds, holdsRefusal, isShape, type AnswerShape } from './answer-content';

/** The providers' reasons for the end of a whole answer. */
const wholeReasons: ReadonlySet<unknown> = new Set([
  // OpenAI and those that are compatible with it
  'stop',
  'tool_calls',
  'function_call',
  'eos',
  // Anthropic
  'end_turn',
  'stop_sequence',
  'tool_use',
  // AI SDK
  'tool-calls',
  // Gemini
  'STOP',
]);

/** The providers' reasons for the end of a cut-off answer; in lower case, joined by `_`. */
const cutOffReasons: ReadonlySet<string> = new Set([
  'length',
  'max_length',
  'max_tokens',
  'max_output_tokens',
  'model_length',
  'model_context_window_exceeded',
  'pause_turn',
  'incomplete',
  'load',
  'unload',
  'error',
  'error_toxic',
  'error_limit',
  'timeout',
  'aborted',
  'cancelled',
  'interrupted',
  'insufficient_system_resource',
  'malformed_function_call',
  'malformed_model_output',
  'malformed_tool_use',
  'content_filter',
  'content_filtered',
  'guardrail_intervened',
  'refusal',
  'safety',
  'image_safety',
  'recitation',
  'blocklist',
  'prohibited_content',
  'spii',
]);

/** Fields that may stand beside `error` in the body of an error. */
const fieldsAboutErrors = ['error', 'message', 'detail', 'statusCode', 'errorType', 'estimated_time'];

/** Fields beside the choices of OpenAI and compatible providers. */
const fieldsBesideChoices: ReadonlySet<string> = new Set([
  'id',
  'created',
  'model',
  'provider',
  'usage',
  'error',
  'service_tier',
  'system_fingerprint',
]);

/** Fields beside the candidates of Gemini. */
const fieldsBesideCandidates: ReadonlySet<string> = new Set([
  'usageMetadata',
  'modelVersion',
  'responseId',
  'createTime',
  'sdkHttpResponse',
]);

/** Longer texts are not read as the body of an error. */
const longestError = 16_384;

/** The field names for the reason why an answer ended. */
const reasonFields = ['finish_reason', 'finishReason', 'stop_reason', 'stopReason', 'done_reason'];

/** Each judges the answers of one provider or SDK, and returns undefined for others. */
const judges: readonly ((answer: AnswerShape) => boolean | undefined)[] = [
  judgeReadOnce,
  judgeError,
  judgeChoices,
  judgeResponse,
  judgeMessage,
  judgeCandidates,
  judgeLangChainMessage,
  judgeResult,
  judgeOneMessage,
  judgeReason,
];

/**
 * Decides whether an answer may be cached: it must be present, whole, and readable more than once. The default of
 * `shouldCache`.
 *
 * It knows the answers of OpenAI (chat completions, completions, responses) and compatible providers, of Anthropic
 * (messages, completions), of Gemini (`generateContent`), the results of the AI SDK (`generateText`, `generateObject`,
 * `doGenerate`), LangChain's messages, and the single messages of Ollama, Cohere and Bedrock. Unfinished, cut-off,
 * filtered, refused and empty answers are not cached. Blank text is empty, and so is an answer that holds only
 * reasoning. Tool calls without text are an answer.
 *
 * An answer of any shape is not cached if it has `incomplete_details`, a field such as `finish_reason` or `stopReason`
 * that says that it was cut off, an error (`{ error }` without an answer, in the words of any provider, also as JSON
 * text), or if it is a page of HTML. Undefined, null, blank texts and values that can be read only once (streams, a
 * `Response`) are not cached either. All other values are: 0, false, [], {} and objects of unknown shape.
 *
 * It never throws. An answer that throws when it is read is not cached.
 *
 * @example
 * new LLMResultCache({ shouldCache: (answer) => isCacheable(answer) && answer !== 'I do not know.' });
 */
export function isCacheable(value: unknown): boolean {
  if (typeof value === 'string') {
    return hasText(value) && !isHtmlPage(value) && !isErrorText(value);
  }
  if (value === undefined || value === null) {
    return false;
  }
  if (!isShape(value)) {
    return true;
  }
  try {
    for (const judge of judges) {
      const judgment = judge(value);
      if (judgment !== undefined) {
        return judgment;
      }
    }
    return true;
  } catch {
    return false;
  }
}

/** Refuses streams of the platform and the SDKs, because a second reader finds them empty or locked. */
function judgeReadOnce(answer: AnswerShape): false | undefined {
  const isStream = Symbol.asyncIterator in answer || 'textStream' in answer || 'getReader' in answer;
  return isStream || ('bodyUsed' in answer && 'body' in answer) ? false : undefined;
}

/** Refuses errors that came as answers. */
function judgeError(answer: AnswerShape): false | undefined {
  const { error } = answer;
  const isThere =
    typeof error === 'string' ? hasText(error) : isFields(error) && Object.keys(error).length > 0;
  const isError = isThere && holdsNoAnswer(answer, ...fieldsAboutErrors);
  return isError || providerErrorIn(answer) ? false : undefined;
}

function isErrorText(text: string): boolean {
  if (text.length > longestError || !/^\s*[[{]/.test(text) || !text.includes('"error"')) {
    return false;
  }
  try {
    return providerErrorIn(JSON.parse(text)) !== undefined;
  } catch {
    return false;
  }
}

/** Refuses a body whose list of answers is missing or empty and that holds nothing else that could be an answer. */
function judgeEmpty(answer: AnswerShape, list: string, others: ReadonlySet<string>): false | undefined {
  const { [list]: answers, ...rest } = answer;
  const fields = Object.keys(rest);
  const isEmpty = answers === null || (isEmptyList(answers) && fields.length > 0);
  return isEmpty && fields.every((field) => others.has(field)) ? false : undefined;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function judgeChoices(answer: AnswerShape): boolean | undefined {
  const { object, choices } = answer;
  const isNamed = object === 'chat.completion' || object === 'text_completion';
  if (Array.isArray(choices) && choices.length > 0 && (isNamed || choices.every(isChoice))) {
    return choices.every(isWholeChoice);
  }
  return isNamed ? false : judgeEmpty(answer, 'choices', fieldsBesideChoices);
}

function isChoice(choice: unknown): choice is AnswerShape {
  if (!isShape(choice)) {
    return false;
  }
  const { message } = choice;
  return reasonOf(choice) !== undefined || (isShape(message) && ('content' in message || 'role' in message));
}

function isWholeChoice(choice: unknown): boolean {
  if (!isShape(choice)) {
    return false;
  }
  const message = isShape(choice['message']) ? choice['message'] : choice;
  return (
    isWhole(reasonOf(choice)) &&
    !hasContent(message['refusal']) &&
    !holdsRefusal(message['content']) &&
    [
      message['content'],
      message['text'],
      message['tool_calls'],
      message['toolCalls'],
      message['function_call'],
      message['audio'],
      message['images'],
    ].some(hasContent)
  );
}

function judgeResponse(answer: AnswerShape): boolean | undefined {
  // Read no other field: the output of an AI SDK result may be a getter that throws.
  if (answer['object'] !== 'response') {
    return undefined;
  }
  const { status, output } = answer;
  if (typeof status !== 'string' && !Array.isArray(output)) {
    return undefined;
  }
  const isComplete = (status ?? 'completed') === 'completed' && !answer['error'];
  if (!isComplete || answer['incomplete_details'] || !Array.isArray(output)) {
    return false;
  }
  const parts = output.flatMap((item: unknown) =>
    isShape(item) && item['type'] === 'message' ? item['content'] : [item],
  );
  return hasContent(parts) && !holdsRefusal(parts);
}

function judgeMessage(answer: AnswerShape): boolean | undefined {
  const { type, role } = answer;
  if (!('stop_reason' in answer)) {
    return undefined;
  }
  if (type === 'message' && role === 'assistant') {
    return wholeReasons.has(answer['stop_reason']) && hasContent(answer['content']);
  }
  return type === 'completion'
    ? wholeReasons.has(answer['stop_reason']) && hasContent(answer['completion'])
    : undefined;
}

function judgeCandidates(answer: AnswerShape): boolean | undefined {
  const { candidates, promptFeedback } = answer;
  if (isShape(promptFeedback) && promptFeedback['blockReason']) {
    return false;
  }
  if (!Array.isArray(candidates) || candidates.length === 0 || !candidates.every(isCandidate)) {
    return judgeEmpty(answer, 'candidates', fieldsBesideCandidates);
  }
  return candidates.every(
    ({ finishReason, content }) =>
      wholeReasons.has(finishReason) && isShape(content) && hasContent(content['parts']),
  );
}

function isCandidate(candidate: unknown): candidate is AnswerShape {
  if (!isShape(candidate)) {
    return false;
  }
  const { content } = candidate;
  return 'finishReason' in candidate || (isShape(content) && Array.isArray(content['parts']));
}

/** Judges LangChain's messages. Each integration passes its provider's words on. */
function judgeLangChainMessage(answer: AnswerShape): boolean | undefined {
  const { response_metadata: metadata } = answer;
  if (!isShape(metadata) || !('content' in answer)) {
    return undefined;
  }
  const { content } = answer;
  const { object, status, messageStop } = metadata;
  const reason = reasonOf(metadata) ?? (isShape(messageStop) ? reasonOf(messageStop) : undefined);
  const isUnfinished = object === 'response' && (status ?? 'completed') !== 'completed';
  const more = isShape(answer['additional_kwargs']) ? answer['additional_kwargs'] : {};
  return (
    isWhole(reason) &&
    !isUnfinished &&
    !metadata['incomplete_details'] &&
    !hasContent(more['refusal']) &&
    !holdsRefusal(content) &&
    [content, answer['tool_calls'], more['tool_calls'], more['function_call'], more['audio']].some(hasContent)
  );
}

function judgeResult(answer: AnswerShape): boolean | undefined {
  const isResult =
    'finishReason' in answer && ['text', 'content', 'object', 'toolCalls'].some((field) => field in answer);
  if (!isResult) {
    return undefined;
  }
  // The tool calls of earlier steps were answered. The last step is the answer.
  const { steps } = answer;
  const last: unknown = Array.isArray(steps) ? steps.at(-1) : undefined;
  const { finishReason, text, content, object, toolCalls, files } =
    isShape(last) && 'finishReason' in last ? last : answer;
  const reason = isShape(finishReason) ? finishReason['unified'] : finishReason;
  if (!wholeReasons.has(reason) || (reason === 'tool-calls' && holds(content, 'tool-error'))) {
    return false;
  }
  // A structured answer may be an empty list.
  const isObjectThere =
    typeof object === 'string' ? hasText(object) : object !== undefined && object !== null;
  return isObjectThere || [text, content, toolCalls, files].some(hasContent);
}

/** Judges the answers of Ollama, Cohere and Bedrock, which hold one message or one text. */
function judgeOneMessage(answer: AnswerShape): boolean | undefined {
  const isOfOllama = typeof answer['done'] === 'boolean' && typeof answer['model'] === 'string';
  const holder = 'stopReason' in answer ? answer['output'] : answer;
  const hasReason = isOfOllama || reasonOf(answer) !== undefined;
  const message = hasReason && isFields(holder) ? holder['message'] : undefined;
  const text = isOfOllama ? answer['response'] : undefined;
  const isMessage = isFields(message) && 'role' in message;
  if (!isMessage && typeof text !== 'string') {
    return undefined;
  }
  const parts = isMessage ? [message['content'], message['tool_calls']] : [];
  return answer['done'] !== false && judgeReason(answer) === undefined && [text, ...parts].some(hasContent);
}

/** Refuses an answer of any shape that says that it was cut off. */
function judgeReason(answer: AnswerShape): false | undefined {
  const reason = reasonOf(answer);
  const isCutOff = typeof reason === 'string' && cutOffReasons.has(reason.toLowerCase().replaceAll('-', '_'));
  const details = answer['incomplete_details'];
  return isCutOff || (isFields(details) && 'reason' in details) ? false : undefined;
}

/** The reason why an answer ended; undefined if none is stated, null while the answer is being streamed. */
function reasonOf(shape: AnswerShape): unknown {
  const field = reasonFields.find((name) => shape[name] !== undefined);
  return field === undefined ? undefined : shape[field];
}

function isWhole(reason: unknown): boolean {
  return reason === undefined || wholeReasons.has(reason);
}
