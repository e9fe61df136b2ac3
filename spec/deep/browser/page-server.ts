import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A request as it reached the server. */
export interface SeenRequest {
  readonly path: string;
  readonly story: string;
  /** How often this story had been asked for there before, since what was seen was last taken. */
  readonly before: number;
  /** Whether the other side hung up before it was answered. */
  isAbandoned: boolean;
}

/** Serves the page with its scripts, and stands in for a provider. */
export interface PageServer {
  readonly origin: string;
  /** What has reached the provider's side since it was last taken. */
  takeSeen(): readonly SeenRequest[];
  readonly seen: readonly SeenRequest[];
  close(): Promise<void>;
}

type Answer = (response: ServerResponse, seen: SeenRequest) => unknown;

const answers: Readonly<Record<string, Answer>> = {
  '/answer': async (response, seen) => {
    await sleep(10);
    answer(response, seen);
  },
  '/silent': () => undefined,
  '/endless': (response) => {
    response.writeHead(200);
    response.flushHeaders();
  },
  '/refuse-once': (response, seen) => {
    if (seen.before > 0) {
      answer(response, seen);
    } else {
      response.writeHead(429, { 'retry-after-ms': '50', ...limits });
      response.end(JSON.stringify({ error: { message: 'Too fast.' } }));
    }
  },
  // Once the answer has begun, a browser does not ask again by itself.
  '/cut-once': (response, seen) => {
    if (seen.before > 0) {
      answer(response, seen);
    } else {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{', () => response.destroy());
    }
  },
};

const limits = { 'x-ratelimit-limit-requests': '6000', 'x-ratelimit-remaining-requests': '5990' };

function answer(response: ServerResponse, { story }: SeenRequest): void {
  response.writeHead(200, { 'content-type': 'application/json', ...limits });
  response.end(JSON.stringify({ text: story.toUpperCase() }));
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part as string;
  }
  return text;
}

/** @param files what is served by path, each a text and its type */
export async function startPageServer(
  files: Readonly<Record<string, { readonly type: string; readonly text: string }>>,
): Promise<PageServer> {
  const seen: SeenRequest[] = [];
  const askedBefore = new Map<string, number>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!;
    const file = files[path];
    if (file) {
      response.writeHead(200, { 'content-type': file.type }).end(file.text);
      return;
    }
    const respond = answers[path];
    if (!respond) {
      // What a browser asks for by itself, as its icon.
      response.writeHead(204).end();
      return;
    }
    const { story } = JSON.parse(await readText(request)) as { story: string };
    const before = askedBefore.get(path + story) ?? 0;
    askedBefore.set(path + story, before + 1);
    const one: SeenRequest = { path, story, before, isAbandoned: false };
    seen.push(one);
    response.on('close', () => (one.isAbandoned = !response.writableEnded));
    await respond(response, one);
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    seen,
    takeSeen: () => {
      askedBefore.clear();
      return seen.splice(0);
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
