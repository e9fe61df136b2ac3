import type { EvictionReason, NotKeptReason } from '../core/events';

/** What became of an answer that is not kept. */
export type DepartureReason = EvictionReason | NotKeptReason | 'failed';

/** When and why an answer left, or was not kept at all. */
export interface Departure {
  readonly reason: DepartureReason;
  /** Milliseconds on the clock of the cache. */
  readonly at: number;
}

/** A departure that is remembered, between those just before and after it. */
class Memory implements Departure {
  before: Memory | undefined;
  after: Memory | undefined;

  constructor(
    readonly key: string,
    readonly reason: DepartureReason,
    readonly at: number,
  ) {}
}

/**
 * Remembers the latest departures, a bounded number of them, so that a miss can be explained. A list runs through them
 * from the oldest to the newest: to look for the first key of a Map takes long where many before it were deleted.
 */
export class Departures {
  readonly #byKey = new Map<string, Memory>();
  #oldest: Memory | undefined;
  #newest: Memory | undefined;

  constructor(private readonly limit: number) {}

  note(key: string, reason: DepartureReason, at: number): void {
    const earlier = this.#byKey.get(key);
    if (earlier) {
      this.#takeOff(earlier);
    } else if (this.#byKey.size === this.limit) {
      this.forget(this.#oldest!.key);
    }
    const memory = new Memory(key, reason, at);
    memory.before = this.#newest;
    if (this.#newest) {
      this.#newest.after = memory;
    } else {
      this.#oldest = memory;
    }
    this.#newest = memory;
    this.#byKey.set(key, memory);
  }

  /** It is kept now: why it had left once explains nothing any more. */
  forget(key: string): void {
    const memory = this.#byKey.get(key);
    if (memory) {
      this.#byKey.delete(key);
      this.#takeOff(memory);
    }
  }

  get(key: string): Departure | undefined {
    const memory = this.#byKey.get(key);
    return memory && { reason: memory.reason, at: memory.at };
  }

  #takeOff({ before, after }: Memory): void {
    if (before) {
      before.after = after;
    } else {
      this.#oldest = after;
    }
    if (after) {
      after.before = before;
    } else {
      this.#newest = before;
    }
  }
}
