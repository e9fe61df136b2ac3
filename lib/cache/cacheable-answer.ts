type AnswerShape = Readonly<Record<string, unknown>>;

/** The providers' words for the end of an answer that is whole. */
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

/** Types of parts that are no answer by themselves: thoughts, searches, and lists of tools. */
const partsOnTheWay: ReadonlySet<unknown> = new Set([
  'reasoning',
  'reasoning-file',
  'reasoning_content',
  'thinking',
  'redacted_thinking',
  'compaction',
  'fallback',
  'custom',
  'source',
  'citation',
  'web_search_call',
  'file_search_call',
  'tool_search_call',
  'tool_search_output',
  'mcp_list_tools',
  'additional_tools',
  'server_tool_use',
  'mcp_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'tool_search_tool_result',
  'advisor_tool_result',
  'server_tool_call',
  'server_tool_call_result',
  'invalid_tool_call',
  'tool-error',
]);

/** Fields of Gemini's parts that describe the part; the other fields are its content. */
const fieldsAboutPart: ReadonlySet<string> = new Set(['thought', 'thoughtSignature', 'partMetadata']);

/** The providers' names for the field that says why an answer ended. */
const reasonFields = ['finish_reason', 'finishReason', 'stop_reason', 'stopReason', 'done_reason'];

/** Each judges the answers of one provider or SDK, and returns undefined for all others. */
const judges: readonly ((answer: AnswerShape) => boolean | undefined)[] = [
  judgeReadOnce,
  judgeChoices,
  judgeResponse,
  judgeMessage,
  judgeCandidates,
  judgeLangChainMessage,
  judgeResult,
];

/**
 * Decides whether an answer may be cached: it must be present, whole, and readable twice. The default of `shouldCache`.
 *
 * It knows the answers of OpenAI (chat completions, completions, responses) and of those compatible with it, of
 * Anthropic (messages, completions), of Gemini (`generateContent`), the results of the AI SDK (`generateText`,
 * `generateObject`, `doGenerate`) and LangChain's messages. Those that are unfinished, cut off, filtered, refused or
 * empty are not cached; blank text is empty, and so is an answer that holds only reasoning, while tool calls without
 * text are an answer. Undefined, null, blank texts and values that can be read only once (streams, a `Response`) are
 * not cached either. Everything else is: 0, false, [], {} and objects of shapes it does not know.
 *
 * It never throws: an answer that throws when it is looked at is not cached.
 */
export function isCacheable(value: unknown): boolean {
  if (typeof value === 'string') {
    return hasText(value);
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

/** Refuses streams of the platform and the SDKs: a second reader finds them empty or locked. */
function judgeReadOnce(answer: AnswerShape): false | undefined {
  const isStream = Symbol.asyncIterator in answer || 'textStream' in answer || 'getReader' in answer;
  return isStream || ('bodyUsed' in answer && 'body' in answer) ? false : undefined;
}

/** Judges OpenAI's chat completions and completions, and those of compatible providers. */
function judgeChoices(answer: AnswerShape): boolean | undefined {
  const { object, choices } = answer;
  const isNamed = object === 'chat.completion' || object === 'text_completion';
  if (Array.isArray(choices) && choices.length > 0 && (isNamed || choices.every(isChoice))) {
    return choices.every(isWholeChoice);
  }
  return isNamed ? false : undefined;
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

/** Judges OpenAI's responses. */
function judgeResponse(answer: AnswerShape): boolean | undefined {
  // Read nothing else of other answers: the output of an AI SDK result may be a getter that throws.
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

/** Judges Anthropic's messages and completions. */
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

/** Judges the answers of Gemini's `generateContent`. */
function judgeCandidates(answer: AnswerShape): boolean | undefined {
  const { candidates, promptFeedback } = answer;
  if (isShape(promptFeedback) && promptFeedback['blockReason']) {
    return false;
  }
  if (!Array.isArray(candidates) || candidates.length === 0 || !candidates.every(isCandidate)) {
    return undefined;
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

/** Judges LangChain's messages; each integration passes on the words of its provider. */
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

/** Judges the results of the AI SDK and its models. */
function judgeResult(answer: AnswerShape): boolean | undefined {
  const isResult =
    'finishReason' in answer && ['text', 'content', 'object', 'toolCalls'].some((field) => field in answer);
  if (!isResult) {
    return undefined;
  }
  // The tool calls of earlier steps were answered; the last step is the answer.
  const { steps } = answer;
  const last: unknown = Array.isArray(steps) ? steps.at(-1) : undefined;
  const { finishReason, text, content, object, toolCalls, files } =
    isShape(last) && 'finishReason' in last ? last : answer;
  const reason = isShape(finishReason) ? finishReason['unified'] : finishReason;
  if (!wholeReasons.has(reason) || (reason === 'tool-calls' && holds(content, 'tool-error'))) {
    return false;
  }
  // A structured answer may well be an empty list.
  const isObjectThere =
    typeof object === 'string' ? hasText(object) : object !== undefined && object !== null;
  return isObjectThere || [text, content, toolCalls, files].some(hasContent);
}

/** The reason why an answer ended; undefined if none is stated, null while the answer is being streamed. */
function reasonOf(shape: AnswerShape): unknown {
  const field = reasonFields.find((name) => shape[name] !== undefined);
  return field === undefined ? undefined : shape[field];
}

function isWhole(reason: unknown): boolean {
  return reason === undefined || wholeReasons.has(reason);
}

function holdsRefusal(parts: unknown): boolean {
  return holds(parts, 'refusal');
}

function holds(parts: unknown, type: string): boolean {
  return Array.isArray(parts) && parts.some((part) => isShape(part) && part['type'] === type);
}

function hasContent(value: unknown): boolean {
  if (typeof value === 'string') {
    return hasText(value);
  }
  return Array.isArray(value) ? value.some(isPartOfAnswer) : value !== undefined && value !== null;
}

function isPartOfAnswer(part: unknown): boolean {
  if (!isShape(part)) {
    return hasContent(part);
  }
  const { type, text } = part;
  if (partsOnTheWay.has(type) || part['thought'] === true) {
    return false;
  }
  if (typeof text === 'string' || (typeof type === 'string' && type.endsWith('text'))) {
    return hasContent(text);
  }
  if (type === 'image_generation_call') {
    return hasContent(part['result']);
  }
  const isAbout = (field: string) =>
    fieldsAboutPart.has(field) || part[field] === undefined || part[field] === null;
  return typeof type === 'string' || !Object.keys(part).every(isAbout);
}

const visible = /\S/;

function hasText(text: string): boolean {
  return visible.test(text);
}

function isShape(value: unknown): value is AnswerShape {
  return typeof value === 'object' && value !== null;
}
