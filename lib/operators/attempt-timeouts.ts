import { scheduleAt, type Cancel, type Clock } from '../core/clock';
import { CallTimeoutError } from '../core/errors';

/** The time limits of an attempt, in milliseconds. */
export interface AttemptLimits {
  readonly timeout: number;
  readonly firstChunkTimeout?: number;
  readonly chunkTimeout?: number;
}

/** The timers of one attempt: for the whole attempt, for its first chunk, and for silence after that. */
export class AttemptTimeouts {
  readonly #clock: Clock;
  readonly #limits: AttemptLimits;
  readonly #rang: (error: CallTimeoutError) => void;
  #cancelWhole: Cancel | undefined;
  #cancelChunk: Cancel | undefined;
  #chunkDue = Infinity;

  /**
   * Makes the timers of an attempt; undefined without time limits.
   *
   * @param rang called with the error of the limit that was exceeded
   */
  static of(
    limits: AttemptLimits & { readonly clock: Clock },
    rang: (error: CallTimeoutError) => void,
  ): AttemptTimeouts | undefined {
    const { timeout, firstChunkTimeout = Infinity, chunkTimeout = Infinity } = limits;
    const isLimited = Math.min(timeout, firstChunkTimeout, chunkTimeout) !== Infinity;
    return isLimited ? new AttemptTimeouts(limits.clock, limits, rang) : undefined;
  }

  private constructor(clock: Clock, limits: AttemptLimits, rang: (error: CallTimeoutError) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#rang = rang;
  }

  start(now: number): void {
    const { timeout, firstChunkTimeout = Infinity } = this.#limits;
    if (timeout !== Infinity) {
      this.#cancelWhole = scheduleAt(this.#clock, now + timeout, () =>
        this.#rang(new CallTimeoutError(timeout)),
      );
    }
    if (firstChunkTimeout !== Infinity) {
      this.#cancelChunk = scheduleAt(this.#clock, now + firstChunkTimeout, () =>
        this.#rang(new CallTimeoutError(firstChunkTimeout, 'firstChunkTimeout')),
      );
    }
  }

  /** A chunk came, or, after the first chunk, another sign of life. */
  alive(now: number, isFirst = false): void {
    const { chunkTimeout = Infinity } = this.#limits;
    if (isFirst) {
      this.#cancelChunk?.();
      this.#cancelChunk = undefined;
    }
    this.#chunkDue = now + chunkTimeout;
    if (isFirst && chunkTimeout !== Infinity) {
      this.#watchSilence(chunkTimeout);
    }
  }

  stop(): void {
    this.#cancelWhole?.();
    this.#cancelChunk?.();
  }

  /** Uses one timer for all silences: it is set again when it fires, not with every chunk. */
  #watchSilence(chunkTimeout: number): void {
    const due = this.#chunkDue;
    this.#cancelChunk = scheduleAt(this.#clock, due, () => {
      if (this.#chunkDue > due) {
        this.#watchSilence(chunkTimeout);
      } else {
        this.#rang(new CallTimeoutError(chunkTimeout, 'chunkTimeout'));
      }
    });
  }
}
