import type { StatedLimit } from './stated-limit';

/**
 * What the error of a call means for the next step.
 * - `stop`: the call cannot succeed (bad key, bad request, spent quota): never retried.
 * - `wait`: the provider refused for now (429): the limiter learns from it, and the call is retried.
 * - `overloaded`: the provider is short of capacity (503, 529): retried, and if most calls fail, all requests wait.
 * - `transient`: this call failed (5xx, a lost connection, a timeout, a cut-off answer): retried a bounded number of
 *   times.
 * - `unknown`: rxllm does not know the error: not retried, and reported by the event `error-unknown`.
 */
export interface ErrorClassification {
  readonly kind: 'stop' | 'wait' | 'overloaded' | 'transient' | 'unknown';
  /** Milliseconds that the provider asked to wait, above 0; absent without a hint. */
  readonly retryAfter?: number | undefined;
  /** For `wait`: the period of the spent limit; absent if unknown. */
  readonly period?: 'minute' | 'day' | undefined;
  /** For `wait` and `overloaded`: the limits that the refusal states in headers, body or message. */
  readonly limits?: readonly StatedLimit[] | undefined;
}
