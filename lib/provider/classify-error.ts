import { CallTimeoutError, NoAnswerError, RxllmError } from '../core/errors';
import { day, hour, minute } from './durations';
import {
  abortNames,
  connectionCodes,
  connectionMessages,
  connectionNames,
  kindsByCode,
  spentQuotaCodes,
} from './error-codes';
import type { ErrorClassification } from './error-classification';
import { errorShapeOf, fieldOf, layerOf, type ErrorShape, type Layer } from './error-shape';
import { headerOf } from './header-reader';
import { retryAfterOf, spentUntil, statedLimitsOf } from './rate-limit-headers';
import { refusalBodyOf, type RefusalBody } from './refusal-body';
import type { StatedLimit } from './stated-limit';

export type { ErrorClassification } from './error-classification';

/** Decides what an error means; pass your own as `classifyError` to change it. */
export type ErrorClassifier = (error: unknown) => ErrorClassification;

/** Errors may wrap errors, which may wrap each other. */
const deepestCause = 4;

/**
 * The default classification: by HTTP status, error code and the provider's wait hint, in the shapes of the SDKs of
 * OpenAI, Anthropic, Google and Amazon, the AI SDK, axios, `fetch` wrappers that keep `status` or `response`, and Node's
 * connection errors. An error that says nothing by itself means what its `cause` means. It never throws: what cannot be
 * read is `unknown`.
 *
 * @example
 * const classify: ErrorClassifier = (error) =>
 *   error instanceof MyQuotaError ? { kind: 'stop' } : classifyError(error);
 *
 * @param now milliseconds since the epoch by the caller's clock; only used for moments in a response without `date`
 */
export function classifyError(error: unknown, now?: number): ErrorClassification {
  try {
    let current: unknown = error;
    for (let depth = 0; depth <= deepestCause; depth++) {
      const layer = layerOf(current);
      const classification = layer && classificationOf(layer, now);
      if (classification || !layer) {
        return classification ?? { kind: 'unknown' };
      }
      // The AI SDK's error of spent retries keeps the last one under this name.
      current = fieldOf(layer, 'cause') ?? fieldOf(layer, 'lastError');
    }
  } catch {
    // An error that cannot even be looked at.
  }
  return { kind: 'unknown' };
}

/** What the error itself means; undefined where it says nothing. */
function classificationOf(error: Layer, now: number | undefined): ErrorClassification | undefined {
  if (error instanceof CallTimeoutError) {
    return { kind: 'transient' };
  }
  const shape = errorShapeOf(error);
  // Of our own errors the cause is what an earlier attempt had failed with.
  if (
    error instanceof RxllmError ||
    (shape.status === undefined && shape.codes.some((code) => abortNames.has(code)))
  ) {
    return { kind: 'unknown' };
  }
  const body = refusalBodyOf(shape);
  // Without a word of the provider's it may well bring an answer the next time.
  const told = kindOf(shape) ?? (error instanceof NoAnswerError ? 'transient' : undefined);
  const isRefused = told === 'wait' || told === 'overloaded';
  const hasSpentCode = shape.codes.some((code) => spentQuotaCodes.has(code));
  if ((hasSpentCode && !isRefused) || (isRefused && body.isHopeless)) {
    return { kind: 'stop' };
  }
  const isSpent = hasSpentCode || (isRefused && body.isSpent);
  const kind = isSpent ? told : wished(told, shape);
  if (kind === undefined || kind === 'stop' || kind === 'unknown') {
    return kind && { kind };
  }
  const hints = hintsOf(kind, shape, body, now);
  return isSpent && !((hints.retryAfter ?? 0) > minute) ? { kind: 'stop' } : { kind, ...hints };
}

/** Statuses under which Amazon and Google also refuse, and servers also say that they are overloaded. */
const isVague = (status: number): boolean => status === 400 || status === 403 || status >= 500;

function kindOf({ status, codes, messages }: ErrorShape): ErrorClassification['kind'] | undefined {
  const coded = codes.map((code) => kindsByCode.get(code)).find((kind) => kind !== undefined);
  const isRefusal = coded === 'wait' || coded === 'overloaded';
  if (status === undefined) {
    const isConnection =
      codes.some((code) => connectionCodes.has(code) || connectionNames.has(code)) ||
      (codes.includes('TypeError') && messages.some((message) => connectionMessages.has(message)));
    return coded ?? (isConnection ? 'transient' : undefined);
  }
  if (status === 429) {
    return coded === 'overloaded' && !codes.includes('slow_down') ? 'overloaded' : 'wait';
  }
  // 498 is Groq's for its flex tier.
  if (status === 503 || status === 529 || status === 498) {
    return 'overloaded';
  }
  if (isRefusal && isVague(status)) {
    return coded;
  }
  const isRetryable =
    status === 408 || status === 409 || status >= 500 || codes.includes('ModelStreamErrorException');
  return isRetryable ? 'transient' : 'stop';
}

/** What the provider's word on retries makes of a kind. */
function wished(kind: ErrorClassification['kind'] | undefined, { headers }: ErrorShape): typeof kind {
  switch (first(headers, (one) => headerOf(one, 'x-should-retry'))) {
    case 'false':
      return 'stop';
    case 'true':
      return kind === undefined || kind === 'stop' ? 'transient' : kind;
    default:
      return kind;
  }
}

function hintsOf(
  kind: 'wait' | 'overloaded' | 'transient',
  { headers }: ErrorShape,
  body: RefusalBody,
  now: number | undefined,
): Omit<ErrorClassification, 'kind'> {
  const retryAfter =
    first(headers, (one) => retryAfterOf(one, now)) ??
    body.retryAfter ??
    (kind === 'wait' ? first(headers, (one) => spentUntil(one, now)) : undefined);
  const hint = retryAfter === undefined ? {} : { retryAfter };
  if (kind === 'transient') {
    return hint;
  }
  const limits = new Map<string, StatedLimit>();
  for (const limit of [...headers.flatMap((one) => statedLimitsOf(one, now)), ...body.limits]) {
    if (!limits.has(limit.name)) {
      limits.set(limit.name, limit);
    }
  }
  const stated = [...limits.values()];
  const period = kind === 'wait' ? periodOf(retryAfter, body, stated) : undefined;
  return { ...hint, ...(period && { period }), ...(stated.length > 0 && { limits: stated }) };
}

function periodOf(
  retryAfter: number | undefined,
  body: RefusalBody,
  limits: readonly StatedLimit[],
): 'minute' | 'day' | undefined {
  if (retryAfter !== undefined && retryAfter > hour) {
    return 'day';
  }
  if (body.period) {
    return body.period;
  }
  // The body of a refusal speaks of the limit that refused; headers tell by what is spent.
  const spent = body.limits.length > 0 ? body.limits : limits.filter(({ remaining }) => remaining === 0);
  const [window, ...others] = new Set(spent.map((limit) => limit.window));
  if (others.length > 0) {
    return undefined;
  }
  return window === day ? 'day' : window === minute ? 'minute' : undefined;
}

function first<T, U>(values: readonly T[], read: (value: T) => U | undefined): U | undefined {
  for (const value of values) {
    const found = read(value);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}
