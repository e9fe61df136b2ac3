import { CallTimeoutError } from '../core/errors';
import { day, hour, minute } from './durations';
import { isFinal, shapesOf, withText } from './error-chain';
import type { ErrorClassification } from './error-classification';
import { isAbort, isSpentQuota, kindOfCode } from './error-codes';
import { fieldOf, firstOf, layerOf, type ErrorShape, type Layer } from './error-shape';
import { headerOf } from './header-reader';
import { hasNoLimit, retryAfterOf, spentUntil, statedLimitsOf } from './rate-limit-headers';
import { refusalBodyOf, type RefusalBody } from './refusal-body';
import { firstOfEachName, type StatedLimit } from './stated-limit';

export type { ErrorClassification } from './error-classification';

/**
 * Decides what an error means. Pass your own as `classifyError` to change it.
 *
 * @param now milliseconds since the epoch, for waits that a provider states as a moment
 */
export type ErrorClassifier = (error: unknown, now: number) => ErrorClassification;

/**
 * Classifies an error by HTTP status, code, name and the provider's wait hint. It finds these in the places and
 * spellings of the common clients: the providers' SDKs, the AI SDK, LangChain, axios, RxJS's `ajax`, Angular's
 * `HttpClient`, undici, wrappers of `fetch` that keep `status` or `response`, and Node's connection errors. If an error
 * says nothing itself, its `cause` is classified, and then its message (`HTTP 503`, `429 Too Many Requests`, `socket
 * hang up`). It never throws. An unreadable error is `unknown`, and so is an abort, because only the caller knows who
 * aborted. The operators treat an abort that they did not cause as the client's own timer: `transient`.
 *
 * @example
 * const classify: ErrorClassifier = (error, now) =>
 *   error instanceof MyQuotaError ? { kind: 'stop' } : classifyError(error, now);
 *
 * @param now milliseconds since the epoch by the caller's clock; only used for moments in a response without `date`
 */
export function classifyError(error: unknown, now?: number): ErrorClassification {
  try {
    const shapes = shapesOf(error);
    return (
      firstOf(shapes, (shape) => classificationOf(shape, now)) ??
      firstOf(shapes, (shape) => classificationOf(withText(shape), now)) ?? { kind: 'unknown' }
    );
  } catch {
    return { kind: 'unknown' };
  }
}

/** Whether an error says only that its client aborted the call. */
export const isAborted = (error: unknown): boolean =>
  shapesOf(error).some(({ codes }) => codes.some(isAbort));

/** What the error itself means; undefined if it says nothing. */
function classificationOf(shape: ErrorShape, now: number | undefined): ErrorClassification | undefined {
  if (shape.layers[0] instanceof CallTimeoutError) {
    return { kind: 'transient' };
  }
  if (isFinal(shape)) {
    return { kind: 'unknown' };
  }
  const body = refusalBodyOf(shape);
  const told = kindOf(shape);
  const isRefused = told === 'wait' || told === 'overloaded';
  const hasSpentCode = shape.codes.some(isSpentQuota);
  if ((hasSpentCode && !isRefused) || (isRefused && body.isHopeless)) {
    return { kind: 'stop' };
  }
  const isSpent = hasSpentCode || (isRefused && body.isSpent);
  const kind = isSpent ? told : wished(told, shape);
  if (kind === undefined || kind === 'stop' || kind === 'unknown') {
    return kind && { kind };
  }
  const hints = hintsOf(kind, shape, body, now);
  const isSpentForGood = isSpent && !((hints.retryAfter ?? 0) > minute);
  // If the provider asks for a wait, a limit of 0 is not final.
  const isClosed = kind === 'wait' && hints.retryAfter === undefined && shape.headers.some(hasNoLimit);
  return isSpentForGood || isClosed ? { kind: 'stop' } : { kind, ...hints };
}

/** Statuses with which Amazon and Google also refuse, and other servers report overload. */
const isVague = (status: number): boolean => status === 400 || status === 403 || status >= 500;

function kindOf({ status, codes, isBrokenAnswer }: ErrorShape): ErrorClassification['kind'] | undefined {
  const coded = firstOf(codes, kindOfCode);
  const isRefusal = coded === 'wait' || coded === 'overloaded';
  if (status === undefined) {
    return coded ?? (isBrokenAnswer ? 'transient' : undefined);
  }
  if (status === 429) {
    return coded === 'overloaded' && !codes.includes('slow_down') ? 'overloaded' : 'wait';
  }
  // 498 is Groq's status for its flex tier.
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

/** The kind after the provider's or the SDK's statement about retries. */
function wished(kind: ErrorClassification['kind'] | undefined, { headers, layers }: ErrorShape): typeof kind {
  switch (firstOf(headers, (one) => headerOf(one, 'x-should-retry'))) {
    case 'false':
      return 'stop';
    case 'true':
      return kind === undefined || kind === 'stop' ? 'transient' : kind;
    default:
      return kind ?? (layers.some(isRetryable) ? 'transient' : undefined);
  }
}

/** The field of the AI SDK, and of Amazon's old and new SDK. */
const isRetryable = (layer: Layer): boolean =>
  ['isRetryable', 'retryable'].some((name) => fieldOf(layer, name) === true) ||
  layerOf(fieldOf(layer, '$retryable')) !== undefined;

function hintsOf(
  kind: 'wait' | 'overloaded' | 'transient',
  { headers }: ErrorShape,
  body: RefusalBody,
  now: number | undefined,
): Omit<ErrorClassification, 'kind'> {
  const retryAfter =
    firstOf(headers, (one) => retryAfterOf(one, now)) ??
    body.retryAfter ??
    (kind === 'wait' ? firstOf(headers, (one) => spentUntil(one, now)) : undefined);
  const hint = retryAfter === undefined ? {} : { retryAfter };
  if (kind === 'transient') {
    return hint;
  }
  const stated = firstOfEachName([...headers.flatMap((one) => statedLimitsOf(one, now)), ...body.limits]);
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
  // The body of a refusal names the spent limit; in the headers it is the one with nothing left.
  const spent = body.limits.length > 0 ? body.limits : limits.filter(({ remaining }) => remaining === 0);
  const [window, ...others] = new Set(spent.map((limit) => limit.window));
  if (others.length > 0) {
    return undefined;
  }
  return window === day ? 'day' : window === minute ? 'minute' : undefined;
}
