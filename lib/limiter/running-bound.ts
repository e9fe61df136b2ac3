/** Milliseconds for which it counts that so many calls ran when one was let through. */
const memory = 60_000;

/** The chance below which it is no accident. */
const unlikely = 0.01;

/** Milliseconds until one more is tried, at first and at most. */
const firstTrial = 10_000;
const longestTrial = 60_000;

/** Calls let through in a trial that prove it right, and how many a refusal outweighs: races and shedding are rarer. */
const enough = 10;
const outweighs = 4;

/** A learned bound on the calls that run at once, if the provider refuses by their number. */
export class RunningBound {
  #bound = Infinity;
  /** By the number of calls that ran: when one was let through last. */
  readonly #letThroughAt: number[] = [];
  #tryAt = Infinity;
  #trial = firstTrial;
  /** How many more are tried; twice as many each time that it goes well. */
  #step = 1;
  #letThrough = 0;
  /** Calls let through in a trial. */
  #passed = 0;

  /** Calls that may run at once. */
  get bound(): number {
    return this.#bound;
  }

  /** Calls that may run at once at that time: now and then one more is tried. */
  limit(now: number): number {
    return now >= this.#tryAt ? this.#bound + this.#step : this.#bound;
  }

  /**
   * When the next call may start while so many run. A call may have ended without a word: so that the bound stops nobody
   * for ever, one is tried when none was started for a time.
   */
  opensAt(running: number, lastStartAt: number, now: number): number {
    return running < this.limit(now) ? -Infinity : lastStartAt + longestTrial;
  }

  letThrough(running: number, now: number): void {
    this.#letThroughAt[running] = now;
    this.#letThrough++;
    if (running > this.#bound && ++this.#passed >= enough) {
      this.#passed = 0;
      this.#bound = running;
      this.#step *= 2;
      this.#trial = firstTrial;
    }
  }

  /** Whether a refusal with so many running is explained by the bound. */
  explains(running: number, now: number): boolean {
    if (running <= this.#bound) {
      return false;
    }
    this.#passed -= outweighs;
    if (now >= this.#tryAt && this.#passed < 0) {
      this.#passed = 0;
      this.#step = 1;
      this.#tryAt = now + this.#trial;
      this.#trial = Math.min(longestTrial, 2 * this.#trial);
    }
    return true;
  }

  /** Whether calls were refused with so many running, and lately none let through with as many. */
  isLearnedFrom(running: number, refused: number, now: number): boolean {
    // The chance that all refusals came with more running than all calls let through, if the number had no part in it.
    let chance = 1;
    for (let count = 1; count <= refused; count++) {
      chance *= count / (this.#letThrough + count);
    }
    if (chance > unlikely) {
      return false;
    }
    for (let count = running; count < this.#letThroughAt.length; count++) {
      if ((this.#letThroughAt[count] ?? -Infinity) > now - memory) {
        this.forget();
        return false;
      }
    }
    if (running <= 1) {
      return false;
    }
    this.#bound = running - 1;
    this.#step = 1;
    this.#trial = firstTrial;
    this.#tryAt = now + firstTrial;
    return true;
  }

  forget(): void {
    this.#bound = Infinity;
    this.#tryAt = Infinity;
  }
}
