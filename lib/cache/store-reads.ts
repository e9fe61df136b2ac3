import type { CacheEntry } from './cache-entry';
import { decodeEntry } from './entry-text';
import { applies, type StoreFences, type StoreFilter } from './store-fences';

/** A look-up that the store has not answered yet. */
export interface StoreRead {
  readonly key: string;
  readonly storeKey: string;
  readonly done: (entry: CacheEntry | undefined) => void;
  /** The invalidations that may apply to what it brings. */
  filters: readonly StoreFilter[];
  /** Whether its key was written or purged meanwhile: then `instead` is its answer. */
  isFenced: boolean;
  instead: CacheEntry | undefined;
  isOver: boolean;
}

/** The look-ups that are under way, and what happens to their keys meanwhile. */
export class StoreReads {
  readonly #fences: StoreFences;
  readonly #byKey = new Map<string, Set<StoreRead>>();

  constructor(fences: StoreFences) {
    this.#fences = fences;
  }

  /** A look-up that begins now; `add` it unless it was answered at once. */
  begin(key: string, storeKey: string, done: (entry: CacheEntry | undefined) => void): StoreRead {
    const { filters } = this.#fences;
    return { key, storeKey, done, filters, isFenced: false, instead: undefined, isOver: false };
  }

  add(read: StoreRead): void {
    const others = this.#byKey.get(read.storeKey);
    if (others) {
      others.add(read);
    } else {
      this.#byKey.set(read.storeKey, new Set([read]));
    }
  }

  /** Nobody waits for it any more. */
  takeBack(read: StoreRead): void {
    read.isOver = true;
    this.#remove(read);
  }

  /** The store answered with something, or with nothing. */
  answer(read: StoreRead, text: unknown): void {
    if (read.isOver) {
      return;
    }
    this.#remove(read);
    if (read.isFenced) {
      finish(read, read.instead);
      return;
    }
    const stored = decodeEntry(text);
    const isServed = stored?.key === read.key && this.#fences.lets(stored, read.filters);
    finish(read, isServed ? stored.entry : undefined);
  }

  /** Answers all of them at once. */
  answerAll(): void {
    const reads = [...this.#all()];
    this.#byKey.clear();
    for (const read of reads) {
      finish(read, read.instead);
    }
  }

  /** A key was written or deleted: what the store answers from now on is of before. */
  fence(storeKey: string, written?: { readonly key: string; readonly entry: CacheEntry }): void {
    for (const read of this.#byKey.get(storeKey) ?? []) {
      read.isFenced = true;
      read.instead = read.key === written?.key ? written.entry : undefined;
    }
  }

  fenceAll(): void {
    for (const read of this.#all()) {
      read.isFenced = true;
      read.instead = undefined;
    }
  }

  fenceMatching(filter: StoreFilter): void {
    for (const read of this.#all()) {
      read.filters = [...read.filters, filter];
      if (read.instead && applies(filter, read.instead, read.key)) {
        read.instead = undefined;
      }
    }
  }

  *#all(): Iterable<StoreRead> {
    for (const reads of this.#byKey.values()) {
      yield* reads;
    }
  }

  #remove(read: StoreRead): void {
    const reads = this.#byKey.get(read.storeKey);
    if (reads?.delete(read) && reads.size === 0) {
      this.#byKey.delete(read.storeKey);
    }
  }
}

function finish(read: StoreRead, entry: CacheEntry | undefined): void {
  if (!read.isOver) {
    read.isOver = true;
    read.done(entry);
  }
}
