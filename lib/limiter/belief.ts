/** Shares of shed calls that a few dozen verdicts can tell apart. */
const shares = [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Factor between neighbouring limits, from a hundredth of the pace to somewhat above it. */
const step = 1.08;
const steps = 68;

/** The highest limit relative to the pace. None above it refuses anything. */
const highest = 1.3;

/** The chance of a stray verdict, by a race, another client or rounding. */
const stray = 0.02;

/** Relative error of a measured rate. */
const narrowest = 0.08;
const trust = 0.9;

/** The chance that a new share appears together with a limit. Two causes at once are rarer than one. */
const both = 0.1;

/** A limit this close below the pace makes no difference to the pacing. */
const tolerance = 0.95;

/** What the verdicts say about a provider that has begun to refuse. */
export interface Opinion {
  /** The chance that a limit lies below the pace. */
  readonly limited: number;
  /** The chance that no limit does, and more is shed than expected. */
  readonly shedding: number;
  /** The share that is shed if no limit lies below the pace. */
  readonly shareIfShedding: number;
  /** If a limit lies below the pace: calls per second that it lets through (mean, low and high estimate). */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  /** If a limit lies below the pace: the share that is shed besides, and the chance of one. */
  readonly share: number;
  readonly hasShare: number;
}

/**
 * Weighs the explanations of a series of refusals: a limit (a bucket that is empty at first and refills at some rate),
 * a share of calls that is shed at any pace, or both. For each pair of rate and share, and for whether refused calls
 * count, it tracks the level of the bucket and multiplies the likelihoods of the verdicts (Bayes). So verdicts at
 * different paces can be combined.
 */
export class Belief {
  readonly #pace: number;
  readonly #rates: Float64Array;
  readonly #levels: Float64Array;
  readonly #weights: Float64Array;
  readonly #expected: number;
  #at: number;

  /**
   * @param pace attempts per second when the refusals began
   * @param at when the refusals began
   * @param expected the known share of shed calls
   * @param known the rate that was measured before; undefined for none
   */
  constructor(
    pace: number,
    at: number,
    expected: number,
    known: { readonly rate: number; readonly count: number } | undefined,
  ) {
    this.#pace = pace;
    this.#at = at;
    this.#rates = Float64Array.from(
      { length: steps },
      (_, index) => (highest * pace) / step ** (steps - 1 - index),
    );
    const cells = steps * shares.length * 2;
    this.#levels = new Float64Array(cells);
    this.#weights = new Float64Array(cells);
    const nearest = shares.reduce((best, share) =>
      Math.abs(share - expected) < Math.abs(best - expected) ? share : best,
    );
    this.#expected = nearest;
    const spread = known ? Math.max(narrowest, 1 / Math.sqrt(known.count)) : 1;
    const width = Math.log(step) / (spread * Math.sqrt(2 * Math.PI));
    const sums = [0, 0];
    this.#each((cell, rate, share) => {
      const ofNews = this.#isShedding(rate, share) ? 0.5 : both;
      const ofShare = ofNews / shares.length + (share === nearest ? 1 - ofNews : 0);
      let ofRate = 1 / steps;
      if (known !== undefined) {
        ofRate =
          (1 - trust) / steps + trust * width * Math.exp(-((Math.log(rate / known.rate) / spread) ** 2) / 2);
      }
      this.#weights[cell] = ofShare * ofRate;
      if (rate >= tolerance * pace) this.#levels[cell] = Math.max(1, rate);
      sums[this.#isShedding(rate, share) ? 1 : 0]! += this.#weights[cell];
    });
    // Limit and shedding are equally likely at first, unless a limit was measured before.
    const prior = known === undefined ? 0.5 : (1 - trust) / 2;
    this.#each((cell, rate, share) => {
      this.#weights[cell]! *= this.#isShedding(rate, share) ? prior / sums[1]! : (1 - prior) / sums[0]!;
    });
  }

  /** Records a verdict. Call it in the order of the starts. */
  observe(startedAt: number, isRefused: boolean): void {
    const passed = Math.max(0, startedAt - this.#at) / 1000;
    this.#at = startedAt;
    let sum = 0;
    this.#each((cell, rate, share, counts) => {
      const level = Math.min(Math.max(1, rate), this.#levels[cell]! + rate * passed);
      // The first level of the bucket is not known exactly, so a nearly full token may count as one.
      const room = Math.min(1 - stray, Math.max(stray, 2.5 * level - 1.5));
      const passes = Math.max(stray, (1 - share) * room);
      this.#weights[cell]! *= isRefused ? 1 - passes : passes;
      this.#levels[cell] = isRefused && !counts ? level : Math.max(0, level - 1);
      sum += this.#weights[cell]!;
    });
    this.#each((cell) => {
      this.#weights[cell]! /= sum;
    });
  }

  get opinion(): Opinion {
    const byRate = new Float64Array(steps);
    let unlimited = 0;
    let shedding = 0;
    let shareIfShedding = 0;
    let share = 0;
    let hasShare = 0;
    this.#each((cell, rate, shareHere, _counts, index) => {
      const weight = this.#weights[cell]!;
      if (this.#isShedding(rate, shareHere)) {
        unlimited += weight;
        if (shareHere > this.#expected) shedding += weight;
        shareIfShedding += weight * shareHere;
      } else {
        byRate[index]! += weight;
        share += weight * shareHere;
        if (shareHere > 0) hasShare += weight;
      }
    });
    const limited = Math.max(1e-12, 1 - unlimited);
    const quantile = (chance: number): number => {
      let sum = 0;
      const index = byRate.findIndex((weight) => (sum += weight / limited) >= chance);
      return this.#rates[index < 0 ? steps - 1 : index]!;
    };
    return {
      limited,
      shedding,
      shareIfShedding: shareIfShedding / Math.max(1e-12, unlimited),
      rate: quantile(0.5),
      low: quantile(0.25),
      high: quantile(0.9),
      share: share / limited,
      hasShare: hasShare / limited,
    };
  }

  #isShedding(rate: number, share: number): boolean {
    return rate >= tolerance * this.#pace * (1 - share);
  }

  #each(visit: (cell: number, rate: number, share: number, counts: boolean, index: number) => void): void {
    let cell = 0;
    for (let index = 0; index < steps; index++) {
      for (const share of shares) {
        visit(cell++, this.#rates[index]!, share, false, index);
        visit(cell++, this.#rates[index]!, share, true, index);
      }
    }
  }
}
