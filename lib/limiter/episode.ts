import type { Attempt } from './attempts';
import { Belief, type Opinion } from './belief';
import type { MeasuredRate } from './let-through';

/** How sure a verdict must be: the usual level of confidence. */
export const sure = 0.95;

/** Attempts after which the likelier cause is believed, as more would cost more than being wrong. */
const longest = 80;

/** Attempts without which the pace is not changed: fewer are mostly those that were on their way. */
const sample = 8;

/** Attempts at a slower pace that shedding must have been seen in: half of five calls is told from none. */
const fewestTested = 4;

/** Milliseconds that they must span: a bucket by the second has shown by then what it refills. */
const shortestTest = 1000;

/** The test's share of a limit that is guessed, and of one that was measured. */
const cautious = 0.7;
const below = 0.9;

/** Attempts a second while a cause is undecided: slower ones bring no evidence in time. */
export const slowestTest = 1;

/** Refusals in a row that may be a wall, at the least, and how unlikely shedding must make them. */
const blockedRun = 4;
const unlikely = 0.01;

/** What an episode has come to: a cause, or a pace at which to ask on. */
export interface Judgement {
  readonly opinion: Opinion;
  readonly cause?: 'pace' | 'shedding';
  /** Attempts a second. */
  readonly test?: number;
}

/** Refusals that surprise, from the first of them until it is known what they come from. */
export class Episode {
  /** The number of the first attempt that was refused, and when it began. */
  readonly first: number;
  readonly at: number;
  /** Starts a second just before. */
  readonly pace: number;
  /** The rate of a limit that was stated or measured before. */
  readonly known: MeasuredRate | undefined;
  readonly #belief: Belief;
  /** The first attempt at a slower pace; undefined before it is tried. */
  #slower: { readonly first: number; readonly at: number } | undefined;
  #tested = 0;
  #fewest: number;
  #through: number;
  #refused: number;
  /** Refused since one was let through, and the share that seemed to be shed then. */
  #run: number;
  #walls = 0;
  #share = 0;

  /**
   * @param attempts those that are decided since the first refusal, itself included
   * @param pace starts a second before
   * @param share the share that is expected to be shed
   */
  constructor(attempts: readonly Attempt[], pace: number, share: number, known: MeasuredRate | undefined) {
    const [first] = attempts;
    const refused = attempts.filter(({ verdict }) => verdict === 'refused');
    this.first = first!.number;
    this.at = first!.startedAt;
    this.pace = pace;
    this.known = known;
    this.#belief = new Belief(pace, this.at, share, known);
    this.#fewest = Math.min(...refused.map(({ running }) => running));
    this.#refused = refused.length;
    this.#through = attempts.length - refused.length;
    this.#run = refused.length;
  }

  /** Calls let through since the first refusal. */
  get through(): number {
    return this.#through;
  }

  get refused(): number {
    return this.#refused;
  }

  get count(): number {
    return this.#through + this.#refused;
  }

  /** The fewest calls that ran when one was refused. */
  get fewest(): number {
    return this.#fewest;
  }

  letThrough(): void {
    this.#through++;
    this.#run = 0;
    this.#share = this.#belief.opinion.shareIfShedding;
  }

  wasRefused(running: number): void {
    this.#refused++;
    this.#run++;
    this.#fewest = Math.min(this.#fewest, running);
  }

  /** Weighs an attempt; in the order of the starts. */
  weigh({ number, startedAt, verdict }: Attempt): void {
    this.#belief.observe(startedAt, verdict === 'refused');
    if (this.#slower && number >= this.#slower.first) {
      this.#tested++;
    }
  }

  /** Whether so many were refused in a row that the share does not explain it. */
  isBlocked(share: number): boolean {
    return this.#run >= blockedRun && Math.max(share, this.#share) ** this.#run < unlikely;
  }

  /** Nothing is let through any more: if that was so before, the test was too fast, as refused calls may count. */
  blocked(): void {
    this.#walls++;
  }

  /** Calls are started at another pace from that one on. */
  slowDown(first: number, at: number): void {
    this.#slower ??= { first, at };
  }

  /**
   * Says what is believed. While that is undecided, the pace lies between one that no likely limit refuses and the old
   * one: the less likely a limit is, the nearer to the old. So it varies, and tells the causes apart.
   */
  judge(now: number): Judgement {
    const { count, known } = this;
    const { opinion } = this.#belief;
    const { limited, shedding, rate, low } = opinion;
    if ((limited <= 1 - sure && this.#hasTested(now)) || (count >= longest && limited <= 0.5)) {
      return { opinion, cause: 'shedding' };
    }
    if ((shedding <= 1 - sure && limited > 0.5 && count >= sample) || count >= longest) {
      return { opinion, cause: 'pace' };
    }
    if (!known && count < sample) {
      return { opinion };
    }
    const slow = known ? below * Math.min(known.rate, rate) : Math.min(cautious * rate, low);
    const fast = cautious * this.pace;
    const slowest = slowestTest / 2 ** Math.max(0, this.#walls - 1);
    return { opinion, test: Math.max(slowest, slow ** limited * fast ** (1 - limited)) };
  }

  #hasTested(now: number): boolean {
    return (
      this.#slower !== undefined && this.#tested >= fewestTested && now >= this.#slower.at + shortestTest
    );
  }
}
