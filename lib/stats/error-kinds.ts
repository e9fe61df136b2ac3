/**
 * The kind of a failure, for counting: the provider's status (`rate-limited` 429, `overloaded` 503 and 529,
 * `server-error`, `unauthorized` 401 and 403, `not-found` 404, `bad-request`), `timeout`, `connection`, `empty` (no
 * answer came), a spent quota, the `code` of an rxllm error, or `other`. The set is closed, so kinds can be labels of
 * metrics.
 */
export type ErrorKind = (typeof errorKinds)[number];

export const errorKinds = [
  'rate-limited',
  'overloaded',
  'server-error',
  'unauthorized',
  'not-found',
  'bad-request',
  'timeout',
  'connection',
  'empty',
  'quota-spent',
  'spend-limit',
  'deadline-exceeded',
  'queue-overflow',
  'missing-outcome',
  'closed',
  'other',
] as const;

/** Kinds of requests that fail without a failed call. */
const kindsWithoutCall: ReadonlySet<unknown> = new Set<ErrorKind>([
  'quota-spent',
  'spend-limit',
  'deadline-exceeded',
  'queue-overflow',
  'missing-outcome',
  'closed',
]);

const known: ReadonlySet<unknown> = new Set(errorKinds);

const kindsByCode: ReadonlyMap<unknown, ErrorKind> = new Map<unknown, ErrorKind>([
  ['call-timeout', 'timeout'],
  ['TimeoutError', 'timeout'],
  ['APIConnectionTimeoutError', 'timeout'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['EmptyError', 'empty'],
  ['insufficient_quota', 'quota-spent'],
  ['APIConnectionError', 'connection'],
  ['ECONNRESET', 'connection'],
  ['ECONNREFUSED', 'connection'],
  ['EPIPE', 'connection'],
  ['ENOTFOUND', 'connection'],
  ['EAI_AGAIN', 'connection'],
  ['UND_ERR_SOCKET', 'connection'],
]);

/**
 * Returns the kind of a call's error. It never throws; an unreadable error is `other`.
 *
 * @example
 * outcomes$.subscribe((outcome) => !outcome.ok && failures.inc({ kind: errorKindOf(outcome.error) }));
 */
export function errorKindOf(error: unknown): ErrorKind {
  try {
    return kindIn(error, 0);
  } catch {
    return 'other';
  }
}

/** The kind of a request's error if no call of it failed with this error; undefined if one did. */
export function kindWithoutCall(error: unknown): ErrorKind | undefined {
  try {
    const { code } = fieldsOf(error);
    return kindsWithoutCall.has(code) ? (code as ErrorKind) : undefined;
  } catch {
    return undefined;
  }
}

function kindIn(error: unknown, depth: number): ErrorKind {
  const fields = fieldsOf(error);
  const { code, name, type, message, cause } = fields;
  const inner = fieldsOf(fields['error']);
  for (const word of [code, type, inner['code'], inner['type'], name]) {
    const kind = known.has(word) ? (word as ErrorKind) : kindsByCode.get(word);
    if (kind) {
      return kind;
    }
  }
  const status = [
    fields['status'],
    fields['statusCode'],
    fieldsOf(fields['response'])['status'],
    fieldsOf(fields['$metadata'])['httpStatusCode'],
  ].find((value) => typeof value === 'number');
  if (typeof status === 'number') {
    return kindOfStatus(status);
  }
  if (code === 'no-answer') {
    return 'empty';
  }
  if (cause !== undefined && depth < 4) {
    return kindIn(cause, depth + 1);
  }
  const isOfFetch = name === 'TypeError' && typeof message === 'string' && /fetch|network/i.test(message);
  return isOfFetch ? 'connection' : 'other';
}

function kindOfStatus(status: number): ErrorKind {
  switch (status) {
    case 401:
    case 403:
      return 'unauthorized';
    case 404:
      return 'not-found';
    case 408:
    case 504:
      return 'timeout';
    case 429:
      return 'rate-limited';
    case 503:
    case 529:
      return 'overloaded';
    default:
      return status >= 500 ? 'server-error' : status >= 400 ? 'bad-request' : 'other';
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
