/**
 * The property in which a call states what its answers depend on. The calls of `rxllm/openai` have it.
 *
 * @example
 * const ask = Object.assign((question: string) => post(url, bodyOf(question)), {
 *   [callIdentity]: { endpoint: url, body: bodyOf },
 * });
 */
export const callIdentity: unique symbol = Symbol.for('rxllm call identity') as never;

/** What the answers of a call depend on. Two calls with equal identities share answers. */
export interface CallIdentity<R> {
  /** The endpoint that the call asks; the same text in every process that uses this endpoint. */
  readonly endpoint: string;
  /** Makes the body that the call sends for a request. Must be pure. If it throws, the request bypasses the cache. */
  readonly body: (request: R) => unknown;
}

export function identityOfCall<R>(call: object): CallIdentity<R> | undefined {
  return (call as { readonly [callIdentity]?: CallIdentity<R> })[callIdentity];
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/**
 * The number of a function in this process. Functions with the same source text get different numbers, because they may
 * close over different values, and all bound functions have the same text.
 */
export function numberOf(call: object): number {
  let number = numbers.get(call);
  if (number === undefined) {
    number = ++lastNumber;
    numbers.set(call, number);
  }
  return number;
}
