import { textSetting } from '../core/settings';
import type { CallTraits } from '../core/traits';
import { bareKey, composeKey, keyOfRequest } from './request-key';

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
  traits: CallTraits,
  keySpace: KeySpace,
  readsTraitsByName: boolean,
): string | KeylessRequest {
  const { cacheKey, cacheScope, sample } = traits;
  const hasParts = cacheScope !== undefined || sample !== undefined;
  return typeof cacheKey === 'string' && !hasParts && isEmpty(keySpace)
    ? bareKey(cacheKey)
    : identifyInParts(request, traits, keySpace, readsTraitsByName);
}

function identifyInParts(
  request: unknown,
  { cacheKey, cacheScope, sample }: CallTraits,
  keySpace: KeySpace,
  readsTraitsByName: boolean,
): string | KeylessRequest {
  if (cacheKey === false) {
    return { reason: 'cacheKey is false' };
  }
  let key = cacheKey;
  if (key === undefined) {
    try {
      key = keyOfRequest(request, readsTraitsByName);
    } catch (error) {
      const path = (error as { readonly path?: unknown } | null)?.path;
      return {
        reason: error instanceof Error ? error.message : 'its content cannot be read',
        ...(typeof path === 'string' && { path }),
      };
    }
  }
  if (cacheScope === undefined && sample === undefined) {
    return composeKey(keySpace, key);
  }
  return composeKey(
    {
      ...keySpace,
      ...(cacheScope !== undefined && { scope: cacheScope }),
      ...(sample !== undefined && { sample }),
    },
    key,
  );
}

function isEmpty({ namespace, version }: KeySpace): boolean {
  return namespace === undefined && version === undefined;
}
