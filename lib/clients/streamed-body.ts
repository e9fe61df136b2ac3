import type { TokenUsage } from '../core/call';
import { usedSoFar } from '../core/token-usage';
import { usageOf } from './usage';

type Fields = Readonly<Record<string, unknown>>;

/** Events after which a stream holds nothing more; Gemini has none. */
const lastTypes = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed']);

/** Follows the server-sent events of an answer while its bytes pass by: whether it is one, whole, and what it used up. */
export class StreamedBody {
  readonly #decoder = new TextDecoder();
  #rest = '';
  #usage: TokenUsage | undefined;
  #reason: string | undefined;
  #hasEnded = false;
  #hasFailed = false;
  #hasContent = false;
  #isRefused = false;

  /** Takes bytes in; returns whether the stream holds nothing more that belongs to the answer. */
  add(bytes: Uint8Array): boolean {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r/);
    // A line may go on in the next bytes.
    this.#rest = lines.pop()!;
    for (const line of lines) {
      this.#take(line);
    }
    return this.#hasEnded;
  }

  get usage(): TokenUsage | undefined {
    return this.#usage;
  }

  /** Why the model stopped, in the provider's word. */
  get finishReason(): string | undefined {
    return this.#reason;
  }

  /** Whether the answer came to its end: a body that ends without an event that says so was cut off. */
  get isWhole(): boolean {
    return (this.#hasEnded || this.#reason !== undefined) && !this.#hasFailed;
  }

  /** Whether the model has answered: with words of its own or with calls of tools, and not with a refusal. */
  get isAnswer(): boolean {
    return this.#hasContent && !this.#isRefused;
  }

  #take(line: string): void {
    if (!line.startsWith('data:')) {
      return;
    }
    const data = line.slice('data:'.length).trim();
    if (data === '[DONE]') {
      this.#hasEnded = true;
      return;
    }
    const event = parsed(data);
    if (!event) {
      return;
    }
    const { type, error, choices, candidates, delta, response } = event;
    this.#usage = usedSoFar(this.#usage, usageOf(event));
    this.#hasFailed ||= isFields(error) || type === 'error' || type === 'response.failed';
    this.#hasEnded ||= typeof type === 'string' && lastTypes.has(type);
    const [choice] = listOf(choices ?? candidates);
    this.#hasContent ||= contentOf(event, fieldsOf(choice)).some(isThere);
    this.#isRefused ||=
      isThere(fieldsOf(fieldsOf(choice)['delta'])['refusal']) || type === 'response.refusal.done';
    const details = fieldsOf(fieldsOf(response)['incomplete_details']);
    const reason = [
      fieldsOf(choice)['finish_reason'],
      fieldsOf(choice)['finishReason'],
      fieldsOf(delta)['stop_reason'],
      details['reason'],
      fieldsOf(response)['status'],
    ].find((word) => typeof word === 'string' && word !== 'in_progress');
    this.#reason = (reason as string | undefined) ?? this.#reason;
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

function isThere(value: unknown): boolean {
  return typeof value === 'string'
    ? /\S/.test(value)
    : Array.isArray(value)
      ? value.length > 0
      : value != null;
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

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
