import type Anthropic from '@anthropic-ai/sdk';
import type { CallContext } from '../core/call';
import type { StreamCall } from '../core/stream';
import { checkEndpointOptions } from './client-settings';
import { collectMessage } from './anthropic-message';
import {
  answerEndpoint,
  type EndpointOptimizers,
  type EndpointOptions,
  hasPriority,
  withoutPriority,
} from './endpoint-responder';
import { endpointRequest, isEndpoint } from './llm-endpoint';
import { answersHave, eventsOf, wholeCall } from './sdk-response';
import { knownCall } from './known-call';

/** Milliseconds. */
const oneDay = 86_400_000;

/** The part of the official client that the calls use; an `Anthropic` instance and its kin for clouds have it. */
export interface AnthropicMessagesClient {
  readonly messages: Pick<Anthropic['messages'], 'create'>;
}

/**
 * Makes a call of the official `@anthropic-ai/sdk` (an optional peer) for rxllm: with the SDK's own retries off, with the
 * signal passed on, and with rate-limit headers and usage reported. The SDK's errors are classified by `classifyError`. A
 * response that holds an error or no content, whatever its status, fails with `NoAnswerError`.
 *
 * @example
 * const ask = anthropicCall(new Anthropic(), (question: string) => ({
 *   model: 'claude-haiku-4-5',
 *   max_tokens: 1024,
 *   messages: [{ role: 'user', content: question }],
 * }));
 * questions$.pipe(optimizer.optimize(ask));
 *
 * @param toParams makes the body of `messages.create` for a request, and not by a promise; what it throws fails that request
 */
export function anthropicCall<R>(
  client: AnthropicMessagesClient,
  toParams: (request: R) => Anthropic.MessageCreateParamsNonStreaming,
): (request: R, context: CallContext) => Promise<Anthropic.Message> {
  const call = wholeCall(
    toParams,
    (params: Anthropic.MessageCreateParamsNonStreaming, context) =>
      client.messages.create(params, optionsOf(context)),
    answersHave('content'),
  );
  return knownCall(call, client, '/v1/messages', toParams);
}

/**
 * The form of {@link anthropicCall} whose answers arrive as events, for `optimizer.stream` and `optimizeStream`. The value
 * of its outcomes is the message that the events make.
 *
 * @example
 * const ask = anthropicStreamCall(new Anthropic(), toParams);
 * optimizer.stream(ask, 'Why is gold up?').subscribe((event) => show(event));
 *
 * @param toParams as for {@link anthropicCall}; `stream: true` is added
 */
export function anthropicStreamCall<R>(
  client: AnthropicMessagesClient,
  toParams: (request: R) => Omit<Anthropic.MessageCreateParamsStreaming, 'stream'>,
): StreamCall<R, Anthropic.RawMessageStreamEvent, Anthropic.Message> {
  const call: StreamCall<R, Anthropic.RawMessageStreamEvent, Anthropic.Message> = {
    open: eventsOf(toParams, (params: Omit<Anthropic.MessageCreateParamsStreaming, 'stream'>, context) =>
      client.messages.create({ ...params, stream: true }, optionsOf(context)),
    ),
    collect: collectMessage,
    isWhole: (events) => events.at(-1)?.type === 'message_stop',
  };
  return knownCall(call, client, '/v1/messages', toParams);
}

/** What the SDK hands its middleware: what goes to `fetch`, and the address. */
export interface AnthropicRequest extends RequestInit {
  url: string;
  headers: Headers;
}

/**
 * Makes a middleware for Anthropic's SDK that sends its requests for messages through an optimizer. It does what
 * `llmFetch` does, on every cloud that serves Claude, and the SDK's timer does not run while a request waits here.
 *
 * @example
 * const client = new Anthropic({ middleware: [anthropicMiddleware(optimizer)], maxRetries: 0 });
 *
 * @throws TypeError or RangeError that names the wrong option
 */
export function anthropicMiddleware(
  optimizers: EndpointOptimizers,
  options: EndpointOptions = {},
): (request: AnthropicRequest, next: (request: AnthropicRequest) => Promise<Response>) => Promise<Response> {
  checkEndpointOptions('anthropicMiddleware', optimizers, options);
  return (asked, next) => {
    const { url, method = 'GET', headers, body, signal } = asked;
    const isKnown = typeof body === 'string' && isEndpoint(method, url, headers.get('content-type'));
    const request = isKnown ? endpointRequest(url, body) : undefined;
    if (!request) {
      return next(hasPriority(headers) ? { ...asked, headers: withoutPriority(headers) } : asked);
    }
    return answerEndpoint(
      optimizers,
      request,
      { headers, signal },
      (attempt) => next({ ...asked, headers: withoutPriority(headers), signal: attempt }),
      { ...options, refuse: options.refuse ?? 'throw' },
    );
  };
}

function optionsOf({ signal }: CallContext): Anthropic.RequestOptions {
  // Without a timeout the SDK refuses to ask for many tokens; `timeout` of rxllm is the one that counts.
  return { signal, maxRetries: 0, timeout: oneDay };
}
