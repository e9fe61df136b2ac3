import type { Cancel, Clock } from '../core/clock';
import type { CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import { decodeEntry, storeKeyOf } from './entry-text';
import type { StoreCalls } from './store-calls';
import type { StoreHealth } from './store-health';
import type { StoreWrites } from './store-writes';

/** Whether an invalidation applies to an entry. Must not throw. */
export type StoreFilter = (entry: CacheEntry, key: string) => boolean;

/** The most remembered invalidations. A further one clears the store. */
const mostFilters = 1000;

/** Entries per slice, after which other work of the process gets its turn. */
const slice = 200;

export interface StorePurgesSettings {
  readonly store: CacheStore;
  readonly clock: Clock;
  readonly calls: StoreCalls;
  readonly writes: StoreWrites;
  readonly health: StoreHealth;
}

/** One pass over all entries of the store. */
interface Walk {
  readonly filters: ReadonlySet<StoreFilter>;
  iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  seen: number;
  /** Whether the store has not answered yet. */
  isAsking: boolean;
  isStepping: boolean;
  cancelTimer: Cancel | undefined;
}

/** Clears and invalidations of a store. Each is kept until it was carried out. */
export class StorePurges {
  readonly #settings: StorePurgesSettings;
  /** The pending invalidations. Entries that they apply to are not served. */
  readonly filters = new Set<StoreFilter>();
  /** Entries stored until then are not served, in milliseconds on the clock of the cache. */
  #distrustedUntil = -Infinity;
  #owesClear = false;
  #clear: object | undefined;
  #walk: Walk | undefined;
  #isClosed = false;

  constructor(settings: StorePurgesSettings) {
    this.#settings = settings;
  }

  /** Whether a clear is pending. Until it is done, nothing is written to the store. */
  get isClearing(): boolean {
    return this.#owesClear || this.#clear !== undefined;
  }

  /** Whether the store can list its entries, so that an invalidation need not clear it. */
  get canWalk(): boolean {
    return typeof this.#settings.store.iterator === 'function' && this.filters.size < mostFilters;
  }

  /** Whether an entry was stored after the last full clear. */
  trusts(entry: CacheEntry): boolean {
    return entry.storedAt > this.#distrustedUntil;
  }

  /** Stops serving everything that was stored until now. */
  distrust(): void {
    this.#distrustedUntil = this.#settings.clock.date();
  }

  /** Clears the store by `clear`, or else entry by entry, or else only while the process lives. */
  clear(): void {
    const { store, writes } = this.#settings;
    this.#stopWalk();
    this.filters.clear();
    this.distrust();
    writes.void();
    if (typeof store.clear === 'function') {
      this.#owesClear = true;
    } else if (this.canWalk) {
      this.filters.add(() => true);
    }
    this.proceed();
    writes.drain();
  }

  /** Deletes the entries that a filter applies to, if the store can list its entries. */
  invalidate(filter: StoreFilter): void {
    this.filters.add(filter);
    this.#settings.writes.voidMatching(filter);
    this.proceed();
  }

  /** Starts pending work that does not run yet. */
  proceed(): void {
    if (this.#settings.health.isBypassed || this.#isClosed || this.#clear !== undefined) {
      return;
    }
    if (this.#owesClear) {
      this.#sendClear();
    } else if (!this.#walk && this.filters.size > 0) {
      this.#startWalk();
    }
  }

  /** Continues when there is room for more deletions. */
  resume(): void {
    if (this.#walk) {
      this.#step(this.#walk);
    }
  }

  /** The store cannot be changed for a while. Running work starts again later. */
  interrupt(): void {
    this.#owesClear ||= this.#clear !== undefined;
    this.#clear = undefined;
    this.#stopWalk();
  }

  close(): void {
    this.#isClosed = true;
    this.interrupt();
  }

  #sendClear(): void {
    const { store, calls, writes } = this.#settings;
    const clear = {};
    this.#owesClear = false;
    this.#clear = clear;
    calls.run(
      'clear',
      () => store.clear!(),
      (isDone) => {
        if (this.#clear !== clear) {
          return;
        }
        this.#clear = undefined;
        if (isDone) {
          this.#settings.health.retried();
          this.proceed();
          writes.drain();
        } else {
          this.#owesClear = true;
          this.#settings.health.retryLater();
        }
      },
    );
  }

  #startWalk(): void {
    const walk: Walk = {
      filters: new Set(this.filters),
      iterator: undefined,
      seen: 0,
      isAsking: false,
      isStepping: false,
      cancelTimer: undefined,
    };
    this.#walk = walk;
    this.#ask(
      walk,
      () => {
        walk.iterator = iteratorOf(this.#settings.store);
      },
      () => this.#step(walk),
    );
  }

  /** Reads entries while they come at once and deletions do not pile up. */
  #step(walk: Walk): void {
    if (walk.isStepping) {
      return;
    }
    const { clock, writes } = this.#settings;
    walk.isStepping = true;
    while (this.#walk === walk && !walk.isAsking && !writes.isBusy) {
      if (++walk.seen % slice === 0) {
        walk.cancelTimer?.();
        walk.cancelTimer = clock.schedule(0, () => this.#step(walk));
        break;
      }
      this.#ask(
        walk,
        () => walk.iterator!.next(),
        (answer) => {
          this.#took(walk, answer as Partial<IteratorResult<unknown>> | undefined);
          this.#step(walk);
        },
      );
    }
    walk.isStepping = false;
  }

  #ask(walk: Walk, ask: () => unknown, answered: (answer: unknown) => void): void {
    walk.isAsking = true;
    this.#settings.calls.run('delete', ask, (isDone, answer) => {
      walk.isAsking = false;
      if (this.#walk !== walk) {
        return;
      }
      if (isDone) {
        answered(answer);
      } else {
        this.#fail();
      }
    });
  }

  #took(walk: Walk, result: Partial<IteratorResult<unknown>> | undefined): void {
    if (typeof result !== 'object') {
      this.#fail();
    } else if (result.done) {
      this.#walk = undefined;
      walk.cancelTimer?.();
      walk.filters.forEach((filter) => this.filters.delete(filter));
      this.#settings.health.retried();
      this.proceed();
    } else {
      this.#judge(walk, result.value);
    }
  }

  #judge({ filters }: Walk, item: unknown): void {
    const { writes } = this.#settings;
    const stored = Array.isArray(item) ? decodeEntry(item[1]) : undefined;
    if (stored && appliesTo(filters, stored.entry, stored.key)) {
      const storeKey = storeKeyOf(stored.key);
      // A pending write for the key replaces the entry anyway.
      if (!writes.has(storeKey)) {
        writes.delete(storeKey, true);
      }
    }
  }

  #fail(): void {
    this.#stopWalk();
    this.#settings.health.retryLater();
  }

  #stopWalk(): void {
    const { iterator, cancelTimer } = this.#walk ?? {};
    this.#walk = undefined;
    cancelTimer?.();
    try {
      const end = iterator?.return?.() as { then?: unknown } | undefined;
      if (typeof end?.then === 'function') {
        (end as PromiseLike<unknown>).then(ignore, ignore);
      }
    } catch {
      // The pass has ended anyway.
    }
  }
}

function appliesTo(filters: Iterable<StoreFilter>, entry: CacheEntry, key: string): boolean {
  for (const applies of filters) {
    if (applies(entry, key)) {
      return true;
    }
  }
  return false;
}

function iteratorOf(store: CacheStore): AsyncIterator<unknown> | Iterator<unknown> {
  const { namespace } = store as { readonly namespace?: unknown };
  const entries = store.iterator!(namespace) as AsyncIterable<unknown> & Iterable<unknown>;
  return typeof entries[Symbol.asyncIterator] === 'function'
    ? entries[Symbol.asyncIterator]()
    : entries[Symbol.iterator]();
}

function ignore(): void {
  // The store is not asked again.
}
