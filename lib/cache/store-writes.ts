import { ChunkedQueue } from '../core/chunked-queue';
import type { CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import type { StoreCalls } from './store-calls';

/** An entry on its way to the store. */
export interface StoreWrite {
  readonly key: string;
  readonly entry: CacheEntry;
  readonly text: string;
  /** Milliseconds; undefined for one that does not end. */
  readonly ttl: number | undefined;
}

/** A write that was given up on, and may land at any time. */
const overdue = Symbol('overdue');

type Step = StoreWrite | 'deletion';

/** What is under way for one key of the store, and what is to be done after it. */
interface KeyWork {
  readonly storeKey: string;
  active: Step | typeof overdue | undefined;
  wanted: Step | undefined;
  /** Whether the user asked for the deletion, and not only a newer answer that could not be written. */
  isPurge: boolean;
  /** Counts what was sent; what an earlier one answers is of no interest. */
  attempt: number;
  /** Whether it can be sent as soon as it is its turn. */
  isReady: boolean;
}

/** Writes and deletions that are sent at a time. */
const mostSent = 32;

/** Writes that wait to be sent; more are dropped, and their keys deleted. */
const mostWaiting = 1000;

/** Keys that are remembered. */
const mostKeys = 50_000;

/** How the writes of a store fit into the rest. */
export interface StoreWritesSettings {
  readonly store: CacheStore;
  readonly calls: StoreCalls;
  /** Whether anything may be sent now. */
  readonly isOpen: () => boolean;
  readonly written: () => void;
  readonly deleted: () => void;
  /** A deletion failed: `retry` is to be called after a while. */
  readonly failed: () => void;
  /** There is room for more again. */
  readonly idle: () => void;
  /** Too many keys to remember: they were all forgotten. */
  readonly overflowed: (hadPurge: boolean) => void;
}

/**
 * Writes and deletions, one after the other for each key. A key is here as long as the store may hold an older answer
 * under it than it should: the store is not to be asked for it until then.
 */
export class StoreWrites {
  readonly #settings: StoreWritesSettings;
  readonly #works = new Map<string, KeyWork>();
  /** Those that are ready, in order, and some that are not ready any more. */
  readonly #queue = new ChunkedQueue<KeyWork>();
  #ready = 0;
  readonly #sent = new Set<KeyWork>();
  #waiting = 0;
  #isDraining = false;
  #isClosed = false;

  constructor(settings: StoreWritesSettings) {
    this.#settings = settings;
  }

  /** Whether enough is waiting to be sent. */
  get isBusy(): boolean {
    return this.#ready >= mostSent;
  }

  has(storeKey: string): boolean {
    return this.#works.has(storeKey);
  }

  /** The answer on its way to the store, if there is one and nothing newer is known of its key. */
  newest(storeKey: string): StoreWrite | undefined {
    const work = this.#works.get(storeKey);
    return work && newestOf(work);
  }

  /** Sends a write, now or later; or forgets it, and deletes what it would have replaced. */
  write(storeKey: string, write: StoreWrite): void {
    const known = this.#works.get(storeKey);
    if (known?.active === overdue || (!isWrite(known?.wanted) && this.#waiting >= mostWaiting)) {
      this.delete(storeKey, false);
      return;
    }
    const work = this.#workOf(storeKey, false);
    if (work) {
      this.#want(work, write);
      this.drain();
    }
  }

  /** Deletes a key, now or as soon as the store can be reached. */
  delete(storeKey: string, isPurge: boolean): void {
    const work = this.#workOf(storeKey, isPurge);
    if (work) {
      work.isPurge ||= isPurge;
      this.#want(work, 'deletion');
      this.drain();
    }
  }

  /** Everything of before is void; what may still land is deleted. */
  void(isErasing: boolean): void {
    for (const work of this.#works.values()) {
      const mayLand = work.active !== undefined && work.active !== 'deletion';
      const isDeletion = work.wanted === 'deletion' && !isErasing;
      work.isPurge = true;
      this.#want(work, mayLand || isDeletion ? 'deletion' : undefined);
    }
  }

  /** Deletes what is on its way and matches. */
  voidMatching(matches: (entry: CacheEntry, key: string) => boolean): void {
    for (const work of this.#works.values()) {
      const newest = newestOf(work);
      const isVoid = newest
        ? matches(newest.entry, newest.key)
        : work.active === overdue && work.wanted === undefined;
      if (isVoid) {
        work.isPurge = true;
        this.#want(work, 'deletion');
      }
    }
    this.drain();
  }

  /** The store is bypassed: what was not sent is dropped, and remembered as to be deleted. */
  drop(): void {
    for (const work of this.#works.values()) {
      if (isWrite(work.wanted)) {
        this.#want(work, 'deletion');
      }
      if (isWrite(work.active)) {
        work.active = overdue;
      } else if (work.active === 'deletion') {
        // It may land at any time without harm, so the next one need not wait for it.
        work.active = undefined;
        work.wanted = 'deletion';
      }
    }
    this.#forgetQueue();
    this.#sent.clear();
  }

  /** Tries again what failed or could not be sent. */
  retry(): void {
    for (const work of this.#works.values()) {
      if (work.wanted !== undefined && work.active === undefined) {
        this.#makeReady(work);
      }
    }
    this.drain();
  }

  drain(): void {
    if (this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    try {
      while (this.#ready > 0 && this.#hasRoom() && this.#settings.isOpen()) {
        const work = this.#queue.shift()!;
        if (work.isReady) {
          this.#makeUnready(work);
          this.#send(work);
        }
      }
    } finally {
      this.#isDraining = false;
    }
    if (!this.isBusy) {
      this.#settings.idle();
    }
  }

  /** Sends what waits all at once. */
  close(): void {
    this.#isClosed = true;
    this.retry();
  }

  #hasRoom(): boolean {
    return this.#isClosed || this.#sent.size < mostSent;
  }

  #workOf(storeKey: string, isPurge: boolean): KeyWork | undefined {
    let work = this.#works.get(storeKey);
    if (!work) {
      if (this.#works.size >= mostKeys) {
        this.#forgetAll(isPurge);
        return undefined;
      }
      work = { storeKey, active: undefined, wanted: undefined, isPurge: false, attempt: 0, isReady: false };
      this.#works.set(storeKey, work);
    }
    return work;
  }

  #want(work: KeyWork, wanted: Step | undefined): void {
    this.#waiting += Number(isWrite(wanted)) - Number(isWrite(work.wanted));
    work.wanted = wanted;
    if (work.active !== undefined) {
      return;
    }
    if (wanted === undefined) {
      this.#works.delete(work.storeKey);
      this.#makeUnready(work);
    } else {
      this.#makeReady(work);
    }
  }

  #makeReady(work: KeyWork): void {
    if (!work.isReady) {
      work.isReady = true;
      this.#ready++;
      this.#queue.push(work, 0, 0);
    }
  }

  #makeUnready(work: KeyWork): void {
    if (work.isReady) {
      work.isReady = false;
      this.#ready--;
    }
  }

  #forgetQueue(): void {
    for (let work = this.#queue.shift(); work; work = this.#queue.shift()) {
      work.isReady = false;
    }
    this.#ready = 0;
  }

  #send(work: KeyWork): void {
    const { store, calls } = this.#settings;
    const { storeKey } = work;
    const step = work.wanted!;
    const attempt = ++work.attempt;
    const settled = (isDone: boolean) => this.#settled(work, step, attempt, isDone);
    this.#waiting -= Number(isWrite(step));
    work.wanted = undefined;
    work.active = step;
    this.#sent.add(work);
    if (step === 'deletion') {
      calls.run('delete', () => store.delete(storeKey), settled);
    } else {
      calls.run('set', () => store.set(storeKey, step.text, step.ttl), settled);
    }
  }

  #settled(work: KeyWork, step: Step, attempt: number, isDone: boolean): void {
    if (isDone) {
      this.#settings[step === 'deletion' ? 'deleted' : 'written']();
    }
    if (work.attempt !== attempt) {
      return;
    }
    this.#sent.delete(work);
    if (this.#works.get(work.storeKey) === work) {
      if (isDone || work.wanted !== undefined) {
        work.active = undefined;
        this.#want(work, work.wanted);
      } else if (step !== 'deletion') {
        // The old answer may still be there, or half of the new one.
        work.active = undefined;
        this.#want(work, 'deletion');
      } else {
        this.#want(work, 'deletion');
        work.active = undefined;
        this.#settings.failed();
      }
    }
    this.drain();
  }

  #forgetAll(isPurge: boolean): void {
    const hadPurge = isPurge || [...this.#works.values()].some(({ isPurge }) => isPurge);
    this.#works.clear();
    this.#forgetQueue();
    this.#waiting = 0;
    this.#settings.overflowed(hadPurge);
  }
}

function newestOf({ active, wanted }: KeyWork): StoreWrite | undefined {
  const newest = wanted ?? active;
  return isWrite(newest) ? newest : undefined;
}

function isWrite(step: Step | typeof overdue | undefined): step is StoreWrite {
  return typeof step === 'object';
}
