import type { Cancel, Clock } from '../core/clock';
import type { StoreBypassedEvent, StoreRestoredEvent } from '../core/events';
import type { CacheEntry } from './cache-entry';
import type { CacheStore } from './cache-store';
import { encodeEntry, storeKeyOf } from './entry-text';
import { Reminder } from './reminder';
import { firstPause, longer, StoreBreaker } from './store-breaker';
import { StoreCalls, type StoreOperation } from './store-calls';
import { StoreFences } from './store-fences';
import { StoreProbe } from './store-probe';
import { StorePurges } from './store-purges';
import { StoreReads } from './store-reads';
import { StoreWrites } from './store-writes';

/** What a tier tells of its store. */
export type StoreEvent = StoreBypassedEvent | StoreRestoredEvent;

/** What a {@link StoreTier} is made from. */
export interface StoreTierSettings {
  readonly store: CacheStore;
  readonly clock: Clock;
  /** Milliseconds a look-up may take; may be `Infinity`. */
  readonly deadline: number;
  /** Milliseconds any other operation may take. Default: as a look-up. */
  readonly writeDeadline?: number;
  /** Must not throw. */
  readonly notify: (event: StoreEvent) => void;
}

/** How a store is used. */
export interface StoreStatistics {
  /** Look-ups; not those made while the store was bypassed. */
  readonly reads: number;
  /** Look-ups that were answered. */
  readonly found: number;
  /** Answers that the store has taken. */
  readonly writes: number;
  readonly failures: number;
  /** Operations that took longer than the deadline. */
  readonly timeouts: number;
  /** Answers that were not written because they could not be brought back exactly. */
  readonly unstorable: number;
  readonly isBypassed: boolean;
}

/** Longer times to live stand for none: added to the time of day they would be no exact milliseconds any more. */
const longestTtl = 2 ** 52;

const nothingToCancel: Cancel = () => undefined;

/**
 * The answers of a cache in a store that may be slow, fail, or hang, and that others may use, too. Whatever it does,
 * nobody waits longer than the deadline, and no answer is served that was overwritten, deleted, cleared or invalidated
 * here before it was asked for.
 *
 * An operation over the deadline, or three failures in a row, bypass the store: nothing is read or written until a
 * probe in the background finds that it answers, and what was purged or overwritten meanwhile is deleted first. Of
 * more than 50,000 such keys, nothing that was written before is served any more in this process.
 */
export class StoreTier {
  readonly #settings: StoreTierSettings;
  readonly #fences = new StoreFences();
  readonly #breaker = new StoreBreaker();
  readonly #reads = new StoreReads(this.#fences);
  readonly #reminder: Reminder;
  readonly #calls: StoreCalls;
  readonly #writes: StoreWrites;
  readonly #purges: StorePurges;
  readonly #probe: StoreProbe;
  #retryPause = firstPause;
  #isClosed = false;
  #readCount = 0;
  #foundCount = 0;
  #writeCount = 0;
  #failureCount = 0;
  #timeoutCount = 0;
  #unstorableCount = 0;

  constructor(settings: StoreTierSettings) {
    this.#settings = settings;
    const { store, clock, deadline, writeDeadline = deadline } = settings;
    const reminder = new Reminder(clock, () => this.#seeToWhatIsDue());
    const calls = new StoreCalls(
      store,
      clock,
      { read: deadline, write: writeDeadline },
      {
        succeeded: () => this.#breaker.succeeded(),
        failed: (operation, error) => this.#failed(operation, error),
        overdue: (operation) => this.#overdue(operation),
      },
    );
    const succeeded = () => (this.#retryPause = firstPause);
    const failed = () => this.#retryLater();
    this.#reminder = reminder;
    this.#calls = calls;
    this.#writes = new StoreWrites({
      store,
      calls,
      isOpen: () => !this.#breaker.isBypassed && !this.#purges.isErasing,
      written: () => this.#writeCount++,
      deleted: succeeded,
      failed,
      idle: () => this.#purges.resume(),
      overflowed: (hadPurge) => this.#overflowed(hadPurge),
    });
    this.#purges = new StorePurges({
      store,
      clock,
      calls,
      fences: this.#fences,
      writes: this.#writes,
      isOpen: () => !this.#breaker.isBypassed && !this.#isClosed,
      succeeded,
      failed,
    });
    this.#probe = new StoreProbe({
      store,
      clock,
      calls,
      deadline,
      reminder,
      succeeded: () => this.#restore(),
      failed: () => {
        this.#failureCount++;
        reminder.set(this.#breaker.probeFailed());
      },
    });
  }

  /** Whether look-ups are not to ask it now. To ask this has the store probed where that is due. */
  get isBypassed(): boolean {
    this.#reminder.check();
    return this.#breaker.isBypassed;
  }

  /**
   * Looks an answer up. `done` is called once, within the deadline and maybe at once: with undefined where there is
   * none, or none that may be served.
   *
   * @returns takes the look-up back: `done` will not be called
   */
  read(key: string, done: (entry: CacheEntry | undefined) => void): Cancel {
    if (this.#isClosed || this.isBypassed) {
      done(undefined);
      return nothingToCancel;
    }
    this.#readCount++;
    const storeKey = storeKeyOf(key);
    if (this.#purges.isErasing || this.#writes.has(storeKey)) {
      const newest = this.#writes.newest(storeKey);
      this.#tell(done, newest?.key === key ? newest.entry : undefined);
      return nothingToCancel;
    }
    const read = this.#reads.begin(key, storeKey, (entry) => this.#tell(done, entry));
    const call = this.#calls.run(
      'get',
      () => this.#settings.store.get(storeKey),
      (_isDone, text) => this.#reads.answer(read, text),
    );
    if (read.isOver) {
      return nothingToCancel;
    }
    this.#reads.add(read);
    return () => {
      if (!read.isOver) {
        this.#reads.takeBack(read);
        this.#calls.abandon(call);
      }
    };
  }

  /**
   * Writes an answer in place of what is there. One that cannot be written exactly, or not now, is not written, and
   * what is there is deleted.
   *
   * @param ttl milliseconds until it is of no use; undefined for one that does not end
   */
  write(key: string, entry: CacheEntry, ttl: number | undefined): void {
    if (this.#isClosed) {
      return;
    }
    const storeKey = storeKeyOf(key);
    this.#reads.fence(storeKey, { key, entry });
    const wholeTtl = ttl === undefined || ttl > longestTtl ? undefined : Math.ceil(ttl);
    const isWritten = !this.isBypassed && (wholeTtl === undefined || wholeTtl > 0);
    const text = isWritten ? this.#textOf(key, entry) : undefined;
    if (text === undefined) {
      this.#writes.delete(storeKey, false);
    } else {
      this.#writes.write(storeKey, { key, entry, text, ttl: wholeTtl });
    }
  }

  /** Deletes an answer; where the store cannot be reached now, as soon as it can. */
  delete(key: string): void {
    if (!this.#isClosed) {
      this.#reminder.check();
      const storeKey = storeKeyOf(key);
      this.#reads.fence(storeKey);
      this.#writes.delete(storeKey, true);
    }
  }

  /** Deletes all answers; a store without `clear` and `iterator` keeps them, but they are not served any more. */
  clear(): void {
    if (!this.#isClosed) {
      this.#reminder.check();
      this.#reads.fenceAll();
      this.#purges.clear();
    }
  }

  /**
   * Deletes the answers that match: all of them where the store has no `iterator` to find them by; where it has no
   * `clear` either, they stay but are not served any more. One that cannot be judged is taken to match.
   */
  invalidate(matches: (entry: CacheEntry, key: string) => boolean): void {
    if (this.#isClosed) {
      return;
    }
    this.#reminder.check();
    this.#purges.invalidate(matches, (filter) => {
      if (filter) {
        this.#reads.fenceMatching(filter);
      } else {
        this.#reads.fenceAll();
      }
    });
  }

  /** How the store is used. */
  get statistics(): StoreStatistics {
    return {
      reads: this.#readCount,
      found: this.#foundCount,
      writes: this.#writeCount,
      failures: this.#failureCount,
      timeouts: this.#timeoutCount,
      unstorable: this.#unstorableCount,
      isBypassed: this.#breaker.isBypassed,
    };
  }

  /**
   * Sends what still waits to be written, answers open look-ups with undefined, and ends: no timer is left, and nothing
   * that the store answers later has an effect.
   */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#probe.stop();
      this.#purges.interrupt();
      this.#writes.close();
      this.#calls.close();
      this.#reminder.clear();
      this.#reads.answerAll();
    }
  }

  #tell(done: (entry: CacheEntry | undefined) => void, entry: CacheEntry | undefined): void {
    if (entry) {
      this.#foundCount++;
    }
    done(entry);
  }

  #textOf(key: string, entry: CacheEntry): string | undefined {
    const { writer } = this.#fences;
    const stamp = { writer, number: this.#fences.next(), writtenAt: this.#settings.clock.now() };
    try {
      return encodeEntry({ key, entry, ...stamp });
    } catch {
      this.#unstorableCount++;
      return undefined;
    }
  }

  #failed(operation: StoreOperation, error: unknown): void {
    this.#failureCount++;
    if (this.#breaker.failed()) {
      this.#bypass(operation, 'failed', error);
    }
  }

  #overdue(operation: StoreOperation): void {
    this.#timeoutCount++;
    this.#bypass(operation, 'deadline');
  }

  #bypass(operation: StoreOperation, reason: 'deadline' | 'failed', error?: unknown): void {
    if (this.#breaker.isBypassed || this.#isClosed) {
      return;
    }
    const at = this.#settings.clock.now();
    const pause = this.#breaker.bypass(at);
    this.#calls.giveUpOnAll();
    this.#writes.drop();
    this.#purges.interrupt();
    this.#reminder.set(pause);
    const cause = error === undefined ? {} : { error };
    this.#settings.notify({ type: 'store-bypassed', at, operation, reason, ...cause });
    this.#reads.answerAll();
  }

  #retryLater(): void {
    if (!this.#breaker.isBypassed && !this.#isClosed && !this.#reminder.isSet) {
      this.#reminder.set(this.#retryPause);
      this.#retryPause = longer(this.#retryPause);
    }
  }

  #seeToWhatIsDue(): void {
    if (!this.#breaker.isBypassed) {
      this.#catchUp();
    } else if (this.#probe.isUnderWay) {
      this.#timeoutCount++;
      this.#probe.overdue();
    } else {
      this.#probe.start();
    }
  }

  #restore(): void {
    const at = this.#settings.clock.now();
    this.#reminder.clear();
    this.#breaker.restore(at);
    this.#settings.notify({ type: 'store-restored', at });
    this.#catchUp();
  }

  /** Carries out what could not be done before. */
  #catchUp(): void {
    this.#purges.proceed();
    this.#writes.retry();
  }

  /** Too many keys were to be deleted: they are forgotten, and nothing written before is trusted any more. */
  #overflowed(hadPurge: boolean): void {
    this.#reads.fenceAll();
    this.#fences.raise(this.#settings.clock.now());
    if (hadPurge && typeof this.#settings.store.clear === 'function') {
      this.#purges.clear();
    }
  }
}
