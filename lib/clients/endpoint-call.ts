import type { CallContext, HeadersLike } from '../core/call';
import { isCacheable } from '../cache/cacheable-answer';
import { errorInAnswer, isFields } from '../core/answer-error';
import { NoAnswerError } from '../core/errors';
import type { StreamCall } from '../core/stream';
import { fromFirstWords } from './first-words';
import { StreamedBody } from './streamed-body';
import { usageOf } from './usage';

/** What an HTTP response says before its body. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** A part of a response. The first part has the head. */
export interface ResponsePart {
  readonly head?: ResponseHead;
  readonly bytes: Uint8Array;
  /** Whether nothing comes after it that belongs to the answer. */
  readonly isLast?: boolean;
}

/** Sends a request; each call of it is one attempt. */
export type Send = (signal: AbortSignal) => Promise<Response>;

/** A response that is no success: what it says decides whether the request is sent again. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError';
  readonly status: number;
  readonly headers: HeadersLike;
  /** The parsed body. */
  readonly error: unknown;

  constructor(
    readonly head: ResponseHead,
    readonly text: string,
  ) {
    super(`The endpoint answered with status ${head.status}.`);
    this.status = head.status;
    this.headers = new Headers(head.headers.map(([name, value]) => [name, value]));
    const body = parsed(text);
    this.error = (body as { readonly error?: unknown } | undefined)?.error ?? body;
  }
}

/** A stream call that sends a request and hands out its response as it comes. */
export function endpointCall<R>(send: Send): StreamCall<R, ResponsePart, unknown> {
  return {
    open: (_request, context) => parts(send, context),
    collect: (chunks) => {
      const streamed = streamedBodyOf(chunks);
      if (!streamed) {
        return parsed(textOf(chunks));
      }
      // One answer that was cut off is enough to keep none.
      const reasons = streamed.finishReasons.map((reason) => ({ finish_reason: reason }));
      const told = reasons.find((reason) => !isCacheable(reason)) ?? reasons[0] ?? {};
      // What a reader who leaves has used is estimated from the text.
      return streamed.isWhole ? told : { text: streamed.text };
    },
    isWhole: (chunks) => {
      const streamed = streamedBodyOf(chunks);
      return !streamed || (streamed.isWhole && streamed.isAnswer);
    },
  };
}

async function* parts(send: Send, context: CallContext): AsyncGenerator<ResponsePart> {
  const response = await send(context.signal);
  const { headers } = response;
  context.report({ headers });
  const head = headOf(response);
  if (!response.ok) {
    throw new EndpointError(head, await response.text());
  }
  if (!isStream(head) || !response.body) {
    yield wholeBody(head, new Uint8Array(await response.arrayBuffer()), context);
    return;
  }
  const body = new StreamedBody();
  const hasNotBegun = () => {
    if (!body.hasBegun && body.error !== undefined) {
      throw new NoAnswerError('an error in the stream', { headers, error: body.error });
    }
    return !body.hasBegun;
  };
  let first: { readonly head: ResponseHead } | undefined = { head };
  try {
    for await (const part of fromFirstWords(partsUntilEnd(response.body, body), hasNotBegun, headers)) {
      yield { ...first, ...part };
      first = undefined;
    }
  } finally {
    if (body.usage) {
      context.report({ usage: body.usage });
    }
  }
}

/** The parts of a stream until nothing comes that belongs to the answer. */
async function* partsUntilEnd(
  stream: ReadableStream<Uint8Array>,
  body: StreamedBody,
): AsyncGenerator<ResponsePart> {
  for await (const bytes of chunksOf(stream)) {
    const isLast = body.add(bytes);
    yield { bytes, isLast };
    if (isLast) {
      return;
    }
  }
  if (body.end()) {
    yield { bytes: new Uint8Array(), isLast: true };
  }
}

/** An answer that comes as one: it is looked at before it is handed out, as it can still be asked for again. */
function wholeBody(head: ResponseHead, bytes: Uint8Array, context: CallContext): ResponsePart {
  const text = new TextDecoder().decode(bytes);
  const body = parsed(text);
  if (body === undefined) {
    throw new NoAnswerError(text === '' ? 'an empty body' : 'a text in place of JSON');
  }
  const failure = errorInAnswer(body);
  if (failure) {
    throw failure;
  }
  const usage = usageOf(body);
  if (usage) {
    context.report({ usage });
  }
  return { head, bytes };
}

/** The chunks of a body, which is cancelled if the reader leaves: not all browsers can iterate a stream. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield value;
    }
  } finally {
    // A stream that has failed rejects with its error, which the reader has heard.
    reader.cancel().catch(() => undefined);
  }
}

function isStream({ headers }: ResponseHead): boolean {
  return headers.some(([name, value]) => name === 'content-type' && /\btext\/event-stream\b/i.test(value));
}

/** What the parts of a stream say of the answer; undefined if it came as one. */
function streamedBodyOf(chunks: readonly ResponsePart[]): StreamedBody | undefined {
  const head = chunks[0]?.head;
  const body = new StreamedBody();
  if (head && isStream(head)) {
    for (const { bytes } of chunks) {
      body.add(bytes);
    }
    body.end();
    return body;
  }
  // Gemini streams a list in JSON if it is not asked for events.
  const list = parsed(textOf(chunks));
  if (!Array.isArray(list) || !list.some((event) => isFields(event) && 'candidates' in event)) {
    return undefined;
  }
  list.filter(isFields).forEach((event) => body.take(event));
  return body;
}

function headOf({ status, statusText, headers }: Response): ResponseHead {
  return { status, statusText, headers: [...headers] };
}

function textOf(chunks: readonly ResponsePart[]): string {
  const decoder = new TextDecoder();
  return chunks.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join('');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
