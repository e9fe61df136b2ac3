import { shapesOf, withText } from '../provider/error-chain';
import { isSpentQuota, kindOfCode } from '../provider/error-codes';
import { firstOf, type ErrorShape } from '../provider/error-shape';

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

/**
 * Returns the kind of a call's error. It never throws; an unreadable error is `other`.
 *
 * @example
 * outcomes$.subscribe((outcome) => !outcome.ok && failures.inc({ kind: errorKindOf(outcome.error) }));
 */
export function errorKindOf(error: unknown): ErrorKind {
  try {
    const shapes = shapesOf(error);
    return firstOf(shapes, kindOf) ?? firstOf(shapes, (shape) => kindOf(withText(shape))) ?? 'other';
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

function kindOf({ codes, status }: ErrorShape): ErrorKind | undefined {
  if (codes.some(isSpentQuota)) {
    return 'quota-spent';
  }
  const word = codes.find((code) => known.has(code)) as ErrorKind | undefined;
  if (word) {
    return word;
  }
  if (status !== undefined) {
    return kindOfStatus(status);
  }
  return codes.some((code) => code === 'no-answer' || code === 'EmptyError')
    ? 'empty'
    : firstOf(codes, kindOfWord);
}

/** The kind that a code or a name of a class stands for. */
function kindOfWord(code: string): ErrorKind | undefined {
  if (/time-?d?_?out/i.test(code)) {
    return 'timeout';
  }
  switch (kindOfCode(code)) {
    case 'wait':
      return 'rate-limited';
    case 'overloaded':
      return 'overloaded';
    case 'transient':
      return /server|internal|api_error|deadline/i.test(code) ? 'server-error' : 'connection';
    case 'stop':
      return /auth|permission|access|key/i.test(code) ? 'unauthorized' : 'bad-request';
    default:
      return undefined;
  }
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
