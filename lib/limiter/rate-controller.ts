import { KneeEstimate, type Episode } from './knee-estimate';
import { LearnedRate } from './learned-rate';
import type { StartLog } from './start-log';

/** Milliseconds of quiet after which what was learned about the interval is forgotten. */
const idleAfter = 60_000;

/** How much the interval shrinks in a second of success under demand: at first, and where there is something to lose. */
const slowStart = 2;
const carefulStart = 1.35;

/** Milliseconds: an interval below that is shrunk with care, as many calls are under way when the first is refused. */
const carefulBelow = 50;

/** How much it grows on a refusal where no rate could be measured. */
const growth = 2;

/** Milliseconds for which a rate stays that keeps within a stated limit because a hidden one refused more. */
const hiddenTime = 120_000;
const longestHiddenTime = 960_000;

/** Share of a rate that spends windows, and milliseconds for which it stays. */
const windowShare = 0.95;
const windowTime = 300_000;

/** Seconds in which a whole window is spent at least: the faster, the more calls meet its end. */
const windowSeconds = 10;

/** What is known of a call that was refused. */
export interface Refusal {
  readonly startedAt: number;
  /** Its number among all starts; undefined where it was not started here. */
  readonly startNumber: number | undefined;
  /** Whether a stated limit explains it, as that is spent. */
  readonly isExplained: boolean;
  /** Milliseconds between starts of the stated limit; 0 for none. */
  readonly statedSpacing: number;
  /** Whether the limit lets a number through and then nobody for long: the hold keeps it, no rate does. */
  readonly countsByWindows: boolean;
  /** When the hold that answers it ends. */
  readonly holdEnd: number;
}

/**
 * Keeps the interval between starts, and the rate that refusals teach.
 *
 * The interval starts slowly: it halves with every second in which calls succeed and others wait. Where the provider
 * refuses, the rate is cut once per episode, however many calls are refused: at first by a guess, then to what was
 * measured from episode to episode ({@link KneeEstimate}). It stays so for a while, and grows again on the time scale
 * on which providers count, in the manner of CUBIC (RFC 9438): slowly near where refusals began, fast beyond.
 *
 * A limit that the provider stated sets the interval at once; what keeps it is its budget. The interval goes on
 * shrinking, more carefully, where the budget would let more through: so stored bursts are spent, and a hidden limit
 * that refuses some of them is found and remembered.
 */
export class RateController {
  readonly learned = new LearnedRate();
  readonly #base: number;
  readonly #min: number;
  readonly #max: number;
  readonly #adaptive: boolean;
  readonly #starts: StartLog;
  #interval: number;
  #stated = 0;
  #lastCutAt = -Infinity;
  #lastCutNumber = 0;
  #lastStepAt = -Infinity;
  #lastActiveAt = -Infinity;
  #paceHeldAt = -Infinity;
  #learnedHeldAt = -Infinity;
  #budgetHeldAt = -Infinity;
  /** Whether any of the three has held a request. */
  #hasHeld = false;
  #refillSpacing = 0;
  #refusals = 0;
  #hiddenRefusals = 0;
  readonly #estimate = new KneeEstimate();

  constructor(settings: { base: number; min: number; max: number; adaptive: boolean }, starts: StartLog) {
    this.#base = settings.base;
    this.#min = settings.min;
    this.#max = settings.max;
    this.#adaptive = settings.adaptive;
    this.#interval = settings.base;
    this.#starts = starts;
  }

  /** The current interval in milliseconds. */
  interval(now: number): number {
    if (now - this.#lastActiveAt > idleAfter) {
      this.#wasIdle();
    }
    return this.#interval;
  }

  #wasIdle(): void {
    if (this.#adaptive && this.#lastActiveAt !== -Infinity) {
      this.#interval = this.#clamp(this.#stated || this.#base);
      this.#estimate.forget();
    }
  }

  /** Something started or waits: not idle. */
  active(now: number): void {
    this.interval(now);
    this.activeUntil(now);
  }

  /** Somebody waits until then: not idle before. */
  activeUntil(time: number): void {
    this.#lastActiveAt = Math.max(this.#lastActiveAt, time);
  }

  /** The interval is what holds the next request. */
  paceHeld(now: number): void {
    this.#paceHeldAt = now;
    this.#hasHeld = true;
  }

  /** A budget is what holds the next request, at so many milliseconds between starts as it refills. */
  budgetHeld(spacing: number, now: number): void {
    this.#budgetHeldAt = now;
    this.#hasHeld = true;
    this.#refillSpacing = spacing;
  }

  /** The learned rate is what holds the next request. */
  learnedHeld(now: number): void {
    this.#learnedHeldAt = now;
    this.#hasHeld = true;
  }

  succeeded(startedAt: number, now: number): void {
    if (!this.#hasHeld || !this.#adaptive || startedAt < this.#lastCutAt) {
      return;
    }
    const passed = Math.min(Math.max(1000, this.learned.spacing), now - this.#lastStepAt);
    if (passed <= 0) {
      return;
    }
    const since = this.#lastStepAt;
    if (this.#learnedHeldAt > since || this.#learnedHeldAt === now) {
      this.#lastStepAt = now;
      this.learned.grow(passed, now);
    }
    if (this.#paceHeldAt > since || this.#paceHeldAt === now) {
      this.#lastStepAt = now;
      const isCareful = this.#stated > 0 || this.learned.isKnown || this.#interval <= carefulBelow;
      const shrunk = this.#interval * (isCareful ? carefulStart : slowStart) ** (-passed / 1000);
      // Below a millisecond timers cannot tell intervals apart.
      this.#interval = this.#clamp(shrunk < 1 ? 0 : shrunk);
    } else if (this.#budgetHeldAt > since || this.#budgetHeldAt === now) {
      // What is stored by and by, or given back, is not to be spent in one burst.
      this.#lastStepAt = now;
      const relaxed = Math.max(1, this.#interval) * carefulStart ** (passed / 1000);
      this.#interval = this.#clamp(Math.max(this.#interval, Math.min(this.#refillSpacing, relaxed)));
    }
  }

  /** Whether a refusal begins an episode; those of calls that began before the last cut belong to it. */
  isNewEpisode(startedAt: number, startNumber: number | undefined): boolean {
    // Several start within one millisecond: their numbers tell which of them came after the cut.
    return startNumber === undefined ? startedAt >= this.#lastCutAt : startNumber > this.#lastCutNumber;
  }

  /** Calls admitted since the last episode, as a refusal begins one. */
  admittedSince(startNumber: number | undefined): number {
    return this.#admitted(startNumber) - (this.#estimate.last?.admitted ?? 0);
  }

  /** Takes note of a refusal; one that belongs to an episode that has been answered changes no more. */
  refusedAgain(): void {
    this.#refusals++;
    this.#estimate.refused(this.#starts.count);
  }

  /** Cuts the rate: the provider refused a call, which begins an episode. */
  cut(refusal: Refusal, now: number): void {
    const { startedAt, startNumber, holdEnd } = refusal;
    const admitted = this.#admitted(startNumber);
    const since = admitted - (this.#estimate.last?.admitted ?? 0);
    this.refusedAgain();
    this.#lastCutAt = now;
    this.#lastCutNumber = this.#starts.count;
    this.#lastStepAt = now;
    const recent = startNumber === undefined ? 0 : this.#starts.rateBefore(startNumber, startedAt, 1000);
    // Less than the learned rate where less was asked for; never more, as a late timer may have made it look.
    const refusedRate = this.learned.isKnown ? Math.min(this.learned.perSecond, recent || Infinity) : recent;
    const { hasGrown } = this.learned;
    const episode = { at: startedAt, admitted, refusedRate, hasGrown, holdEnd };
    if (!this.#adaptive) {
      this.#estimate.passed(episode);
      return;
    }
    if (refusal.isExplained) {
      this.#estimate.passed(episode);
      this.#interval = this.#clamp(Math.max(this.#interval * carefulStart, refusal.statedSpacing));
      return;
    }
    if (this.#estimate.last && since <= 0 && this.learned.isKnown) {
      // Nothing came through since: the hold was too short, which says nothing of the rate.
      return;
    }
    if (refusedRate === 0 || since <= 0) {
      this.#estimate.passed(episode);
      this.#interval = this.#clamp(this.#slower);
      return;
    }
    const rate = this.#learn(refusal, episode, since, now);
    this.#interval = this.#clamp(Math.max(this.#interval, 1000 / rate));
  }

  /** The provider stated how many milliseconds apart requests may be. */
  stated(spacing: number, now: number): void {
    if (this.#adaptive && spacing > 0 && spacing !== this.#stated) {
      this.#stated = spacing;
      this.#interval = this.#clamp(spacing);
      this.#lastStepAt = now;
      // It was learned under another limit.
      this.learned.forget();
      this.#estimate.forget();
    }
  }

  /** The provider has no room: one step back, however long it lasts. */
  slowDown(now: number): void {
    this.#lastCutAt = now;
    this.#lastCutNumber = this.#starts.count;
    this.#lastStepAt = now;
    if (this.#adaptive) {
      this.#interval = this.#clamp(this.#slower);
    }
  }

  /** Sets the learned rate after an episode; returns it. */
  #learn(refusal: Refusal, episode: Episode, admitted: number, now: number): number {
    const { statedSpacing } = refusal;
    const { refusedRate } = episode;
    const stated = statedSpacing > 0 ? 1000 / statedSpacing : Infinity;
    const wasFaster = Math.max(refusedRate, this.learned.perSecond) > 1.001 * stated;
    if (wasFaster || this.#interval < 0.999 * statedSpacing) {
      // A limit that is not stated keeps the stored burst back: so the stated rate it is.
      this.#estimate.passed(episode);
      const steady = Math.min(longestHiddenTime, hiddenTime * 2 ** this.#hiddenRefusals++);
      this.learned.set(stated, stated, steady, now);
      return stated;
    }
    if (refusal.countsByWindows) {
      this.#estimate.passed(episode);
      const rate = Math.min(windowShare * refusedRate, admitted / windowSeconds);
      this.learned.set(rate, refusedRate, windowTime, now);
      return rate;
    }
    const { rate, knee, steadyFor, pace } = this.#estimate.found(episode);
    this.learned.set(rate, knee, steadyFor, now, pace);
    return rate;
  }

  #admitted(startNumber: number | undefined): number {
    return (startNumber ?? this.#starts.count) - 1 - this.#refusals;
  }

  /** An interval of nothing must be able to grow as well. */
  get #slower(): number {
    return Math.max(1, this.#interval) * growth;
  }

  #clamp(interval: number): number {
    return Math.min(this.#max, Math.max(this.#min, interval));
  }
}
