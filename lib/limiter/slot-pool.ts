interface Waiting {
  /** Called when the first slot becomes free or the last is taken. */
  slotsChanged(): void;
}

/** Stops starts when calls have cost enough. */
export interface SpendGate {
  readonly isReached: boolean;
  /** @param cause the error of the request's last call */
  error(cause: unknown): Error;
}

/** The slots of a pipeline, or of several that share them. */
export class SlotPool {
  active = 0;
  /** When a slot was last freed while none was free. */
  freeSince = -Infinity;
  /** Called when the last slot is taken, and when one is free again. */
  readonly waiting = new Set<Waiting>();
  #limit: number;

  constructor(
    limit: number,
    /** Milliseconds that requests wait at most while the provider lets nothing through (`retry.maxElapsed`). */
    readonly patience = Infinity,
    readonly spendGate?: SpendGate,
  ) {
    this.#limit = limit;
  }

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
