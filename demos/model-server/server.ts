import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError } from './api-error';
import { ChatEndpoint } from './chat-endpoint';
import { Exchange } from './exchange';
import type { ModelServerOptions } from './options';
import { completeOptions } from './options';
import { RateLimits } from './rate-limits';
import type { ModelServerStatistics } from './statistics';

export type { ModelServerOptions } from './options';
export type { ModelServerStatistics } from './statistics';

/** A running model server. */
export interface ModelServer {
  /** The base URL for clients: `http://127.0.0.1:PORT/v1`. */
  readonly url: string;
  /** What became of the calls so far; a copy. */
  statistics(): ModelServerStatistics;
  /** Ends every connection and every call, and resolves when the port is free and every call is counted. */
  close(): Promise<void>;
}

/**
 * Starts an OpenAI-compatible server on 127.0.0.1 that judges the sentiment of the last user message and limits
 * requests and tokens as OpenAI does.
 * @throws RangeError naming an option whose value cannot be used
 */
export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const settings = completeOptions(options);
  const limits = new RateLimits(settings, performance.now());
  const chat = new ChatEndpoint(settings, limits);

  const route = async (exchange: Exchange): Promise<void> => {
    const { path, request } = exchange;
    const authorize = (): void => {
      if (settings.apiKey !== undefined && exchange.apiKey !== settings.apiKey)
        throw wrongKey(exchange.apiKey);
    };
    if (request.method === 'POST' && path === '/v1/chat/completions') {
      await chat.handle(exchange, authorize);
      return;
    }
    authorize();
    if (request.method === 'GET' && path === '/v1/models') {
      exchange.sendJson(200, modelList(settings.models));
      return;
    }
    throw new ApiError(404, `Invalid URL (${request.method ?? ''} ${path})`, 'invalid_request_error');
  };

  const working = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const exchange = new Exchange(request, response);
    exchange.setHeaders(limits.headers(performance.now()));
    const work = route(exchange)
      .catch((error: unknown) => exchange.sendError(error))
      .finally(() => working.delete(work));
    working.add(work);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  let closed: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    statistics: () => structuredClone(chat.statistics),
    close: () => {
      closed ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }).then(async () => {
        await Promise.all(working);
      });
      return closed;
    },
  };
}

function wrongKey(key: string | undefined): ApiError {
  const message = key === undefined ? "You didn't provide an API key." : 'Incorrect API key provided.';
  return new ApiError(401, message, 'invalid_request_error', 'invalid_api_key');
}

function modelList(models: readonly string[]): unknown {
  return {
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created: 1_767_225_600, owned_by: 'org-demo' })),
  };
}
