import type { Opinion } from './belief';
import { slowestTest, sure, type Episode } from './episode';
import { ExpectedShare } from './expected-share';
import { GrowthTrials } from './growth-trials';
import { LearnedRate } from './learned-rate';
import { LetThrough, type MeasuredRate } from './let-through';

/** The rate's share of a limit, so that a limit that was measured a little too high is not passed. */
const hair = 0.98;

/** A measured rate needs so many calls, and says nothing of a pace that is so many times faster. */
const measured = 10;
const farAway = 4;

/** A rate measured with so many calls is off by a tenth at the most, and is measured anew to follow the limit. */
const longRun = 100;

/** A stated rate counts as measured with so many calls: nobody knows it better. */
const stated = 1000;

/** How much faster than the stated rate a pace must be to break it. */
const tooFast = 1.02;

/** How much more must be shed to be news: what a few dozen calls tell apart. */
const news = 0.05;

/** Verdicts that measure a limit: fewer may put it too low. */
const enough = 20;

/** What refusals teach about the pace: the rate that is let through, and the share that is refused at any pace. */
export class LearnedPace {
  readonly rate: LearnedRate;
  readonly share = new ExpectedShare();
  readonly #growth = new GrowthTrials();
  readonly #letThrough = new LetThrough();
  /** The learned rate before the episode; 0 for none. */
  #before = 0;

  /** @param slowest calls a millisecond below which no rate is learned */
  constructor(slowest: number) {
    this.rate = new LearnedRate(slowest);
  }

  /** @param weight what the call takes, next to the usual one */
  started(weight: number, now: number): void {
    this.#letThrough.started(now);
    this.rate.take(now, weight);
  }

  letThrough(weight: number): void {
    this.#letThrough.add(weight);
  }

  /** Takes note of what became of a call. */
  count(isRefused: boolean): void {
    this.#growth.count(isRefused, this.share.value);
  }

  /** Takes note of a call that was let through while nothing surprises. */
  passed(): void {
    this.#growth.letThrough();
  }

  /** Takes note of one attempt more, while nothing surprises. */
  observe(isRefused: boolean, now: number): void {
    if (!this.rate.hasGrown) {
      this.share.observe(isRefused);
      this.rate.expect(this.share.value, now);
    }
  }

  expect(share: number, now: number): void {
    this.share.expect(share);
    this.rate.expect(this.share.value, now);
  }

  /** The learned rate held a request for a time, and nothing spoke against more. */
  grow(time: number, now: number): void {
    const held = this.#growth.held(time);
    if (held > 0) {
      this.rate.grow(held, this.#growth.mayTry(now), now);
    }
  }

  /** An episode begins: what was learned until then may be given back. */
  remember(): void {
    this.#before = this.rate.perSecond;
  }

  /** Whether a pace is no faster than the provider says that calls may be. */
  isAllowed(pace: number, statedRate: number): boolean {
    return statedRate > 0 && pace <= tooFast * statedRate;
  }

  /** The rate that the provider states, or that was let through since the limit was last reached. */
  known(pace: number, statedRate: number, at: number, later: number): MeasuredRate | undefined {
    if (statedRate > 0.5 * pace && !this.isAllowed(pace, statedRate)) {
      return { rate: statedRate, count: stated };
    }
    const mean = this.#letThrough.rateUntil(at, later);
    const isMeasured = this.#letThrough.hasRunDry && mean.count >= measured;
    return isMeasured && pace <= farAway * mean.rate ? mean : undefined;
  }

  /** Asks on at so many attempts a second. */
  ask(attempts: number, now: number): void {
    const served = attempts * (1 - this.share.value);
    this.rate.set(served, served, now);
  }

  /** Pace is the cause: calls are paced at the limit that is believed in, and growth finds the rest. */
  limited(episode: Episode, { hasShare, share, rate: likeliest, low, high }: Opinion, now: number): void {
    const { at, through, count, known } = episode;
    if (hasShare >= sure) {
      this.expect(share, now);
    }
    this.#letThrough.ranDry(at, through);
    const isKnown = known !== undefined && low <= known.rate && known.rate <= high;
    const rate = isKnown ? known.rate : likeliest;
    const least = count >= enough ? 0 : slowestTest;
    this.rate.set(Math.max(hair * rate, least), Math.max(rate, high), now, isKnown ? known.count : through);
    this.#growth.limited(now);
  }

  /** A limit on tokens is reached, and nothing of it was measured before. */
  beginBySize(now: number): void {
    this.limitedBySize(now);
    this.#letThrough.ranDry(now, 0);
  }

  /** A limit on tokens is reached: what was let through since it was reached first is its rate. */
  limitedBySize(now: number): void {
    const { rate, count } = this.#letThrough.rateUntil(now, 0);
    if (count >= measured) {
      this.rate.set(hair * rate, rate, now, longRun);
      this.#growth.limited(now);
    }
    if (count >= longRun) {
      this.#letThrough.ranDry(now, 0);
    }
    this.share.believe(0);
    this.rate.expect(0, now);
  }

  /** Pace is not the cause: it is given back, but where most is refused it must not rise at once. */
  shed(pace: number, share: number, now: number): void {
    const isNews = share > this.share.value + news;
    const rate = isNews ? 0 : this.#before;
    this.share.believe(share);
    this.rate.expect(this.share.value, now);
    const served = pace * (1 - share);
    if (rate > 0) {
      this.rate.set(rate, Math.max(rate, served), now, enough);
    } else if (share > 0.5) {
      this.rate.set(served, served, now, enough);
    } else {
      this.rate.forget();
    }
  }
}
