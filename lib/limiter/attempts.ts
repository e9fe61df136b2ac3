/** Milliseconds within which the first refusal is expected: a slow round trip. */
const unknownLatency = 100;

/** A call counts as let through when it has run for this many times the delay of refusals. */
const patience = 2;

/** The most running calls that are remembered. The oldest is forgotten, as its end was probably never reported. */
const mostRunning = 100_000;

/** The most recent attempts that `replay` can visit; more than are ever compared. */
const replayed = 64;

/** Start times that are remembered; a power of two. */
const remembered = 1024;

/** Milliseconds over which a rate is measured, the least number of starts, and the shortest measured time. */
const second = 1000;
const fewest = 4;
const shortest = 50;

/** From this many starts on, they fill their second. */
const many = 20;
const mostMeasured = 1000;

/** The most refused requests that are remembered. */
const mostRefused = 10_000;

/**
 * The most refusals of one request that count. A request refused more often than that says nothing about the others.
 */
const mostCounted = 2;

/** One started call and what is known about it. */
export interface Attempt {
  readonly id: number;
  /** Its number among all starts. */
  readonly number: number;
  readonly startedAt: number;
  /** Running calls at its start, this one included. */
  readonly running: number;
  /** Whether its request had been refused before. */
  readonly isRetry: boolean;
  /** Its size relative to the usual call. */
  readonly size: number;
  /** What it takes of a limit: 1, or its size if the limit counts tokens. */
  readonly weight: number;
  /** Whether its request was refused repeatedly while others passed, so that its refusals say nothing about others. */
  readonly isAlone: boolean;
  verdict: 'let-through' | 'refused' | undefined;
}

interface RefusedRequest {
  /** Refusals that only the request itself explains. */
  readonly count: number;
  readonly isAlone: boolean;
  /** When it was last refused. */
  readonly at: number;
}

/** Receives the verdict on each attempt. */
export interface VerdictListener {
  decided(attempt: Attempt, now: number): void;
  /** Called in the order of the starts. */
  settled(attempt: Attempt, now: number): void;
}

/**
 * Tracks running calls: which were let through and which were refused. A refusal comes within a fraction of a second,
 * an answer perhaps much later. So a call that runs for longer than refusals take counts as let through.
 */
export class Attempts {
  readonly #listener: VerdictListener;
  readonly #running = new Map<number, Attempt>();
  #undecided: Attempt[] = [];
  #next = 0;
  readonly #refused = new Map<number, RefusedRequest>();
  /** Calls that were let through; each weighs more than all that started later. */
  #passed: Attempt[] = [];
  /** Whether calls are counted by size. */
  isBySize = false;
  #slowest = unknownLatency;
  #count = 0;
  #lastStartAt = -Infinity;
  readonly #times = new Float64Array(remembered);

  constructor(listener: VerdictListener) {
    this.#listener = listener;
  }

  /** Starts so far. */
  get count(): number {
    return this.#count;
  }

  get running(): number {
    return this.#running.size;
  }

  get lastStartAt(): number {
    return this.#lastStartAt;
  }

  /** When the verdict on all started calls is known. */
  get decidedAt(): number {
    return this.#lastStartAt + this.patience;
  }

  /** Milliseconds after which a running call counts as let through. */
  get patience(): number {
    return patience * this.#slowest;
  }

  /** Starts per second just before a start. */
  rateBefore(number: number): number {
    const timeOf = (other: number): number => this.#times[other & (remembered - 1)]!;
    const until = timeOf(number);
    let first = number;
    while (first > 1 && number - first < mostMeasured && timeOf(first - 1) > until - second) {
      first--;
    }
    const count = number - first;
    if (count >= fewest) {
      // A few starts do not fill a second, so use the time between them.
      return (second * count) / (count < many ? Math.max(shortest, until - timeOf(first)) : second);
    }
    // After a hold the longest gap misleads, so use the usual gap.
    const gaps: number[] = [];
    for (let other = Math.max(2, number - fewest); other <= number; other++) {
      gaps.push(timeOf(other) - timeOf(other - 1));
    }
    gaps.sort((a, b) => a - b);
    return gaps.length === 0 ? 1 : second / Math.max(shortest, gaps[gaps.length >> 1]!);
  }

  started(id: number, now: number, size = 1): void {
    this.#running.delete(id);
    this.#add(id, now, size);
  }

  #add(id: number, startedAt: number, size = 1): Attempt {
    const weight = this.weightOf(size);
    const before = this.#refused.get(id);
    const attempt: Attempt = {
      id,
      number: ++this.#count,
      startedAt,
      running: this.#running.size + 1,
      isRetry: before !== undefined,
      size,
      weight,
      isAlone:
        before !== undefined &&
        (before.isAlone || (before.count >= mostCounted && this.#passedAt(weight) > before.at)),
      verdict: undefined,
    };
    this.#lastStartAt = Math.max(this.#lastStartAt, startedAt);
    this.#times[this.#count & (remembered - 1)] = this.#lastStartAt;
    this.#running.set(id, attempt);
    if (this.#running.size > mostRunning) {
      const [oldest] = this.#running.keys();
      this.#running.delete(oldest!);
    }
    this.#undecided.push(attempt);
    return attempt;
  }

  /** Counts calls as let through that have run for longer than refusals take. */
  advance(now: number): void {
    const undecided = this.#undecided;
    while (this.#next < undecided.length) {
      const attempt = undecided[this.#next]!;
      if (attempt.verdict === undefined) {
        if (this.#running.get(attempt.id) === attempt && attempt.startedAt + this.patience > now) {
          break;
        }
        if (this.#running.get(attempt.id) === attempt) {
          this.#pass(attempt, now);
        }
      }
      this.#next++;
      if (attempt.verdict !== undefined) this.#listener.settled(attempt, now);
    }
    if (this.#next > 4 * replayed && 2 * this.#next > undecided.length) {
      this.#undecided = undecided.slice(this.#next - replayed);
      this.#next = replayed;
    }
  }

  /** Whether a later call was let through or still may be. */
  mayHavePassedSince({ number }: Attempt): boolean {
    return this.#undecided.some((attempt) => attempt.number > number && attempt.verdict !== 'refused');
  }

  /** Visits the attempts from a start on again, as far as the verdicts on all of them are known. */
  replay(first: number, visit: (attempt: Attempt) => void): void {
    for (const attempt of this.#undecided.slice(0, this.#next)) {
      if (attempt.number >= first && attempt.verdict !== undefined) {
        visit(attempt);
      }
    }
  }

  /** The provider accepted the call: it answered or reported something. */
  letThrough(id: number, startedAt: number, now: number): void {
    const attempt = this.#running.get(id) ?? this.#add(id, startedAt);
    if (attempt.verdict === undefined) {
      this.#pass(attempt, now);
    }
  }

  /** @param isExplained whether all requests are refused now, so that the refusal says nothing about this one */
  refused(id: number, startedAt: number, now: number, isExplained = false): Attempt {
    const attempt = this.#running.get(id) ?? this.#add(id, startedAt);
    this.#running.delete(id);
    this.#slowest = Math.max(now - attempt.startedAt, this.#slowest / 2);
    attempt.verdict = 'refused';
    const before = this.#refused.get(id);
    const count = (before?.count ?? 0) + (isExplained ? 0 : 1);
    this.#refused.set(id, { count, isAlone: attempt.isAlone, at: now });
    if (this.#refused.size > mostRefused) {
      const [oldest] = this.#refused.keys();
      this.#refused.delete(oldest!);
    }
    return attempt;
  }

  #pass(attempt: Attempt, now: number): void {
    attempt.verdict = 'let-through';
    this.#notePassed(attempt);
    this.#listener.decided(attempt, now);
  }

  weightOf(size: number): number {
    return this.isBySize ? size : 1;
  }

  #notePassed(attempt: Attempt): void {
    const { startedAt, weight } = attempt;
    const later = this.#passed.filter((other) => other.startedAt > startedAt);
    if (later.every((other) => other.weight < weight)) {
      this.#passed = [
        ...this.#passed.filter((other) => other.startedAt <= startedAt && other.weight > weight),
        attempt,
        ...later,
      ];
    }
  }

  /** When the newest call of at least this weight that was let through had started. */
  #passedAt(weight: number): number {
    const last = this.#passed.filter((passed) => passed.weight >= weight).at(-1);
    return last?.startedAt ?? -Infinity;
  }

  ended(id: number): void {
    this.#running.delete(id);
  }

  answered(id: number): void {
    if (this.#refused.size > 0) {
      this.#refused.delete(id);
    }
  }
}
