/** Requests of a pool that wait. */
interface Waiting {
  /** The pool has a free slot by now, or has none any more. */
  slotsChanged(): void;
}

/** Bounds what the calls of a pool cost. */
export interface SpendGate {
  /** Whether no further call may start. */
  readonly isReached: boolean;
  /** @param cause what the last call of the request had failed with */
  error(cause: unknown): Error;
}

/** The slots of a pipeline, or of several that share them. */
export class SlotPool {
  active = 0;
  /** When a slot was last freed while none was free. */
  freeSince = -Infinity;
  /** Those that hear when the last slot is taken, and when one is free again. */
  readonly waiting = new Set<Waiting>();
  #limit: number;

  constructor(
    limit: number,
    /** Milliseconds that its requests wait at most for a provider that lets nothing through: `retry.maxElapsed`. */
    readonly patience = Infinity,
    readonly spendGate?: SpendGate,
  ) {
    this.#limit = limit;
  }

  /** How many calls may run at once. */
  get limit(): number {
    return this.#limit;
  }

  get hasFreeSlot(): boolean {
    return this.active < this.#limit;
  }

  resize(limit: number, now: number): void {
    this.#change(now, () => (this.#limit = limit));
  }

  take(now: number): void {
    this.#change(now, () => this.active++);
  }

  release(now: number): void {
    this.#change(now, () => this.active--);
  }

  #change(now: number, change: () => void): void {
    const { hasFreeSlot: hadFreeSlot } = this;
    change();
    if (this.hasFreeSlot !== hadFreeSlot) {
      if (this.hasFreeSlot) {
        this.freeSince = now;
      }
      for (const waiting of this.waiting) {
        waiting.slotsChanged();
      }
    }
  }
}
