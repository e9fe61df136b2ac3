import { textSetting } from '../core/settings';
import type { CallTraits } from '../core/traits';
import { UnreadableValueError } from './plain-json';
import { composeKey, keyOfRequest, type KeyParts } from './request-key';

/** The parts of a key that a config gives. */
export interface KeySpace {
  /**
   * Keeps the answers of one call apart from the answers of another call over the same cache.
   *
   * @defaultValue none
   */
  readonly namespace?: string;
  /**
   * The version of the prompt template, the schema or the model. Answers of another version are never taken.
   *
   * @defaultValue none
   */
  readonly version?: string;
}

/**
 * Reads the key space of a config.
 *
 * @throws TypeError for a `namespace` or `version` that is no text
 */
export function keySpaceOf(config: KeySpace): KeySpace {
  const namespace = textSetting('namespace', config.namespace);
  const version = textSetting('version', config.version);
  return { ...(namespace !== undefined && { namespace }), ...(version !== undefined && { version }) };
}

/** Explains why a request has no key. */
export interface KeylessRequest {
  readonly reason: string;
  /** The place of the value that cannot be hashed. */
  readonly path?: string;
}

/** Makes the key of a request in its key space, or explains why it has none. */
export function identify(
  request: unknown,
  { cacheKey, cacheScope: scope, sample }: CallTraits,
  { namespace, form, version }: KeySpace & Pick<KeyParts, 'form'>,
  readsTraitsByName: boolean,
): string | KeylessRequest {
  if (cacheKey === false) {
    return { reason: 'cacheKey is false' };
  }
  try {
    const key = cacheKey ?? keyOfRequest(request, readsTraitsByName);
    return composeKey({ namespace, form, version, scope, sample }, key);
  } catch (error) {
    const path = error instanceof UnreadableValueError ? error.path : undefined;
    return {
      reason: error instanceof Error ? error.message : 'its content cannot be read',
      ...(path !== undefined && { path }),
    };
  }
}
