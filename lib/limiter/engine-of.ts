/**
 * The key of an `AdaptiveRateLimiter`'s engine. Operators use it so that a program without a limiter need not bundle
 * its code.
 *
 * @internal
 */
export const engineOf: unique symbol = Symbol('rxllm limiter engine');
