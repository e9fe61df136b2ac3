import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const json =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);

const page =
  (status: number, title: string): Answer =>
  (response) =>
    response
      .writeHead(status, { 'content-type': 'text/html' })
      .end(`<!doctype html><html><head><title>${title}</title></head><body>${title}</body></html>`);

/** The body says nothing: that a client is understood must not depend on one provider's words. */
const said = '{"message":"no"}';

/** Ends the connection when what was written has left. */
const cut = (response: ServerResponse): void => void setTimeout(() => response.socket?.destroy(), 20);

const serverFailures = {
  '429 with Retry-After': json(429, said, { 'retry-after': '7' }),
  '429 without': json(429, said),
  'status 401': json(401, said),
  'status 500': json(500, said),
  'status 503': json(503, said),
  'cut before the head': (response) => response.socket?.destroy(),
  'cut in the head': (response) => {
    response.socket?.write('HTTP/1.1 200 OK\r\ncontent-ty');
    cut(response);
  },
  'cut after the head': (response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":[{"mess');
    cut(response);
  },
  'half of the JSON': json(200, '{"choices":[{"mess'),
  'no answer in time': () => undefined,
  'a page with 200': page(200, 'Sign in'),
  'a page with 502': page(502, 'Bad gateway'),
} satisfies Record<string, Answer>;

const places = {
  'nobody listens': 'http://127.0.0.1:9',
  'no such name': 'http://nobody.invalid',
};

export type Failure = keyof typeof serverFailures | keyof typeof places;

export const failures = [...Object.keys(serverFailures), ...Object.keys(places)] as Failure[];

export interface FailingServer {
  /** The address at which a failure happens. */
  addressOf(failure: Failure): string;
  close(): void;
}

/** A server on the loopback interface, of whose first path segment the failure is the number. */
export async function startFailing(): Promise<FailingServer> {
  const answers: readonly Answer[] = Object.values(serverFailures);
  const server = createServer((request, response) => {
    request.resume();
    request.on('error', () => undefined);
    const [, index] = request.url!.split('/');
    answers[Number(index)]!(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    addressOf: (failure) =>
      failure in places
        ? places[failure as keyof typeof places]
        : `http://127.0.0.1:${port}/${failures.indexOf(failure)}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
