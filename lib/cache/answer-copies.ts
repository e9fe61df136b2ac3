import { refusePromise } from '../core/settings';
import { KeptFailure, withValue, type CacheEntry } from './cache-entry';
import { freezeAnswer } from './freeze';

/** The user's function that copies answers. */
export type Clone = <V>(value: V) => V;

/** Hands out answers so that nobody can change the answer of another reader: copied by `clone`, or frozen without one. */
export class AnswerCopies {
  readonly #clone: Clone | undefined;

  constructor(clone: Clone | undefined) {
    this.#clone = clone;
  }

  /**
   * The answer to keep, which the call of a request gave.
   *
   * @throws the error of `clone`, or a TypeError if that returns a promise
   */
  toKeep<V>(value: V, request?: unknown): V {
    return this.#clone ? cloned(this.#clone, value) : freezeAnswer(value, request);
  }

  /** The answer to give to several waiters; the same one if `clone` throws. */
  toShare<V>(value: V, request?: unknown): V {
    try {
      return this.toKeep(value, request);
    } catch {
      return value;
    }
  }

  /** The entry to hand out; undefined if `clone` throws, as if the entry were not there. */
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

  /** The entry to keep in memory that was made anew from a text in the store: nobody else has its answer. */
  ofStored(entry: CacheEntry): CacheEntry {
    return this.#clone ? entry : withValue(entry, freezeAnswer(entry.value));
  }
}

function cloned<V>(clone: Clone, value: V): V {
  const copy = clone(value);
  refusePromise('clone', copy);
  return copy;
}
