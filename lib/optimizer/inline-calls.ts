import type { AnyCall } from '../core/stream';

/** The most source texts that are remembered. */
const mostTexts = 1000;

/**
 * Detects inline calls, which are new functions for each request. Functions never share answers, because they may close
 * over different values.
 */
export class InlineCalls {
  readonly #known = new WeakSet();
  /** The source texts, and whether their repetition was reported. */
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
