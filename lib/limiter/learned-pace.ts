import type { Opinion } from './belief';
import { slowestTest, sure, type Episode } from './episode';
import { ExpectedShare } from './expected-share';
import { GrowthTrials } from './growth-trials';
import { LearnedRate } from './learned-rate';
import { LetThrough, type MeasuredRate } from './let-through';

/** The rate's share of a limit, because a limit may be measured a little too high. */
const hair = 0.98;

/** The least calls to measure a rate, and the factor by which a pace may exceed it for the measurement to count. */
const measured = 10;
const farAway = 4;

/** A rate measured with this many calls is off by at most a tenth. It is then measured again, to follow the limit. */
const longRun = 100;

/** A stated rate counts as measured with this many calls. */
const stated = 1000;

/** A pace that exceeds the stated rate by this factor breaks it. */
const tooFast = 1.02;

/** The change of the share that a few dozen calls can show. */
const news = 0.05;

/** The least verdicts to measure a limit. Fewer may put it too low. */
const enough = 20;

/** What refusals teach about the pace: the accepted rate, and the share that is refused at any pace. */
export class LearnedPace {
  readonly rate: LearnedRate;
  readonly share = new ExpectedShare();
  readonly #growth = new GrowthTrials();
  readonly #letThrough = new LetThrough();
  /** The learned rate before the episode; 0 for none. */
  #before = 0;

  /** @param slowest calls per millisecond below which no rate is learned */
  constructor(slowest: number) {
    this.rate = new LearnedRate(slowest);
  }

  /** @param weight what the call takes, relative to the usual one */
  started(weight: number, now: number): void {
    this.#letThrough.started(now);
    this.rate.take(now, weight);
  }

  letThrough(weight: number): void {
    this.#letThrough.add(weight);
  }

  count(isRefused: boolean): void {
    this.#growth.count(isRefused, this.share.value);
  }

  /** Records a call that was let through while no refusal is surprising. */
  passed(): void {
    this.#growth.letThrough();
  }

  /** Records an attempt while no refusal is surprising. */
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

  /** The learned rate held a request for some time, without evidence against a higher one. */
  grow(time: number, now: number): void {
    const held = this.#growth.held(time);
    if (held > 0) {
      this.rate.grow(held, this.#growth.mayTry(now), now);
    }
  }

  /** Saves the rate at the start of an episode, so that it can be restored. */
  remember(): void {
    this.#before = this.rate.perSecond;
  }

  /** Whether a pace is within the rate that the provider states. */
  isAllowed(pace: number, statedRate: number): boolean {
    return statedRate > 0 && pace <= tooFast * statedRate;
  }

  /** The stated rate, or the rate let through since the limit was last reached. */
  known(pace: number, statedRate: number, at: number, later: number): MeasuredRate | undefined {
    if (statedRate > 0.5 * pace && !this.isAllowed(pace, statedRate)) {
      return { rate: statedRate, count: stated };
    }
    const mean = this.#letThrough.rateUntil(at, later);
    const isMeasured = this.#letThrough.hasRunDry && mean.count >= measured;
    return isMeasured && pace <= farAway * mean.rate ? mean : undefined;
  }

  /** Continues the test at so many attempts per second. */
  ask(attempts: number, now: number): void {
    const served = attempts * (1 - this.share.value);
    this.rate.set(served, served, now);
  }

  /** Pace is the cause: pace calls at the believed limit. Growth finds the rest. */
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

  /** A limit on tokens is reached for the first time. */
  beginBySize(now: number): void {
    this.limitedBySize(now);
    this.#letThrough.ranDry(now, 0);
  }

  /** A limit on tokens is reached again: the rate is what was let through in between. */
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

  /** Pace is not the cause: restore the rate. If most calls are refused, it must not rise at once. */
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
