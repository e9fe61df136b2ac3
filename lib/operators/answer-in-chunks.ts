import type { TokenUsage } from '../core/call';
import { attempt } from '../core/listener';
import { refusePromise } from '../core/settings';
import type { AnyStreamCall } from '../core/stream';
import { textLength } from '../core/text-length';
import type { CallResult } from './answer-verdict';

/** A token of English has about four characters (platform.openai.com/tokenizer). */
const charactersPerToken = 4;

/** The chunks of one attempt of a stream call. */
export class AnswerInChunks {
  readonly #call: AnyStreamCall;
  readonly #chunks: never[] = [];

  constructor(call: AnyStreamCall) {
    this.#call = call;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Adds a chunk and returns its index. */
  add(chunk: unknown): number {
    return this.#chunks.push(chunk as never) - 1;
  }

  /**
   * The value of the chunks.
   *
   * @throws the error of `collect`
   */
  get value(): unknown {
    const value = this.#call.collect(this.#chunks);
    refusePromise('collect', value);
    return value;
  }

  /** The result of the attempt, with the value of its chunks if it failed. */
  withPartial(result: CallResult): CallResult {
    const partial = result.ok ? undefined : this.#partial;
    return result.ok || !partial ? result : { ...result, partial: partial.value };
  }

  /** What the call used, by its chunks; undefined if they do not say. */
  get usage(): TokenUsage | undefined {
    let usage: TokenUsage | undefined;
    if (!this.isEmpty) {
      attempt(() => (usage = this.#call.usage?.(this.#chunks)));
    }
    return usage;
  }

  /**
   * What an aborted call used, as an estimate: providers report usage only at the end, if at all.
   *
   * @param reported what the call itself has reported
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
