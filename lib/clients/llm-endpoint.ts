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

/** Endings that other services have, too: their bodies must name a model, or a stored prompt, which has one. */
const sharedEndings = /(?<!\/chat)\/(?:completions|responses|messages|embeddings)$/;

/** Addresses that write into a state on the server: each request to them counts. */
const stateful = /\/(?:threads|conversations)\//;

/** Whether a request may go to an endpoint that is known: not uploads, lists of models, batches, tokens of a login. */
export function isEndpoint(method: string, url: string, contentType: string | null): boolean {
  const { pathname } = new URL(url);
  return (
    method.toUpperCase() === 'POST' &&
    endpoints.some((end) => pathname.endsWith(end)) &&
    !stateful.test(pathname) &&
    (contentType === null || /\bjson\b/i.test(contentType))
  );
}

/**
 * What a request to an endpoint asks; undefined if its body is no object of JSON, or does not name the model that such an
 * endpoint needs.
 */
export function endpointRequest(url: string, text: string): EndpointRequest | undefined {
  const body = parsedObject(text);
  if (!body) {
    return undefined;
  }
  const { pathname } = new URL(url);
  const [, ofGoogle, ofAzure] = /\/models\/([^/:]+):|\/deployments\/([^/]+)\//.exec(pathname) ?? [];
  const model = typeof body['model'] === 'string' ? body['model'] : (ofGoogle ?? ofAzure);
  const isKnown = model !== undefined || !sharedEndings.test(pathname) || isStoredPrompt(body['prompt']);
  return isKnown ? { url, body, model } : undefined;
}

/**
 * Whether a body changes what the server keeps, so that its answer is for no other request: it adds to a conversation, or
 * starts a job that has an identity of its own.
 */
export function isOnlyForItself(body: object): boolean {
  const { conversation, background } = body as {
    readonly conversation?: unknown;
    readonly background?: unknown;
  };
  return (conversation !== undefined && conversation !== null) || background === true;
}

/** Whether a body of the Responses API names a prompt that the server keeps. */
function isStoredPrompt(prompt: unknown): boolean {
  return typeof prompt === 'object' && prompt !== null && 'id' in prompt;
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
