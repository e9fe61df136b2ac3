/** Milliseconds of the first hold that the provider did not ask for. */
const firstHold = 500;
const holdGrowth = 1.5;

/** Milliseconds: no hold of our own is longer in the first minute of a wall, and later. */
const longestHold = 8000;
const longestLateHold = 60_000;

/** Milliseconds: windows of everyday limits are a minute, so that a longer wait means a quota that is spent for long. */
export const everydayWindow = 60_000;

const minute = 60_000;
const day = 86_400_000;

/** Milliseconds between probes of a daily quota that is spent and does not say until when. */
const dailyHold = 300_000;

/**
 * A time in which nothing is let through, whatever the pace: a window that is used up, a day's quota, a block.
 * Everybody is held, as long as the provider asked or for a time that grows; then one call finds out.
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

  /** Nothing is let through since that time. */
  begin(since: number): void {
    this.#since = since;
    this.#holds = 0;
    this.#isStated = false;
  }

  /**
   * Holds everybody: the hint is the least wait, and when one has proven too short, the next hold is longer.
   * @param startedAt when the call that was refused had been started
   */
  hold(now: number, startedAt: number, hint: number | undefined, period: 'minute' | 'day' | undefined): void {
    const isFirst = this.#holds === 0;
    if (!isFirst && startedAt <= this.#heldAt) {
      // It was on its way already, so it says nothing about how long the last hold should have been.
      this.extend(now, hint ?? 0);
      return;
    }
    const hold = isFirst && hint !== undefined ? hint : Math.max(hint ?? 0, this.#ownHold(now, period));
    this.#isStated = hold === hint;
    this.#heldAt = now;
    this.extend(now, hold);
    this.#holds++;
  }

  /** Holds everybody once, although it is no wall yet. */
  ask(now: number, startedAt: number, hint: number | undefined): void {
    if (startedAt > this.#heldAt) {
      this.#heldAt = now;
      this.extend(now, hint ?? firstHold);
    } else {
      this.extend(now, hint ?? 0);
    }
    this.#isStated = hint !== undefined && this.#until === now + hint;
  }

  /** The provider asked once more to wait. */
  extend(now: number, hint: number): void {
    this.#until = Math.max(this.#until, now + Math.min(day, hint));
  }

  /** A probe was started: the others wait for what becomes of it. */
  probed(decidedAt: number): void {
    this.#until = decidedAt;
  }

  /** A call was let through. */
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
