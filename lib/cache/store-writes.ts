import type { CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import type { StoreCalls, StoreCounts } from './store-calls';
import type { StoreHealth } from './store-health';

/** An entry on its way to the store. */
export interface StoreWrite {
  readonly key: string;
  readonly entry: CacheEntry;
  readonly text: string;
  /** Milliseconds; undefined for an entry that does not expire. */
  readonly ttl: number | undefined;
}

type Step = StoreWrite | 'delete';

/** A key under which the store may hold an older answer than it should. */
interface DirtyKey {
  readonly storeKey: string;
  /** What the store was asked for; `late` stands for a write that missed its deadline and may land at any time. */
  sent: Step | 'late' | undefined;
  /** What the store will be asked for next. */
  next: Step | undefined;
  /** Whether a user asked for the deletion, and not only a newer answer that could not be written. */
  isPurge: boolean;
  /** Counts the calls, so that an answer to an earlier one is ignored. */
  attempt: number;
}

/** Writes and deletions that run at a time. */
const mostSent = 32;

/** Keys that wait for their turn; a further write becomes a deletion, which holds no text. */
const mostWaiting = 1000;

/** Dirty keys that are remembered. */
const mostKeys = 50_000;

/** How the writes of a store fit into the rest. */
export interface StoreWritesSettings {
  readonly store: CacheStore;
  readonly calls: StoreCalls;
  readonly counts: StoreCounts;
  readonly health: StoreHealth;
  readonly isClearing: () => boolean;
  /** Nothing waits any more. */
  readonly idle: () => void;
  /** There were too many dirty keys to remember, so all were forgotten. */
  readonly overflowed: (hadPurge: boolean) => void;
}

/** Writes and deletions, one after the other for each key. A key is dirty until the store has carried out the last. */
export class StoreWrites {
  readonly #settings: StoreWritesSettings;
  readonly #keys = new Map<string, DirtyKey>();
  /** The keys whose next step may be sent, in order. */
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

  /** Whether a key is dirty: the store must not be asked for it. */
  has(storeKey: string): boolean {
    return this.#keys.has(storeKey);
  }

  /** The answer that is on its way to the store, unless it was deleted since. */
  newest(storeKey: string): StoreWrite | undefined {
    return newestOf(this.#keys.get(storeKey));
  }

  write(storeKey: string, write: StoreWrite): void {
    const isRoom = isWrite(this.#keys.get(storeKey)?.next) || this.#waiting.size < mostWaiting;
    this.#add(storeKey, isRoom ? write : 'delete', false);
  }

  /** Deletes a key, now or as soon as the store can be changed. */
  delete(storeKey: string, isPurge: boolean): void {
    this.#add(storeKey, 'delete', isPurge);
  }

  /** Takes back all writes, and deletes those that may land nevertheless. */
  void(): void {
    for (const key of this.#keys.values()) {
      const mayLand = key.sent !== undefined && key.sent !== 'delete';
      key.isPurge = true;
      this.#plan(key, mayLand || key.next === 'delete' ? 'delete' : undefined);
    }
  }

  /** Deletes what is on its way and matches. */
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

  /** The store cannot be changed for a while: what waits to be written is deleted later instead. */
  interrupt(): void {
    for (const key of this.#keys.values()) {
      if (isWrite(key.sent)) {
        key.sent = 'late';
      } else if (key.sent === 'delete') {
        // A deletion that lands late does no harm, so the next step need not wait for it.
        key.sent = undefined;
        key.next ??= 'delete';
      }
      this.#plan(key, isWrite(key.next) ? 'delete' : key.next);
    }
    this.#running.clear();
  }

  /** Sends again what failed. */
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

  /** Sends everything at once. */
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
