import type { OpenAI } from 'openai';
import type {
  ChatCompletion,
  ChatCompletionCreateParamsNonStreaming,
} from 'openai/resources/chat/completions';
import type { CallContext } from '../core/call';
import { knownCall } from './known-call';
import { noCompletion } from './openai-answer';
import { wholeCall } from './sdk-response';

/** The part of the official client that {@link openaiCall} uses; an `OpenAI` or `AzureOpenAI` instance has it. */
export interface OpenAIChatClient {
  readonly chat: { readonly completions: Pick<OpenAI['chat']['completions'], 'create'> };
}

/**
 * Makes a call of the official `openai` SDK (an optional peer) for rxllm: with the SDK's own retries off, as rxllm
 * retries through its queue; with the signal passed on; and with rate-limit headers and usage reported. The SDK's
 * errors are classified by `classifyError` as they are: 401 and 400 stop, 429 waits, 5xx and lost connections retry. A
 * response that holds an error or no choices, whatever its status, fails with `NoAnswerError`, which means the same.
 *
 * @example
 * const ask = openaiCall(new OpenAI(), (question: string) => ({
 *   model: 'gpt-4o-mini',
 *   messages: [{ role: 'user', content: question }],
 * }));
 * questions$.pipe(optimizer.optimize(ask));
 *
 * @param toParams makes the body of `chat.completions.create` for a request, and not by a promise; what it throws fails
 *   that request
 */
export function openaiCall<R>(
  client: OpenAIChatClient,
  toParams: (request: R) => ChatCompletionCreateParamsNonStreaming,
): (request: R, context: CallContext) => Promise<ChatCompletion> {
  const call = wholeCall(
    toParams,
    (params: ChatCompletionCreateParamsNonStreaming, { signal }) =>
      client.chat.completions.create(params, { signal, maxRetries: 0 }),
    noCompletion,
  );
  return knownCall(call, client, '/chat/completions', toParams);
}
