/** A request to an endpoint of an LLM that answers with text or vectors. */
export interface EndpointRequest {
  readonly url: string;
  /** The parsed body. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The model that is asked, as the body or the address names it. */
  readonly model: string | undefined;
}

/** How the addresses end that are known to take a prompt and to give an answer. */
const endpoints = [
  '/chat/completions',
  '/responses',
  '/messages',
  '/completions',
  '/embeddings',
  ':generateContent',
  ':streamGenerateContent',
];

/** Whether a request goes to an endpoint that is known: not uploads, lists of models, batches, tokens of a login. */
export function isEndpoint(method: string, url: string, contentType: string | null): boolean {
  const { pathname } = new URL(url);
  return (
    method.toUpperCase() === 'POST' &&
    endpoints.some((end) => pathname.endsWith(end)) &&
    (contentType === null || /\bjson\b/i.test(contentType))
  );
}

/** What a request to an endpoint asks; undefined if its body is no object of JSON. */
export function endpointRequest(url: string, text: string): EndpointRequest | undefined {
  const body = parsedObject(text);
  if (!body) {
    return undefined;
  }
  const { model } = body;
  const inAddress = /\/models\/([^/:]+):/.exec(new URL(url).pathname)?.[1];
  return { url, body, model: typeof model === 'string' ? model : inAddress };
}

function parsedObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
