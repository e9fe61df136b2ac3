import type { Clock } from '../core/clock';
import type { CacheStore } from './cache-store';
import type { Reminder } from './reminder';
import type { StoreCall, StoreCalls, StoreOperation } from './store-calls';

/** Deleted and read by probes. */
const probeKey = 'rxllm:probe';

/** What a probe works with. */
export interface StoreProbeSettings {
  readonly store: CacheStore;
  readonly clock: Clock;
  readonly calls: StoreCalls;
  /** Milliseconds that each of its operations may take. */
  readonly deadline: number;
  /** Set to when `overdue` is to be called. */
  readonly reminder: Reminder;
  readonly succeeded: () => void;
  readonly failed: () => void;
}

/**
 * Finds out whether a store that is bypassed answers again: by a deletion and a look-up, as Keyv's look-ups alone fail
 * without a word. Nobody waits for it, and its deadline keeps no process alive.
 */
export class StoreProbe {
  readonly #settings: StoreProbeSettings;
  #underWay: StoreCall | undefined;

  constructor(settings: StoreProbeSettings) {
    this.#settings = settings;
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  start(): void {
    const { store, succeeded } = this.#settings;
    this.#ask(
      'delete',
      () => store.delete(probeKey),
      () => this.#ask('get', () => store.get(probeKey), succeeded),
    );
  }

  /** It took too long. */
  overdue(): void {
    this.stop();
    this.#settings.failed();
  }

  stop(): void {
    if (this.#underWay) {
      this.#settings.calls.abandon(this.#underWay);
      this.#underWay = undefined;
    }
  }

  #ask(operation: StoreOperation, ask: () => unknown, next: () => void): void {
    const { calls, clock, deadline, reminder, failed } = this.#settings;
    const startedAt = clock.now();
    reminder.set(deadline);
    const call = calls.run(
      operation,
      ask,
      (isDone) => {
        this.#underWay = undefined;
        // Where no timer runs in the background, the deadline may have passed unnoticed.
        const isInTime = clock.now() - startedAt <= deadline;
        (isDone && isInTime ? next : failed)();
      },
      true,
    );
    if (!call.isOver) {
      this.#underWay = call;
    }
  }
}
