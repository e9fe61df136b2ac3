import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, invalidRequest } from './api-error';

const bodyLimit = 4 * 1_024 * 1_024;

/** One HTTP request and its answer. */
export class Exchange {
  readonly #started = performance.now();
  readonly #abort = new AbortController();

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
  ) {
    response.setHeader('x-request-id', `req_${randomUUID().replaceAll('-', '')}`);
    response.once('close', () => {
      if (!response.writableEnded) this.#abort.abort();
    });
  }

  /** Aborted when the connection ends before the answer is out. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the connection ended before the answer was out. */
  get broken(): boolean {
    return this.signal.aborted || this.request.errored !== null;
  }

  /** The path asked for, without its query. */
  get path(): string {
    return (this.request.url ?? '/').replace(/\?.*$/s, '');
  }

  /** The key that the client sent, undefined without one. */
  get apiKey(): string | undefined {
    return /^Bearer (.+)$/i.exec(this.request.headers.authorization ?? '')?.[1];
  }

  /** Sets headers that the answer will carry, whatever it will be. */
  setHeaders(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) this.response.setHeader(name, value);
  }

  /** Reads the whole body as text. */
  async readBody(): Promise<string> {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of this.request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length <= bodyLimit) parts.push(part);
    }
    // Only now: breaking off the reading would cut the connection, and the client would not hear why.
    if (length > bodyLimit) throw invalidRequest(`The body is larger than ${bodyLimit} bytes.`);
    return Buffer.concat(parts).toString('utf8');
  }

  /** Answers with JSON. */
  sendJson(status: number, body: unknown): void {
    this.#stampProcessingTime();
    this.response.writeHead(status, { 'content-type': 'application/json' });
    this.response.end(JSON.stringify(body));
  }

  /** Answers with an error; anything but an {@link ApiError} becomes a 500. */
  sendError(error: unknown): void {
    if (this.response.headersSent || this.response.destroyed) {
      this.response.destroy();
      return;
    }
    const answer =
      error instanceof ApiError
        ? error
        : new ApiError(500, 'The server had an error of its own.', 'server_error');
    this.setHeaders(answer.headers);
    this.sendJson(answer.status, answer.body());
  }

  /** Starts an answer of server-sent events. */
  startEvents(): void {
    this.#stampProcessingTime();
    this.response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
  }

  /** Sends one event. */
  sendEvent(data: string): void {
    this.response.write(`data: ${data}\n\n`);
  }

  #stampProcessingTime(): void {
    this.response.setHeader('openai-processing-ms', String(Math.round(performance.now() - this.#started)));
  }
}
