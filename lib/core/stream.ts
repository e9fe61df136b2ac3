import type { ObservableInput } from 'rxjs';
import type { CallContext, CallOutcome, TokenUsage } from './call';

/**
 * A call whose answer arrives in chunks `C`, which together make a value `V`.
 *
 * @example
 * const ask: StreamCall<string, string, string> = {
 *   open: async function* (question, { signal }) {
 *     const response = await fetch(`/answers?to=${encodeURIComponent(question)}`, { signal });
 *     yield* response.body!.pipeThrough(new TextDecoderStream());
 *   },
 *   collect: (texts) => texts.join(''),
 * };
 */
export interface StreamCall<R, C, V> {
  /**
   * Makes the call and hands out its chunks. Pass `signal` on: it is aborted as soon as nobody wants the rest. An async
   * iterator is also told to `return()`, and a `ReadableStream` is cancelled.
   */
  readonly open: (request: R, context: CallContext) => ObservableInput<C>;
  /** Makes the value of chunks that have come; also of some of them, if the stream fails. Must be pure. */
  readonly collect: (chunks: readonly C[]) => V;
  /**
   * Whether the chunks of a stream that ended well are the whole answer; only then it is kept in the cache. Default: they
   * are.
   */
  readonly isWhole?: ((chunks: readonly C[]) => boolean) | undefined;
  /**
   * What the call used up as its chunks tell it; undefined if they do not. Called at the end of a stream, also if it
   * failed or was left. Leave it out if `open` reports the usage itself.
   */
  readonly usage?: (chunks: readonly C[]) => TokenUsage | undefined;
}

/** Any stream call, whatever it takes and gives. */
export interface AnyStreamCall {
  readonly open: (request: never, context: CallContext) => ObservableInput<unknown>;
  readonly collect: (chunks: readonly never[]) => unknown;
  readonly isWhole?: ((chunks: readonly never[]) => boolean) | undefined;
  readonly usage?: (chunks: readonly never[]) => TokenUsage | undefined;
}

/** A call, or a stream call. */
export type AnyCall = ((...parameters: never[]) => unknown) | AnyStreamCall;

/** A chunk of the answer to a request. */
export interface StreamChunk<R, C> {
  readonly type: 'chunk';
  /** The number of the request, as in its events: it tells apart equal requests. */
  readonly id: number;
  readonly request: R;
  /** The place of the chunk in the answer, from 0 on. */
  readonly index: number;
  readonly chunk: C;
}

/** The end of a request: its outcome. */
export interface StreamEnd<R, V> {
  readonly type: 'outcome';
  /** The number of the request, as in its chunks. */
  readonly id: number;
  readonly request: R;
  readonly outcome: CallOutcome<R, V>;
}

/** What a stream of many requests emits: any number of chunks for each, then its one outcome. */
export type StreamItem<R, C, V> = StreamChunk<R, C> | StreamEnd<R, V>;

/** How the cache keeps the answer of a stream call. */
export interface StreamedAnswer<V = unknown, C = unknown> {
  readonly value: V;
  readonly chunks: readonly C[];
}
