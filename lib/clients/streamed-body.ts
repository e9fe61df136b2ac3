import type { TokenUsage } from '../core/call';
import { usedSoFar } from '../core/token-usage';
import { fieldsOf, isPrelude, isThere } from './first-words';
import { usageOf } from './usage';

type Fields = Readonly<Record<string, unknown>>;

/** Events after which a stream holds nothing more; Gemini has none. */
const lastTypes = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed']);

/** Fields with what a model says, or with parts that have it. */
const fieldsOfText = new Set([
  'arguments',
  'content',
  'delta',
  'function',
  'function_call',
  'message',
  'partial_json',
  'parts',
  'reasoning',
  'reasoning_content',
  'refusal',
  'text',
  'thinking',
  'tool_calls',
]);

/** One of the answers in a stream: a request may ask for several. */
interface Choice {
  reason?: string | undefined;
  hasContent: boolean;
}

/** Follows the server-sent events of an answer while its bytes pass by: whether it is one, whole, and what it used up. */
export class StreamedBody {
  readonly #decoder = new TextDecoder();
  readonly #choices = new Map<unknown, Choice>();
  #text = '';
  #rest = '';
  /** The lines of an event whose data goes on in its next line. */
  #data = '';
  #usage: TokenUsage | undefined;
  #hasEnded = false;
  #hasBegun = false;
  #error: unknown;
  #isRefused = false;

  /** Takes bytes in; returns whether the stream holds nothing more that belongs to the answer. */
  add(bytes: Uint8Array): boolean {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    // A line may go on in the next bytes, and so may its end.
    this.#rest = lines.pop()!;
    for (const line of lines) {
      this.#takeLine(line);
    }
    return this.#hasEnded;
  }

  /** Takes in that no bytes come any more; returns whether the last line, which lacked its end, told more. */
  end(): boolean {
    const line = this.#rest + this.#decoder.decode();
    this.#rest = '';
    this.#takeLine(line);
    return line !== '';
  }

  get usage(): TokenUsage | undefined {
    return this.#usage;
  }

  /** Whether the model has said something; an error before that is one of the whole call. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The first error among the events, as the provider sent it; undefined without one. */
  get error(): unknown {
    return this.#error;
  }

  /** What the model has said so far, thoughts and inputs of tools too. */
  get text(): string {
    return this.#text;
  }

  /** Why the model stopped, in the provider's words: one of each answer that says it. */
  get finishReasons(): readonly string[] {
    return [...this.#choices.values()].flatMap(({ reason }) => reason ?? []);
  }

  /** Whether all answers came to their ends: a body that ends without an event that says so was cut off. */
  get isWhole(): boolean {
    const ended = this.finishReasons.length;
    return this.#error === undefined && (ended === 0 ? this.#hasEnded : ended === this.#choices.size);
  }

  /** Whether the model has answered: with words of its own or with calls of tools, and not with a refusal. */
  get isAnswer(): boolean {
    const choices = [...this.#choices.values()];
    return choices.length > 0 && choices.every(({ hasContent }) => hasContent) && !this.#isRefused;
  }

  #takeLine(line: string): void {
    if (line === '') {
      // Data that is no JSON is of a dialect that is not known here.
      this.#hasBegun ||= this.#error === undefined && isThere(this.#data);
      this.#data = '';
    }
    if (!line.startsWith('data:')) {
      return;
    }
    const data = this.#data + line.slice('data:'.length).trim();
    if (data === '[DONE]') {
      this.#hasEnded = true;
      return;
    }
    const event = parsed(data);
    this.#data = event ? '' : `${data}\n`;
    if (event) {
      this.take(event);
    }
  }

  /** Takes an event in. */
  take(event: Fields): void {
    const { type, error, choices, candidates, response } = event;
    const list = choices ?? candidates;
    // An event of Anthropic, or of a response, is about the only answer.
    const all = Array.isArray(list) ? list.map(fieldsOf) : [{}];
    const isError = type === 'error' || type === 'response.failed';
    const whole = isError ? (fieldsOf(response)['error'] ?? event) : undefined;
    this.#error ??= [error, ...all.map((choice) => choice['error']), whole].find(Boolean);
    this.#hasBegun ||= this.#error === undefined && !isPrelude(event);
    this.#usage = usedSoFar(this.#usage, usageOf(event));
    this.#hasEnded ||= typeof type === 'string' && lastTypes.has(type);
    this.#isRefused ||= type === 'response.refusal.done';
    for (const choice of all) {
      this.#takeChoice(event, choice);
    }
  }

  #takeChoice(event: Fields, choice: Fields): void {
    const { delta, response } = event;
    this.#text += textOf(delta) + textOf(choice);
    const index = choice['index'] ?? 0;
    const { reason: before, hasContent: hadContent = false } = this.#choices.get(index) ?? {};
    this.#isRefused ||= isThere(fieldsOf(choice['delta'])['refusal']);
    const reason = [
      choice['finish_reason'],
      choice['finishReason'],
      fieldsOf(delta)['stop_reason'],
      fieldsOf(fieldsOf(response)['incomplete_details'])['reason'],
      fieldsOf(response)['status'],
    ].find((word) => typeof word === 'string' && word !== 'in_progress');
    this.#choices.set(index, {
      reason: (reason as string | undefined) ?? before,
      hasContent: hadContent || contentOf(event, choice).some(isThere),
    });
  }
}

/** Wherever an event has words or calls of tools, in the dialects of OpenAI, Anthropic and Gemini. */
function contentOf(event: Fields, choice: Fields): unknown[] {
  const {
    content,
    tool_calls: calls,
    function_call: call,
    audio,
  } = fieldsOf(choice['delta'] ?? choice['message']);
  const { text, partial_json: input } = fieldsOf(event['delta']);
  const parts = listOf(fieldsOf(choice['content'])['parts']).filter(
    (part) => fieldsOf(part)['thought'] !== true,
  );
  const output = listOf(fieldsOf(event['response'])['output']).filter(
    (item) => fieldsOf(item)['type'] !== 'reasoning',
  );
  const isTool = String(fieldsOf(event['content_block'])['type']).endsWith('tool_use');
  return [content, calls, call, audio, choice['text'], text, input, parts, output, isTool || undefined];
}

/** What a piece of an answer says, in the fields of all dialects. */
function textOf(piece: unknown): string {
  if (typeof piece === 'string') {
    return piece;
  }
  if (Array.isArray(piece)) {
    return piece.map(textOf).join('');
  }
  return Object.entries(fieldsOf(piece))
    .map(([name, value]) => (fieldsOfText.has(name) ? textOf(value) : ''))
    .join('');
}

function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
