import OpenAI from 'openai';
import { startModelServer, type ModelServerOptions } from '../model-server/server';
import { DemoError } from './demo-error';
import { withoutSecrets } from './shown-url';

/** Where the calls go. */
export interface ModelConnection {
  readonly client: OpenAI;
  readonly model: string;
  /** The base URL, in a form that may be shown. */
  readonly endpoint: string;
  /** Whether it is the model server that the demo started for itself. */
  readonly isOwn: boolean;
  /** Whether the user named the endpoint; a key alone leads to OpenAI's. */
  readonly isEndpointNamed: boolean;
  close(): Promise<void>;
}

/**
 * Connects to the endpoint that the environment names, or starts a model server on this machine.
 * @param model the model to ask, undefined for the usual one
 * @param ownServer how the model server behaves, if it is needed
 * @throws DemoError in one sentence if the environment makes no sense
 */
export async function connectModel(
  environment: Readonly<Record<string, string | undefined>>,
  model: string | undefined,
  ownServer: ModelServerOptions,
): Promise<ModelConnection> {
  const baseURL = environment['OPENAI_BASE_URL']?.trim() || undefined;
  const apiKey = environment['OPENAI_API_KEY']?.trim() || undefined;
  if (baseURL === undefined && apiKey === undefined) {
    const server = await startModelServer(ownServer);
    const client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 });
    return {
      client,
      model: model ?? 'sentiment-demo',
      endpoint: server.url,
      isOwn: true,
      isEndpointNamed: false,
      close: () => server.close(),
    };
  }
  if (baseURL !== undefined && !isHttpUrl(baseURL)) {
    throw new DemoError('OPENAI_BASE_URL is not an http or https URL');
  }
  // Servers of one's own often want no key, but the client insists on one.
  const client = new OpenAI({ baseURL: baseURL ?? null, apiKey: apiKey ?? 'none', maxRetries: 0 });
  return {
    client,
    model: model ?? 'gpt-4o-mini',
    endpoint: withoutSecrets(client.baseURL),
    isOwn: false,
    isEndpointNamed: baseURL !== undefined,
    close: () => Promise.resolve(),
  };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
