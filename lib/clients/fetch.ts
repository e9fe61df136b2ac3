import { functionSetting } from '../core/settings';
import { checkEndpointOptions } from './client-settings';
import {
  answerEndpoint,
  type EndpointOptimizers,
  type EndpointOptions,
  hasPriority,
  withoutPriority,
} from './endpoint-responder';
import { endpointRequest, isEndpoint } from './llm-endpoint';

/** The options of {@link llmFetch}. */
export interface LLMFetchOptions extends EndpointOptions {
  /**
   * What sends the requests.
   *
   * @defaultValue the global `fetch`
   */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/**
 * Makes a `fetch` that sends the LLM requests of any SDK through an optimizer: pace, priorities, cache, shared calls and
 * retries for clients that know nothing of rxllm. It takes JSON requests to the endpoints of chat completions, responses,
 * messages, completions, embeddings and `generateContent`; everything else goes to `fetch` untouched.
 *
 * Streams are handed through as they come, and the slot is held until their end. Switch the retries of the SDK off
 * (`maxRetries: 0`), as rxllm retries through its queue; and give it a timeout of a day, as its timer would run while a
 * request waits here: `firstChunkTimeout` and `chunkTimeout` take its place. The header `x-rxllm-source`
 * tells where an answer came from: `call`, `cache`, `shared` or `stale`.
 *
 * A request with `conversation` or `background` always makes its own call, as it changes what the server keeps.
 *
 * The returned function rejects as `fetch` does; see `refuse` for what rxllm itself refuses.
 *
 * @example
 * const optimizer = new LLMCallOptimizer({ maxConcurrent: 10 });
 * const client = new OpenAI({ fetch: llmFetch(optimizer), maxRetries: 0, timeout: 86_400_000 });
 *
 * @example
 * // A limit is that of a model: one optimizer for each.
 * const optimizers = new Map<string, LLMCallOptimizer>();
 * const optimizerFor = ({ origin, credential, model }: EndpointTarget) => {
 *   const key = [origin, credential, model].join(' ');
 *   const optimizer = optimizers.get(key) ?? new LLMCallOptimizer();
 *   optimizers.set(key, optimizer);
 *   return optimizer;
 * };
 * const client = new OpenAI({ fetch: llmFetch({ optimizerFor }), maxRetries: 0 });
 *
 * @throws TypeError or RangeError that names the wrong option
 */
export function llmFetch(
  optimizers: EndpointOptimizers,
  options: LLMFetchOptions = {},
): typeof globalThis.fetch {
  checkEndpointOptions('llmFetch', optimizers, options, ['fetch']);
  const sendOn = functionSetting('fetch', options.fetch) ?? globalThis.fetch;
  return async (input, init) => {
    const asked = input instanceof Request ? input : undefined;
    const url = input instanceof Request ? input.url : input.toString();
    const method = init?.method ?? asked?.method ?? 'GET';
    const headers = new Headers(init?.headers ?? asked?.headers);
    const text = isEndpoint(method, url, headers.get('content-type'))
      ? await textOf(asked, init?.body)
      : undefined;
    const request = text === undefined ? undefined : endpointRequest(url, text);
    if (!request) {
      return hasPriority(headers)
        ? sendOn(input, { ...init, headers: withoutPriority(headers) })
        : sendOn(input, init);
    }
    const signal = init?.signal ?? asked?.signal;
    const sent = { ...init, method, headers: withoutPriority(headers), body: text! };
    return answerEndpoint(
      optimizers,
      request,
      { headers, signal },
      (attempt) =>
        asked
          ? sendOn(new Request(asked, { ...sent, signal: attempt }))
          : sendOn(url, { ...sent, signal: attempt }),
      options,
    );
  };
}

/** The body as a text, which can be sent again; undefined for any other body. */
async function textOf(asked: Request | undefined, body: unknown): Promise<string | undefined> {
  if (body != null) {
    return typeof body === 'string' ? body : undefined;
  }
  // The body of a request object can be read once only.
  return asked?.body ? asked.clone().text() : undefined;
}
