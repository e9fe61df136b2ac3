import type { RefusalCause } from '../core/events';
import { Attempts, type Attempt, type VerdictListener } from './attempts';
import type { Opinion } from './belief';
import { Episode, slowestTest, sure } from './episode';
import { ExpectedShare } from './expected-share';
import { GrowthTrials } from './growth-trials';
import { LearnedRate } from './learned-rate';
import { LetThrough, type MeasuredRate } from './let-through';
import { burst } from './pace';
import { RefusalAllowance } from './refusal-allowance';
import { RunningBound } from './running-bound';
import { SizeEvidence } from './size-evidence';
import { changePoint, isSurprising } from './surprise';
import { everydayWindow, Wall } from './wall';

/** The newest attempts that are compared with what is expected: a page of them, as a few say nothing. */
const considered = 20;

/** The rate's share of a limit, so that a limit that was measured a little too high is not passed. */
const hair = 0.98;

/** A wall of so many milliseconds, in which so many calls would have passed, is a window: no bucket refills so late. */
const longWall = 3000;
const manyMissed = 24;

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

/** One refusal, and what the provider said with it; times are milliseconds. */
export interface Refusal {
  readonly id: number;
  readonly startedAt: number;
  readonly retryAfter: number | undefined;
  /** The window that is used up, if it said so. */
  readonly period: 'minute' | 'day' | undefined;
  /** Between starts, as it states its limits; 0 for none. */
  readonly statedSpacing: number;
}

/** Finds out why calls are refused, and what to do about it: docs/architecture.md has the whole in one page. */
export class RefusalCauses implements VerdictListener {
  readonly learned: LearnedRate;
  readonly wall = new Wall();
  readonly #bound = new RunningBound();
  readonly #attempts = new Attempts(this);
  readonly #allowance = new RefusalAllowance();
  readonly #growth = new GrowthTrials();
  readonly #sizes = new SizeEvidence();
  readonly #share = new ExpectedShare();
  readonly #letThrough = new LetThrough();
  readonly #adaptive: boolean;
  #phase: 'calm' | 'walled' | 'asking' = 'calm';
  #cause: RefusalCause | undefined;
  /** The newest attempts while calm, the oldest first. */
  #recent: Attempt[] = [];
  #episode: Episode | undefined;
  /** The learned rate before the episode; 0 for none. */
  #rateBefore = 0;
  /** Whether any call was answered yet. */
  #isAnswered = false;
  #statedRate = 0;
  /** What was said with the last refusal. */
  #hintUntil = -Infinity;
  #period: 'minute' | 'day' | undefined;

  constructor(settings: { readonly adaptive: boolean; readonly max: number }) {
    this.#adaptive = settings.adaptive;
    this.learned = new LearnedRate(1 / settings.max);
  }

  /** What the last refusals were put down to. */
  get cause(): RefusalCause | undefined {
    return this.#cause;
  }

  /** The share that is refused whatever the pace. */
  get expectedShare(): number {
    return this.#share.value;
  }

  /** How many refusals in a row that share explains. */
  get expectedRefusals(): number {
    return this.#share.refusalsInARow;
  }

  /** Whether nothing surprises. */
  get isCalm(): boolean {
    return this.#phase === 'calm';
  }

  /** Calls that may run at once. */
  get maxRunning(): number {
    return this.#bound.bound;
  }

  /** When the next call may start, by the number of those that run. */
  slotOpensAt(now: number): number {
    const { running, lastStartAt } = this.#attempts;
    return this.#bound.opensAt(running, lastStartAt, now);
  }

  /** When the next call may start, by what refusals taught. */
  opensAt(size: number, now: number): number {
    return Math.max(this.learned.opensAt(now, this.#attempts.weightOf(size)), this.#allowance.opensAt(now));
  }

  /** Until when everybody is held. */
  heldUntil(now: number): number {
    this.#attempts.advance(now);
    return this.wall.until;
  }

  /** The learned rate held a request for a time, and nothing spoke against more. */
  grow(time: number, now: number): void {
    const held = this.#growth.held(time);
    if (held > 0) {
      this.learned.grow(held, this.#growth.mayTry(now), now);
    }
  }

  started(id: number, size: number, now: number): void {
    this.#letThrough.started(now);
    this.#attempts.started(id, now, size);
    this.learned.take(now, this.#attempts.weightOf(size));
    this.#allowance.started(now);
    if (this.#phase === 'walled') {
      this.wall.probed(this.#attempts.decidedAt);
    }
  }

  refused({ id, startedAt, retryAfter, period, statedSpacing }: Refusal, now: number): void {
    this.#statedRate = statedSpacing > 0 ? 1000 / statedSpacing : 0;
    this.#hintUntil = retryAfter === undefined ? -Infinity : now + retryAfter;
    this.#period = period;
    this.#attempts.advance(now);
    const attempt = this.#attempts.refused(id, startedAt, now);
    this.#allowance.count(true, now);
    if (this.isCalm && !this.#isAnswered) {
      // As long as nothing was answered, all that is known is what the first refusals ask for.
      this.wall.ask(now, startedAt, retryAfter);
    }
    if (!this.#bound.explains(attempt.running, now)) {
      this.#count(attempt, now);
    }
    this.#attempts.advance(now);
  }

  letThrough(id: number, startedAt: number, now: number): void {
    this.#attempts.advance(now);
    this.#isAnswered = true;
    this.#attempts.letThrough(id, startedAt, now);
    this.#attempts.answered(id);
    this.#attempts.advance(now);
  }

  /** The call is over, whatever became of it. */
  ended(id: number): void {
    this.#attempts.ended(id);
  }

  /** The provider states its limits: nothing that refusals taught is needed any more. */
  forget(): void {
    this.learned.forget();
    if (this.#phase === 'asking') {
      this.#calm();
    }
  }

  decided(attempt: Attempt, now: number): void {
    this.#allowance.count(false, now);
    this.#letThrough.add(attempt.weight);
    this.#bound.letThrough(attempt.running, now);
    this.#count(attempt, now);
  }

  settled(attempt: Attempt, now: number): void {
    const episode = this.#episode;
    if (episode && attempt.number >= episode.first && !attempt.isAlone) {
      episode.weigh(attempt);
      if (this.#phase === 'asking') {
        this.#judge(episode, now);
      }
    }
  }

  #count(attempt: Attempt, now: number): void {
    const isRefused = attempt.verdict === 'refused';
    this.#growth.count(isRefused, this.#share.value);
    if (!attempt.isRetry && !this.#attempts.isBySize) {
      this.#sizes.count(isRefused, attempt.size);
      if (this.#sizes.isBySize) {
        this.#attempts.isBySize = true;
        this.#limitedBySize(now);
        this.#letThrough.ranDry(now, 0);
      }
    }
    if (!this.#episode) {
      this.#compare(attempt, isRefused, now);
    } else if (attempt.number < this.#episode.first) {
      return;
    } else if (isRefused && attempt.isAlone && this.#phase !== 'walled') {
      // At a wall it is as good a probe as any other.
      return;
    } else if (isRefused) {
      this.#countRefused(this.#episode, attempt, now);
    } else {
      this.#episode.letThrough();
      if (this.#phase === 'walled') {
        this.#wallEnded(this.#episode, attempt, now);
      }
    }
  }

  /** Compares the newest attempts with what is expected. */
  #compare(attempt: Attempt, isRefused: boolean, now: number): void {
    const recent = this.#recent;
    const isCounted = recent.some(({ id, verdict }) => id === attempt.id && verdict === 'refused');
    if (attempt.isAlone || (isRefused && isCounted)) {
      return;
    }
    recent.push(attempt);
    if (recent.length > considered) {
      const { verdict } = recent.shift()!;
      if (!this.learned.hasGrown) {
        this.#share.observe(verdict === 'refused');
        this.learned.expect(this.#share.value);
      }
    }
    if (!isRefused) {
      this.#growth.letThrough();
    } else if (this.#isSpent(now) || isSurprising(recent, this.#share.value)) {
      this.#begin(now);
    }
  }

  #countRefused(episode: Episode, attempt: Attempt, now: number): void {
    episode.wasRefused(attempt.running);
    const isFirst = episode.through === 0 && !this.learned.isKnown;
    if (isFirst && this.#bound.isLearnedFrom(episode.fewest, episode.refused, now)) {
      this.#cause = 'at-once';
      this.wall.end(now, false);
      this.#calm();
    } else if (this.#phase === 'walled') {
      this.wall.hold(now, attempt.startedAt, this.#hintLeft(now), this.#period);
    } else if (episode.isBlocked(this.#share.highest)) {
      this.#block(episode, attempt.startedAt, now);
    }
  }

  #begin(now: number): void {
    const first = changePoint(this.#recent, this.#share.value);
    const since = this.#recent.filter(({ number }) => number >= first.number);
    const refused = since.filter(({ verdict }) => verdict === 'refused');
    const share = refused.length / this.#recent.length;
    this.#recent = [];
    const isSpent = this.#isSpent(now);
    const fewest = Math.min(...refused.map(({ running }) => running));
    if (!isSpent && this.#attempts.isBySize && since.length > refused.length) {
      this.#limitedBySize(now);
      return;
    }
    if (!isSpent && this.#bound.isLearnedFrom(fewest, refused.length, now)) {
      this.#cause = 'at-once';
      return;
    }
    // Of the first attempts no pace can be measured yet: they count as made within a second.
    const least = first.number <= burst ? burst : slowestTest;
    const pace = Math.max(least, this.#attempts.rateBefore(first.number));
    const isAllowed = this.#statedRate > 0 && pace <= tooFast * this.#statedRate;
    if (!isSpent && isAllowed && since.length > refused.length) {
      this.#expect(Math.max(this.#share.value, share));
      this.#cause = 'shedding';
      return;
    }
    this.#rateBefore = this.learned.perSecond;
    const known = this.#knownRate(pace, first.startedAt, since.length - refused.length);
    const episode = new Episode(since, pace, this.#share.highest, known);
    this.#episode = episode;
    this.#phase = 'asking';
    this.#attempts.replay(first.number, (attempt) => {
      episode.weigh(attempt);
    });
    if (episode.through === 0 || isSpent) {
      this.#block(episode, first.startedAt, now);
    } else {
      this.#judge(episode, now);
    }
  }

  /** A limit on tokens is reached: what was let through since it was reached first is its rate. */
  #limitedBySize(now: number): void {
    const { rate, count } = this.#letThrough.rateUntil(now, 0);
    this.#cause = 'pace';
    if (count >= measured) {
      this.learned.set(hair * rate, rate, now, longRun);
      this.#growth.limited(now);
    }
    if (count >= longRun) {
      this.#letThrough.ranDry(now, 0);
    }
    this.#share.believe(0);
    this.learned.expect(0);
    this.#calm();
  }

  /** The rate that the provider states, or that was let through since the limit was last reached. */
  #knownRate(pace: number, at: number, later: number): MeasuredRate | undefined {
    if (this.#statedRate > 0.5 * pace && pace > tooFast * this.#statedRate) {
      return { rate: this.#statedRate, count: stated };
    }
    const mean = this.#letThrough.rateUntil(at, later);
    const isMeasured = this.#letThrough.hasRunDry && mean.count >= measured;
    return isMeasured && pace <= farAway * mean.rate ? mean : undefined;
  }

  /** Nothing is let through: everybody is held, and one call at a time finds out. */
  #block(episode: Episode, startedAt: number, now: number): void {
    this.#cause = 'wall';
    this.#phase = 'walled';
    episode.blocked();
    this.wall.begin(episode.through === 0 ? episode.at : startedAt);
    this.wall.hold(now, startedAt, this.#hintLeft(now), this.#period);
  }

  #wallEnded(episode: Episode, { startedAt }: Attempt, now: number): void {
    const blockedFor = startedAt - this.wall.since!;
    const { rate } = this.#letThrough.rateUntil(episode.at, episode.through);
    const isWindow = blockedFor >= longWall && (rate * blockedFor) / 1000 > manyMissed;
    this.wall.end(now, isWindow);
    if (isWindow) {
      this.#letThrough.ranDry(startedAt, 0);
      this.#calm();
      this.#restore(this.#rateBefore, now);
    } else {
      this.#phase = 'asking';
      this.#judge(episode, now);
    }
  }

  #judge(episode: Episode, now: number): void {
    if (!this.#adaptive) {
      this.#calm();
      return;
    }
    if (this.#attempts.isBySize) {
      this.#limitedBySize(now);
      return;
    }
    const { opinion, cause, test } = episode.judge(now);
    if (cause === 'shedding') {
      this.#shed(episode, opinion.shareIfShedding, now);
    } else if (cause === 'pace') {
      this.#limited(episode, opinion, now);
    } else if (test !== undefined) {
      episode.slowDown(this.#attempts.count + 1, now);
      const served = test * (1 - this.#share.value);
      this.learned.set(served, served, now);
    }
  }

  /** Pace is the cause: calls are paced at the limit that is believed in, and growth finds the rest. */
  #limited(episode: Episode, { hasShare, share, rate: likeliest, low, high }: Opinion, now: number): void {
    const { at, through, count, known } = episode;
    this.#cause = 'pace';
    if (hasShare >= sure) {
      this.#expect(share);
    }
    this.#letThrough.ranDry(at, through);
    const isKnown = known !== undefined && low <= known.rate && known.rate <= high;
    const rate = isKnown ? known.rate : likeliest;
    const least = count >= considered ? 0 : slowestTest;
    this.learned.set(
      Math.max(hair * rate, least),
      Math.max(rate, high),
      now,
      isKnown ? known.count : through,
    );
    this.#growth.limited(now);
    this.#calm();
  }

  /** Pace is not the cause: it is given back, but where most is refused it must not rise at once. */
  #shed({ pace }: Episode, share: number, now: number): void {
    this.#cause = 'shedding';
    const isNews = share > this.#share.value + news;
    const rate = isNews ? 0 : this.#rateBefore;
    this.#share.believe(share);
    this.learned.expect(this.#share.value);
    this.#bound.forget();
    const served = pace * (1 - share);
    if (rate > 0) {
      this.learned.set(rate, Math.max(rate, served), now, considered);
    } else if (share > 0.5) {
      this.learned.set(served, served, now, considered);
    } else {
      this.learned.forget();
    }
    this.#calm();
  }

  #restore(rate: number, now: number): void {
    if (rate > 0) {
      this.learned.set(rate, rate, now);
    } else {
      this.learned.forget();
    }
  }

  #expect(share: number): void {
    this.#share.expect(share);
    this.learned.expect(this.#share.value);
  }

  #hintLeft(now: number): number | undefined {
    return this.#hintUntil > now ? this.#hintUntil - now : undefined;
  }

  /** Whether the provider asked for more than everyday limits do: a quota is spent, for everybody. */
  #isSpent(now: number): boolean {
    return this.#hintUntil - now > everydayWindow;
  }

  #calm(): void {
    this.#phase = 'calm';
    this.#episode = undefined;
    this.#recent = [];
  }
}
