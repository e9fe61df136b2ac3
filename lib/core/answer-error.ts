import { NoAnswerError } from './errors';

/** An object whose fields may be anything. */
export type Fields = Readonly<Record<string, unknown>>;

/** Fields that may stand beside an answer or an error. Any other field may be the answer itself. */
const fieldsAboutBody: ReadonlySet<string> = new Set([
  'id',
  'object',
  'type',
  'created',
  'created_at',
  'model',
  'provider',
  'status',
  'code',
  'usage',
  'metadata',
  'request_id',
  'requestId',
  'user_id',
  'system_fingerprint',
  'service_tier',
  'error_type',
  'responseId',
  'modelVersion',
  'usageMetadata',
  'createTime',
]);

/** Fields that hold the answer. If they are empty, there is no answer. */
const fieldsOfAnswers: ReadonlySet<string> = new Set(['choices', 'candidates', 'output', 'content']);

/**
 * Finds the error in an answer that came as a success. This is the default of the option `errorInAnswer`: the call
 * fails with the error that it returns.
 *
 * It recognises only bodies that are errors of an LLM provider and hold no answer: `{ error }` with a status or the
 * other fields of OpenAI, Anthropic, Gemini and those compatible with them, `{ object: 'error' }` of Mistral and vLLM,
 * the exceptions of Bedrock, an error within a choice, and a response of OpenAI that failed. Everything else is an
 * answer.
 *
 * @example
 * // Recognise one more error.
 * mergeWithConcurrency(ask, {
 *   errorInAnswer: (answer) =>
 *     errorInAnswer(answer) ?? (answer === 'busy' ? new NoAnswerError('a text that says busy') : undefined),
 * });
 */
export function errorInAnswer(answer: unknown): NoAnswerError | undefined {
  const error = providerErrorIn(answer);
  return error && new NoAnswerError('an error in place of an answer', { error });
}

/** The error in a body that is an error of an LLM provider; undefined for any other value. */
export function providerErrorIn(answer: unknown): Fields | undefined {
  try {
    // Gemini sometimes wraps its errors in a list.
    const body: unknown = Array.isArray(answer) && answer.length === 1 ? answer[0] : answer;
    return isPlainFields(body) ? (errorInChoices(body) ?? errorOf(body)) : undefined;
  } catch {
    // A getter threw, so this is no parsed body.
    return undefined;
  }
}

/** The error in one of the choices. OpenRouter reports a failed provider so. */
export function errorInChoices({ choices }: Fields): Fields | undefined {
  if (!Array.isArray(choices)) {
    return undefined;
  }
  const errors = choices.map((choice: unknown) => (isFields(choice) ? choice['error'] : undefined));
  return errors.find((error) => isFields(error) && ('code' in error || 'message' in error)) as
    Fields | undefined;
}

/** Whether a body holds nothing but the fields that surround an answer, and the fields in `besides`. */
export function holdsNoAnswer(body: Fields, ...besides: readonly string[]): boolean {
  return Object.entries(body).every(
    ([field, value]) =>
      besides.includes(field) ||
      fieldsAboutBody.has(field) ||
      value === null ||
      value === undefined ||
      (fieldsOfAnswers.has(field) && isEmpty(value)),
  );
}

const html = /^\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^]{0,500}?-->\s*)?<(?:!doctype\s+html|html)\b/i;

/** Whether a text is an HTML page, as gateways and proxies send in place of an answer. */
export function isHtmlPage(text: string): boolean {
  return html.test(text.slice(0, 2000));
}

function errorOf(body: Fields): Fields | undefined {
  const { error, object, type } = body;
  if (object === 'response' && body['status'] === 'failed') {
    return isFields(error) ? error : body;
  }
  const isException = typeof body['__type'] === 'string' && /(?:Exception|Error)$/.test(body['__type']);
  if (object === 'error' || isException) {
    const isWhole = holdsNoAnswer(body, '__type', 'message', 'Message', 'param', 'detail');
    return isWhole && ('message' in body || isException) ? body : undefined;
  }
  if (!isFields(error) || !holdsNoAnswer(body, 'error')) {
    return undefined;
  }
  const isText = (field: string) => typeof error[field] === 'string';
  const isOfOpenAI = isText('message') && 'type' in error && ('code' in error || 'param' in error);
  const isOfAnthropic = type === 'error' && isText('type');
  const isOfGemini = isText('message') && /^[A-Z]+(?:_[A-Z]+)*$/.test(String(error['status']));
  return isStatus(error['code']) || isOfOpenAI || isOfAnthropic || isOfGemini ? error : undefined;
}

function isStatus(code: unknown): boolean {
  return (typeof code === 'number' || typeof code === 'string') && /^[45]\d\d$/.test(String(code));
}

function isEmpty(value: unknown): boolean {
  return value === '' || (Array.isArray(value) && value.length === 0);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Whether a value is a plain object of any realm. Reading other objects, such as results of SDKs, may have side
 * effects.
 */
function isPlainFields(value: unknown): value is Fields {
  if (!isFields(value)) {
    return false;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
