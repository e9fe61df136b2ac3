import { LLMResultCache } from '../cache/llm-result-cache';
import type { OutcomeSource } from '../core/call';
import { NoAnswerError, RxllmError } from '../core/errors';
import type { CallEvent } from '../core/events';
import type { CallPriority } from '../core/priority';
import type { CallTraits } from '../core/traits';
import type { LLMCallOptimizer } from '../optimizer/llm-call-optimizer';
import { requiredOptimizer } from './client-settings';
import {
  endpointCall,
  EndpointError,
  type ResponseHead,
  type ResponsePart,
  type Send,
} from './endpoint-call';
import { isOnlyForItself, type EndpointRequest } from './llm-endpoint';
import { openStream } from './open-stream';

/** Whom a request goes to: a limit is that of one credential at one origin, and mostly of one model. */
export interface EndpointTarget {
  /** Scheme, host and port, as `https://api.openai.com`. */
  readonly origin: string;
  /** The model that is asked; undefined if the request names none. */
  readonly model: string | undefined;
  /** Tells credentials apart without showing them; undefined if the request has none. */
  readonly credential: string | undefined;
}

/** How requests of an SDK go through optimizers. */
export interface EndpointOptions {
  /**
   * Reads the traits of a request: its priority, lane, deadline. The header `x-rxllm-priority` is read besides, and is
   * never sent on.
   *
   * @defaultValue no traits
   */
  readonly traits?: ((request: EndpointRequest) => CallTraits) | undefined;
  /**
   * What becomes of a request that rxllm itself refuses (a full queue, a deadline, a spent quota, a closed optimizer):
   * `'response'` answers with a 429 that the SDKs of OpenAI, Anthropic and Groq do not try again; `'throw'` throws the
   * error, which the SDKs of Google and Mistral and the AI SDK hand on as it is.
   *
   * @defaultValue `'response'`
   */
  readonly refuse?: 'response' | 'throw' | undefined;
  /**
   * Milliseconds that an attempt may take until the first words of its answer.
   *
   * @defaultValue `Infinity`
   */
  readonly firstChunkTimeout?: number | undefined;
  /**
   * Milliseconds between two pieces of a body.
   *
   * @defaultValue `Infinity`
   */
  readonly chunkTimeout?: number | undefined;
}

/** One optimizer for all requests, or a function that chooses one for each target. */
export type EndpointOptimizers =
  LLMCallOptimizer | { readonly optimizerFor: (target: EndpointTarget) => LLMCallOptimizer };

/** What the headers of a request tell besides what is asked. */
interface Envelope {
  readonly headers: Headers;
  readonly signal: AbortSignal | null | undefined;
}

/** The header with the priority of a request. */
const priorityHeader = 'x-rxllm-priority';

const credentialHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'];

/** Headers by which providers are told what to answer: the version, the organization, what is in beta. */
const providerHeaders = /^(?:anthropic|openai|x-goog|x-ms)-/;

/** Statuses whose responses have no body (Fetch standard, "null body status"). */
const bodyless: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

/** Headers of a body as it was sent: the bytes have been decoded since. */
const headersOfTransfer = ['content-encoding', 'content-length', 'transfer-encoding'];

/** Answers a request to an endpoint through an optimizer, with a response that an SDK takes for that of the endpoint. */
export async function answerEndpoint(
  optimizers: EndpointOptimizers,
  request: EndpointRequest,
  { headers, signal }: Envelope,
  send: Send,
  options: EndpointOptions,
): Promise<Response> {
  const { origin } = new URL(request.url);
  const credential = credentialOf(headers, request.url);
  const optimizer =
    'optimizerFor' in optimizers
      ? requiredOptimizer(
          'optimizerFor must return an LLMCallOptimizer, but returned',
          optimizers.optimizerFor({ origin, model: request.model, credential }),
        )
      : optimizers;
  const asked = { url: request.url, body: request.body, credential, headers: settingsIn(headers) };
  const { firstChunkTimeout, chunkTimeout, refuse = 'response' } = options;
  let source: OutcomeSource = 'call';
  const events = {
    next: (event: CallEvent) => {
      if (event.type === 'cache-hit') {
        source = event.stale ? 'stale' : 'cache';
      } else if (event.type === 'cache-miss' && event.joined) {
        source = 'shared';
      } else if (event.type === 'settled' && event.source === 'stale') {
        // The call failed, and the cache held an expired answer.
        source = 'stale';
      }
    },
  };
  const parts$ = optimizer.stream(endpointCall(send), asked, {
    ...priorityIn(headers),
    ...options.traits?.(request),
    ...(isOnlyForItself(request.body) && { cacheKey: false }),
    namespace: 'rxllm/fetch',
    events,
    signal: signal ?? undefined,
    firstChunkTimeout,
    chunkTimeout,
  });
  // Kept chunks are those of others too, and a reader may take the bytes away.
  return openStream(parts$, ({ bytes }: ResponsePart) => bytes.slice()).then(
    ({ first, pieces }) => responseOf(first.head!, pieces, source, request.url),
    (error: unknown) => failedResponse(error, request.url, refuse),
  );
}

/** A failed request: the endpoint's own answer is handed on as it came, and what rxllm refuses as it was asked for. */
function failedResponse(error: unknown, url: string, refuse: 'response' | 'throw'): Response {
  if (error instanceof EndpointError) {
    return responseOf(error.head, error.text, 'call', url);
  }
  if (refuse === 'response' && (error instanceof RxllmError || error instanceof NoAnswerError)) {
    return refusalOf(error, url);
  }
  throw error;
}

function refusalOf({ name, code, message }: RxllmError | NoAnswerError, url: string): Response {
  const body = JSON.stringify({ error: { type: name, code, message } });
  const status = code === 'no-answer' ? 502 : 429;
  const headers = [
    ['content-type', 'application/json'],
    ['x-should-retry', 'false'],
  ] as const;
  return responseOf({ status, statusText: '', headers }, body, 'call', url);
}

function responseOf(
  { status, statusText, headers }: ResponseHead,
  body: string | ReadableStream<Uint8Array>,
  source: OutcomeSource,
  url: string,
): Response {
  const response = new Response(bodyless.has(status) ? null : body, {
    status,
    statusText,
    headers: headers.map(([name, value]) => [name, value]),
  });
  for (const name of headersOfTransfer) {
    response.headers.delete(name);
  }
  if (source !== 'call') {
    response.headers.delete('set-cookie');
  }
  response.headers.set('x-rxllm-source', source);
  // A response that is made by hand has no address, which some SDKs show in their errors.
  Object.defineProperty(response, 'url', { value: url });
  return response;
}

/** Whether the headers tell a priority. */
export function hasPriority(headers: Headers): boolean {
  return headers.has(priorityHeader);
}

/** The headers that are sent: those of rxllm are taken off. */
export function withoutPriority(headers: Headers): Headers {
  const sent = new Headers(headers);
  sent.delete(priorityHeader);
  return sent;
}

function priorityIn(headers: Headers): Pick<CallTraits, 'priority'> {
  const priority = headers.get(priorityHeader);
  return priority === null ? {} : { priority: priority as CallPriority };
}

/** What the headers tell the provider besides who asks. */
function settingsIn(headers: Headers): readonly (readonly [string, string])[] {
  return [...headers].filter(([name]) => providerHeaders.test(name) && !credentialHeaders.includes(name));
}

function credentialOf(headers: Headers, url: string): string | undefined {
  // Google takes its key in the address, too.
  const secrets = [
    ...credentialHeaders.map((name) => headers.get(name)),
    new URL(url).searchParams.get('key'),
  ];
  return secrets.some((secret) => secret !== null) ? LLMResultCache.generateKey(secrets) : undefined;
}
