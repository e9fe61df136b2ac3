import { functionSetting, textSetting, verdictOf } from '../core/settings';
import type { CacheEntry } from './cache-entry';
import { partsOfKey } from './request-key';

/** An answer as a predicate of `invalidate` sees it. */
export interface CachedAnswer {
  /** The `cacheKey` of the request, or the key made from its content. */
  readonly key: string;
  readonly namespace?: string;
  /** `endpoint:` and the endpoint of the call, or `function:` and the number of its function in this process. */
  readonly call?: string;
  readonly version?: string;
  /** The `cacheScope` of the request. */
  readonly scope?: string;
  readonly sample?: number;
  readonly tags: readonly string[];
  /** The answer; undefined while its call runs, and for a kept failure. */
  readonly value: unknown;
  /** When it was stored, in milliseconds on the clock of the cache; undefined while its call runs. */
  readonly storedAt: number | undefined;
}

/** Selects answers to invalidate. An answer must match all given fields. */
export interface CacheSelection {
  /** The answers with this tag. */
  readonly tag?: string | undefined;
  /** The answers whose `cacheKey`, or key made from content, begins so. */
  readonly prefix?: string | undefined;
  /** The answers of this namespace. */
  readonly namespace?: string | undefined;
  /** The answers for which it returns true. It also judges the answers of running calls when they end. */
  readonly predicate?: ((answer: CachedAnswer) => boolean) | undefined;
}

export interface SelectionRule {
  /** Whether a key matches all fields but the predicate. */
  covers(key: string, tags: readonly string[]): boolean;
  /** Whether an answer matches all fields; `entry` is undefined while the call runs. */
  appliesTo(key: string, tags: readonly string[], entry: CacheEntry | undefined): boolean;
}

export function ruleOf(selection: CacheSelection): SelectionRule {
  if (typeof selection !== 'object' || selection === (null as unknown)) {
    throw new TypeError('invalidate takes an object with tag, prefix, namespace or predicate.');
  }
  const tag = textSetting('tag', selection.tag);
  const prefix = textSetting('prefix', selection.prefix);
  const namespace = textSetting('namespace', selection.namespace);
  const predicate = functionSetting('predicate', selection.predicate);
  if (tag === undefined && prefix === undefined && namespace === undefined && !predicate) {
    throw new TypeError(
      'invalidate needs a tag, prefix, namespace or predicate; clear() forgets everything.',
    );
  }
  const covers = (composed: string, tags: readonly string[]) => {
    if (tag !== undefined && !tags.includes(tag)) {
      return false;
    }
    if (prefix === undefined && namespace === undefined) {
      return true;
    }
    const parts = partsOfKey(composed);
    return (
      (prefix === undefined || parts.key.startsWith(prefix)) &&
      (namespace === undefined || parts.namespace === namespace)
    );
  };
  return {
    covers,
    appliesTo: (composed, tags, entry) =>
      covers(composed, tags) &&
      (!predicate ||
        verdictOf(
          'predicate',
          predicate({ ...partsOfKey(composed), tags, value: entry?.value, storedAt: entry?.storedAt }),
        )),
  };
}
