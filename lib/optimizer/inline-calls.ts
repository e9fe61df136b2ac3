import type { AnyCall } from '../core/stream';

/** Source texts that are remembered at most. */
const mostTexts = 1000;

/**
 * Notices calls that are written inline, where each request makes a new function: answers are never shared between
 * functions, as what they close over may differ.
 */
export class InlineCalls {
  readonly #known = new WeakSet();
  /** The source texts, and whether their repetition was told. */
  readonly #texts = new Map<string, boolean>();

  /** Whether a call is the second function with its name and source text. */
  isRepeated(call: AnyCall): boolean {
    const made = typeof call === 'function' ? call : call.open;
    if (this.#known.has(made)) {
      return false;
    }
    this.#known.add(made);
    const text = `${made.name} ${String(made)}`;
    const isTold = this.#texts.get(text);
    if (isTold !== undefined || this.#texts.size < mostTexts) {
      this.#texts.set(text, isTold !== undefined);
    }
    return isTold === false;
  }
}
