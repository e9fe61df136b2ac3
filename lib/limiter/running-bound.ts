/** Milliseconds for which an accepted call counts as evidence. */
const memory = 60_000;

/** The chance below which it is no accident. */
const unlikely = 0.01;

/** Milliseconds before a trial of one more call, at first and at most. */
const firstTrial = 10_000;
const longestTrial = 60_000;

/** Accepted calls that confirm a trial, and how many a refusal outweighs. */
const enough = 10;
const outweighs = 4;

/** A learned bound on running calls, for a provider that refuses by their number. */
export class RunningBound {
  #bound = Infinity;
  /** When a call was last let through, by the number of running calls. */
  readonly #letThroughAt: number[] = [];
  #tryAt = Infinity;
  #trial = firstTrial;
  /** How many more calls a trial allows. It doubles after each success. */
  #step = 1;
  #letThrough = 0;
  /** Accepted calls in a trial. */
  #passed = 0;

  /** Calls that may run at once. */
  get bound(): number {
    return this.#bound;
  }

  /** Calls that may run at once at a time, including a trial. */
  limit(now: number): number {
    return now >= this.#tryAt ? this.#bound + this.#step : this.#bound;
  }

  /**
   * When the next call may start while so many run. A call may end without a report. So that the bound stops no request
   * for ever, one call starts after a time without starts.
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

  /** Whether the bound explains a refusal with so many calls running. */
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

  /** Whether calls were refused with so many running, and none was recently let through with as many. */
  isLearnedFrom(running: number, refused: number, now: number): boolean {
    // The chance that all refusals came with more running calls than all accepted ones, if the number had no effect.
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
