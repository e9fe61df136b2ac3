/** Milliseconds after which a refusal is heard at the latest, until one was heard: a slow round trip. */
const unknownLatency = 100;

/** How many times longer than refusals take a call must run to count as let through before its answer comes. */
const patience = 2;

/** Calls that may run at once before the oldest is forgotten: those whose end was never heard of. */
const mostRunning = 100_000;

/** The newest attempts that can be told again: more than are compared with what is expected. */
const replayed = 64;

/** Start times that are remembered: a second of the fastest streams; a power of two. */
const remembered = 1024;

/** Milliseconds over which a rate is measured, by so many starts at the least, and the least that it is put down to. */
const second = 1000;
const fewest = 4;
const shortest = 50;

/** So many starts fill their second, and no more are counted. */
const many = 20;
const mostMeasured = 1000;

/** Requests refused before that are remembered. */
const mostRefused = 10_000;

/** Refusals of one request that count: one that is refused again and again says nothing of the others. */
const mostCounted = 2;

/** One call that was started, and what is known of it. */
export interface Attempt {
  readonly id: number;
  /** Its number among all starts. */
  readonly number: number;
  readonly startedAt: number;
  /** Calls that ran when it had started, itself included. */
  readonly running: number;
  /** Whether its request had been refused before. */
  readonly isRetry: boolean;
  /** How large it is, next to the usual call. */
  readonly size: number;
  /** What it takes of a limit: 1, or its size if the limit is on tokens. */
  readonly weight: number;
  /** Whether its request had been refused again and again while others passed: its refusals say nothing of the others. */
  readonly isAlone: boolean;
  verdict: 'let-through' | 'refused' | undefined;
}

interface RefusedRequest {
  /** Refusals that nothing explains but the request. */
  readonly count: number;
  readonly isAlone: boolean;
  /** When it was refused last. */
  readonly at: number;
}

/** Hears what became of attempts. */
export interface VerdictListener {
  decided(attempt: Attempt, now: number): void;
  /** The same, in the order of the starts. */
  settled(attempt: Attempt, now: number): void;
}

/**
 * Keeps account of the calls that run: which of them were let through, and which were refused. A refusal is heard
 * within a fraction of a second, an answer perhaps much later; so a call that runs for longer than refusals take counts
 * as let through.
 */
export class Attempts {
  readonly #listener: VerdictListener;
  readonly #running = new Map<number, Attempt>();
  #undecided: Attempt[] = [];
  #next = 0;
  readonly #refused = new Map<number, RefusedRequest>();
  /** Calls that were let through, each heavier than all that were started later. */
  #passed: Attempt[] = [];
  /** Whether calls are counted by their size. */
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

  /** Calls that run, as far as is known. */
  get running(): number {
    return this.#running.size;
  }

  get lastStartAt(): number {
    return this.#lastStartAt;
  }

  /** When all that has been started is decided. */
  get decidedAt(): number {
    return this.#lastStartAt + this.patience;
  }

  /** Milliseconds after which a call that runs counts as let through. */
  get patience(): number {
    return patience * this.#slowest;
  }

  /** Starts a second just before that start. */
  rateBefore(number: number): number {
    const timeOf = (other: number): number => this.#times[other & (remembered - 1)]!;
    const until = timeOf(number);
    let first = number;
    while (first > 1 && number - first < mostMeasured && timeOf(first - 1) > until - second) {
      first--;
    }
    const count = number - first;
    if (count >= fewest) {
      // A few starts do not fill their second, but for the time between them.
      return (second * count) / (count < many ? Math.max(shortest, until - timeOf(first)) : second);
    }
    // After a hold, the usual gap tells more than the longest one does.
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

  /** Counts those as let through that have run for longer than refusals take. */
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

  /** Whether a call that was started after that one was let through, or may be yet. */
  mayHavePassedSince({ number }: Attempt): boolean {
    return this.#undecided.some((attempt) => attempt.number > number && attempt.verdict !== 'refused');
  }

  /** Tells the verdicts again from that start on, as far as all before them are known. */
  replay(first: number, visit: (attempt: Attempt) => void): void {
    for (const attempt of this.#undecided.slice(0, this.#next)) {
      if (attempt.number >= first && attempt.verdict !== undefined) {
        visit(attempt);
      }
    }
  }

  /** The provider has taken this call in: it has answered, or said something about it. */
  letThrough(id: number, startedAt: number, now: number): void {
    const attempt = this.#running.get(id) ?? this.#add(id, startedAt);
    if (attempt.verdict === undefined) {
      this.#pass(attempt, now);
    }
  }

  /** @param isExplained whether everybody is refused at the moment, so that it says nothing of the request */
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

  /** When the newest call of at least that weight was started that was let through. */
  #passedAt(weight: number): number {
    const last = this.#passed.filter((passed) => passed.weight >= weight).at(-1);
    return last?.startedAt ?? -Infinity;
  }

  /** The call is over. */
  ended(id: number): void {
    this.#running.delete(id);
  }

  /** The request is over. */
  answered(id: number): void {
    if (this.#refused.size > 0) {
      this.#refused.delete(id);
    }
  }
}
