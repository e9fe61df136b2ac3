import type Anthropic from '@anthropic-ai/sdk';

type Block = Record<string, unknown>;

/** The message that the events of a stream make; an unfinished one if some are missing. */
export function collectMessage(events: readonly Anthropic.RawMessageStreamEvent[]): Anthropic.Message {
  let message: Record<string, unknown> = {};
  const blocks: Block[] = [];
  /** The input of a tool arrives as pieces of JSON. */
  const inputs = new Map<number, string>();
  for (const event of events) {
    switch (event.type) {
      case 'message_start':
        message = { ...event.message };
        break;
      case 'content_block_start':
        blocks[event.index] = { ...event.content_block };
        break;
      case 'content_block_delta':
        addDelta((blocks[event.index] ??= {}), event.delta, event.index, inputs);
        break;
      case 'content_block_stop': {
        const input = inputs.get(event.index);
        if (input !== undefined) {
          (blocks[event.index] ??= {})['input'] = JSON.parse(input || '{}');
        }
        break;
      }
      case 'message_delta':
        message = {
          ...message,
          ...event.delta,
          usage: { ...(message['usage'] as object | undefined), ...stated(event.usage) },
        };
        break;
      case 'message_stop':
        break;
    }
  }
  return { ...message, content: blocks } as unknown as Anthropic.Message;
}

function addDelta(
  block: Block,
  delta: Anthropic.RawContentBlockDelta,
  index: number,
  inputs: Map<number, string>,
): void {
  switch (delta.type) {
    case 'text_delta':
      append(block, 'text', delta.text);
      break;
    case 'thinking_delta':
      append(block, 'thinking', delta.thinking);
      break;
    case 'signature_delta':
      block['signature'] = delta.signature;
      break;
    case 'citations_delta':
      block['citations'] = [...((block['citations'] as unknown[] | null | undefined) ?? []), delta.citation];
      break;
    case 'input_json_delta':
      inputs.set(index, (inputs.get(index) ?? '') + delta.partial_json);
      break;
  }
}

function append(block: Block, field: string, text: string): void {
  block[field] = ((block[field] as string | undefined) ?? '') + text;
}

/** The counts that an event states: null stands for those that it does not. */
function stated(usage: object): object {
  return Object.fromEntries(Object.entries(usage).filter(([, count]) => count !== null));
}
