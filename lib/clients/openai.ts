import type { OpenAI } from 'openai';
import type {
  ChatCompletion,
  ChatCompletionCreateParamsNonStreaming,
} from 'openai/resources/chat/completions';
import type { CallContext } from '../core/call';
import { refusePromise } from '../core/settings';
import { noCompletion } from './openai-answer';
import { usageOf } from './usage';
import { knownCall } from './known-call';

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
  const call = async (request: R, context: CallContext) => {
    const params = toParams(request);
    refusePromise('toParams', params);
    const { data, response } = await reportingRefusals(
      client.chat.completions.create(params, { signal: context.signal, maxRetries: 0 }).withResponse(),
      context,
    );
    const usage = usageOf(data);
    const { headers } = response;
    context.report({ headers, ...(usage && { usage }) });
    const failure = noCompletion(data, headers);
    if (failure) {
      throw failure;
    }
    return data;
  };
  return knownCall(call, client, '/chat/completions', toParams);
}

/** A refusal states the limits too. */
async function reportingRefusals<T>(answer: Promise<T>, context: CallContext): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { headers } = error as { headers?: Headers };
    if (headers) {
      context.report({ headers });
    }
    throw error;
  }
}
