/**
 * Where answers stay beyond memory, beyond a restart, or beyond one process: what a Keyv instance is as it is, so that
 * Keyv's adapters (SQLite, Redis, Valkey, Postgres and more) all serve. Every method may answer with a promise or at
 * once, throw or reject. A store that is slow or fails is bypassed and never fails a call.
 *
 * Keys are printable ASCII of at most 500 characters. Several caches, in several processes, may use one store; a
 * `clear` of one of them clears all of it, so give a cache a store, or a namespace of one, that holds nothing else.
 *
 * @example
 * import Keyv from 'keyv';
 * import KeyvRedis from '@keyv/redis';
 *
 * new LLMResultCache({ store: new Keyv(new KeyvRedis('redis://localhost:6379'), { namespace: 'answers' }) });
 */
export interface CacheStore {
  /** The text that was set under a key; anything else, or nothing, counts as not there. */
  get(key: string): unknown;
  /**
   * Keeps a text for `ttl` whole milliseconds, or without an end if that is undefined. Answers false if it failed, and
   * throws a RangeError if the store is well but the text too long for it.
   */
  set(key: string, text: string, ttl?: number): unknown;
  /** Forgets a key. Whatever it answers, false too, it is done unless it throws, rejects or emits an error. */
  delete(key: string): unknown;
  /** Forgets everything, and answers false if that failed; without it and `iterator` older answers are ignored for as long as the process lives. */
  clear?(): unknown;
  /** Lists `[key, text]`, so that answers can be invalidated by what they are; without it all are cleared. */
  iterator?(namespace?: unknown): AsyncIterable<unknown> | Iterable<unknown>;
  /**
   * Subscribes to the errors of a store that emits them rather than to throw. Of a store that does neither, as Keyv
   * with `emitErrors: false`, nobody can know that a deletion failed.
   */
  on?(event: 'error', listener: (error: unknown) => void): unknown;
  off?(event: 'error', listener: (error: unknown) => void): unknown;
  /** Tells of the keys that other processes delete, undefined for all of them, so that memory forgets them; returns how to stop. */
  watch?(deleted: (key: string | undefined) => void): () => void;
  /**
   * Asks for the right to make the answer of a key that is not there, and waits while another process has it. `settled`
   * hears once what became of it. What is set while the right is held is kept only if it was not lost meanwhile.
   */
  lease?(key: string, settled: (result: LeaseResult) => void): StoreLease;
}

/** `taken`: make the answer; `answered`: it is there; or what its call failed with in another process. */
export type LeaseResult = 'taken' | 'answered' | { readonly error: Error };

/** The right to make an answer, or the wait for it. */
export interface StoreLease {
  /** Gives it up; those who wait fail alike if there is a failure. */
  end(failure?: { readonly error: unknown }): void;
}
