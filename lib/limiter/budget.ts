/**
 * What may be spent of one limit: a bucket of `depth` that refills continuously, in the form of the generic cell rate
 * algorithm (GCRA), so that one number tells both how much is left and when enough will be. A cost above the depth is
 * let through once the bucket is full, and the debt is paid by those who come later.
 */
export class Budget {
  /** Requests or tokens per millisecond. */
  #rate: number;
  #depth: number;
  #level: number;
  #at: number;
  /** All that was ever taken: what was taken since a moment is a difference of two readings. */
  #taken = 0;
  #syncedTo = -Infinity;

  constructor(limit: number, window: number, depth: number, now: number) {
    this.#rate = limit / window;
    this.#depth = depth;
    this.#level = depth;
    this.#at = now;
  }

  /** Requests or tokens a minute. */
  get perMinute(): number {
    return this.#rate * 60_000;
  }

  get taken(): number {
    return this.#taken;
  }

  remaining(now: number): number {
    this.#refill(now);
    return this.#level;
  }

  /** When `cost` may be taken: now or earlier means at once. */
  opensAt(cost: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(cost, this.#depth) - this.#level;
    // Rounding must not leave a start a hair's breadth short of its own time.
    return missing <= 1e-9 * this.#depth ? now : now + Math.ceil(missing / this.#rate);
  }

  take(cost: number, now: number): void {
    this.#refill(now);
    this.#level -= cost;
    this.#taken += cost;
  }

  /** Gives back what was reserved but not used, or takes what was used beyond it. */
  settle(reserved: number, used: number): void {
    this.#level = Math.min(this.#depth, this.#level + reserved - used);
    this.#taken += used - reserved;
  }

  /**
   * Takes over what the provider stated in answer to a call that started at `startedAt`: what is left now is what it
   * stated, less what calls that started later have taken. Statements about earlier calls than the last one are old.
   */
  sync(
    stated: { limit: number; remaining: number | undefined; reset: number | undefined; window: number },
    startedAt: number,
    takenSince: number,
    now: number,
  ): void {
    if (startedAt < this.#syncedTo) {
      return;
    }
    this.#syncedTo = startedAt;
    this.#refill(now);
    this.#rate = stated.limit / stated.window;
    if (stated.remaining === undefined) {
      return;
    }
    if (stated.reset !== undefined) {
      this.#depth = Math.max(1, Math.min(stated.limit, stated.remaining + stated.reset * this.#rate));
    }
    const refilled = stated.remaining + this.#rate * (now - startedAt);
    this.#level = Math.min(this.#depth, refilled - takenSince);
  }

  #refill(now: number): void {
    this.#level = Math.min(this.#depth, this.#level + (now - this.#at) * this.#rate);
    this.#at = now;
  }
}
