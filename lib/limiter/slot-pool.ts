import type { PriorityRank } from '../core/priority';

/** Starts requests that stand in the queue without a ticket. */
export interface PlainStarter {
  startPlain(request: unknown, arrivedAt: number, id: number, rank: PriorityRank, now: number): void;
  /** Fails one that need not wait any longer; only asked for where the queue knows of walls. */
  failPlain?(request: unknown, arrivedAt: number, id: number, error: unknown): void;
}

/** The slots of a pipeline, or of several that share them. */
export class SlotPool {
  active = 0;
  /** When a slot was last freed while none was free. */
  freeSince = -Infinity;
  readonly starter: PlainStarter | undefined;

  constructor(
    public limit: number,
    starter?: PlainStarter,
    /** Milliseconds that its requests wait at most for a provider that lets nothing through: `retry.maxElapsed`. */
    readonly patience = Infinity,
  ) {
    this.starter = starter;
  }

  get hasFreeSlot(): boolean {
    return this.active < this.limit;
  }

  release(now: number): void {
    if (this.active-- === this.limit) {
      this.freeSince = now;
    }
  }
}
