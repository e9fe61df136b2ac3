import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** How the endpoint answers one request; by default at once and well. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** In place of an answer. */
  readonly body?: string;
  /** Milliseconds until the head, or what it waits for. */
  readonly delay?: number | Promise<void>;
  /** Milliseconds between two words of a stream. */
  readonly pace?: number;
  /** Events of a stream after which the socket is destroyed; of a whole answer, half of it is sent before that. */
  readonly diesAfter?: number;
}

/** What the endpoint saw of one request. */
export interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Whether the client closed the socket before the answer had ended. */
  isLeft: boolean;
  isAnswered: boolean;
  /** Events of a stream that were sent. */
  events: number;
}

/** A pause that does not keep the process alive when the client has left. */
const unwatched = { ref: false };

/** The words of every answer. */
export const words = ['Gold ', 'is ', 'up ', 'on ', 'weak ', 'data.'];
export const text = words.join('');

/** A loopback server with the endpoints of OpenAI, Anthropic and Gemini, whole and streamed. */
export class Endpoint {
  readonly seen: Seen[] = [];
  /** How the next requests are answered. */
  readonly script: Answer[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<Endpoint> {
    const endpoint = new Endpoint();
    await new Promise<void>((resolve) => endpoint.#server.listen(0, '127.0.0.1', resolve));
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const piece of request) {
      body += String(piece);
    }
    const seen: Seen = {
      path: request.url!,
      headers: request.headers,
      body,
      isLeft: false,
      isAnswered: false,
      events: 0,
    };
    this.seen.push(seen);
    response.on('close', () => (seen.isLeft = !response.writableFinished));
    const { status = 200, headers, body: other, delay = 0, pace = 0, diesAfter } = this.script.shift() ?? {};
    await (typeof delay === 'number' ? pause(delay, undefined, unwatched) : delay);
    const isStream = seen.path.includes('streamGenerateContent') || /"stream":\s*true/.test(body);
    if (status !== 200 || other !== undefined) {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(other ?? JSON.stringify({ error: { message: 'no', code: status } }));
    } else if (isStream) {
      response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
      for (const [index, event] of eventsFor(seen.path).entries()) {
        if (index === diesAfter) {
          response.destroy();
          return;
        }
        response.write(event);
        seen.events++;
        await pause(pace, undefined, unwatched);
      }
      response.end();
    } else {
      const answer = JSON.stringify(wholeFor(seen.path));
      response.writeHead(200, { 'content-type': 'application/json', ...headers });
      if (diesAfter !== undefined) {
        response.write(answer.slice(0, answer.length / 2), () => response.destroy());
        return;
      }
      response.end(answer);
    }
    seen.isAnswered = true;
  }
}

function wholeFor(path: string): unknown {
  if (path.endsWith('/messages')) {
    return {
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'model',
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 10, output_tokens: 6 },
    };
  }
  if (path.includes(':generateContent')) {
    return candidate(text, 'STOP');
  }
  if (path.endsWith('/responses')) {
    return response('completed', text);
  }
  if (path.endsWith('/embeddings')) {
    return {
      object: 'list',
      model: 'model',
      // The SDK asks for base64 by itself.
      data: [{ object: 'embedding', index: 0, embedding: base64([0.5, 0.25]) }],
      usage: { prompt_tokens: 10, total_tokens: 10 },
    };
  }
  return {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'model',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 10, completion_tokens: 6, total_tokens: 16 },
  };
}

function eventsFor(path: string): string[] {
  if (path.endsWith('/messages')) {
    const events: { readonly type: string }[] = [
      {
        type: 'message_start',
        message: {
          id: 'm',
          type: 'message',
          role: 'assistant',
          model: 'model',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: 10, output_tokens: 1 },
        },
      } as { readonly type: string },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as never,
      ...words.map(
        (word) =>
          ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } }) as never,
      ),
      { type: 'content_block_stop', index: 0 } as never,
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 6 } } as never,
      { type: 'message_stop' },
    ];
    return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  if (path.includes('GenerateContent')) {
    return words.map((word, index) => sse(candidate(word, index === words.length - 1 ? 'STOP' : undefined)));
  }
  if (path.endsWith('/responses')) {
    const events: { readonly type: string }[] = [
      { type: 'response.created', response: response('in_progress', '') } as never,
      ...words.map(
        (delta) =>
          ({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta }) as never,
      ),
      { type: 'response.completed', response: response('completed', text) } as never,
    ];
    return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  const chunk = (delta: object, reason: string | null = null) =>
    sse({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'model',
      choices: [{ index: 0, delta, finish_reason: reason }],
    });
  return [
    ...words.map((word) => chunk({ role: 'assistant', content: word })),
    chunk({}, 'stop'),
    'data: [DONE]\n\n',
  ];
}

function response(status: string, words: string): object {
  return {
    id: 'r',
    object: 'response',
    status,
    model: 'model',
    output: [
      {
        id: 'o',
        type: 'message',
        role: 'assistant',
        status,
        content: [{ type: 'output_text', text: words, annotations: [] }],
      },
    ],
    ...(status === 'completed' && { usage: { input_tokens: 10, output_tokens: 6, total_tokens: 16 } }),
  };
}

function base64(numbers: readonly number[]): string {
  return Buffer.from(new Float32Array(numbers).buffer).toString('base64');
}

function candidate(word: string, finishReason: string | undefined): object {
  return {
    candidates: [
      {
        index: 0,
        content: { role: 'model', parts: [{ text: word }] },
        ...(finishReason && { finishReason }),
      },
    ],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 6, totalTokenCount: 16 },
    modelVersion: 'model',
  };
}

function sse(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
