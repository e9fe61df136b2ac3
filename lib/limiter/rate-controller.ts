import { LearnedRate } from './learned-rate';
import type { StartLog } from './start-log';

/** Milliseconds of quiet after which what was learned about the interval is forgotten. */
const idleAfter = 60_000;

/** How much the interval shrinks in a second of success under demand: at first, above forty a second, and below what was stated. */
const slowStart = 2;
const carefulStart = 1.25;
const carefulBelow = 25;

/** How much it grows on a refusal where no rate could be measured. */
const growth = 2;

/** Milliseconds for which a rate stays after refusals: found by measuring, guessed at, and known to be stated. */
const steadyTime = 4000;
const guessedTime = 2000;
const longestSteadyTime = 16_000;
const longestCalm = 60_000;
const alarming = 0.012;
const confidence = 0.5;
const alarmPower = 3;
const sameKnee = 0.1;
const hiddenTime = 120_000;
const longestHiddenTime = 960_000;

/** Share of a measured rate that is asked of the provider, of a guessed one, and what refusals take off it. */
const share = 0.975;
const leastShare = 0.8;
const guessShare = 0.6;
const calm = 0.01;
const caution = 6;
const tolerated = 0.015;

/** Starts over which the share of refused calls is averaged. */
const refusalMemory = 800;

/** Milliseconds for which a rate stays that only spends windows. */
const windowTime = 300_000;

/** Seconds in which a whole window is spent at least: the faster, the more calls meet its end. */
const windowSeconds = 10;

/** How far beyond what was measured the knee lies, of the way to the rate that was refused, where that had grown. */
const trust = 0.7;
const farApart = 1.25;
const nearby = 1.07;
const nothingStored = 1.06;
const justBelow = 0.99;

/** Episodes that are remembered, and the milliseconds over which they tell a rate that lasts. */
const mostMarks = 16;
const longestMemory = 120_000;
const shortestMemory = 30_000;

/** What is left of a rate that went well for long with each further refusal soon after the last. */
const shortSpanFactor = 0.6;

/** Milliseconds between two episodes over which a measured rate can be relied on. */
const longSpan = 8000;

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

/** What happened between two episodes. */
interface Span {
  readonly admitted: number;
  /** Milliseconds, with and without the hold at its beginning. */
  readonly time: number;
  readonly active: number;
}

/**
 * Keeps the interval between starts, and the rate that refusals teach.
 *
 * The interval starts slowly: it halves with every second in which calls succeed and others wait. Where the provider
 * refuses, the rate is cut once per episode, however many calls are refused. What was admitted between two episodes
 * is what the provider lets through (a bucket is empty at both ends, so that only the refill was spent): from the
 * second one on, the rate is not guessed but measured. It then stays for a while, and grows again on the time scale on
 * which providers count, in the manner of CUBIC (RFC 9438): slowly near where refusals began, fast beyond.
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
  #refillSpacing = 0;
  #refusals = 0;
  #refusedShare = 0;
  #countedStarts = 0;
  #lastKnee = 0;
  #sameKnees = 0;
  #sustained = 0;
  #shortSpans = 0;
  #hiddenRefusals = 0;
  /** Where the last episode began: when, and how many calls had been admitted until then. */
  readonly #marks: { readonly at: number; readonly admitted: number }[] = [];
  #holdEnd = -Infinity;
  #mark: { readonly at: number; readonly admitted: number } | undefined;

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
    if (this.#adaptive && now - this.#lastActiveAt > idleAfter && this.#lastActiveAt !== -Infinity) {
      this.#interval = this.#clamp(this.#stated || this.#base);
    }
    return this.#interval;
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
  }

  /** A budget is what holds the next request, at so many milliseconds between starts as it refills. */
  budgetHeld(spacing: number, now: number): void {
    this.#budgetHeldAt = now;
    this.#refillSpacing = spacing;
  }

  /** The learned rate is what holds the next request. */
  learnedHeld(now: number): void {
    this.#learnedHeldAt = now;
  }

  succeeded(startedAt: number, now: number): void {
    if (!this.#adaptive || startedAt < this.#lastCutAt) {
      return;
    }
    const passed = Math.min(1000, now - this.#lastStepAt);
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
    return this.#admitted(startNumber) - (this.#mark?.admitted ?? 0);
  }

  /** Takes note of a refusal; one that belongs to an episode that has been answered changes no more. */
  refusedAgain(): void {
    this.#refusals++;
    const starts = this.#starts.count - this.#countedStarts;
    this.#countedStarts += starts;
    this.#refusedShare = this.#refusedShare * Math.exp(-starts / refusalMemory) + 1 / refusalMemory;
  }

  /** Cuts the rate: the provider refused a call, which begins an episode. */
  cut(refusal: Refusal, now: number): void {
    const { startedAt, startNumber } = refusal;
    const admitted = this.#admitted(startNumber);
    const since = admitted - (this.#mark?.admitted ?? 0);
    this.refusedAgain();
    this.#lastCutAt = now;
    this.#lastCutNumber = this.#starts.count;
    this.#lastStepAt = now;
    if (!this.#adaptive) {
      return;
    }
    if (refusal.isExplained) {
      this.#interval = this.#clamp(Math.max(this.#interval * carefulStart, refusal.statedSpacing));
      return;
    }
    const last = this.#mark;
    if (last && since <= 0 && this.learned.isKnown) {
      // Nothing came through since: the hold was too short, which says nothing of the rate.
      return;
    }
    const active = startedAt - Math.max(last?.at ?? -Infinity, this.#holdEnd);
    this.#holdEnd = refusal.holdEnd;
    this.#mark = { at: startedAt, admitted };
    this.#marks.push(this.#mark);
    if (this.#marks.length > mostMarks) {
      this.#marks.shift();
    }
    const recent = startNumber === undefined ? 0 : this.#starts.rateBefore(startNumber, startedAt, 1000);
    // Less than the learned rate where less was asked for; never more, as a late timer may have made it look.
    const current = this.learned.isKnown ? Math.min(this.learned.perSecond, recent || Infinity) : recent;
    if (current === 0 || since <= 0) {
      this.#interval = this.#clamp(this.#interval * growth);
      return;
    }
    const span = { admitted: since, time: last ? startedAt - last.at : 0, active };
    const rate = this.#rateAfter(refusal, current, span, now);
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
      this.#mark = undefined;
      this.#marks.length = 0;
    }
  }

  /** The provider has no room: one step back, however long it lasts. */
  slowDown(now: number): void {
    this.#lastCutAt = now;
    this.#lastCutNumber = this.#starts.count;
    this.#lastStepAt = now;
    if (this.#adaptive) {
      this.#interval = this.#clamp(this.#interval * growth);
    }
  }

  #rateAfter(refusal: Refusal, current: number, span: Span, now: number): number {
    const { admitted, time } = span;
    const stated = refusal.statedSpacing > 0 ? 1000 / refusal.statedSpacing : 0;
    const wasFaster =
      Math.max(current, this.learned.perSecond) > 1.001 * stated ||
      this.#interval < 0.999 * refusal.statedSpacing;
    if (stated > 0 && wasFaster) {
      // A limit that is not stated keeps the stored burst back: so the stated rate it is.
      const steady = Math.min(longestHiddenTime, hiddenTime * 2 ** this.#hiddenRefusals++);
      this.learned.set(stated, stated, steady, now);
      return stated;
    }
    if (refusal.countsByWindows) {
      const rate = Math.min(0.95 * current, admitted / windowSeconds);
      this.learned.set(rate, current, windowTime, now);
      return rate;
    }
    if (time <= 0) {
      const rate = guessShare * current;
      this.learned.set(rate, current, guessedTime, now);
      return rate;
    }
    const knee = this.#kneeOf(current, span);
    const steady = this.#steadyTimeAt(knee);
    const rate = Math.min(this.#share, 1 - 0.5 / Math.max(1, admitted)) * knee;
    const lasting = this.#lastingRate(refusal.startedAt, refusal.startNumber);
    this.learned.set(rate, Math.max(knee, lasting), steady, now, this.#sameKnees);
    return rate;
  }

  /**
   * The rate at which refusals begin. What was measured between two episodes is never more than it, and less only
   * where a bucket was full in between.
   */
  #kneeOf(current: number, span: Span): number {
    const { admitted, time } = span;
    const measured = (admitted * 1000) / time;
    const likely = this.learned.hasGrown
      ? this.#kneeBetween(measured, current, span)
      : Math.min(measured, current);
    if (time >= longSpan) {
      this.#sustained = measured;
      this.#shortSpans = 0;
      return likely;
    }
    if (this.#sustained > 0) {
      // What went well for long, less and less of it if it happens again and again: the limit may have fallen.
      const trusted = this.#sustained * shortSpanFactor ** this.#shortSpans++;
      return Math.min(current, Math.max(measured, trusted));
    }
    return admitted < 5
      ? Math.min(0.9 * current, Math.max(((admitted + 1) * 1000) / time, current / 4))
      : likely;
  }

  /**
   * Where the rate had grown, the knee lies between what was measured and what was refused: near the former, unless
   * they are so far apart that the limit must have risen, or the bucket was full for long.
   */
  #kneeBetween(measured: number, refused: number, { admitted, active }: Span): number {
    if (refused * active < nothingStored * 1000 * admitted) {
      // Refused as soon as it was too much: nothing is stored, and nothing was gained by the hold.
      return justBelow * refused;
    }
    const between = measured + trust * Math.max(0, refused - measured);
    return refused > farApart * measured ? between : Math.min(between, nearby * measured);
  }

  /** What was admitted per second over several episodes: the cost of single calls does not show in it. */
  #lastingRate(startedAt: number, startNumber: number | undefined): number {
    for (const { at, admitted } of this.#marks) {
      const time = startedAt - at;
      if (time <= longestMemory) {
        return time >= shortestMemory ? ((this.#admitted(startNumber) - admitted) * 1000) / time : 0;
      }
    }
    return 0;
  }

  /** The more was refused, and the more often the same knee was found, the longer it takes until more is tried. */
  #steadyTimeAt(knee: number): number {
    const isSame = Math.abs(knee / this.#lastKnee - 1) <= sameKnee;
    this.#sameKnees = isSame ? this.#sameKnees + 1 : 0;
    this.#lastKnee = knee;
    const refused = this.#refusedShare;
    const time = Math.min(longestSteadyTime, steadyTime * (1 + refused / calm) * 1.5 ** this.#sameKnees);
    return Math.min(longestCalm, time * Math.max(1, refused / alarming) ** alarmPower);
  }

  /** Share of the knee that is asked of the provider: the less, the more of the last calls were refused. */
  get #share(): number {
    const found = 1 - (1 - share) * confidence ** this.#sameKnees;
    return Math.max(leastShare, found - Math.max(0, this.#refusedShare - tolerated) * caution);
  }

  #admitted(startNumber: number | undefined): number {
    return (startNumber ?? this.#starts.count) - 1 - this.#refusals;
  }

  #clamp(interval: number): number {
    return Math.min(this.#max, Math.max(this.#min, interval));
  }
}
