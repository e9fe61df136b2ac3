/**
 * Where an `AdaptiveRateLimiter` keeps its engine, for operators that are given one: they know it by this, so that a
 * program without a limiter need not carry its code.
 *
 * @internal
 */
export const engineOf: unique symbol = Symbol('rxllm limiter engine');
