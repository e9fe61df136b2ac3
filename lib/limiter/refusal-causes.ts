import type { RefusalCause } from '../core/events';
import { Attempts, type Attempt, type VerdictListener } from './attempts';
import { Episode, slowestTest } from './episode';
import { LearnedPace } from './learned-pace';
import type { LearnedRate } from './learned-rate';
import { burst } from './pace';
import { RefusalAllowance } from './refusal-allowance';
import { RunningBound } from './running-bound';
import { SizeEvidence } from './size-evidence';
import { changePoint, isSurprising } from './surprise';
import { everydayWindow, Wall } from './wall';

/** The number of recent attempts that are compared with the expected share. */
const considered = 20;

/** One refusal and what the provider said with it. Times are milliseconds. */
export interface Refusal {
  readonly id: number;
  readonly startedAt: number;
  readonly retryAfter: number | undefined;
  /** The window that is spent, if the provider said so. */
  readonly period: 'minute' | 'day' | undefined;
  /** Milliseconds between starts by the stated limits; 0 for none. */
  readonly statedSpacing: number;
}

/** Finds out why calls are refused and what to do about it. docs/architecture.md explains it on one page. */
export class RefusalCauses implements VerdictListener {
  readonly wall = new Wall();
  readonly #bound = new RunningBound();
  readonly #attempts = new Attempts(this);
  readonly #allowance = new RefusalAllowance();
  readonly #sizes = new SizeEvidence();
  readonly #pace: LearnedPace;
  readonly #adaptive: boolean;
  #phase: 'calm' | 'walled' | 'asking' = 'calm';
  #cause: RefusalCause | undefined;
  /** The newest attempts while calm, oldest first. */
  #recent: Attempt[] = [];
  #episode: Episode | undefined;
  #isAnswered = false;
  #statedRate = 0;
  /** The end of the wait stated with the last refusal. */
  #hintUntil = -Infinity;
  #period: 'minute' | 'day' | undefined;

  constructor(settings: { readonly adaptive: boolean; readonly max: number }) {
    this.#adaptive = settings.adaptive;
    this.#pace = new LearnedPace(1 / settings.max);
  }

  /** The rate at which calls are let through. */
  get learned(): LearnedRate {
    return this.#pace.rate;
  }

  /** The probable cause of the last refusals. */
  get cause(): RefusalCause | undefined {
    return this.#cause;
  }

  /** The share that is refused at any pace. */
  get expectedShare(): number {
    return this.#pace.share.value;
  }

  /** The number of refusals in a row that the share explains. */
  get expectedRefusals(): number {
    return this.#pace.share.refusalsInARow;
  }

  /** Whether no refusal is surprising. */
  get isCalm(): boolean {
    return this.#phase === 'calm';
  }

  /** Calls that may run at once. */
  get maxRunning(): number {
    return this.#bound.bound;
  }

  /** When the next call may start, by the number of running calls. */
  slotOpensAt(now: number): number {
    const { running, lastStartAt } = this.#attempts;
    return this.#bound.opensAt(running, lastStartAt, now);
  }

  /** When the next call may start, by the learned rate and the allowance for refusals. */
  opensAt(size: number, now: number): number {
    return Math.max(this.learned.opensAt(now, this.#attempts.weightOf(size)), this.#allowance.opensAt(now));
  }

  /** Counts calls as let through that have run long enough. */
  advance(now: number): void {
    this.#attempts.advance(now);
  }

  /** The learned rate held a request for some time, without evidence against a higher one. */
  grow(time: number, now: number): void {
    this.#pace.grow(time, now);
  }

  started(id: number, size: number, now: number): void {
    this.#attempts.started(id, now, size);
    this.#pace.started(this.#attempts.weightOf(size), now);
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
    const attempt = this.#attempts.refused(id, startedAt, now, this.#phase === 'walled');
    this.#allowance.count(true, now);
    if (this.isCalm && !this.#isAnswered) {
      // Before the first answer, the hints of refusals are all that is known.
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

  /** The call ended, with any result. */
  ended(id: number): void {
    this.#attempts.ended(id);
  }

  /** The provider states its limits, so nothing learned from refusals is needed. */
  forget(): void {
    this.learned.forget();
    if (this.#phase === 'asking') {
      this.#calm();
    }
  }

  decided(attempt: Attempt, now: number): void {
    this.#allowance.count(false, now);
    this.#pace.letThrough(attempt.weight);
    this.#bound.letThrough(attempt.running, now);
    this.#count(attempt, now);
  }

  settled(attempt: Attempt, now: number): void {
    const episode = this.#episode;
    if (episode && attempt.number >= episode.first) {
      episode.weigh(attempt);
      if (this.#phase === 'asking') {
        this.#judge(episode, now);
      }
    }
  }

  #count(attempt: Attempt, now: number): void {
    const isRefused = attempt.verdict === 'refused';
    this.#pace.count(isRefused);
    this.#compareSizes(attempt, isRefused, now);
    if (!this.#episode) {
      this.#compare(attempt, isRefused, now);
    } else if (attempt.number < this.#episode.first) {
      return;
    } else if (isRefused && attempt.isAlone) {
      return;
    } else if (isRefused) {
      this.#countRefused(this.#episode, attempt, now);
    } else {
      this.#episode.letThrough();
      if (this.#phase === 'walled') {
        this.wall.end(now);
        this.#phase = 'asking';
        this.#judge(this.#episode, now);
      }
    }
  }

  /** If a limit on tokens refuses the larger calls, count calls by size from now on. */
  #compareSizes({ isRetry, size }: Attempt, isRefused: boolean, now: number): void {
    if (this.#attempts.isBySize || isRetry || !this.#adaptive) {
      return;
    }
    this.#sizes.count(isRefused, size);
    if (this.#sizes.isBySize) {
      this.#attempts.isBySize = true;
      this.#cause = 'pace';
      this.#pace.beginBySize(now);
      this.#calm();
    }
  }

  /** Compares the newest attempts with the expected share. */
  #compare(attempt: Attempt, isRefused: boolean, now: number): void {
    const recent = this.#recent;
    const before = recent.find(({ id, verdict }) => id === attempt.id && verdict === 'refused');
    if (attempt.isAlone || (isRefused && before && this.#attempts.mayHavePassedSince(before))) {
      return;
    }
    recent.push(attempt);
    if (recent.length > considered) {
      const { verdict } = recent.shift()!;
      this.#pace.observe(verdict === 'refused', now);
    }
    if (!isRefused) {
      this.#pace.passed();
    } else if (this.#isSpent(now) || isSurprising(recent, this.#pace.share.value)) {
      this.#begin(now);
    }
  }

  #countRefused(episode: Episode, attempt: Attempt, now: number): void {
    episode.wasRefused(attempt.running);
    const isFirst = episode.through === 0 && !this.learned.isKnown;
    if (isFirst && this.#bound.isLearnedFrom(episode.fewest, episode.refused, now)) {
      this.#cause = 'at-once';
      this.wall.end(now);
      this.#calm();
    } else if (this.#phase === 'walled') {
      this.wall.hold(now, attempt.startedAt, this.#hintLeft(now), this.#period);
    } else if (episode.isBlocked(this.#pace.share.highest)) {
      this.#block(episode, attempt.startedAt, now);
    }
  }

  #begin(now: number): void {
    const first = changePoint(this.#recent, this.#pace.share.value);
    const since = this.#recent.filter(({ number }) => number >= first.number);
    const refused = since.filter(({ verdict }) => verdict === 'refused');
    const share = refused.length / this.#recent.length;
    this.#recent = [];
    const isSpent = this.#isSpent(now);
    const fewest = Math.min(...refused.map(({ running }) => running));
    if (!isSpent && this.#attempts.isBySize && since.length > refused.length) {
      this.#cause = 'pace';
      this.#pace.limitedBySize(now);
      this.#calm();
      return;
    }
    if (!isSpent && this.#bound.isLearnedFrom(fewest, refused.length, now)) {
      this.#cause = 'at-once';
      return;
    }
    // The pace of the first attempts cannot be measured, so they count as made within a second.
    const least = first.number <= burst ? burst : slowestTest;
    const pace = Math.max(least, this.#attempts.rateBefore(first.number));
    const isAllowed = this.#pace.isAllowed(pace, this.#statedRate);
    if (!isSpent && isAllowed && since.length > refused.length) {
      this.#pace.expect(Math.max(this.#pace.share.value, share), now);
      this.#cause = 'shedding';
      return;
    }
    this.#pace.remember();
    const known = this.#pace.known(pace, this.#statedRate, first.startedAt, since.length - refused.length);
    const episode = new Episode(since, pace, this.#pace.share.highest, known);
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

  /** Nothing is let through: hold all requests and probe with one call at a time. */
  #block(episode: Episode, startedAt: number, now: number): void {
    this.#cause = 'wall';
    this.#phase = 'walled';
    episode.blocked();
    this.wall.begin(episode.through === 0 ? episode.at : startedAt);
    this.wall.hold(now, startedAt, this.#hintLeft(now), this.#period);
  }

  #judge(episode: Episode, now: number): void {
    if (!this.#adaptive) {
      this.#calm();
      return;
    }
    if (this.#attempts.isBySize) {
      this.#cause = 'pace';
      this.#pace.limitedBySize(now);
      this.#calm();
      return;
    }
    const { opinion, cause, test } = episode.judge(now);
    if (cause === 'shedding') {
      this.#cause = cause;
      this.#bound.forget();
      this.#pace.shed(episode.pace, opinion.shareIfShedding, now);
      this.#calm();
    } else if (cause === 'pace') {
      this.#cause = cause;
      this.#pace.limited(episode, opinion, now);
      this.#calm();
    } else if (test !== undefined) {
      episode.slowDown(this.#attempts.count + 1, now);
      this.#pace.ask(test, now);
    }
  }

  #hintLeft(now: number): number | undefined {
    return this.#hintUntil > now ? this.#hintUntil - now : undefined;
  }

  /** Whether the provider asked for a longer wait than everyday limits do: a quota is spent. */
  #isSpent(now: number): boolean {
    return this.#hintUntil - now > everydayWindow;
  }

  #calm(): void {
    this.#phase = 'calm';
    this.#episode = undefined;
    this.#recent = [];
  }
}
