import type { HeadersLike } from '../core/call';
import { CallTimeoutError } from '../core/errors';
import { retryAfterOf } from './rate-limit-headers';

/**
 * What an error of a call means for what comes next.
 * - `stop`: it cannot succeed (bad key, bad request, spent quota): never retried.
 * - `wait`: the provider refused for now (429): everybody who shares the limiter waits, then it is retried.
 * - `overloaded`: the provider is short of capacity (503, 529): like `wait`.
 * - `transient`: this call failed (5xx, a lost connection, a timeout): retried a bounded number of times.
 * - `unknown`: not an error rxllm knows: not retried.
 */
export interface ErrorClassification {
  readonly kind: 'stop' | 'wait' | 'overloaded' | 'transient' | 'unknown';
  /** Milliseconds the provider asked to wait. */
  readonly retryAfter?: number;
}

/** Decides what an error means; pass your own as `classifyError` to change it. */
export type ErrorClassifier = (error: unknown) => ErrorClassification;

/** Codes of errors that come with 429 but that waiting does not heal. */
const spentQuotaCodes: ReadonlySet<unknown> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
]);

/** Codes that Node, undici and the SDKs give a connection that failed. */
const connectionCodes: ReadonlySet<unknown> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

const connectionNames: ReadonlySet<unknown> = new Set([
  'APIConnectionError',
  'APIConnectionTimeoutError',
  'TimeoutError',
]);

interface ErrorShape {
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly name?: unknown;
  readonly message?: unknown;
  readonly headers?: unknown;
  readonly responseHeaders?: unknown;
  readonly response?: unknown;
  readonly cause?: unknown;
  readonly error?: unknown;
}

/**
 * The default classification: by HTTP status, error code and the provider's wait hint, in the shapes of the OpenAI
 * and Anthropic SDKs, the AI SDK, `fetch` wrappers that keep `status` or `response`, and Node's connection errors.
 *
 * @example
 * const classify: ErrorClassifier = (error) =>
 *   error instanceof MyQuotaError ? { kind: 'stop' } : classifyError(error);
 */
export function classifyError(error: unknown): ErrorClassification {
  if (error instanceof CallTimeoutError) {
    return { kind: 'transient' };
  }
  const shape = shapeOf(error);
  if (!shape) {
    return { kind: 'unknown' };
  }
  const response = shapeOf(shape.response);
  const status = [shape.status, shape.statusCode, response?.status].find((one) => typeof one === 'number');
  const headers = shapeOf(shape.headers ?? shape.responseHeaders ?? response?.headers);
  const retryAfter = headers && retryAfterOf(headers as HeadersLike);
  // Zero is no hint: it has been seen beside budgets that were empty.
  const hint = retryAfter ? { retryAfter } : {};
  if (status === undefined) {
    return { kind: isConnectionError(shape) ? 'transient' : 'unknown' };
  }
  if (status === 429) {
    const body = shapeOf(shape.error);
    // Larger than the whole limit: no wait makes room for it.
    if (typeof shape.message === 'string' && /\brequest too large\b/i.test(shape.message)) {
      return { kind: 'stop' };
    }
    const isSpent = [shape.code, shape.type, body?.code, body?.type].some((code) =>
      spentQuotaCodes.has(code),
    );
    return isSpent ? { kind: 'stop' } : { kind: 'wait', ...hint };
  }
  if (status === 503 || status === 529) {
    return { kind: 'overloaded', ...hint };
  }
  if (status === 408 || status === 409 || status >= 500) {
    return { kind: 'transient', ...hint };
  }
  return { kind: status >= 400 ? 'stop' : 'unknown' };
}

function isConnectionError(shape: ErrorShape): boolean {
  const cause = shapeOf(shape.cause);
  return (
    connectionCodes.has(shape.code) ||
    (cause !== undefined && connectionCodes.has(cause.code)) ||
    connectionNames.has(shape.name) ||
    connectionNames.has((shape as { constructor?: { name?: unknown } }).constructor?.name)
  );
}

function shapeOf(value: unknown): ErrorShape | undefined {
  return typeof value === 'object' && value !== null ? value : undefined;
}
