import { functionSetting, textSetting } from '../core/settings';
import type { CacheEntry } from './cache-entry';
import { partsOfKey } from './request-key';

/** What a predicate is told of an answer that may be invalidated. */
export interface CachedAnswer {
  /** The `cacheKey` that was given, or the key made from the content. */
  readonly key: string;
  readonly namespace?: string;
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

/** Which answers to invalidate: those that everything given applies to. */
export interface CacheSelection {
  /** Answers that have this tag. */
  readonly tag?: string;
  /** Answers whose key, without namespace and the like, begins so. */
  readonly prefix?: string;
  /** Answers of this namespace. */
  readonly namespace?: string;
  /** Answers that it says true of; asked again when a call ends that ran meanwhile. */
  readonly predicate?: (answer: CachedAnswer) => boolean;
}

/** A selection as a rule for entries and for calls that run. */
export interface SelectionRule {
  /** Whether all but the predicate applies to what has this key. */
  covers(key: string, tags: readonly string[]): boolean;
  /** Whether all applies; `entry` is undefined while the call runs. */
  appliesTo(key: string, tags: readonly string[], entry: CacheEntry | undefined): boolean;
}

/** @throws TypeError for a selection that selects nothing or has a wrong field */
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
        predicate({ ...partsOfKey(composed), tags, value: entry?.value, storedAt: entry?.storedAt })),
  };
}
