import type {
  Response,
  ResponseOutputItem,
  ResponseOutputMessage,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import { NoAnswerError } from '../core/errors';

/**
 * The response that events make; an unfinished one if some are missing.
 *
 * @throws NoAnswerError if no event has a response
 */
export function collectResponse(events: readonly ResponseStreamEvent[]): Response {
  const last = [...events].reverse().find((event) => 'response' in event);
  if (!last) {
    throw new NoAnswerError('events without a response');
  }
  const { response, type } = last;
  // A response has no output before its last event, and with some servers not even then.
  const given = response.output as ResponseOutputItem[] | undefined;
  const output = given?.length ? given : outputOf(events);
  // The SDK adds this field to whole answers only. In what broke off it is not enumerable: the tokens of such a value are
  // estimated by its texts, and these words are in its output, too.
  return Object.defineProperty({ ...response, output }, 'output_text', {
    value: textOf(output),
    enumerable: type === 'response.completed' || type === 'response.incomplete',
  });
}

/** The items that have come, and the words of those that are not finished. */
function outputOf(events: readonly ResponseStreamEvent[]): ResponseOutputItem[] {
  const output: ResponseOutputItem[] = [];
  for (const event of events) {
    if (event.type === 'response.output_item.added' || event.type === 'response.output_item.done') {
      output[event.output_index] = event.item;
    } else if (event.type === 'response.output_text.delta') {
      output[event.output_index] = withWords(output[event.output_index], event);
    }
  }
  // Without the places of items that have not come.
  return Object.values(output);
}

function withWords(
  item: ResponseOutputItem | undefined,
  {
    item_id: id,
    content_index: place,
    delta,
  }: Extract<ResponseStreamEvent, { type: 'response.output_text.delta' }>,
): ResponseOutputMessage {
  const message: ResponseOutputMessage =
    item?.type === 'message'
      ? item
      : { id, type: 'message', role: 'assistant', status: 'in_progress', content: [] };
  const content = [...message.content];
  const part = content[place];
  const text = part?.type === 'output_text' ? part.text : '';
  content[place] = { type: 'output_text', text: text + delta, annotations: [] };
  return { ...message, content };
}

function textOf(output: readonly ResponseOutputItem[]): string {
  return output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => (part.type === 'output_text' ? part.text : ''))
    .join('');
}
