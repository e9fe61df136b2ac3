import type { Cancel, Clock } from '../core/clock';
import type { CacheStore } from './cache-store';
import type { StoreHealth, StoreOperation } from './store-health';

/** The two abilities of a store; it may have one without the other. */
export type OperationKind = 'look-ups' | 'changes';

/** Milliseconds that operations may take; may be `Infinity`. */
export interface StoreDeadlines {
  /** For look-ups, which requests wait for. */
  readonly read: number;
  /** For all other operations, which run in the background. */
  readonly write: number;
}

/** How a store is used. */
export interface StoreStatistics {
  /** Look-ups, without those that bypassed the store. */
  readonly reads: number;
  /** Look-ups that found an answer. */
  readonly found: number;
  /** Answers that the store accepted. */
  readonly writes: number;
  readonly failures: number;
  /** Operations that took longer than the deadline. */
  readonly timeouts: number;
  /** Answers that were not written because they could not be restored exactly or are too long for the store. */
  readonly unstorable: number;
  /** Whether look-ups bypass the store now. */
  readonly isBypassed: boolean;
}

export type StoreCounts = Record<Exclude<keyof StoreStatistics, 'isBypassed'>, number>;

export interface StoreCallsSettings {
  readonly store: CacheStore;
  readonly clock: Clock;
  readonly deadlines: StoreDeadlines;
  readonly counts: StoreCounts;
  readonly health: Readonly<Record<OperationKind, StoreHealth>>;
}

/** Called once. `isDone` says whether the store did the operation without doubt. */
export type Settled = (isDone: boolean, answer: unknown, error?: unknown) => void;

interface StoreCall {
  readonly operation: StoreOperation;
  readonly settled: Settled;
  /** The number of errors that the store had emitted when the call began. */
  readonly errorsBefore: number;
  cancelDeadline: Cancel | undefined;
}

/**
 * Calls the methods of a store, which may answer at once or later, throw, reject, or never answer. A store may also
 * emit its errors and answer as if nothing had happened, as Keyv does. Then the running calls count as failed, unless
 * they bring a text.
 */
export class StoreCalls {
  readonly #settings: StoreCallsSettings;
  /** The calls that show the health of the store. */
  readonly #watched = new Set<StoreCall>();
  readonly #onError = (error: unknown) => {
    this.#emitted++;
    this.#lastError = error;
  };
  #emitted = 0;
  /** The last emitted error that counted as a failure, by kind. */
  readonly #counted = { 'look-ups': 0, changes: 0 };
  #lastError: unknown;
  #isClosed = false;

  constructor(settings: StoreCallsSettings) {
    this.#settings = settings;
    settings.store.on?.('error', this.#onError);
  }

  /**
   * Calls the store. `settled` receives the result, which may come at once, late or never.
   *
   * @returns a function that stops watching the call: its result and deadline then do not affect the health of the
   * store
   */
  run(operation: StoreOperation, ask: () => unknown, settled: Settled): Cancel {
    const call: StoreCall = {
      operation,
      settled,
      errorsBefore: this.#emitted,
      cancelDeadline: undefined,
    };
    const { clock, deadlines } = this.#settings;
    const startedAt = clock.now();
    this.#watched.add(call);
    try {
      const answer = ask();
      if (isThenable(answer)) {
        this.#setDeadline(call, startedAt);
        answer.then(
          (value) => this.#answered(call, value),
          (error: unknown) => this.#failed(call, error),
        );
      } else {
        this.#answered(call, answer);
        if (clock.now() - startedAt > deadlines.read) {
          // Whatever the operation was, the store blocked the process.
          this.#overdue(operation);
        }
      }
    } catch (error) {
      this.#failed(call, error);
    }
    return () => this.#unwatch(call);
  }

  /** Stops watching the running look-ups, or all other operations. */
  giveUp(kind: OperationKind): void {
    for (const call of this.#watched) {
      if (kindOf(call.operation) === kind) {
        this.#unwatch(call);
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.giveUp('look-ups');
    this.giveUp('changes');
    this.#settings.store.off?.('error', this.#onError);
  }

  #setDeadline(call: StoreCall, startedAt: number): void {
    const { clock, deadlines } = this.#settings;
    const patience = call.operation === 'get' ? deadlines.read : deadlines.write;
    if (patience === Infinity || this.#isClosed) {
      return;
    }
    const giveUp = () => {
      this.#unwatch(call);
      this.#overdue(call.operation);
    };
    call.cancelDeadline = clock.schedule(patience, () => {
      if (clock.now() > startedAt + patience) {
        // The process itself was late. The result may be waiting in the event loop.
        call.cancelDeadline = clock.schedule(0, giveUp);
      } else {
        giveUp();
      }
    });
  }

  #answered(call: StoreCall, answer: unknown): void {
    // After a deletion, false only means that there was nothing to delete.
    if (answer === false && (call.operation === 'set' || call.operation === 'clear')) {
      this.#failed(call, undefined);
    } else if (call.errorsBefore !== this.#emitted && typeof answer !== 'string') {
      this.#failed(call, this.#lastError);
    } else {
      const isWatched = this.#unwatch(call);
      call.settled(true, answer);
      if (isWatched) {
        this.#settings.health[kindOf(call.operation)].succeeded();
      }
    }
  }

  #failed(call: StoreCall, error: unknown): void {
    const { operation } = call;
    const isWatched = this.#unwatch(call);
    call.settled(false, undefined, error);
    // Only this text is too long; the store is well.
    const isRefused = operation === 'set' && error instanceof RangeError;
    if (!isWatched || isRefused) {
      return;
    }
    // An emitted error is one failure, however many calls run.
    const kind = kindOf(operation);
    const isCounted = call.errorsBefore !== this.#emitted && this.#counted[kind] === this.#emitted;
    this.#counted[kind] = this.#emitted;
    if (!isCounted) {
      this.#settings.counts.failures++;
      this.#settings.health[kind].failed(operation, error);
    }
  }

  #overdue(operation: StoreOperation): void {
    this.#settings.counts.timeouts++;
    this.#settings.health[kindOf(operation)].overdue(operation);
  }

  /** Returns whether the call was still watched. */
  #unwatch(call: StoreCall): boolean {
    call.cancelDeadline?.();
    call.cancelDeadline = undefined;
    return this.#watched.delete(call);
  }
}

function kindOf(operation: StoreOperation): OperationKind {
  return operation === 'get' ? 'look-ups' : 'changes';
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
