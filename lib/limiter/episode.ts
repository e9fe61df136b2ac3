import type { Attempt } from './attempts';
import { Belief, type Opinion } from './belief';
import type { MeasuredRate } from './let-through';

/** The required confidence of a verdict. */
export const sure = 0.95;

/** Attempts after which the likelier cause is accepted, because further evidence costs more than a mistake. */
const longest = 80;

/** Attempts before the pace is changed. Earlier ones were mostly on their way already. */
const sample = 8;

/** Attempts at a slower pace in which shedding must be seen. */
const fewestTested = 4;

/** Milliseconds that these attempts must span, so that a bucket per second shows its refill. */
const shortestTest = 1000;

/** The pace of the test as a share of a guessed limit and of a measured one. */
const cautious = 0.7;
const below = 0.9;

/** The least attempts per second while the cause is undecided. A slower test takes too long. */
export const slowestTest = 1;

/** The least refusals in a row that may be a wall, and how unlikely shedding must make them. */
const blockedRun = 4;
const unlikely = 0.01;

/** The result of an episode: a cause, or a pace for further attempts. */
export interface Judgement {
  readonly opinion: Opinion;
  readonly cause?: 'pace' | 'shedding';
  /** Attempts per second. */
  readonly test?: number;
}

/** A series of unexpected refusals, from the first one until their cause is known. */
export class Episode {
  /** The number and time of the first refused attempt. */
  readonly first: number;
  readonly at: number;
  /** Starts per second just before the first refusal. */
  readonly pace: number;
  /** The rate of a limit that was stated or measured before. */
  readonly known: MeasuredRate | undefined;
  readonly #belief: Belief;
  /** The first attempt at a slower pace; undefined before it. */
  #slower: { readonly first: number; readonly at: number } | undefined;
  #tested = 0;
  #fewest: number;
  #through: number;
  #refused: number;
  /** Refusals since a call was let through, and the shed share at that time. */
  #run: number;
  #walls = 0;
  #share = 0;

  /**
   * @param attempts the decided attempts since the first refusal, including it
   * @param pace starts per second before
   * @param share the share of calls that is expected to be shed
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

  /** The least number of running calls at a refusal. */
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

  /** Weighs an attempt. Call it in the order of the starts. */
  weigh({ number, startedAt, verdict }: Attempt): void {
    this.#belief.observe(startedAt, verdict === 'refused');
    if (this.#slower && number >= this.#slower.first) {
      this.#tested++;
    }
  }

  /** Whether the number of refusals in a row is not explained by the share. */
  isBlocked(share: number): boolean {
    return this.#run >= blockedRun && Math.max(share, this.#share) ** this.#run < unlikely;
  }

  /** Nothing is let through any more. If that happened before, the test was too fast, as refused calls may count. */
  blocked(): void {
    this.#walls++;
  }

  /** Calls start at another pace from this attempt on. */
  slowDown(first: number, at: number): void {
    this.#slower ??= { first, at };
  }

  /**
   * Says what is believed. While the cause is undecided, the pace lies between a pace that no likely limit refuses and
   * the old one; the less likely a limit is, the nearer to the old one. So the pace varies, which tells the causes
   * apart.
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
