import { refusePromise } from '../core/settings';
import { KeptFailure, withValue, type CacheEntry } from './cache-entry';
import { freezeAnswer } from './freeze';

/** The user's `clone`. */
export type Clone = <V>(value: V) => V;

/** Copies answers with `clone`, or freezes them without one, so that no reader can change the answer of another. */
export class AnswerCopies {
  readonly #clone: Clone | undefined;

  constructor(clone: Clone | undefined) {
    this.#clone = clone;
  }

  /**
   * The answer to keep.
   *
   * @throws the error of `clone`, or a TypeError if it returns a promise
   */
  toKeep<V>(value: V, request?: unknown): V {
    return this.#clone ? cloned(this.#clone, value) : freezeAnswer(value, request);
  }

  /** The answer to give to several waiters; the original if `clone` throws. */
  toShare<V>(value: V, request?: unknown): V {
    try {
      return this.toKeep(value, request);
    } catch {
      return value;
    }
  }

  /** The entry to give; undefined if `clone` throws, as if there were no entry. */
  toTake(entry: CacheEntry): CacheEntry | undefined {
    if (!this.#clone || entry.value instanceof KeptFailure) {
      return entry;
    }
    try {
      return withValue(entry, cloned(this.#clone, entry.value));
    } catch {
      return undefined;
    }
  }

  /** An entry that was decoded from the store's text. No other code has its answer, so it needs no copy. */
  ofStored(entry: CacheEntry): CacheEntry {
    return this.#clone ? entry : withValue(entry, freezeAnswer(entry.value));
  }
}

function cloned<V>(clone: Clone, value: V): V {
  const copy = clone(value);
  refusePromise('clone', copy);
  return copy;
}
