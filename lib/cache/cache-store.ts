/**
 * Keeps answers beyond memory: over a restart, or for several processes. A Keyv instance is one, so all of Keyv's
 * adapters can be used (SQLite, Redis, Valkey, Postgres and more). Each method may return its result or a promise, and
 * may throw or reject. A store that is slow or fails is bypassed and never fails a call.
 *
 * Keys are printable ASCII of at most 500 characters. Several caches and processes may share a store. `clear` of one
 * cache clears the whole store, so use a store, or a namespace of one, that holds nothing else.
 *
 * @example
 * import Keyv from 'keyv';
 * import KeyvRedis from '@keyv/redis';
 *
 * new LLMResultCache({ store: new Keyv(new KeyvRedis('redis://localhost:6379'), { namespace: 'answers' }) });
 */
export interface CacheStore {
  /** Returns the text under a key. Any other value counts as absent. */
  get(key: string): unknown;
  /**
   * Keeps a text for `ttl` whole milliseconds, or for ever if that is undefined. Returns false if it failed. Throws a
   * RangeError if only this text is too long.
   */
  set(key: string, text: string, ttl?: number): unknown;
  /** Deletes a key. Any result counts as done, false too, unless the method throws, rejects or emits an error. */
  delete(key: string): unknown;
  /**
   * Deletes everything; returns false if that failed. Without it and `iterator`, older answers are ignored while the
   * process lives.
   */
  clear?(): unknown;
  /**
   * Lists `[key, text]`, so that answers can be invalidated by content. Without it, an invalidation clears everything.
   */
  iterator?(namespace?: unknown): AsyncIterable<unknown> | Iterable<unknown>;
  /**
   * Subscribes to the errors of a store that emits them instead of throwing. If a store does neither, like Keyv with
   * `emitErrors: false`, a failed deletion goes unnoticed.
   */
  on?(event: 'error', listener: (error: unknown) => void): unknown;
  /** Removes a listener of errors when the cache is closed. */
  off?(event: 'error', listener: (error: unknown) => void): unknown;
  /**
   * Reports the keys that other processes delete, or undefined for all keys, so that memory deletes them too. Returns a
   * function that stops this.
   */
  watch?(deleted: (key: string | undefined) => void): () => void;
  /**
   * Asks for the right to make the answer of an absent key, and waits while another process has it. `settled` is called
   * once with the result. What is set with the right is kept only if the right was not lost meanwhile.
   */
  lease?(key: string, settled: (result: LeaseResult) => void): StoreLease;
}

/** `taken`: make the answer; `answered`: it is there; or the error of its call in another process. */
export type LeaseResult = 'taken' | 'answered' | { readonly error: Error };

/** The right to make an answer, or the wait for it. */
export interface StoreLease {
  /** Gives the right up. With a failure, waiting processes fail too. */
  end(failure?: { readonly error: unknown }): void;
}
