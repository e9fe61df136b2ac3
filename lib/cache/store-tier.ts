import type { Cancel, Clock } from '../core/clock';
import type { StoreBypassedEvent, StoreRestoredEvent } from '../core/events';
import type { CacheEntry } from './cache-entry';
import type { CacheStore, LeaseResult, StoreLease } from './cache-store';
import { decodeEntry, encodeEntry, storeKeyOf } from './entry-text';
import { StoreCalls, type StoreCounts, type StoreStatistics } from './store-calls';
import { StoreHealth, type StoreOperation } from './store-health';
import { StorePurges, type StoreFilter } from './store-purges';
import { StoreWrites } from './store-writes';

export type { StoreStatistics };

export interface StoreTierSettings {
  readonly store: CacheStore;
  readonly clock: Clock;
  /** Milliseconds that a look-up may take; may be `Infinity`. */
  readonly deadline: number;
  /** Milliseconds that any other operation may take. */
  readonly writeDeadline: number;
  readonly notify: (event: StoreBypassedEvent | StoreRestoredEvent) => void;
}

/** A look-up without a result yet. */
interface StoreRead {
  readonly key: string;
  readonly done: (entry: CacheEntry | undefined) => void;
  /** The purges since it began, and those pending then. Entries that they apply to are not served. */
  readonly filters: StoreFilter[];
}

/** Read and deleted by probes. */
const probeKey = 'rxllm:probe';

/** A longer time to live counts as none: added to the date, it would not be an exact number of milliseconds. */
const longestTtl = 2 ** 52;

const nothingToCancel: Cancel = () => undefined;

/**
 * The answers of a cache in a store that may be slow, fail or hang, and that other processes may use. It may lose an
 * answer, but never serves one that was overwritten, deleted, cleared or invalidated here before the look-up.
 *
 * Look-ups and changes are bypassed separately, so a read-only store is still read. While changes are bypassed, keys
 * that should change are dirty: they are not read until they are deleted. If there are more than 50,000 dirty keys,
 * they are all dropped, and nothing stored before is served.
 */
export class StoreTier {
  readonly #settings: StoreTierSettings;
  readonly #lookUps: StoreHealth;
  readonly #changes: StoreHealth;
  readonly #calls: StoreCalls;
  readonly #writes: StoreWrites;
  readonly #purges: StorePurges;
  readonly #counts: StoreCounts = { reads: 0, found: 0, writes: 0, failures: 0, timeouts: 0, unstorable: 0 };
  /** The running look-ups, by store key. */
  readonly #reads = new Map<string, Set<StoreRead>>();
  #isClosed = false;

  constructor(settings: StoreTierSettings) {
    this.#settings = settings;
    const { store, clock, deadline, writeDeadline, notify } = settings;
    const lookUps = new StoreHealth({
      clock,
      probe: () => calls.run('get', () => store.get(probeKey), ignore),
      retry: ignore,
      bypassed: (operation, reason, error) => {
        calls.giveUp('look-ups');
        this.#notifyBypassed(operation, reason, error);
        this.#answerAll();
      },
      restored: () => notify({ type: 'store-restored', at: clock.now() }),
    });
    const changes = new StoreHealth({
      clock,
      probe: () => calls.run('delete', () => store.delete(probeKey), ignore),
      retry: () => this.#catchUp(),
      bypassed: (operation, reason, error) => {
        calls.giveUp('changes');
        this.#writes.interrupt();
        this.#purges.interrupt();
        this.#notifyBypassed(operation, reason, error);
      },
      restored: () => {
        notify({ type: 'store-restored', at: clock.now() });
        this.#catchUp();
      },
    });
    const counts = this.#counts;
    const deadlines = { read: deadline, write: writeDeadline };
    const calls = new StoreCalls({
      store,
      clock,
      deadlines,
      counts,
      health: { 'look-ups': lookUps, changes },
    });
    const writes = new StoreWrites({
      store,
      calls,
      counts,
      health: changes,
      isClearing: () => this.#purges.isClearing,
      idle: () => this.#purges.resume(),
      overflowed: (hadPurge) => this.#overflowed(hadPurge),
    });
    this.#lookUps = lookUps;
    this.#changes = changes;
    this.#calls = calls;
    this.#writes = writes;
    this.#purges = new StorePurges({ store, clock, calls, writes, health: changes });
  }

  /** Whether look-ups bypass the store now. Also sends the probes that are due. */
  get isBypassed(): boolean {
    this.#changes.check();
    this.#lookUps.check();
    return this.#lookUps.isBypassed;
  }

  get statistics(): StoreStatistics {
    return { ...this.#counts, isBypassed: this.#lookUps.isBypassed };
  }

  /**
   * Looks up an answer. `done` is called once, within the deadline and perhaps at once, with undefined if there is no
   * answer to serve.
   *
   * @returns cancels the look-up: `done` will not be called
   */
  read(key: string, done: (entry: CacheEntry | undefined) => void): Cancel {
    if (this.#isClosed || this.isBypassed) {
      done(undefined);
      return nothingToCancel;
    }
    this.#counts.reads++;
    const storeKey = storeKeyOf(key);
    if (this.#writes.has(storeKey)) {
      const newest = this.#writes.newest(storeKey);
      this.#tell(done, newest?.key === key ? newest.entry : undefined);
      return nothingToCancel;
    }
    const read: StoreRead = { key, done, filters: [...this.#purges.filters] };
    this.#addRead(storeKey, read);
    const unwatch = this.#calls.run(
      'get',
      () => this.#settings.store.get(storeKey),
      (_isDone, text) => {
        if (this.#removeRead(storeKey, read)) {
          this.#tell(done, this.#servedTo(read, text));
        }
      },
    );
    return () => {
      if (this.#removeRead(storeKey, read)) {
        unwatch();
      }
    };
  }

  /** Asks for the right to make an absent answer; undefined if no other process could make it. */
  lease(key: string, settled: (result: LeaseResult) => void): StoreLease | undefined {
    return this.#isClosed || this.isBypassed
      ? undefined
      : this.#settings.store.lease?.(storeKeyOf(key), settled);
  }

  /**
   * Replaces the answer of a key. If the new one cannot be written exactly, or not now, the old one is deleted.
   *
   * @param ttl milliseconds until it may no longer be used; undefined if it does not expire
   */
  write(key: string, entry: CacheEntry, ttl: number | undefined): void {
    if (this.#isClosed) {
      return;
    }
    this.#changes.check();
    const storeKey = storeKeyOf(key);
    outdate(this.#reads.get(storeKey) ?? []);
    const wholeTtl = ttl === undefined || ttl > longestTtl ? undefined : Math.ceil(ttl);
    const isWritten = !this.#changes.isBypassed && (wholeTtl === undefined || wholeTtl > 0);
    const text = isWritten ? this.#textOf(key, entry) : undefined;
    if (text === undefined) {
      this.#writes.delete(storeKey, false);
    } else {
      this.#writes.write(storeKey, { key, entry, text, ttl: wholeTtl });
    }
  }

  /** Deletes an answer, now or as soon as the store can be changed. */
  delete(key: string): void {
    if (!this.#isClosed) {
      this.#changes.check();
      const storeKey = storeKeyOf(key);
      outdate(this.#reads.get(storeKey) ?? []);
      this.#writes.delete(storeKey, true);
    }
  }

  /** Deletes all answers. A store without `clear` and `iterator` keeps them, but they are not served any more. */
  clear(): void {
    if (!this.#isClosed) {
      this.#changes.check();
      outdate(this.#allReads());
      this.#purges.clear();
    }
  }

  /** Deletes the matching answers, or all if the store has no `iterator`. An unreadable answer matches. */
  invalidate(matches: (entry: CacheEntry, key: string) => boolean): void {
    if (this.#isClosed) {
      return;
    }
    if (!this.#purges.canWalk) {
      this.clear();
      return;
    }
    this.#changes.check();
    const filter: StoreFilter = (entry, key) => {
      try {
        return matches(entry, key);
      } catch {
        return true;
      }
    };
    outdate(this.#allReads(), filter);
    this.#purges.invalidate(filter);
  }

  /**
   * Sends all waiting changes, ends open look-ups with undefined, and stops all timers. Later results of the store have
   * no effect.
   */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#changes.close();
      this.#lookUps.close();
      this.#purges.close();
      this.#writes.close();
      this.#calls.close();
      this.#answerAll();
    }
  }

  #servedTo({ key, filters }: StoreRead, text: unknown): CacheEntry | undefined {
    const stored = decodeEntry(text);
    const isServed =
      stored?.key === key &&
      this.#purges.trusts(stored.entry) &&
      !filters.some((applies) => applies(stored.entry, key));
    return isServed ? stored.entry : undefined;
  }

  #tell(done: (entry: CacheEntry | undefined) => void, entry: CacheEntry | undefined): void {
    if (entry) {
      this.#counts.found++;
    }
    done(entry);
  }

  #textOf(key: string, entry: CacheEntry): string | undefined {
    try {
      return encodeEntry({ key, entry });
    } catch {
      this.#counts.unstorable++;
      return undefined;
    }
  }

  #addRead(storeKey: string, read: StoreRead): void {
    const reads = this.#reads.get(storeKey);
    if (reads) {
      reads.add(read);
    } else {
      this.#reads.set(storeKey, new Set([read]));
    }
  }

  /** Returns whether the look-up was still running. */
  #removeRead(storeKey: string, read: StoreRead): boolean {
    const reads = this.#reads.get(storeKey);
    const wasThere = reads?.delete(read) ?? false;
    if (reads?.size === 0) {
      this.#reads.delete(storeKey);
    }
    return wasThere;
  }

  *#allReads(): Iterable<StoreRead> {
    for (const reads of this.#reads.values()) {
      yield* reads;
    }
  }

  #answerAll(): void {
    for (const [storeKey, reads] of [...this.#reads]) {
      for (const read of [...reads]) {
        // The listener of one look-up may cancel others.
        if (this.#removeRead(storeKey, read)) {
          read.done(undefined);
        }
      }
    }
  }

  #notifyBypassed(operation: StoreOperation, reason: StoreBypassedEvent['reason'], error: unknown): void {
    const at = this.#settings.clock.now();
    const cause = error === undefined ? {} : { error };
    this.#settings.notify({ type: 'store-bypassed', at, operation, reason, ...cause });
  }

  #catchUp(): void {
    this.#purges.proceed();
    this.#writes.retry();
  }

  /** Too many keys are dirty, so nothing stored before is trusted. */
  #overflowed(hadPurge: boolean): void {
    outdate(this.#allReads());
    this.#purges.distrust();
    if (hadPurge) {
      this.#purges.clear();
    }
  }
}

/** Keeps the results of these look-ups from being served if a purge applies to them. */
function outdate(reads: Iterable<StoreRead>, applies: StoreFilter = () => true): void {
  for (const { filters } of reads) {
    filters.push(applies);
  }
}

function ignore(): void {
  // The health of the store receives the result.
}
