import { randomUUID } from 'node:crypto';
import { invalidRequest } from './api-error';

/** What the server reads off the body of a chat completion request. */
export interface ChatRequest {
  readonly model: string;
  /** The whole content of the last user message; empty without one. */
  readonly userText: string;
  /** Tokens of all messages, as {@link countTokens} estimates them. */
  readonly promptTokens: number;
  /** The most tokens the answer may have, undefined if the client stated none. */
  readonly maxTokens: number | undefined;
  readonly stream: boolean;
  /** Whether a streamed answer ends with a chunk that holds the usage. */
  readonly includeUsage: boolean;
}

/** Tokens of a text: a quarter of its characters, rounded up. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/**
 * Reads the body of a chat completion request.
 * @throws ApiError 400 saying what is wrong with it
 */
export function readChatRequest(text: string): ChatRequest {
  const body = parseObject(text);
  const { model, messages } = body;
  if (typeof model !== 'string' || model === '') throw invalidRequest('you must provide a model parameter');
  if (messages === undefined) {
    throw invalidRequest("Missing required parameter: 'messages'.", 'messages', 'missing_required_parameter');
  }
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalidRequest("Invalid 'messages': expected an array with at least one message.", 'messages');
  }
  let prompt = '';
  let userText = '';
  messages.forEach((message: unknown, index) => {
    if (!isRecord(message) || typeof message['role'] !== 'string') {
      throw invalidRequest(
        `Invalid 'messages[${index}]': expected an object with a role.`,
        `messages[${index}]`,
      );
    }
    const content = textOf(message['content']);
    prompt += content;
    if (message['role'] === 'user') userText = content;
  });
  const streamOptions = body['stream_options'];
  return {
    model,
    userText,
    promptTokens: countTokens(prompt),
    maxTokens: positiveInteger(body, 'max_completion_tokens') ?? positiveInteger(body, 'max_tokens'),
    stream: body['stream'] === true,
    includeUsage: isRecord(streamOptions) && streamOptions['include_usage'] === true,
  };
}

/** An answer to be sent, in one piece or streamed. */
export class ChatAnswer {
  readonly content: string;
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  readonly #finishReason: 'stop' | 'length';
  readonly #model: string;
  readonly #includeUsage: boolean;
  readonly #id = `chatcmpl-${randomUUID().replaceAll('-', '')}`;
  readonly #created = Math.floor(Date.now() / 1_000);

  /** @param content what the model has to say; cut off at the most tokens that the request allows */
  constructor(request: ChatRequest, content: string) {
    const { maxTokens = Infinity, promptTokens } = request;
    this.#finishReason = countTokens(content) > maxTokens ? 'length' : 'stop';
    this.content = content.slice(0, maxTokens * 4);
    const completionTokens = countTokens(this.content);
    this.usage = {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    };
    this.#model = request.model;
    this.#includeUsage = request.includeUsage;
  }

  /** The body of an answer in one piece. */
  completion(): unknown {
    const message = { role: 'assistant', content: this.content, refusal: null };
    return {
      id: this.#id,
      object: 'chat.completion',
      created: this.#created,
      model: this.#model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: this.#finishReason }],
      usage: this.usage,
    };
  }

  /** The first chunk of a streamed answer. */
  openingChunk(): unknown {
    return this.#chunk({ role: 'assistant', content: '' }, null);
  }

  /** A chunk for each token of a streamed answer. */
  tokenChunks(): unknown[] {
    const pieces = this.content.match(/.{1,4}/gs) ?? [];
    return pieces.map((content) => this.#chunk({ content }, null));
  }

  /** What follows the tokens of a streamed answer. */
  closingChunks(): unknown[] {
    const last = this.#chunk({}, this.#finishReason);
    return this.#includeUsage ? [last, { ...this.#envelope(), choices: [], usage: this.usage }] : [last];
  }

  #chunk(delta: Record<string, string>, finishReason: string | null): unknown {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
    const envelope = { ...this.#envelope(), choices };
    return this.#includeUsage ? { ...envelope, usage: null } : envelope;
  }

  #envelope(): Record<string, unknown> {
    return { id: this.#id, object: 'chat.completion.chunk', created: this.#created, model: this.#model };
  }
}

function parseObject(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (!isRecord(body))
    throw invalidRequest('We could not parse the JSON body of your request: expected an object.');
  return body;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .filter((text) => text !== '')
    .join('\n');
}

function positiveInteger(body: Record<string, unknown>, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  throw invalidRequest(`Invalid '${name}': expected a whole number of at least 1.`, name);
}
