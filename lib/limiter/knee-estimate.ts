/**
 * The figures below were found by trial on the shapes of `npm run bench:limits`; the ideas are those of the doc comment
 * of {@link KneeEstimate}.
 */

/** Share of the knee that is asked of the provider, and what is left of the rest each time the same knee is found. */
const share = 0.975;
const doubtLeft = 0.5;

/** Share of a rate asked of the provider when it refuses for the first time, and nothing was measured yet. */
const guessedShare = 0.65;

/** Milliseconds for which a guessed rate stays. */
const guessedTime = 2000;

/** Milliseconds for which a measured rate stays: the shortest, the longest, and the longest while much is refused. */
const steadyTime = 4000;
const longestSteadyTime = 16_000;
const longestCalm = 60_000;

/** How much longer it stays each time the same knee is found, and how near two of them must be to be the same. */
const steadyGrowth = 1.5;
const sameKnee = 0.1;

/**
 * Shares of refused calls: one that doubles the steady time, one from which it grows steeply, and one from which the
 * rate is lower.
 */
const usualRefusals = 0.01;
const alarmingRefusals = 0.012;
const slowingRefusals = 0.015;
const alarmPower = 3;
const slowing = 6;
const leastShare = 0.8;

/** Starts over which the share of refused calls is averaged. */
const refusalMemory = 800;

/** Milliseconds between two episodes over which a measured rate can be relied on. */
const longSpan = 8000;

/** What is left of a rate that went well for long with each further refusal soon after the last. */
const shortSpanFactor = 0.6;

/** Admitted calls from which on a short span tells a rate. */
const fewCalls = 5;

/** How often a knee is found again until the rate grows no faster for it. */
const mostConfirmations = 2;

/** What is left of a refused rate at least, however little was measured. */
const leastShareOfRefused = 0.1;

/** How far from what was measured to what was refused the knee lies, if they are far apart, and at most if not. */
const trust = 0.7;
const farApart = 1.25;
const nearby = 1.07;

/** A rate refused within that of what came through before was refused as soon as it was too much. */
const nothingStored = 1.06;
const justBelow = 0.99;

/** Share of the rate that lasts below which a measured one is left soon. */
const farBelow = 0.6;

/** Episodes that are remembered, and the milliseconds over which they tell a rate that lasts. */
const mostEpisodes = 16;
const longestMemory = 120_000;
const shortestMemory = 30_000;

/** One episode of refusals and what happened since the one before. */
export interface Episode {
  /** When the first call that was refused began. */
  readonly at: number;
  /** Calls admitted until then in all. */
  readonly admitted: number;
  /** Starts per second just before. */
  readonly refusedRate: number;
  /** Whether that rate had grown since it was set. */
  readonly hasGrown: boolean;
  /** When the hold that answers it ends. */
  readonly holdEnd: number;
}

/** What to ask of the provider from now on. */
export interface Finding {
  /** Starts per second. */
  readonly rate: number;
  /** Starts per second at which refusals probably begin. */
  readonly knee: number;
  /** Milliseconds for which to keep that rate. */
  readonly steadyFor: number;
  /** How fast to try more from then on, as a multiple of the usual. */
  readonly pace: number;
}

/**
 * Finds the rate at which a provider begins to refuse (the knee) where it does not state it. A bucket is empty when it
 * refuses, so that what was admitted between two episodes of refusals is what it was refilled by: a rate that is
 * measured, not guessed, and never too high; too low only where the bucket was full in between, so that refill was lost.
 */
export class KneeEstimate {
  #refusedShare = 0;
  #countedStarts = 0;
  readonly #episodes: Episode[] = [];
  #knee = 0;
  #confirmations = 0;
  /** The rate that last went well for long, and the refusals that came soon after one another since. */
  #sustained = 0;
  #shortSpans = 0;

  get last(): Episode | undefined {
    return this.#episodes.at(-1);
  }

  /** Takes note of a refused call. */
  refused(starts: number): void {
    const since = starts - this.#countedStarts;
    this.#countedStarts = starts;
    this.#refusedShare = this.#refusedShare * Math.exp(-since / refusalMemory) + 1 / refusalMemory;
  }

  forget(): void {
    this.#episodes.length = 0;
  }

  /** Takes note of an episode of which no rate can be told. */
  passed(episode: Episode): void {
    this.#episodes.push(episode);
    if (this.#episodes.length > mostEpisodes) {
      this.#episodes.shift();
    }
  }

  /** Concludes from an episode what to ask of the provider. */
  found(episode: Episode): Finding {
    const { last } = this;
    const { refusedRate } = episode;
    this.passed(episode);
    if (!last) {
      const rate = guessedShare * refusedRate;
      return { rate, knee: refusedRate, steadyFor: guessedTime, pace: 1 };
    }
    const knee = this.#kneeBetween(last, episode);
    const isSame = Math.abs(knee / this.#knee - 1) <= sameKnee;
    this.#confirmations = isSame ? this.#confirmations + 1 : 0;
    this.#knee = knee;
    const admitted = episode.admitted - last.admitted;
    const rate = Math.min(this.#share, 1 - 0.5 / Math.max(1, admitted)) * knee;
    const lastingKnee = Math.max(knee, this.#lastingRate(episode));
    // What is well below the rate that lasts was a bad moment, not the limit.
    const longest = rate < farBelow * lastingKnee ? longestSteadyTime : longestCalm;
    const steadyFor = Math.min(longest, this.#steadyTime);
    return { rate, knee: lastingKnee, steadyFor, pace: this.#pace };
  }

  #kneeBetween(last: Episode, episode: Episode): number {
    const { refusedRate } = episode;
    const admitted = episode.admitted - last.admitted;
    const time = episode.at - last.at;
    const measured = rateOf(admitted, time);
    const likely = episode.hasGrown
      ? this.#kneeWithin(
          measured,
          rateOf(admitted, episode.at - Math.max(last.at, last.holdEnd)),
          refusedRate,
        )
      : Math.min(measured, refusedRate);
    // Time in which nobody asked was no time in which nobody was let through.
    const credible = Math.max(likely, leastShareOfRefused * refusedRate);
    if (time >= longSpan) {
      this.#sustained = Math.max(measured, leastShareOfRefused * refusedRate);
      this.#shortSpans = 0;
      return credible;
    }
    if (this.#sustained > 0) {
      // What went well for long, less and less of it if it happens again and again: the limit may have fallen.
      const trusted = this.#sustained * shortSpanFactor ** this.#shortSpans++;
      return Math.min(refusedRate, Math.max(measured, trusted));
    }
    return admitted < fewCalls
      ? Math.min(0.9 * refusedRate, Math.max(rateOf(admitted + 1, time), refusedRate / 4))
      : credible;
  }

  /** Where the rate had grown, the knee lies between what was measured, with and without the hold, and what was refused. */
  #kneeWithin(measured: number, measuredRunning: number, refusedRate: number): number {
    if (refusedRate < nothingStored * measuredRunning) {
      // Refused as soon as it was too much: nothing is stored, and the time of the hold was lost.
      return justBelow * refusedRate;
    }
    const between = measured + trust * Math.max(0, refusedRate - measured);
    // So far apart, the limit has risen, or the bucket had been full.
    return refusedRate > farApart * measured ? between : Math.min(between, nearby * measured);
  }

  /** What was admitted per second over several episodes: what single calls cost does not show in it. */
  #lastingRate(episode: Episode): number {
    const first = this.#episodes.find(({ at }) => episode.at - at <= longestMemory);
    const time = first ? episode.at - first.at : 0;
    return time >= shortestMemory ? rateOf(episode.admitted - first!.admitted, time) : 0;
  }

  /** The more was refused, and the more often the same knee was found, the longer it takes until more is tried. */
  get #steadyTime(): number {
    const refused = this.#refusedShare;
    const time = steadyTime * (1 + refused / usualRefusals) * steadyGrowth ** this.#confirmations;
    const alarm = Math.max(1, refused / alarmingRefusals) ** alarmPower;
    return Math.min(longestCalm, Math.min(longestSteadyTime, time) * alarm);
  }

  /** Where the knee is well known there is less to feel one's way for. */
  get #pace(): number {
    return 1 + Math.min(mostConfirmations, this.#confirmations);
  }

  /** The more often the same knee was found, the closer to it; the more was refused, the farther from it. */
  get #share(): number {
    const found = 1 - (1 - share) * doubtLeft ** this.#confirmations;
    return Math.max(leastShare, found - Math.max(0, this.#refusedShare - slowingRefusals) * slowing);
  }
}

/** Calls per second; no time at all tells nothing. */
function rateOf(calls: number, milliseconds: number): number {
  return milliseconds > 0 ? (calls * 1000) / milliseconds : 0;
}
