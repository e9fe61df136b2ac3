import type { GenerateContentParameters, GenerateContentResponse, GoogleGenAI } from '@google/genai';
import type { CallContext } from '../core/call';
import { errorInAnswer } from '../core/answer-error';
import { NoAnswerError } from '../core/errors';
import { refusePromise } from '../core/settings';
import type { StreamCall } from '../core/stream';
import { usageOf } from './usage';
import { knownCall } from './known-call';

/** The part of the official client that the calls use; a `GoogleGenAI` instance has it. */
export interface GoogleModelsClient {
  readonly models: Pick<GoogleGenAI['models'], 'generateContent' | 'generateContentStream'>;
}

/**
 * Makes a call of the official `@google/genai` (an optional peer) for rxllm: with the signal passed on, and with headers
 * and usage reported. Leave the SDK's `retryOptions` out, as rxllm retries through its queue. The SDK's errors are
 * classified by `classifyError`. A response without candidates fails with `NoAnswerError`, unless the prompt was blocked.
 *
 * @example
 * const ask = googleCall(new GoogleGenAI({ apiKey }), (question: string) => ({
 *   model: 'gemini-2.5-flash',
 *   contents: question,
 * }));
 * questions$.pipe(optimizer.optimize(ask));
 *
 * @param toParams makes the parameters of `generateContent` for a request, and not by a promise; what it throws fails that
 *   request
 */
export function googleCall<R>(
  client: GoogleModelsClient,
  toParams: (request: R) => GenerateContentParameters,
): (request: R, context: CallContext) => Promise<GenerateContentResponse> {
  const call = async (request: R, context: CallContext) => {
    const response = await client.models.generateContent(paramsOf(toParams, request, context));
    reportResponse(response, context);
    const { candidates, promptFeedback } = response;
    if (!candidates?.length && !promptFeedback?.blockReason) {
      throw new NoAnswerError('no candidates', { error: errorInAnswer(response)?.error });
    }
    return response;
  };
  return knownCall(call, client, '/models', toParams);
}

/**
 * The form of {@link googleCall} whose answers arrive as parts, for `optimizer.stream` and `optimizeStream`. The value of
 * its outcomes is the text of all parts.
 *
 * @example
 * const ask = googleStreamCall(new GoogleGenAI({ apiKey }), toParams);
 * optimizer.stream(ask, 'Why is gold up?').subscribe(({ text }) => show(text));
 *
 * @param toParams as for {@link googleCall}
 */
export function googleStreamCall<R>(
  client: GoogleModelsClient,
  toParams: (request: R) => GenerateContentParameters,
): StreamCall<R, GenerateContentResponse, string> {
  const call: StreamCall<R, GenerateContentResponse, string> = {
    open: (request, context) => chunksOf(client, paramsOf(toParams, request, context), context),
    collect: (responses) => responses.map(textOf).join(''),
    isWhole: (responses) =>
      responses.some(({ candidates }) => String(candidates?.[0]?.finishReason) === 'STOP'),
  };
  return knownCall(call, client, '/models', toParams);
}

async function* chunksOf(
  client: GoogleModelsClient,
  params: GenerateContentParameters,
  context: CallContext,
): AsyncGenerator<GenerateContentResponse> {
  let isEmpty = true;
  for await (const response of await client.models.generateContentStream(params)) {
    isEmpty = false;
    reportResponse(response, context);
    yield response;
  }
  if (isEmpty) {
    throw new NoAnswerError('no events');
  }
}

function paramsOf<R>(
  toParams: (request: R) => GenerateContentParameters,
  request: R,
  { signal }: CallContext,
): GenerateContentParameters {
  const params = toParams(request);
  refusePromise('toParams', params);
  return { ...params, config: { ...params.config, abortSignal: signal } };
}

function reportResponse(response: GenerateContentResponse, context: CallContext): void {
  const headers = response.sdkHttpResponse?.headers;
  const usage = usageOf(response);
  context.report({ ...(headers && { headers }), ...(usage && { usage }) });
}

function textOf({ candidates }: GenerateContentResponse): string {
  const parts = candidates?.[0]?.content?.parts ?? [];
  return parts.map(({ text, thought }) => (thought ? '' : (text ?? ''))).join('');
}
