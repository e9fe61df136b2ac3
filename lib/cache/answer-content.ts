/** An object whose fields may be anything. */
export type AnswerShape = Readonly<Record<string, unknown>>;

/** Types of parts that are no answer alone: thoughts, searches, lists of tools. */
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

/** Fields of Gemini's and Bedrock's parts that are no answer alone. Any other field is content. */
const fieldsAboutPart: ReadonlySet<string> = new Set([
  'thought',
  'thoughtSignature',
  'partMetadata',
  'reasoningContent',
]);

const visible = /\S/;

export function holdsRefusal(parts: unknown): boolean {
  return holds(parts, 'refusal');
}

export function holds(parts: unknown, type: string): boolean {
  return Array.isArray(parts) && parts.some((part) => isShape(part) && part['type'] === type);
}

/** Whether a text has words, or a list has a part that is an answer. */
export function hasContent(value: unknown): boolean {
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

export function hasText(text: string): boolean {
  return visible.test(text);
}

export function isShape(value: unknown): value is AnswerShape {
  return typeof value === 'object' && value !== null;
}
