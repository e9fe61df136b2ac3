import type { Cancel, Clock } from '../core/clock';
import type { CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import { decodeEntry, storeKeyOf } from './entry-text';
import type { StoreCalls } from './store-calls';
import { applies, type StoreFences, type StoreFilter } from './store-fences';
import type { StoreWrites } from './store-writes';

/** Invalidations that are remembered; more are carried out as if everything had been meant. */
const mostFilters = 1000;

/** Entries that are looked at before others get their turn. */
const slice = 200;

/** How the purges of a store fit into the rest. */
export interface StorePurgesSettings {
  readonly store: CacheStore;
  readonly clock: Clock;
  readonly calls: StoreCalls;
  readonly fences: StoreFences;
  readonly writes: StoreWrites;
  /** Whether the store may be asked now. */
  readonly isOpen: () => boolean;
  readonly succeeded: () => void;
  /** A purge failed: `proceed` is to be called after a while. */
  readonly failed: () => void;
}

/** One walk through the store. */
interface Walk {
  readonly filters: readonly StoreFilter[];
  iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  seen: number;
  cancelTimer: Cancel | undefined;
  isStepping: boolean;
  isPaused: boolean;
}

/** Clears and invalidations of a store, each owed until it was carried out. */
export class StorePurges {
  readonly #settings: StorePurgesSettings;
  /** Until which number of the fences the store must be cleared. */
  #erasingUntil: number | undefined;
  /** Stands for the clear that is under way. */
  #erasing: object | undefined;
  /** Invalidations that the store was not gone through for. */
  #owed: readonly StoreFilter[] = [];
  #walk: Walk | undefined;

  constructor(settings: StorePurgesSettings) {
    this.#settings = settings;
  }

  /** Whether a clear is owed: until it is done the store is neither asked nor written to. */
  get isErasing(): boolean {
    return this.#erasingUntil !== undefined;
  }

  clear(): void {
    const { store, clock, fences, writes } = this.#settings;
    this.#stopWalk();
    fences.drop(fences.filters);
    this.#owed = [];
    if (typeof store.clear === 'function') {
      fences.raise();
      this.#erasingUntil = fences.next();
      writes.void(true);
      this.proceed();
      return;
    }
    writes.void(false);
    if (typeof store.iterator === 'function') {
      this.#add({ number: fences.next(), othersUntil: Infinity, matches: () => true });
    } else {
      fences.raise(clock.now());
    }
  }

  /**
   * @param fenceReads told what applies to reads that are under way, undefined for everything; before the store is asked
   * anything, as it may fail at once, which answers them
   */
  invalidate(
    matches: (entry: CacheEntry, key: string) => boolean,
    fenceReads: (filter: StoreFilter | undefined) => void,
  ): void {
    const { store, clock, fences, writes } = this.#settings;
    const canWalk = typeof store.iterator === 'function';
    if ((!canWalk && typeof store.clear === 'function') || fences.filters.length >= mostFilters) {
      fenceReads(undefined);
      this.clear();
      return;
    }
    const othersUntil = canWalk ? Infinity : clock.now();
    const filter: StoreFilter = { number: fences.next(), othersUntil, matches };
    fenceReads(filter);
    writes.voidMatching((entry, key) => applies(filter, entry, key));
    this.#add(filter);
  }

  /** Carries out what is owed, as far as it is not under way. */
  proceed(): void {
    if (!this.#settings.isOpen()) {
      return;
    }
    if (this.#erasingUntil !== undefined) {
      if (!this.#erasing) {
        this.#erase(this.#erasingUntil);
      }
    } else if (!this.#walk && this.#owed.length > 0) {
      this.#startWalk();
    }
  }

  /** The store is bypassed: what is under way does not count any more. */
  interrupt(): void {
    this.#erasing = undefined;
    this.#stopWalk();
  }

  /** There is room for more deletions. */
  resume(): void {
    if (this.#walk?.isPaused) {
      this.#walk.isPaused = false;
      this.#step(this.#walk);
    }
  }

  #add(filter: StoreFilter): void {
    const { fences, store } = this.#settings;
    fences.filters = [...fences.filters, filter];
    if (typeof store.iterator === 'function') {
      this.#owed = [...this.#owed, filter];
      this.proceed();
    }
  }

  #erase(until: number): void {
    const { store, calls, writes } = this.#settings;
    const erasing = {};
    this.#erasing = erasing;
    calls.run(
      'clear',
      () => store.clear!(),
      (isDone) => {
        const counts = this.#erasing === erasing;
        if (counts) {
          this.#erasing = undefined;
        }
        if (isDone) {
          if (this.#erasingUntil !== undefined && this.#erasingUntil <= until) {
            this.#erasingUntil = undefined;
          }
          this.#settings.succeeded();
          this.proceed();
          writes.drain();
        } else if (counts) {
          this.#settings.failed();
        }
      },
    );
  }

  #startWalk(): void {
    const { store, calls } = this.#settings;
    const walk: Walk = {
      filters: this.#owed,
      iterator: undefined,
      seen: 0,
      cancelTimer: undefined,
      isStepping: false,
      isPaused: false,
    };
    this.#walk = walk;
    calls.run(
      'delete',
      () => {
        walk.iterator = iteratorOf(store);
      },
      (isDone) => {
        if (isDone) {
          this.#step(walk);
        } else {
          this.#failWalk(walk);
        }
      },
    );
  }

  /** Takes entries as long as they come at once. */
  #step(walk: Walk): void {
    const { calls, clock, writes } = this.#settings;
    if (walk.isStepping) {
      return;
    }
    walk.isStepping = true;
    let isAnswered = true;
    while (isAnswered && this.#walk === walk) {
      if (writes.isBusy) {
        walk.isPaused = true;
        break;
      }
      if (++walk.seen % slice === 0) {
        walk.cancelTimer = clock.schedule(0, () => this.#step(walk));
        break;
      }
      isAnswered = false;
      calls.run(
        'delete',
        () => walk.iterator!.next(),
        (isDone, answer) => {
          isAnswered = true;
          this.#took(walk, isDone, answer);
          this.#step(walk);
        },
      );
    }
    walk.isStepping = false;
  }

  #took(walk: Walk, isDone: boolean, answer: unknown): void {
    if (this.#walk !== walk) {
      return;
    }
    const result = answer as Partial<IteratorResult<unknown>> | undefined;
    if (!isDone || typeof result !== 'object') {
      this.#failWalk(walk);
    } else if (result.done) {
      this.#walk = undefined;
      this.#owed = this.#owed.filter((filter) => !walk.filters.includes(filter));
      this.#settings.fences.drop(walk.filters);
      this.#settings.succeeded();
      this.proceed();
    } else {
      this.#judge(walk, result.value);
    }
  }

  #judge({ filters }: Walk, item: unknown): void {
    const { fences, writes } = this.#settings;
    const stored = Array.isArray(item) ? decodeEntry(item[1]) : undefined;
    if (stored && filters.some((filter) => fences.stops(stored, filter))) {
      const storeKey = storeKeyOf(stored.key);
      // A newer answer that is on its way replaces it.
      if (!writes.newest(storeKey)) {
        writes.delete(storeKey, true);
      }
    }
  }

  #failWalk(walk: Walk): void {
    if (this.#walk === walk) {
      this.#stopWalk();
      this.#settings.failed();
    }
  }

  #stopWalk(): void {
    const { iterator, cancelTimer } = this.#walk ?? {};
    this.#walk = undefined;
    cancelTimer?.();
    try {
      const end = iterator?.return?.() as { then?: unknown } | undefined;
      if (typeof end?.then === 'function') {
        (end as PromiseLike<unknown>).then(ignored, ignored);
      }
    } catch {
      // It is over in any case.
    }
  }
}

const ignored = (): void => undefined;

function iteratorOf(store: CacheStore): AsyncIterator<unknown> | Iterator<unknown> {
  const { namespace } = store as { readonly namespace?: unknown };
  const entries = store.iterator!(namespace) as AsyncIterable<unknown> & Iterable<unknown>;
  return typeof entries[Symbol.asyncIterator] === 'function'
    ? entries[Symbol.asyncIterator]()
    : entries[Symbol.iterator]();
}
