import type { OpenAI } from 'openai';
import type { CreateEmbeddingResponse, EmbeddingCreateParams } from 'openai/resources/embeddings';
import type {
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseCreateParamsStreaming,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import type { CallContext } from '../core/call';
import type { StreamCall } from '../core/stream';
import { answersHave, eventsOf, wholeCall } from './sdk-response';
import { collectResponse } from './openai-response-events';
import { knownCall } from './known-call';
import { isOnlyForItself } from './llm-endpoint';

/** The part of the official client that {@link openaiResponsesCall} uses; an `OpenAI` or `AzureOpenAI` instance has it. */
export interface OpenAIResponsesClient {
  readonly responses: Pick<OpenAI['responses'], 'create'>;
}

/** The part of the official client that {@link openaiEmbeddingsCall} uses. */
export interface OpenAIEmbeddingsClient {
  readonly embeddings: Pick<OpenAI['embeddings'], 'create'>;
}

/**
 * The form of `openaiCall` for the Responses API. A response that has failed, whatever its status, fails with
 * `NoAnswerError`. A request with `conversation` or `background` always makes its own call, as it changes what the server
 * keeps.
 *
 * @example
 * const ask = openaiResponsesCall(new OpenAI(), (question: string) => ({
 *   model: 'gpt-4o-mini',
 *   input: question,
 * }));
 * const { output_text } = await optimizer.call(ask, 'Why is gold up?');
 *
 * @param toParams makes the body of `responses.create` for a request, and not by a promise; what it throws fails that request
 */
export function openaiResponsesCall<R>(
  client: OpenAIResponsesClient,
  toParams: (request: R) => ResponseCreateParamsNonStreaming,
): (request: R, context: CallContext) => Promise<Response> {
  const call = wholeCall(
    toParams,
    (params: ResponseCreateParamsNonStreaming, context) =>
      client.responses.create(params, optionsOf(context)),
    answersHave('output'),
  );
  return knownCall(call, client, '/responses', identityOf(toParams));
}

/**
 * The form of {@link openaiResponsesCall} whose answers arrive as events, for `optimizer.stream` and `optimizeStream`. The
 * value of its outcomes is the response of the last event; if the stream broke off, it holds the words so far.
 *
 * @example
 * const ask = openaiResponsesStreamCall(new OpenAI(), toParams);
 * optimizer.stream(ask, 'Why is gold up?').subscribe((event) => show(event));
 *
 * @param toParams as for {@link openaiResponsesCall}; `stream: true` is added
 */
export function openaiResponsesStreamCall<R>(
  client: OpenAIResponsesClient,
  toParams: (request: R) => Omit<ResponseCreateParamsStreaming, 'stream'>,
): StreamCall<R, ResponseStreamEvent, Response> {
  const call: StreamCall<R, ResponseStreamEvent, Response> = {
    open: eventsOf(toParams, (params: Omit<ResponseCreateParamsStreaming, 'stream'>, context) =>
      client.responses.create({ ...params, stream: true }, optionsOf(context)),
    ),
    collect: collectResponse,
    isWhole: (events) => events.some(({ type }) => type === 'response.completed'),
  };
  return knownCall(call, client, '/responses', identityOf(toParams));
}

/**
 * The form of `openaiCall` for embeddings.
 *
 * @example
 * const embed = openaiEmbeddingsCall(new OpenAI(), (text: string) => ({
 *   model: 'text-embedding-3-small',
 *   input: text,
 * }));
 * texts$.pipe(optimizer.optimize(embed));
 *
 * @param toParams makes the body of `embeddings.create` for a request, and not by a promise; what it throws fails that request
 */
export function openaiEmbeddingsCall<R>(
  client: OpenAIEmbeddingsClient,
  toParams: (request: R) => EmbeddingCreateParams,
): (request: R, context: CallContext) => Promise<CreateEmbeddingResponse> {
  const call = wholeCall(
    toParams,
    (params: EmbeddingCreateParams, context) => client.embeddings.create(params, optionsOf(context)),
    answersHave('data'),
  );
  return knownCall(call, client, '/embeddings', toParams);
}

/** Makes the body that a cache knows a request by. A body that changes what the server keeps has no key. */
function identityOf<R>(toParams: (request: R) => object): (request: R) => unknown {
  return (request) => {
    const params = toParams(request);
    // A symbol cannot be part of a key.
    return isOnlyForItself(params) ? { ...params, conversation: Symbol('conversation') } : params;
  };
}

function optionsOf({ signal }: CallContext) {
  return { signal, maxRetries: 0 };
}
