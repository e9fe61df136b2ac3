/** Milliseconds of the first hold without a hint of the provider. */
const firstHold = 500;
const holdGrowth = 1.5;

/** Milliseconds: the longest hold without a hint, in the first minute of a wall and later. */
const longestHold = 8000;
const longestLateHold = 60_000;

/** Milliseconds of everyday windows. A longer wait means a quota that is spent for long. */
export const everydayWindow = 60_000;

const minute = 60_000;
const day = 86_400_000;

/** Milliseconds between probes when a daily quota is spent without a known end. */
const dailyHold = 300_000;

/**
 * A time in which nothing is let through at any pace: a spent window, a spent daily quota, a block. All requests are
 * held for the stated time, or for a time that grows; then one call probes.
 */
export class Wall {
  #since: number | undefined;
  #until = -Infinity;
  #holds = 0;
  #isStated = false;
  #heldAt = -Infinity;

  /** When it began; undefined if there is none. */
  get since(): number | undefined {
    return this.#since;
  }

  get until(): number {
    return this.#until;
  }

  /** Whether the provider asked for the whole hold. */
  get isStated(): boolean {
    return this.#isStated;
  }

  begin(since: number): void {
    this.#since = since;
    this.#holds = 0;
    this.#isStated = false;
  }

  /**
   * Holds all requests. The hint is the least wait; if it proves too short, the next hold is longer.
   * @param startedAt when the refused call had started
   */
  hold(now: number, startedAt: number, hint: number | undefined, period: 'minute' | 'day' | undefined): void {
    const isFirst = this.#holds === 0;
    if (!isFirst && startedAt <= this.#heldAt) {
      // The call started before the hold, so it does not tell whether the hold was long enough.
      this.extend(now, hint ?? 0);
      return;
    }
    const hold = isFirst && hint !== undefined ? hint : Math.max(hint ?? 0, this.#ownHold(now, period));
    this.#isStated = hold === hint;
    this.#heldAt = now;
    this.extend(now, hold);
    this.#holds++;
  }

  /** Holds all requests once, before it is a wall. */
  ask(now: number, startedAt: number, hint: number | undefined): void {
    if (startedAt > this.#heldAt) {
      this.#heldAt = now;
      this.extend(now, hint ?? firstHold);
    } else {
      this.extend(now, hint ?? 0);
    }
    this.#isStated = hint !== undefined && this.#until === now + hint;
  }

  /** The provider asked again for a wait. */
  extend(now: number, hint: number): void {
    this.#until = Math.max(this.#until, now + Math.min(day, hint));
  }

  /** A probe started: the others wait for its result. */
  probed(decidedAt: number): void {
    this.#until = decidedAt;
  }

  end(now: number): void {
    this.#since = undefined;
    this.#isStated = false;
    this.#until = now;
  }

  #ownHold(now: number, period: 'minute' | 'day' | undefined): number {
    if (period === 'day') {
      return dailyHold;
    }
    const longest = now - this.#since! < minute ? longestHold : longestLateHold;
    return Math.min(longest, firstHold * holdGrowth ** this.#holds);
  }
}
