import type { ErrorClassification } from './error-classification';

type Kind = ErrorClassification['kind'];

/**
 * Codes of refusals that waiting does not heal, whatever the status: the money is spent. Only a hint of more than a minute
 * says when it comes back: shorter ones are what some gateways put on every refusal.
 */
const spentQuota =
  // The last but one are LiteLLM's, with 429 or 400.
  /^(?:insufficient_quota|billing_(?:hard_limit_reached|not_active|error)|exceeded_current_quota_error|terminal_quota_exhausted|budget_exceeded|BudgetExceededError)$/;

export const isSpentQuota = (code: string): boolean => spentQuota.test(code);

/** Whether a name or code is that of a call that its own client gave up: AbortError, APIUserAbortError, ERR_CANCELED. */
export const isAbort = (code: string): boolean =>
  /^(?:\w*Abort(?:ed)?(?:Error|Exception)|Cancell?ed(?:Error)?|ABORT_ERR|ERR_CANCELED|UND_ERR_ABORTED)$/.test(
    code,
  );

/**
 * What the codes, types and names mean that providers put into the bodies of their errors, and clients into their own.
 * Providers spell one word in many ways (rate_limit_error, RateLimitReached), so families are told by their words; gRPC's
 * codes are words that others use for other things, so they count as they are.
 */
const meanings: readonly (readonly [Kind, RegExp])[] = [
  ['wait', /rate_?limit(?:ed)?(?:_?(?:exceeded|reached|hit))?(?:_?(?:error|exception))?$/i],
  ['wait', /(?:throttl(?:ed|ing)|too_?many_?requests)(?:_?(?:error|exception)|\.\w+)?$/i],
  ['wait', /^RESOURCE_EXHAUSTED$/],
  // Amazon's, as its own SDK lists them.
  ['wait', /^(?:(?:Bandwidth|Request)LimitExceeded|LimitExceededException|PriorRequestNotComplete)$/],
  ['wait', /^ProvisionedThroughputExceededException$/],
  ['overloaded', /overloaded(?:_?(?:error|exception))?$/i],
  ['overloaded', /^(?:service|server|model)?_?(?:temporarily_?)?unavailable(?:_?(?:error|exception))?$/i],
  ['overloaded', /^(?:slow_?down|model_?not_?ready(?:exception)?|\w*capacity_exceeded)$/i],
  ['transient', /^(?:api_error|server_error|INTERNAL|DEADLINE_EXCEEDED|ABORTED)$/],
  ['transient', /^internal_?(?:server_?|service_?)?(?:error|exception|failure)$/i],
  ['transient', /^model_?stream_?error_?exception$/i],
  // An answer that broke off or is none, as the AI SDK, node-fetch and got call it.
  ['transient', /^(?:AI_)?(?:JSONParse|EmptyResponseBody)Error$|^invalid-json$|^ERR_BODY_PARSE_FAILURE$/],
  // A lost connection, as Node, c-ares, undici and Bun call it.
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
  // A certificate that is not trusted, or an address that is none.
  ['stop', /CERT_|_CERT$|_SIGNATURE$|^ERR_TLS_\w+|^ERR_INVALID_URL$/],
];

/** What a code means; undefined if it says nothing. */
export function kindOfCode(code: string): Kind | undefined {
  return code.length > longestCode ? undefined : meanings.find(([, words]) => words.test(code))?.[0];
}

/** Names are short; a longer text is a message. */
const longestCode = 100;
