import type { ObservableInput } from 'rxjs';
import type { CallContext, CallOutcome, TokenUsage } from './call';

/**
 * A call whose answer arrives in chunks `C` that together make a value `V`.
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
   * Makes the call and returns its chunks. Pass `signal` on: it is aborted as soon as the rest is not wanted. An async
   * iterator also gets `return()`, and a `ReadableStream` is cancelled.
   */
  readonly open: (request: R, context: CallContext) => ObservableInput<C>;
  /** Makes a value of chunks: of all of them, or, if the stream fails, of those that came. Must be pure. */
  readonly collect: (chunks: readonly C[]) => V;
  /**
   * Whether the chunks of a stream that completed are the whole answer. Only a whole answer is cached.
   * @defaultValue they always are
   */
  readonly isWhole?: ((chunks: readonly C[]) => boolean) | undefined;
  /**
   * Reads what the call used from its chunks; undefined if they do not say. Called when a stream ends, also if it
   * failed or was left. Leave it out if `open` reports the usage.
   */
  readonly usage?: (chunks: readonly C[]) => TokenUsage | undefined;
}

export interface AnyStreamCall {
  readonly open: (request: never, context: CallContext) => ObservableInput<unknown>;
  readonly collect: (chunks: readonly never[]) => unknown;
  readonly isWhole?: ((chunks: readonly never[]) => boolean) | undefined;
  readonly usage?: (chunks: readonly never[]) => TokenUsage | undefined;
}

export type AnyCall = ((...parameters: never[]) => unknown) | AnyStreamCall;

/** A chunk of the answer to a request. */
export interface StreamChunk<R, C> {
  readonly type: 'chunk';
  /** The number of the request, as in its events. It tells equal requests apart. */
  readonly id: number;
  readonly request: R;
  /** The index of the chunk in the answer, from 0. */
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

/** An item of a stream of many requests: any number of chunks for each request, then its one outcome. */
export type StreamItem<R, C, V> = StreamChunk<R, C> | StreamEnd<R, V>;

/** The cached form of a stream call's answer. */
export interface StreamedAnswer<V = unknown, C = unknown> {
  readonly value: V;
  readonly chunks: readonly C[];
}
