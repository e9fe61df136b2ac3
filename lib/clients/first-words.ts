import type { HeadersLike } from '../core/call';
import { NoAnswerError } from '../core/errors';

type Fields = Readonly<Record<string, unknown>>;

/** Events of Anthropic, and of responses, that come before the model has said anything. */
const preludes = new Set([
  'ping',
  'message_start',
  'content_block_start',
  'response.created',
  'response.queued',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
]);

/**
 * Holds what a model sends back until it has said something: until then the call can be tried again. Fails if the model
 * never says anything.
 *
 * @param isPrelude whether nothing is said in an item; it throws if the item is an error
 */
export async function* fromFirstWords<T>(
  items: AsyncIterable<T>,
  isPrelude: (item: T) => boolean,
  headers?: HeadersLike,
): AsyncGenerator<T> {
  let held: T[] | undefined = [];
  for await (const item of items) {
    if (!held) {
      yield item;
      continue;
    }
    held.push(item);
    if (!isPrelude(item)) {
      const begun: readonly T[] = held;
      held = undefined;
      yield* begun;
    }
  }
  if (held) {
    // What came was no stream of events: a page, or nothing.
    throw new NoAnswerError('a stream without an answer', headers && { headers });
  }
}

/** Whether an event comes before the first words, in the dialects of OpenAI and Anthropic; Gemini has no such events. */
export function isPrelude(event: unknown): boolean {
  const { type, choices } = fieldsOf(event);
  return Array.isArray(choices)
    ? choices.map(fieldsOf).every(isEmptyChoice)
    : typeof type === 'string' && preludes.has(type);
}

/** Whether a choice tells no more than who speaks. */
function isEmptyChoice({ delta, message, text, finish_reason: reason }: Fields): boolean {
  const said = Object.entries(fieldsOf(delta)).filter(([name]) => name !== 'role');
  return ![message, text, reason, ...said.map(([, value]) => value)].some(isThere);
}

export function isThere(value: unknown): boolean {
  return typeof value === 'string'
    ? /\S/.test(value)
    : Array.isArray(value)
      ? value.length > 0
      : value != null;
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
