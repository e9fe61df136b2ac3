import type { ErrorClassification } from './error-classification';

type Kind = ErrorClassification['kind'];

/**
 * Codes of refusals for lack of money, with any status. Only a hint of more than a minute says when the money comes
 * back; some gateways put shorter hints on every refusal.
 */
const spentQuota =
  // The last two are LiteLLM's, with status 429 or 400.
  /^(?:insufficient_quota|billing_(?:hard_limit_reached|not_active|error)|exceeded_current_quota_error|terminal_quota_exhausted|budget_exceeded|BudgetExceededError)$/;

export const isSpentQuota = (code: string): boolean => spentQuota.test(code);

/** Whether a name or code says that the client aborted the call: AbortError, APIUserAbortError, ERR_CANCELED. */
export const isAbort = (code: string): boolean =>
  /^(?:\w*Abort(?:ed)?(?:Error|Exception)|Cancell?ed(?:Error)?|ABORT_ERR|ERR_CANCELED|UND_ERR_ABORTED)$/.test(
    code,
  );

/**
 * The meaning of codes, types and names in error bodies and errors of clients. Providers spell one word in many ways
 * (rate_limit_error, RateLimitReached), so words are matched. gRPC's codes have other meanings elsewhere, so they must
 * match exactly.
 */
const meanings: readonly (readonly [Kind, RegExp])[] = [
  ['wait', /rate_?limit(?:ed)?(?:_?(?:exceeded|reached|hit))?(?:_?(?:error|exception))?$/i],
  ['wait', /(?:throttl(?:ed|ing)|too_?many_?requests)(?:_?(?:error|exception)|\.\w+)?$/i],
  ['wait', /^RESOURCE_EXHAUSTED$/],
  // Amazon's codes, as its own SDK lists them.
  ['wait', /^(?:(?:Bandwidth|Request)LimitExceeded|LimitExceededException|PriorRequestNotComplete)$/],
  ['wait', /^ProvisionedThroughputExceededException$/],
  ['overloaded', /overloaded(?:_?(?:error|exception))?$/i],
  ['overloaded', /^(?:service|server|model)?_?(?:temporarily_?)?unavailable(?:_?(?:error|exception))?$/i],
  ['overloaded', /^(?:slow_?down|model_?not_?ready(?:exception)?|\w*capacity_exceeded)$/i],
  ['transient', /^(?:api_error|server_error|INTERNAL|DEADLINE_EXCEEDED|ABORTED)$/],
  ['transient', /^internal_?(?:server_?|service_?)?(?:error|exception|failure)$/i],
  ['transient', /^model_?stream_?error_?exception$/i],
  // A cut-off or unreadable answer, as the AI SDK, node-fetch and got name it.
  ['transient', /^(?:AI_)?(?:JSONParse|EmptyResponseBody)Error$|^invalid-json$|^ERR_BODY_PARSE_FAILURE$/],
  // A lost connection, as Node, c-ares, undici and Bun name it.
  ['transient', /^(?:E(?:CONN|NET|HOST|AI_)\w+|EPIPE|EPROTO|E(?:SOCKET)?TIMED?OUT|ENOTFOUND)$/],
  ['transient', /^(?:EADDRNOTAVAIL|EMFILE|ENFILE|ENOBUFS|ESERVFAIL|ERR_NETWORK|ERR_STREAM_PREMATURE_CLOSE)$/],
  ['transient', /^(?:ERR_HTTP2_\w+|ERR_SSL_\w+|HPE_\w+|UND_ERR_SOCKET|Connection(?:Refused|Closed|Reset))$/],
  // The same as the SDKs name it: APIConnectionError, RequestTimeoutError, AjaxTimeoutError.
  ['transient', /(?:timeout|timed_?out|(?:connection|network|socket)_?error)(?:_?(?:error|exception))?$/i],
  ['stop', /^(?:invalid_request|authentication|permission|not_found)_?error$/i],
  ['stop', /^(?:request_too_large|invalid_api_key|context_length_exceeded|content_filter)$/],
  ['stop', /^(?:model_(?:not_found|authentication)|AI_(?:LoadAPIKey|InvalidPrompt)Error)$/i],
  ['stop', /^(?:INVALID_ARGUMENT|UNAUTHENTICATED|PERMISSION_DENIED|NOT_FOUND|FAILED_PRECONDITION)$/],
  ['stop', /^(?:OUT_OF_RANGE|UNIMPLEMENTED)$/],
  [
    'stop',
    /^(?:AccessDenied|ResourceNotFound|ServiceQuotaExceeded|UnrecognizedClient|Validation)Exception$/i,
  ],
  // A certificate that is not trusted, or an invalid address.
  ['stop', /CERT_|_CERT$|_SIGNATURE$|^ERR_TLS_\w+|^ERR_INVALID_URL$/],
];

/** What a code means; undefined if it says nothing. */
export function kindOfCode(code: string): Kind | undefined {
  return code.length > longestCode ? undefined : meanings.find(([, words]) => words.test(code))?.[0];
}

/** A longer text is a message. */
const longestCode = 100;
