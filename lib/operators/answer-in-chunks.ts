import type { TokenUsage } from '../core/call';
import { attempt } from '../core/listener';
import { refusePromise } from '../core/settings';
import type { AnyStreamCall } from '../core/stream';
import { textLength } from '../core/text-length';
import type { CallResult } from './answer-verdict';

/** A token of English has about four characters (platform.openai.com/tokenizer). */
const charactersPerToken = 4;

/** The chunks of one attempt of a stream call, and what they are together. */
export class AnswerInChunks {
  readonly #call: AnyStreamCall;
  readonly #chunks: never[] = [];

  constructor(call: AnyStreamCall) {
    this.#call = call;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Takes a chunk in; returns its place. */
  add(chunk: unknown): number {
    return this.#chunks.push(chunk as never) - 1;
  }

  /**
   * What the chunks are together.
   *
   * @throws the error of `collect`
   */
  get value(): unknown {
    const value = this.#call.collect(this.#chunks);
    refusePromise('collect', value);
    return value;
  }

  /** What became of the attempt, with what had come if it failed. */
  withPartial(result: CallResult): CallResult {
    const partial = result.ok ? undefined : this.#partial;
    return result.ok || !partial ? result : { ...result, partial: partial.value };
  }

  /** What the call used up, as its chunks tell it; undefined if they do not. */
  get usage(): TokenUsage | undefined {
    let usage: TokenUsage | undefined;
    if (!this.isEmpty) {
      attempt(() => (usage = this.#call.usage?.(this.#chunks)));
    }
    return usage;
  }

  /**
   * What a call used up that did not come to its end: the provider tells that only then, if at all.
   *
   * @param reported what the call has reported itself
   */
  estimatedUsage(request: unknown, reported: TokenUsage | undefined): TokenUsage | undefined {
    if (this.isEmpty) {
      return undefined;
    }
    const { outputTokens = 0, ...told } = this.usage ?? {};
    const isPromptKnown = told.inputTokens !== undefined || reported?.inputTokens !== undefined;
    return {
      ...told,
      ...(!isPromptKnown && { inputTokens: tokensOf(request) }),
      outputTokens: Math.max(outputTokens, tokensOf(this.#partial?.value)),
    };
  }

  get #partial(): { readonly value: unknown } | undefined {
    try {
      return this.isEmpty ? undefined : { value: this.value };
    } catch {
      return undefined;
    }
  }
}

function tokensOf(text: unknown): number {
  return Math.ceil(textLength(text) / charactersPerToken);
}
