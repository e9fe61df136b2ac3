import { Alarms, type Alarm } from '../core/alarms';
import type { Cancel, Clock } from '../core/clock';
import type { CacheStore } from './cache-store';

/** What a store is asked for. */
export type StoreOperation = 'get' | 'set' | 'delete' | 'clear';

/** Milliseconds that operations may take; may be `Infinity`. */
export interface StoreDeadlines {
  /** A request may wait for a look-up. */
  readonly read: number;
  /** Nobody waits for what is written or deleted. */
  readonly write: number;
}

/** Told how the store behaves; not of probes, nor of calls that were given up. */
export interface StoreWatcher {
  succeeded(): void;
  failed(operation: StoreOperation, error: unknown): void;
  overdue(operation: StoreOperation): void;
}

/** One call of a method of the store. */
export interface StoreCall {
  readonly operation: StoreOperation;
  readonly isProbe: boolean;
  /** Errors that the store had emitted when it was asked. */
  readonly errors: number;
  readonly settled: Settled;
  /** Nobody counts on it any more; its answer is told all the same. */
  isLate: boolean;
  isOver: boolean;
  alarm: Alarm | undefined;
  cancelGrace: Cancel | undefined;
}

/** @param isDone whether the store did what it was asked for, without a doubt */
type Settled = (isDone: boolean, answer: unknown) => void;

/**
 * Calls the methods of a store, which may answer at once or later, throw, reject, or never answer. A store that
 * swallows its errors and emits them instead, as a Keyv instance and its adapters do, leaves in doubt what was under
 * way at that moment: such a call counts as not done, unless it brought a text.
 */
export class StoreCalls {
  readonly #store: CacheStore;
  readonly #clock: Clock;
  readonly #deadlines: StoreDeadlines;
  readonly #watcher: StoreWatcher;
  readonly #alarms: Alarms;
  readonly #underWay = new Set<StoreCall>();
  readonly #onError = (error: unknown) => this.#emitted(error);
  #errors = 0;
  #isClosed = false;

  constructor(store: CacheStore, clock: Clock, deadlines: StoreDeadlines, watcher: StoreWatcher) {
    this.#store = store;
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#watcher = watcher;
    this.#alarms = new Alarms(clock);
    store.on?.('error', this.#onError);
  }

  /**
   * Asks the store for something. `settled` is called once when it answers, which may be at once or never.
   *
   * @param isProbe whether it is asked without a timer and without telling the watcher
   */
  run(operation: StoreOperation, ask: () => unknown, settled: Settled, isProbe = false): StoreCall {
    const call: StoreCall = {
      operation,
      isProbe,
      errors: this.#errors,
      settled,
      isLate: false,
      isOver: false,
      alarm: undefined,
      cancelGrace: undefined,
    };
    const startedAt = this.#clock.now();
    this.#underWay.add(call);
    let answer: unknown;
    try {
      answer = ask();
      if (isThenable(answer)) {
        const patience = operation === 'get' ? this.#deadlines.read : this.#deadlines.write;
        if (!isProbe && !this.#isClosed && patience !== Infinity) {
          const time = startedAt + patience;
          call.alarm = this.#alarms.set(time, () => this.#reachDeadline(call, time));
        }
        answer.then(
          (later) => this.#settle(call, later),
          (error: unknown) => this.#fail(call, error),
        );
        return call;
      }
    } catch (error) {
      this.#fail(call, error);
      return call;
    }
    this.#settle(call, answer);
    // Whatever it did, it held up everybody.
    if (!isProbe && this.#clock.now() - startedAt > this.#deadlines.read) {
      this.#watcher.overdue(operation);
    }
    return call;
  }

  /** Nobody wants the answer any more. */
  abandon(call: StoreCall): void {
    call.isOver = true;
    this.#forget(call);
  }

  /** Nobody counts on the calls that are under way any more. */
  giveUpOnAll(): void {
    for (const call of this.#underWay) {
      call.isLate = true;
      call.alarm = undefined;
      call.cancelGrace?.();
    }
    this.#underWay.clear();
    this.#alarms.clear();
  }

  /** No call is given a deadline any more. */
  close(): void {
    this.#isClosed = true;
    this.giveUpOnAll();
    this.#store.off?.('error', this.#onError);
  }

  #reachDeadline(call: StoreCall, time: number): void {
    const giveUp = () => this.#watcher.overdue(call.operation);
    if (this.#clock.now() > time) {
      // The process itself was late, so the answer may be there already and only wait for its turn.
      call.cancelGrace = this.#clock.schedule(0, giveUp);
    } else {
      giveUp();
    }
  }

  #settle(call: StoreCall, answer: unknown): void {
    // Of a deletion it says that there was nothing to delete.
    if (answer === false && (call.operation === 'set' || call.operation === 'clear')) {
      this.#fail(call, undefined);
    } else if (call.errors !== this.#errors && typeof answer !== 'string') {
      this.#end(call, false, undefined);
    } else if (this.#end(call, true, answer)) {
      this.#watcher.succeeded();
    }
  }

  #fail(call: StoreCall, error: unknown): void {
    // An error that was emitted, too, was counted then.
    if (this.#end(call, false, undefined) && call.errors === this.#errors) {
      this.#watcher.failed(call.operation, error);
    }
  }

  /** Returns whether the watcher is to know. */
  #end(call: StoreCall, isDone: boolean, answer: unknown): boolean {
    if (call.isOver) {
      return false;
    }
    call.isOver = true;
    this.#forget(call);
    const isWatched = !call.isLate && !call.isProbe;
    call.settled(isDone, answer);
    return isWatched;
  }

  #forget(call: StoreCall): void {
    this.#underWay.delete(call);
    if (call.alarm) {
      this.#alarms.cancel(call.alarm);
    }
    call.cancelGrace?.();
  }

  #emitted(error: unknown): void {
    this.#errors++;
    for (const { isProbe, operation } of this.#underWay) {
      if (!isProbe) {
        this.#watcher.failed(operation, error);
        return;
      }
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
