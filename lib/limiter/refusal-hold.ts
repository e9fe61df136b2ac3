/** Milliseconds of the first hold for a refusal that does not say how long to wait. */
const firstHold = 800;
const holdGrowth = 2;

/** Milliseconds: no hold of our own is longer, at first and after a minute of refusals. */
const longestHold = 8000;
const longestLateHold = 60_000;

/** Milliseconds that others wait for the answer to a probe at most. */
const longestPatience = 1000;

const minute = 60_000;
const day = 86_400_000;

/** Milliseconds between probes of a daily quota that is spent and does not say until when. */
const dailyHold = 300_000;

/** Milliseconds without any admission, and calls admitted in between, that show a limit that counts by windows. */
const windowWall = 5000;
const windowShare = 20;

/**
 * How long everybody is held after a refusal: as long as the provider asked; else a moment, twice as long whenever the
 * one call that is let through then is refused again. Where long walls alternate with many admitted calls, the limit
 * counts by windows, and the end of a wall is foretold by that of the last one.
 */
export class RefusalHold {
  #until = -Infinity;
  /** The same, without the wait for a probe. */
  #heldUntil = -Infinity;
  #wallSince = -Infinity;
  #isWallOpen = false;
  #holds = 0;
  /** When calls were let through again after the last long wall. */
  #windowStart: number | undefined;
  /** Whether the next call finds out if the hold was long enough. */
  #isProbing = false;
  /** Milliseconds after which a refusal is heard of. */
  #refusalLatency = 0;

  get until(): number {
    return this.#until;
  }

  /** Since when nothing was let through; undefined where that is not so. */
  get since(): number | undefined {
    return this.#isWallOpen ? this.#wallSince : undefined;
  }

  /** Whether the limit was seen to let many calls through and then none for a long time. */
  get countsByWindows(): boolean {
    return this.#windowStart !== undefined;
  }

  /**
   * @param latency milliseconds after which the call was refused
   * @param hint milliseconds that the provider asked to wait
   * @param admitted calls let through since the last refusals
   */
  refused(
    now: number,
    latency: number,
    hint: number | undefined,
    admitted: number,
    period?: 'minute' | 'day',
  ): void {
    this.#refusalLatency = Math.min(longestPatience, Math.max(latency, this.#refusalLatency / 2));
    this.#isProbing = hint === undefined;
    if (admitted > 0 || this.#wallSince === -Infinity) {
      this.#wallSince = now;
      this.#holds = 0;
      if (admitted < windowShare) {
        this.#windowStart = undefined;
      }
    }
    this.#isWallOpen = true;
    this.extend(now, hint ?? this.#ownHold(now, period));
    this.#heldUntil = this.#until;
  }

  /** The provider asked everybody to wait, for a reason that says nothing about a limit, or once more for the same. */
  extend(now: number, hint: number): void {
    this.#until = Math.max(this.#until, now + Math.min(day, hint));
  }

  /** A call was started: where it is the first after a hold of our own, the others wait whether it is refused again. */
  started(now: number): void {
    if (this.#isProbing) {
      this.#isProbing = false;
      this.#until = now + 1.5 * this.#refusalLatency;
    }
  }

  /** A call that started then was let through. */
  admitted(startedAt: number): void {
    if (this.#isWallOpen && startedAt >= this.#heldUntil) {
      this.#isWallOpen = false;
      if (startedAt - this.#wallSince >= windowWall) {
        this.#windowStart = startedAt;
      }
    }
  }

  #ownHold(now: number, period: 'minute' | 'day' | undefined): number {
    if (period === 'day') {
      return dailyHold;
    }
    if (this.#holds === 0 && this.#windowStart !== undefined) {
      this.#holds = 1;
      // A little early, because the wall may have ended before the probe that found out.
      const sinceStart = now - this.#windowStart;
      const untilNext = minute - (sinceStart % minute) - firstHold;
      return Math.max(firstHold, untilNext);
    }
    const longest = now - this.#wallSince < minute ? longestHold : longestLateHold;
    return Math.min(longest, firstHold * holdGrowth ** this.#holds++);
  }
}
