import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParamsStreaming,
} from 'openai/resources/chat/completions';
import type { StreamCall } from '../core/stream';
import type { OpenAIChatClient } from './openai';
import { eventsOf } from './sdk-response';
import { knownCall } from './known-call';

type Choice = ChatCompletionChunk['choices'][number];
type ToolCall = NonNullable<Choice['delta']['tool_calls']>[number];

/** One choice of a completion while its pieces come. */
interface Collected {
  index: number;
  finish_reason: string | null;
  message: {
    role: 'assistant';
    content: string | null;
    refusal: string | null;
    tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  };
}

/**
 * The form of `openaiCall` whose answers arrive in chunks, for `optimizer.stream` and `optimizeStream`. The value of its
 * outcomes is the completion that the chunks make. The provider tells the usage only if `toParams` asks for it
 * (`stream_options: { include_usage: true }`); otherwise it is not known.
 *
 * @example
 * const ask = openaiStreamCall(new OpenAI(), (question: string) => ({
 *   model: 'gpt-4o-mini',
 *   messages: [{ role: 'user', content: question }],
 *   stream_options: { include_usage: true },
 * }));
 * optimizer
 *   .stream(ask, 'Why is gold up?')
 *   .subscribe(({ choices }) => process.stdout.write(choices[0]?.delta.content ?? ''));
 *
 * @param toParams makes the body of `chat.completions.create` for a request, and not by a promise; `stream: true` is added
 */
export function openaiStreamCall<R>(
  client: OpenAIChatClient,
  toParams: (request: R) => Omit<ChatCompletionCreateParamsStreaming, 'stream'>,
): StreamCall<R, ChatCompletionChunk, ChatCompletion> {
  const call: StreamCall<R, ChatCompletionChunk, ChatCompletion> = {
    open: eventsOf(toParams, (params: Omit<ChatCompletionCreateParamsStreaming, 'stream'>, { signal }) =>
      client.chat.completions.create({ ...params, stream: true }, { signal, maxRetries: 0 }),
    ),
    collect: collectCompletion,
    isWhole: (chunks) => chunks.some(({ choices }) => choices.some((choice) => choice.finish_reason)),
  };
  return knownCall(call, client, '/chat/completions', toParams);
}

/** The completion that chunks make; an unfinished one if some are missing. */
function collectCompletion(chunks: readonly ChatCompletionChunk[]): ChatCompletion {
  const choices: Collected[] = [];
  let usage: ChatCompletionChunk['usage'];
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) {
      addChoice(
        (choices[choice.index] ??= {
          index: choice.index,
          finish_reason: null,
          message: { role: 'assistant', content: null, refusal: null },
        }),
        choice,
      );
    }
  }
  // Azure begins with a chunk about the prompt, which names no model.
  const { id, created, model } = chunks.at(-1)!;
  const completion = { id, created, model, object: 'chat.completion', choices, ...(usage && { usage }) };
  return completion as unknown as ChatCompletion;
}

function addChoice(collected: Collected, { delta, finish_reason: reason }: Choice): void {
  const { message } = collected;
  collected.finish_reason = reason ?? collected.finish_reason;
  message.content = joined(message.content, delta.content);
  message.refusal = joined(message.refusal, delta.refusal);
  for (const call of delta.tool_calls ?? []) {
    addToolCall((message.tool_calls ??= []), call);
  }
}

function addToolCall(
  calls: NonNullable<Collected['message']['tool_calls']>,
  { index, id, function: piece }: ToolCall,
): void {
  const call = (calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
  call.id = id ?? call.id;
  call.function.name += piece?.name ?? '';
  call.function.arguments += piece?.arguments ?? '';
}

function joined(before: string | null, piece: string | null | undefined): string | null {
  return piece == null ? before : (before ?? '') + piece;
}
