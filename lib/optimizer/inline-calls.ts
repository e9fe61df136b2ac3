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
  isRepeated(call: (...parameters: never[]) => unknown): boolean {
    if (this.#known.has(call)) {
      return false;
    }
    this.#known.add(call);
    const text = `${call.name} ${String(call)}`;
    const isTold = this.#texts.get(text);
    if (isTold !== undefined || this.#texts.size < mostTexts) {
      this.#texts.set(text, isTold !== undefined);
    }
    return isTold === false;
  }
}
