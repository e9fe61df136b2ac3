import type { ErrorClassification } from './error-classification';

type Kind = ErrorClassification['kind'];

const of = (kind: Kind, ...codes: string[]): [string, Kind][] => codes.map((code) => [code, kind]);

/**
 * Codes of refusals that waiting does not heal, whatever the status: the money is spent. Only a hint of more than a minute
 * says when it comes back: shorter ones are what some gateways put on every refusal.
 */
export const spentQuotaCodes: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'billing_error',
  // LiteLLM's, with 429 or 400.
  'budget_exceeded',
  'terminal_quota_exhausted',
  'BudgetExceededError',
  'exceeded_current_quota_error',
]);

/** What the codes, types and names mean that providers put into the bodies of their errors. */
export const kindsByCode: ReadonlyMap<string, Kind> = new Map([
  ...of(
    'wait',
    'rate_limit_error',
    'rate_limit_exceeded',
    'rate_limited',
    'rate_limit_reached_error',
    'too_many_requests',
    'RateLimitError',
    'RateLimitReached',
    'RESOURCE_EXHAUSTED',
    // Amazon's, as its own SDK lists them.
    'BandwidthLimitExceeded',
    'EC2ThrottledException',
    'LimitExceededException',
    'PriorRequestNotComplete',
    'ProvisionedThroughputExceededException',
    'RequestLimitExceeded',
    'RequestThrottled',
    'RequestThrottledException',
    'SlowDown',
    'ThrottledException',
    'Throttling',
    'ThrottlingException',
    'throttlingException',
    'TooManyRequestsException',
  ),
  ...of(
    'overloaded',
    'overloaded_error',
    'engine_overloaded_error',
    'slow_down',
    'server_is_overloaded',
    'UNAVAILABLE',
    'ModelNotReadyException',
    'ServiceUnavailableException',
    'serviceUnavailableException',
  ),
  ...of(
    'transient',
    'api_error',
    'server_error',
    'internal_server_error',
    'timeout_error',
    'INTERNAL',
    'DEADLINE_EXCEEDED',
    'ABORTED',
    'InternalServerException',
    'internalServerException',
    'ModelStreamErrorException',
    'modelStreamErrorException',
    'ModelTimeoutException',
    'modelTimeoutException',
  ),
  ...of(
    'stop',
    'invalid_request_error',
    'authentication_error',
    'permission_error',
    'not_found_error',
    'request_too_large',
    'invalid_api_key',
    'model_not_found',
    'context_length_exceeded',
    'content_filter',
    'INVALID_ARGUMENT',
    'UNAUTHENTICATED',
    'PERMISSION_DENIED',
    'NOT_FOUND',
    'FAILED_PRECONDITION',
    'OUT_OF_RANGE',
    'UNIMPLEMENTED',
    'AccessDeniedException',
    'ResourceNotFoundException',
    'ServiceQuotaExceededException',
    'UnrecognizedClientException',
    'ValidationException',
    'validationException',
  ),
]);

/** Codes that Node, undici and the SDKs give a connection that failed. */
export const connectionCodes: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** Names of errors that mean the same. */
export const connectionNames: ReadonlySet<string> = new Set([
  'APIConnectionError',
  'APIConnectionTimeoutError',
  'TimeoutError',
]);

/** What browsers and Node say in the TypeError that `fetch` rejects with, where they give no code. */
export const connectionMessages: ReadonlySet<string> = new Set([
  'fetch failed',
  'terminated',
  'Failed to fetch',
  // Chromium's, for an answer that breaks off while its body is read as a stream.
  'network error',
  'Load failed',
  'NetworkError when attempting to fetch resource.',
]);

/** Names and codes of a call that the caller itself gave up. */
export const abortNames: ReadonlySet<string> = new Set([
  'AbortError',
  'APIUserAbortError',
  'ABORT_ERR',
  'UND_ERR_ABORTED',
]);
