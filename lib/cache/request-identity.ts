import { textSetting } from '../core/settings';
import type { CallTraits } from '../core/traits';
import { UnreadableValueError } from './plain-json';
import { composeKey, keyOfRequest } from './request-key';

/** What a key holds besides what is read off the request. */
export interface KeySpace {
  /** Keeps the answers of one call apart from those of another over the same cache. Default: none. */
  readonly namespace?: string;
  /** Of the prompt template, the schema or the model: answers of another version are never taken. Default: none. */
  readonly version?: string;
}

/** The key space of a config. */
export function keySpaceOf(config: KeySpace): KeySpace {
  const namespace = textSetting('namespace', config.namespace);
  const version = textSetting('version', config.version);
  return { ...(namespace !== undefined && { namespace }), ...(version !== undefined && { version }) };
}

/** Why a request has no key. */
export interface KeylessRequest {
  readonly reason: string;
  /** Where the value stands that cannot be hashed. */
  readonly path?: string;
}

/** The key of a request in its key space, or why it has none. */
export function identify(
  request: unknown,
  { cacheKey, cacheScope: scope, sample }: CallTraits,
  { namespace, version }: KeySpace,
  readsTraitsByName: boolean,
): string | KeylessRequest {
  if (cacheKey === false) {
    return { reason: 'cacheKey is false' };
  }
  try {
    const key = cacheKey ?? keyOfRequest(request, readsTraitsByName);
    return composeKey({ namespace, version, scope, sample }, key);
  } catch (error) {
    const path = error instanceof UnreadableValueError ? error.path : undefined;
    return {
      reason: error instanceof Error ? error.message : 'its content cannot be read',
      ...(path !== undefined && { path }),
    };
  }
}
