import { identityOfCall, numberOf, type CallIdentity } from '../core/call-identity';
import { refusePromise, textSetting } from '../core/settings';
import type { AnyCall } from '../core/stream';
import type { CallTraits, RequestTraits } from '../core/traits';
import { UnreadableValueError } from './plain-json';
import { composeContentKey, composeKey, keyOfRequest } from './request-key';

/** The parts of a key that a config gives. */
export interface KeySpace {
  /**
   * Names the call, and separates its answers from those of other calls over the same cache. Two functions with one
   * namespace share their answers.
   *
   * @defaultValue none; the optimizer then tells calls apart by function
   */
  readonly namespace?: string | undefined;
  /**
   * The version of the prompt template, the schema or the model. Answers of another version are never used.
   *
   * @defaultValue none
   */
  readonly version?: string | undefined;
}

/** The key of a request. */
export interface KeyedRequest {
  readonly key: string;
  /** The names of the fields that the key leaves out; undefined if there are none. */
  readonly leftOut: readonly string[] | undefined;
}

export interface KeylessRequest {
  readonly key?: undefined;
  readonly reason: string;
  /** The path of the value that cannot be part of a key. */
  readonly path?: string;
}

/** Makes the keys of the requests of one call, or of one `cacheLLM`. */
export class RequestKeys<R> {
  /** The parts of the call, which come before those of a request. */
  readonly #prefix: string;
  readonly #isTrait: RequestTraits<R>['isTrait'];
  readonly #identity: CallIdentity<R> | undefined;

  /**
   * @param call the call of the requests. If it states its endpoint and body, these are part of the key; else its
   * namespace is, or without one the function itself.
   * @throws TypeError if `namespace` or `version` is no string
   */
  constructor(
    { namespace, version }: KeySpace,
    { isTrait }: Pick<RequestTraits<R>, 'isTrait'>,
    call?: AnyCall,
  ) {
    this.#isTrait = isTrait;
    this.#identity = call && identityOfCall(call);
    const parts = {
      namespace: textSetting('namespace', namespace),
      version: textSetting('version', version),
      call: this.#identity
        ? `endpoint:${this.#identity.endpoint}`
        : call && namespace === undefined
          ? `function:${numbersOf(call)}`
          : undefined,
      form: typeof call === 'object' ? 'stream' : undefined,
    };
    this.#prefix = composeContentKey(parts, '');
  }

  of(request: R, { cacheKey, cacheScope: scope, sample }: CallTraits): KeyedRequest | KeylessRequest {
    if (cacheKey === false) {
      return { reason: 'cacheKey is false' };
    }
    const parts = { scope, sample };
    if (cacheKey !== undefined) {
      return { key: this.#prefix + composeKey(parts, cacheKey), leftOut: undefined };
    }
    try {
      const leftOut: string[] = [];
      const key = this.#identity
        ? keyOfRequest(bodyOf(request, this.#identity), { isTrait: () => false, leftOut, root: 'body' })
        : keyOfRequest(request, { isTrait: this.#isTrait, leftOut });
      return {
        key: this.#prefix + composeContentKey(parts, key),
        leftOut: leftOut.length > 0 ? leftOut : undefined,
      };
    } catch (error) {
      return {
        reason: error instanceof Error ? error.message : 'its content cannot be read',
        ...(error instanceof UnreadableValueError && { path: error.path }),
      };
    }
  }
}

/** The numbers of the functions of a stream call, because its object may be made again for each use. */
function numbersOf(call: AnyCall): string {
  return typeof call === 'function'
    ? `${numberOf(call)}`
    : `${numberOf(call.open)}+${numberOf(call.collect)}`;
}

function bodyOf<R>(request: R, identity: CallIdentity<R>): unknown {
  try {
    const body = identity.body(request);
    refusePromise('body', body);
    return body;
  } catch {
    // The error may show content. The call will throw it again.
    throw new TypeError('its body cannot be made');
  }
}
