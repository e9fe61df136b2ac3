const remembered = 1024;

/** When the last calls were started. */
export class StartLog {
  readonly #times = new Float64Array(remembered);
  /** Starts in all; the number of the last one. */
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(now: number): void {
    this.#times[this.#count++ % remembered] = now;
  }

  /** Starts per second over the `span` milliseconds before the start of that number; 0 for fewer than two. */
  rateBefore(startNumber: number, startedAt: number, span: number): number {
    const oldest = Math.max(1, this.#count - remembered + 1);
    let number = startNumber - 1;
    while (number >= oldest && this.#timeOf(number) > startedAt - span) {
      number--;
    }
    const starts = startNumber - 1 - number;
    if (starts < 2) {
      return 0;
    }
    const covered = number >= oldest ? span : startedAt - this.#timeOf(number + 1);
    return (starts * 1000) / Math.max(covered, span / 10);
  }

  #timeOf(startNumber: number): number {
    return this.#times[(startNumber - 1) % remembered]!;
  }
}
