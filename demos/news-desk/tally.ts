import type { CallEvent, CallEventListener, CallOutcome, OutcomeSource } from '../../lib/index';
import { isRefusal, isStopped } from '../shared/failures';
import type { Answer, DeskRequest } from './desk';
import type { Input } from './input';
import type { InputItem, StoryClass } from './news-event';
import type { Sentiment } from './sentiment';
import { wholeNumber } from './wording';

/** An answer for people to see. */
export interface LatestAnswer {
  readonly headline: string;
  readonly storyClass: StoryClass;
  readonly sentiment: Sentiment;
  readonly source: OutcomeSource;
}

const latestKept = 6;

/** What the desk counts by itself, beside rxllm's statistics. */
export class Tally implements CallEventListener {
  /** Events taken in. */
  taken = 0;
  answered = 0;
  failed = 0;
  /** Events given up because the run was stopped. */
  stopped = 0;
  /** Calls that the endpoint answered with 429. */
  refused = 0;
  /** What could not be used of the input: the first piece of each kind, and how many there were. */
  readonly skipped: { readonly place: string; readonly problem: string; count: number }[] = [];
  readonly labels: Record<Sentiment['label'], number> = { positive: 0, neutral: 0, negative: 0 };
  /** The newest last. */
  readonly latest: LatestAnswer[] = [];
  readonly #startedAt = performance.now();
  readonly #input: Pick<Input, 'size' | 'count'>;
  readonly #limit: number;
  #bytes = 0;
  #isRead = false;

  constructor(input: Pick<Input, 'size' | 'count'>, limit: number) {
    this.#input = input;
    this.#limit = limit;
  }

  /** Milliseconds since the run began. */
  get elapsed(): number {
    return performance.now() - this.#startedAt;
  }

  /** Events whose outcome is known. */
  get settled(): number {
    return this.answered + this.failed + this.stopped;
  }

  /** How many events there will be, as far as that is known: counted, or judged by the bytes read so far. */
  get total(): number | undefined {
    const { count, size } = this.#input;
    if (this.#isRead) return this.taken;
    if (count !== undefined) return Math.min(count, this.#limit);
    if (size !== undefined && this.#bytes > 0) {
      return Math.min(this.#limit, Math.max(this.taken, Math.round((this.taken * size) / this.#bytes)));
    }
    return this.#limit === Infinity ? undefined : this.#limit;
  }

  /** Whether {@link total} is a guess: as long as it was not counted. */
  get isTotalEstimated(): boolean {
    return !this.#isRead && this.#input.count === undefined;
  }

  /** How far the run is: `35 of about 292`, or the events done alone where nothing is known of the rest. */
  get progress(): string {
    const { total, settled, isTotalEstimated } = this;
    if (total === undefined) return wholeNumber(settled);
    return `${wholeNumber(settled)} of ${isTotalEstimated ? 'about ' : ''}${wholeNumber(total)}`;
  }

  /** Milliseconds until all is answered if it goes on as it did so far; undefined while that cannot be told. */
  get timeLeft(): number | undefined {
    const { total, settled } = this;
    return total === undefined || settled === 0 ? undefined : (this.elapsed * (total - settled)) / settled;
  }

  /** Takes note of a piece of input, and returns whether it is the first of its kind. */
  read(item: InputItem): boolean {
    if (item.kind === 'broken') {
      const alike = this.skipped.find(({ problem }) => problem === item.problem);
      if (alike === undefined) this.skipped.push({ place: item.place, problem: item.problem, count: 1 });
      else alike.count += 1;
      return alike === undefined;
    }
    this.taken += 1;
    this.#bytes = item.bytes ?? 0;
    return this.taken === 1;
  }

  /** Takes note of the end of the input. */
  readAll(): void {
    this.#isRead = true;
  }

  /** Takes note of an outcome. */
  settle(outcome: CallOutcome<DeskRequest, Answer>): void {
    const { event } = outcome.request;
    if (!outcome.ok && isStopped(outcome.error)) {
      this.stopped += 1;
      return;
    }
    if (!outcome.ok) {
      this.failed += 1;
      return;
    }
    this.answered += 1;
    const { sentiment } = outcome.value;
    this.labels[sentiment.label] += 1;
    this.latest.push({
      headline: event.headline,
      storyClass: event.storyClass,
      sentiment,
      source: outcome.source,
    });
    if (this.latest.length > latestKept) this.latest.shift();
  }

  /** Takes note of what the endpoint said. */
  next(event: CallEvent): void {
    if (event.type === 'finished' && event.result === 'failed' && isRefusal(event.error)) this.refused += 1;
  }
}
