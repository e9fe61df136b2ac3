import type { StatedLimit } from './stated-limit';

/**
 * What an error of a call means for what comes next.
 * - `stop`: it cannot succeed (bad key, bad request, spent quota): never retried.
 * - `wait`: the provider refused for now (429): the limiter learns from it, and it is retried.
 * - `overloaded`: the provider is short of capacity (503, 529): it is retried, and if most calls fail, all wait.
 * - `transient`: this call failed (5xx, a lost connection, a timeout, an answer that broke off): retried a bounded number
 *   of times.
 * - `unknown`: not an error rxllm knows: not retried, and told by the event `error-unknown`.
 */
export interface ErrorClassification {
  readonly kind: 'stop' | 'wait' | 'overloaded' | 'transient' | 'unknown';
  /** Milliseconds the provider asked to wait; above 0. Absent without a hint. */
  readonly retryAfter?: number | undefined;
  /** Of a `wait`: how long the spent limit lasts. Absent where that is not known. */
  readonly period?: 'minute' | 'day' | undefined;
  /** Of a `wait` and of `overloaded`: what the refusal states of the limits, in headers, body or message. */
  readonly limits?: readonly StatedLimit[] | undefined;
}
