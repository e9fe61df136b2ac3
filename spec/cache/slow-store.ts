import { asyncScheduler } from 'rxjs';
import type { CacheStore } from '../../lib/cache/cache-store';

/** What one operation of a {@link SlowStore} comes to. */
export type StoreFate = 'answers' | 'rejects' | 'throws' | 'hangs';

/** A store in virtual time, whose answers take a while, fail or never come. */
export class SlowStore implements CacheStore {
  readonly texts = new Map<string, string>();
  /** How often each method was called. */
  readonly calls = { get: 0, set: 0, delete: 0, clear: 0 };

  constructor(
    readonly latency = 0,
    readonly fate: () => StoreFate = () => 'answers',
  ) {}

  get(key: string): unknown {
    this.calls.get++;
    return this.#later(() => this.texts.get(key));
  }

  set(key: string, text: string): unknown {
    this.calls.set++;
    return this.#later(() => void this.texts.set(key, text));
  }

  delete(key: string): unknown {
    this.calls.delete++;
    return this.#later(() => this.texts.delete(key));
  }

  clear(): unknown {
    this.calls.clear++;
    return this.#later(() => this.texts.clear());
  }

  /** In virtual time there are no microtasks to wait for, so that a promise would never be heard of. */
  #later(work: () => unknown): PromiseLike<unknown> {
    const fate = this.fate();
    if (fate === 'throws') {
      throw new Error('the store is broken');
    }
    const later = {
      then: (fulfilled?: (value: unknown) => unknown, rejected?: (error: unknown) => unknown) => {
        if (fate !== 'hangs') {
          asyncScheduler.schedule(
            () => (fate === 'rejects' ? rejected?.(new Error('the store is broken')) : fulfilled?.(work())),
            this.latency,
          );
        }
        return later;
      },
    };
    return later as PromiseLike<unknown>;
  }
}
