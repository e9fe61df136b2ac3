import type { IncomingMessage, ServerResponse } from 'node:http';
import { prometheusText, type LLMCallOptimizer } from 'rxllm';
import { LiveFeed } from './live-feed';
import { page } from './page-text';

/** The config of {@link statsHandler}. */
export interface StatsHandlerOptions {
  /** The title of the page. @defaultValue `rxllm` */
  readonly title?: string;
  /** The text before amounts of money, such as `$`. @defaultValue none */
  readonly currency?: string;
  /** The number of lanes that are named; further ones are `other`. @defaultValue 0 */
  readonly lanes?: number;
  /**
   * Host names, without port, that requests may use. Others are refused, or any web site could read the figures by DNS
   * rebinding.
   * @defaultValue those of this machine: `localhost`, `127.0.0.1` and `[::1]`
   */
  readonly allowedHosts?: readonly string[];
}

/** Answers requests for the page and for the figures. */
export interface StatsHandler {
  (request: IncomingMessage, response: ServerResponse): void;
  /** Ends the streams of all pages and stops watching. Later requests get status 503. */
  close(): void;
}

/**
 * Makes a handler for Node's `http`, Express, Fastify or Next.js that shows an optimizer live: the page, and below its
 * path `/events` (server-sent events), `/state.json` and `/metrics` (Prometheus). It only reads, and shows no content
 * of requests or answers. Mount it under any path, behind your own authentication if others can reach the port.
 *
 * @example
 * app.use('/rxllm', statsHandler(optimizer, { allowedHosts: ['ops.example.com'] })); // Express
 *
 * @throws TypeError if an option has a wrong value
 */
export function statsHandler(optimizer: LLMCallOptimizer, options: StatsHandlerOptions = {}): StatsHandler {
  const { title = 'rxllm', currency = '', lanes = 0, allowedHosts = [] } = options;
  if (typeof (optimizer as Partial<LLMCallOptimizer> | undefined)?.getStats !== 'function') {
    throw new TypeError('The first argument of statsHandler must be an LLMCallOptimizer.');
  }
  if (!Number.isInteger(lanes) || lanes < 0) {
    throw new TypeError(`lanes must be a whole number of at least 0, but is ${String(lanes)}.`);
  }
  const hosts = ['localhost', '127.0.0.1', '[::1]', ...allowedHosts.map((host) => host.toLowerCase())];
  const feed = new LiveFeed(optimizer, { title, currency, lanes });
  const streams = new Set<ServerResponse>();
  let isClosed = false;

  function stream(response: ServerResponse): void {
    let lastAt = -Infinity;
    const send = () => {
      // Send nothing to a tab until it has read what was sent.
      if (response.writableNeedDrain) {
        return;
      }
      const state = feed.state(lastAt);
      lastAt = state.points.at(-1)?.at ?? lastAt;
      response.write(`data: ${JSON.stringify(state)}\n\n`);
    };
    response.writeHead(200, {
      ...plainHeaders,
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
    });
    streams.add(response);
    const leave = feed.listen(send);
    response.on('close', () => {
      leave();
      streams.delete(response);
    });
    send();
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const answer = (status: number, type: string, text: string, headers = plainHeaders) => {
      response.writeHead(status, { ...headers, 'content-type': `${type}; charset=utf-8` });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (isClosed) {
      answer(503, 'text/plain', 'The live view is closed.\n');
    } else if (!hosts.includes(nameOf(request.headers.host))) {
      answer(403, 'text/plain', 'This host name is not allowed. Add it to allowedHosts if it is yours.\n');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(405, 'text/plain', 'The live view is read-only.\n', { ...plainHeaders, allow: 'GET, HEAD' });
    } else {
      route(request, response, answer);
    }
  }

  function route(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
    // An address that is a path alone may begin with two slashes, which elsewhere mean a host.
    const [pathname = '', query] = (request.url ?? '/').split('?', 2);
    if (!pathname.startsWith('/')) {
      answer(400, 'text/plain', 'The address must be a path.\n');
    } else if (pathname.endsWith('/events')) {
      if (request.method === 'HEAD') {
        answer(200, 'text/event-stream', '');
      } else {
        stream(response);
      }
    } else if (pathname.endsWith('/state.json')) {
      const since = Number(new URLSearchParams(query).get('since') ?? Infinity);
      answer(200, 'application/json', JSON.stringify(feed.state(Number.isNaN(since) ? Infinity : since)));
    } else if (pathname.endsWith('/metrics')) {
      answer(200, 'text/plain; version=0.0.4', prometheusText(optimizer));
    } else if (/\.\w+$/.test(pathname)) {
      answer(404, 'text/plain', 'There is nothing here.\n');
    } else {
      const { html, policy } = page();
      answer(200, 'text/html', html, { ...plainHeaders, 'content-security-policy': policy });
    }
  }

  return Object.assign(handle, {
    close() {
      isClosed = true;
      feed.close();
      streams.forEach((response) => response.end());
    },
  });
}

type Answer = (
  status: number,
  type: string,
  text: string,
  headers?: Readonly<Record<string, string>>,
) => void;

const plainHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

function nameOf(host = ''): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}
