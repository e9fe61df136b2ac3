/**
 * The property by which a call tells what its answers depend on, as those of `rxllm/openai` do.
 *
 * @example
 * const ask = Object.assign((question: string) => post(url, bodyOf(question)), {
 *   [callIdentity]: { endpoint: url, body: bodyOf },
 * });
 */
export const callIdentity: unique symbol = Symbol.for('rxllm call identity') as never;

/** What the answers of a call depend on, so that two calls with one identity may share them. */
export interface CallIdentity<R> {
  /** The endpoint that it asks: the same text in every process that asks the same. */
  readonly endpoint: string;
  /** Makes the body that the call sends for a request. Pure; its error has the request go past the cache. */
  readonly body: (request: R) => unknown;
}

/** What a call, or a stream call, says of itself; undefined for one that says nothing. */
export function identityOfCall<R>(call: object): CallIdentity<R> | undefined {
  return (call as { readonly [callIdentity]?: CallIdentity<R> })[callIdentity];
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/**
 * The number of a function in this process. Two functions never have the same, whatever their source text: what they
 * close over may differ, and all bound functions have one text.
 */
export function numberOf(call: object): number {
  let number = numbers.get(call);
  if (number === undefined) {
    number = ++lastNumber;
    numbers.set(call, number);
  }
  return number;
}
