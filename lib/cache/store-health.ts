import type { Cancel, Clock } from '../core/clock';
import type { StoreBypassedEvent } from '../core/events';

export type StoreOperation = StoreBypassedEvent['operation'];

/** Consecutive failures after which a store is bypassed. */
const mostFailures = 3;

/** Milliseconds until the first probe, and the longest time between probes. */
const firstPause = 1000;
const longestPause = 60_000;

export interface StoreHealthSettings {
  readonly clock: Clock;
  /** Sends the store a harmless operation. Its result arrives as `succeeded`, `failed` or `overdue`. */
  readonly probe: () => void;
  /** Repeats the work of `retryLater`. */
  readonly retry: () => void;
  readonly bypassed: (operation: StoreOperation, reason: 'deadline' | 'failed', error?: unknown) => void;
  readonly restored: () => void;
}

/**
 * A circuit breaker for reading or for changing a store. An operation over its deadline, or three failures in a row,
 * open it. Then the store is probed in the background, after 1 s and then after pauses that double up to 60 s, until it
 * answers. On a clock without background timers, `check` sends the probe when it is due.
 */
export class StoreHealth {
  readonly #settings: StoreHealthSettings;
  #isBypassed = false;
  #failures = 0;
  #pause = 0;
  #retryPause = firstPause;
  #restoredAt = -Infinity;
  #dueAt = Infinity;
  #cancelTimer: Cancel | undefined;
  #isClosed = false;

  constructor(settings: StoreHealthSettings) {
    this.#settings = settings;
  }

  get isBypassed(): boolean {
    return this.#isBypassed;
  }

  succeeded(): void {
    this.#failures = 0;
    if (this.#isBypassed) {
      this.#isBypassed = false;
      this.#restoredAt = this.#settings.clock.now();
      this.#settings.restored();
    }
  }

  failed(operation: StoreOperation, error: unknown): void {
    if (this.#isBypassed) {
      this.#probeLater();
    } else if (++this.#failures >= mostFailures) {
      this.#bypass(operation, 'failed', error);
    }
  }

  overdue(operation: StoreOperation): void {
    if (this.#isBypassed) {
      this.#probeLater();
    } else {
      this.#bypass(operation, 'deadline');
    }
  }

  /** Schedules another attempt of something that failed. */
  retryLater(): void {
    if (!this.#isBypassed && this.#dueAt === Infinity) {
      this.#wait(this.#retryPause);
      this.#retryPause = doubled(this.#retryPause);
    }
  }

  /** The attempt succeeded, so the next scheduled one comes soon again. */
  retried(): void {
    this.#retryPause = firstPause;
  }

  /** Sends the probe or the next attempt if it is due, but not within the caller's work. */
  check(): void {
    if (this.#settings.clock.now() >= this.#dueAt) {
      this.#cancelTimer?.();
      this.#dueAt = Infinity;
      this.#cancelTimer = this.#settings.clock.schedule(0, () => this.#act());
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#dueAt = Infinity;
    this.#cancelTimer?.();
  }

  #bypass(operation: StoreOperation, reason: 'deadline' | 'failed', error?: unknown): void {
    if (this.#isClosed) {
      return;
    }
    // A store that fails again soon after it recovered gets a longer pause.
    const isSoon = this.#settings.clock.now() - this.#restoredAt < longestPause;
    this.#pause = isSoon ? this.#pause : 0;
    this.#isBypassed = true;
    this.#failures = 0;
    this.#probeLater();
    this.#settings.bypassed(operation, reason, error);
  }

  #probeLater(): void {
    this.#pause = doubled(this.#pause);
    this.#wait(this.#pause);
  }

  #wait(pause: number): void {
    const { clock } = this.#settings;
    if (!this.#isClosed) {
      this.#cancelTimer?.();
      this.#dueAt = clock.now() + pause;
      this.#cancelTimer = clock.schedule(pause, () => this.#act(), { background: true });
    }
  }

  #act(): void {
    this.#dueAt = Infinity;
    if (this.#isBypassed) {
      this.#settings.probe();
    } else {
      this.#settings.retry();
    }
  }
}

function doubled(pause: number): number {
  return Math.min(longestPause, Math.max(firstPause, 2 * pause));
}
