import type { OpenAI } from 'openai';
import type {
  ChatCompletion,
  ChatCompletionCreateParamsNonStreaming,
} from 'openai/resources/chat/completions';
import type { CallContext } from './core/call';
import { callIdentity } from './core/call-identity';

/** The part of the official client that {@link openaiCall} uses; an `OpenAI` or `AzureOpenAI` instance has it. */
export interface OpenAIChatClient {
  /** The beginning of all addresses; a client that tells it has its calls known by it in a cache. */
  readonly baseURL?: string;
  /** The deployment that an `AzureOpenAI` asks, whatever the model of the body. */
  readonly deploymentName?: string | undefined;
  readonly chat: { readonly completions: Pick<OpenAI['chat']['completions'], 'create'> };
}

/**
 * Makes a call of the official `openai` SDK (an optional peer) for rxllm: with the SDK's own retries off, as rxllm
 * retries through its queue; with the signal passed on; and with rate-limit headers and usage reported. The SDK's
 * errors are classified by `classifyError` as they are: 401 and 400 stop, 429 waits, 5xx and lost connections retry.
 *
 * @example
 * const ask = openaiCall(new OpenAI(), (question: string) => ({
 *   model: 'gpt-4o-mini',
 *   messages: [{ role: 'user', content: question }],
 * }));
 * questions$.pipe(optimizer.optimize(ask));
 *
 * @param toParams makes the body of `chat.completions.create` for a request; what it throws fails that request
 */
export function openaiCall<R>(
  client: OpenAIChatClient,
  toParams: (request: R) => ChatCompletionCreateParamsNonStreaming,
): (request: R, context: CallContext) => Promise<ChatCompletion> {
  const call = async (request: R, context: CallContext) => {
    const { data, response } = await reportingRefusals(
      client.chat.completions
        .create(toParams(request), { signal: context.signal, maxRetries: 0 })
        .withResponse(),
      context,
    );
    const { usage, model } = data;
    context.report({
      headers: response.headers,
      ...(usage && {
        usage: { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens, model },
      }),
    });
    return data;
  };
  const { baseURL, deploymentName } = client;
  const deployment = deploymentName === undefined ? '' : `/deployments/${deploymentName}`;
  const endpoint = baseURL && `${baseURL}${deployment}/chat/completions`;
  return endpoint ? Object.assign(call, { [callIdentity]: { endpoint, body: toParams } }) : call;
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
