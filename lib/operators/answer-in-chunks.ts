import type { TokenUsage } from '../core/call';
import { attempt } from '../core/listener';
import type { AnyStreamCall } from '../core/stream';
import { textLength } from '../core/text-length';
import { resultOf, type AnswerJudge, type CallResult } from './answer-verdict';

/** A token of English has about four characters (platform.openai.com/tokenizer). */
const charactersPerToken = 4;

/** The chunks of one attempt of a stream call, and what they are together. */
export class AnswerInChunks {
  readonly #call: AnyStreamCall;
  readonly #judge: AnswerJudge | undefined;
  readonly #chunks: never[] = [];

  constructor(call: AnyStreamCall, judge: AnswerJudge | undefined) {
    this.#call = call;
    this.#judge = judge;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Takes a chunk in; returns its place. */
  add(chunk: unknown): number {
    return this.#chunks.push(chunk as never) - 1;
  }

  /** What became of the attempt, with what its chunks are together. */
  resultOf(end: CallResult, request: unknown): CallResult {
    if (this.isEmpty) {
      return end;
    }
    let value: unknown;
    try {
      value = this.#call.collect(this.#chunks);
    } catch (error) {
      return end.ok ? { ok: false, error } : end;
    }
    const judged = end.ok ? resultOf(value, request as never, this.#judge) : end;
    return judged.ok ? judged : { ...judged, partial: value };
  }

  /** What the call used up, as its chunks tell it; undefined if they do not. */
  get usage(): TokenUsage | undefined {
    let usage: TokenUsage | undefined;
    attempt(() => (usage = this.#call.usage?.(this.#chunks)));
    return usage;
  }

  /** What a call used up that did not come to its end: the provider tells that only then, if at all. */
  estimatedUsage(request: unknown): TokenUsage {
    const { inputTokens, outputTokens = 0, ...others } = this.usage ?? {};
    const { partial } = this.resultOf({ ok: false, error: undefined }, request) as {
      readonly partial?: unknown;
    };
    return {
      ...others,
      inputTokens: inputTokens ?? tokensOf(request),
      outputTokens: Math.max(outputTokens, tokensOf(partial)),
    };
  }
}

function tokensOf(text: unknown): number {
  return Math.ceil(textLength(text) / charactersPerToken);
}
