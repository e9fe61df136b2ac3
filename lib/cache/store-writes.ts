import type { CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import type { StoreCalls, StoreCounts } from './store-calls';
import type { StoreHealth } from './store-health';

export interface StoreWrite {
  readonly key: string;
  readonly entry: CacheEntry;
  readonly text: string;
  /** Milliseconds; undefined if it does not expire. */
  readonly ttl: number | undefined;
}

type Step = StoreWrite | 'delete';

/** A key under which the store may hold an outdated answer. */
interface DirtyKey {
  readonly storeKey: string;
  /** The operation that runs; `late` is a write that missed its deadline and may still land. */
  sent: Step | 'late' | undefined;
  /** The next operation. */
  next: Step | undefined;
  /** Whether a user asked for the deletion, and not only a newer answer that could not be written. */
  isPurge: boolean;
  /** Counts the calls, so that the result of an earlier call is ignored. */
  attempt: number;
}

/** The most operations at a time. */
const mostSent = 32;

/** Waiting keys after which a further write becomes a deletion, which holds no text. */
const mostWaiting = 1000;

/** The most dirty keys that are remembered. */
const mostKeys = 50_000;

export interface StoreWritesSettings {
  readonly store: CacheStore;
  readonly calls: StoreCalls;
  readonly counts: StoreCounts;
  readonly health: StoreHealth;
  readonly isClearing: () => boolean;
  /** Called when nothing waits any more. */
  readonly idle: () => void;
  /** Called when there were too many dirty keys and all were dropped. */
  readonly overflowed: (hadPurge: boolean) => void;
}

/**
 * Writes and deletions, one after another for each key. A key is dirty until the store has carried out its last
 * operation.
 */
export class StoreWrites {
  readonly #settings: StoreWritesSettings;
  readonly #keys = new Map<string, DirtyKey>();
  /** The keys whose next operation may be sent, in order. */
  readonly #waiting = new Set<DirtyKey>();
  readonly #running = new Set<DirtyKey>();
  #isDraining = false;
  #isClosed = false;

  constructor(settings: StoreWritesSettings) {
    this.#settings = settings;
  }

  /** Whether as many keys wait as are sent at a time. */
  get isBusy(): boolean {
    return this.#waiting.size >= mostSent;
  }

  /** Whether a key is dirty, so that it must not be read. */
  has(storeKey: string): boolean {
    return this.#keys.has(storeKey);
  }

  /** The answer that is being written, unless it was deleted since. */
  newest(storeKey: string): StoreWrite | undefined {
    return newestOf(this.#keys.get(storeKey));
  }

  write(storeKey: string, write: StoreWrite): void {
    const isRoom = isWrite(this.#keys.get(storeKey)?.next) || this.#waiting.size < mostWaiting;
    this.#add(storeKey, isRoom ? write : 'delete', false);
  }

  delete(storeKey: string, isPurge: boolean): void {
    this.#add(storeKey, 'delete', isPurge);
  }

  /** Cancels all writes, and deletes those that may still land. */
  void(): void {
    for (const key of this.#keys.values()) {
      const mayLand = key.sent !== undefined && key.sent !== 'delete';
      key.isPurge = true;
      this.#plan(key, mayLand || key.next === 'delete' ? 'delete' : undefined);
    }
  }

  /** Deletes pending writes that match. */
  voidMatching(matches: (entry: CacheEntry, key: string) => boolean): void {
    for (const key of this.#keys.values()) {
      const newest = newestOf(key);
      if (newest ? matches(newest.entry, newest.key) : key.sent === 'late') {
        key.isPurge = true;
        this.#plan(key, 'delete');
      }
    }
    this.drain();
  }

  /** The store cannot be changed for a while. Waiting writes become later deletions. */
  interrupt(): void {
    for (const key of this.#keys.values()) {
      if (isWrite(key.sent)) {
        key.sent = 'late';
      } else if (key.sent === 'delete') {
        // A late deletion does no harm, so the next operation need not wait.
        key.sent = undefined;
        key.next ??= 'delete';
      }
      this.#plan(key, isWrite(key.next) ? 'delete' : key.next);
    }
    this.#running.clear();
  }

  /** Repeats what failed. */
  retry(): void {
    for (const key of this.#keys.values()) {
      this.#plan(key, key.next);
    }
    this.drain();
  }

  /** Sends what waits, as far as the store may be changed now. */
  drain(): void {
    if (this.#isDraining) {
      return;
    }
    const { health, isClearing } = this.#settings;
    this.#isDraining = true;
    try {
      for (const key of this.#waiting) {
        const isRoom = this.#isClosed || this.#running.size < mostSent;
        if (!isRoom || health.isBypassed || isClearing()) {
          break;
        }
        this.#send(key);
      }
    } finally {
      this.#isDraining = false;
    }
    if (!this.isBusy) {
      this.#settings.idle();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.retry();
  }

  #add(storeKey: string, next: Step, isPurge: boolean): void {
    let key = this.#keys.get(storeKey);
    if (!key && this.#keys.size >= mostKeys) {
      this.#forgetAll(isPurge);
      return;
    }
    if (!key) {
      key = { storeKey, sent: undefined, next, isPurge, attempt: 0 };
      this.#keys.set(storeKey, key);
    }
    key.isPurge ||= isPurge;
    this.#plan(key, next);
    this.drain();
  }

  #plan(key: DirtyKey, next: Step | undefined): void {
    key.next = next;
    if (key.sent === undefined && next !== undefined) {
      this.#waiting.add(key);
    } else {
      this.#waiting.delete(key);
    }
    if (key.sent === undefined && next === undefined) {
      this.#keys.delete(key.storeKey);
    }
  }

  #send(key: DirtyKey): void {
    const { store, calls } = this.#settings;
    const { storeKey } = key;
    const step = key.next!;
    const attempt = ++key.attempt;
    const settled = (isDone: boolean, _answer: unknown, error: unknown) => {
      if (key.attempt === attempt) {
        this.#running.delete(key);
        this.#settled(key, step, isDone, error);
      }
      this.drain();
    };
    key.sent = step;
    this.#plan(key, undefined);
    this.#running.add(key);
    if (step === 'delete') {
      calls.run('delete', () => store.delete(storeKey), settled);
    } else {
      calls.run('set', () => store.set(storeKey, step.text, step.ttl), settled);
    }
  }

  #settled(key: DirtyKey, step: Step, isDone: boolean, error: unknown): void {
    const { counts, health } = this.#settings;
    counts.writes += Number(isDone && step !== 'delete');
    counts.unstorable += Number(step !== 'delete' && error instanceof RangeError);
    if (isDone && step === 'delete') {
      health.retried();
    }
    if (this.#keys.get(key.storeKey) !== key) {
      return;
    }
    key.sent = undefined;
    if (isDone || key.next !== undefined) {
      this.#plan(key, key.next);
    } else if (step === 'delete') {
      key.next = 'delete';
      health.retryLater();
    } else {
      // The store may hold the older answer, or half of the newer one.
      this.#plan(key, 'delete');
    }
  }

  #forgetAll(isPurge: boolean): void {
    const hadPurge = isPurge || [...this.#keys.values()].some((key) => key.isPurge);
    this.#keys.clear();
    this.#waiting.clear();
    this.#settings.overflowed(hadPurge);
  }
}

function newestOf(key: DirtyKey | undefined): StoreWrite | undefined {
  const newest = key?.next ?? key?.sent;
  return isWrite(newest) ? newest : undefined;
}

function isWrite(step: Step | 'late' | undefined): step is StoreWrite {
  return typeof step === 'object';
}
