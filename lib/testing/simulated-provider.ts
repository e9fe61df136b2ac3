import { Observable, type Subscriber } from 'rxjs';
import type { Clock } from '../core/clock';
import { clockFrom } from '../core/scheduler-clock';
import { numberSetting } from '../core/settings';
import type { StreamCall } from '../core/stream';
import { failure, refusal, refusalOutsideLimits } from './error-answers';
import { headerWriters } from './header-writers';
import { Neighbours } from './neighbours';
import type { SimulatedProviderConfig } from './provider-config';
import { settingsOf, type ProviderSettings } from './provider-settings';
import { seededRandom, type Random } from './random';
import { checkedTokens, estimatedTokens, type RequestTokens } from './request-tokens';
import type { SimulatedProviderError } from './simulated-error';
import { costOf, limitFrom, type CallCost, type SimulatedLimit } from './simulated-limit';
import {
  wholeAnswers,
  type AnswerForm,
  type SimulatedAnswer,
  type SimulatedCallContext,
} from './simulated-answer';
import { simulatedChunks, streamedAnswers, type SimulatedChunk } from './simulated-stream';
import { Timetable } from './timetable';

/** The calls of a simulated provider so far. `calls` is the sum of the others except `mostRunning`. */
export interface SimulatedProviderStatistics {
  /** Calls that were made. */
  readonly calls: number;
  /** Calls that succeeded. */
  readonly answered: number;
  /** Calls that were refused with 429. */
  readonly refused: number;
  /** Calls that failed with a 5xx of an outage, or whose stream broke off. */
  readonly failed: number;
  /** Calls whose subscriber left before their end. */
  readonly aborted: number;
  /** Calls without a result so far, including those that will be refused, and running streams. */
  readonly running: number;
  /** The most calls that ran at one time. */
  readonly mostRunning: number;
}

/** The decision about a call. */
interface Verdict {
  readonly kind: 'answered' | 'refused' | 'failed';
  readonly error?: SimulatedProviderError;
  readonly headers: Record<string, string>;
}

/**
 * Simulates an LLM provider in the time of a scheduler, with limits, headers, refusals, latency, outages and other
 * clients like real ones. So a pipeline under rate limits can be marble-tested, and an hour of it takes milliseconds.
 *
 * The provider schedules nothing but the answers of calls. `refuse` decides first, then the limits. An outage affects
 * only admitted calls. Calls are billed when they start, whatever their result.
 *
 * @example
 * testScheduler.run(({ cold, expectObservable }) => {
 *   // One request a second, and no more than one at once.
 *   const provider = new SimulatedProvider<string>({
 *     limits: [{ of: 'requests', limit: 60, depth: 1 }],
 *     latency: { base: 300, perOutputToken: 0, refusal: 100 },
 *   });
 *   const answers$ = cold('(ab|)').pipe(
 *     mergeWithConcurrency(provider.call, { retry: true }),
 *     unwrapOutcomes(),
 *     map((answer) => answer.content),
 *   );
 *   // The second call is refused after 100 ms, told to wait for a second, and answered 300 ms after that.
 *   expectObservable(answers$).toBe('300ms a 1099ms (b|)', { a: 'answer 1', b: 'answer 3' });
 * });
 */
export class SimulatedProvider<R = unknown> {
  readonly #settings: ProviderSettings<R>;
  readonly #clock: Clock;
  readonly #madeAt: number;
  readonly #limits: readonly SimulatedLimit[];
  readonly #statedLimits: readonly SimulatedLimit[];
  readonly #neighbours: Neighbours;
  readonly #outageRandom: Random;
  readonly #timetable: Timetable;
  readonly #whole: AnswerForm<SimulatedAnswer>;
  readonly #streamed: AnswerForm<SimulatedChunk>;
  #served = 0;
  #calls = 0;
  #running = 0;
  #mostRunning = 0;
  readonly #ended = { answered: 0, refused: 0, failed: 0, aborted: 0 };

  constructor(config?: SimulatedProviderConfig<R>) {
    this.#settings = settingsOf(config);
    this.#clock = clockFrom(this.#settings.scheduler);
    this.#madeAt = this.#clock.now();
    this.#limits = this.#settings.limits.map(limitFrom);
    this.#statedLimits = this.#limits.filter(({ hidden }) => !hidden);
    this.#neighbours = new Neighbours(this.#settings.neighbours, this.#settings.seed);
    this.#outageRandom = seededRandom(this.#settings.seed);
    this.#timetable = new Timetable(this.#clock);
    this.#whole = wholeAnswers(this.#settings.latency);
    this.#streamed = streamedAnswers(this.#settings, this.#timetable);
  }

  /**
   * A call for rxllm's operators, which can be passed unbound. Each subscription is one HTTP call and is billed at
   * once. After its latency it emits the answer, or fails with a {@link SimulatedProviderError}. Headers (from the time
   * of billing) and usage are reported just before the answer; a refusal has its headers on the error. Unsubscribing,
   * or aborting the context's signal, cancels the answer but not the bill.
   *
   * @example
   * requests$.pipe(mergeWithConcurrency(provider.call));
   *
   * @param request the request; only its tokens matter
   * @param context the context that rxllm's operators pass
   */
  readonly call = (request: R, context?: SimulatedCallContext): Observable<SimulatedAnswer> =>
    new Observable((subscriber) => this.#start(request, context, subscriber, this.#whole));

  /**
   * The same call with an answer in chunks of one token, for `optimizer.stream`, `optimizeStream` and
   * `streamWithConcurrency`. Headers are reported just before the first token; the last token has the usage. A broken
   * stream errors like `fetch` on a lost connection.
   *
   * @example
   * optimizer.stream(provider.stream, 'Why is gold up?').subscribe(({ content }) => show(content));
   */
  readonly stream: StreamCall<R, SimulatedChunk, SimulatedAnswer> = {
    open: (request, context?: SimulatedCallContext) =>
      new Observable((subscriber) => this.#start(request, context, subscriber, this.#streamed)),
    ...simulatedChunks,
  };

  /**
   * Returns when the limits would admit this request if no other came before: a time on the scheduler's clock, a whole
   * number of milliseconds from now, and not within an outage. Changes of limits are included, other clients and
   * `refuse` are not, so ask again at that time. `Infinity` if an outage never ends.
   *
   * @example
   * timer(provider.admitsAt(request) - scheduler.now()).pipe(mergeMap(() => provider.call(request)));
   */
  admitsAt(request: R): number {
    const now = this.#advance();
    const cost = costOf(this.#tokensOf(request));
    const limits = this.#limits.map((limit) => limit.copy());
    let at = now;
    for (;;) {
      let next = at;
      for (const limit of limits) {
        limit.advance(at);
        const wait = limit.waitFor(cost[limit.of]);
        if (wait > 0) {
          next = Math.max(next, Math.min(now + Math.ceil(at + wait - now - 1e-6), limit.changesAt));
        }
      }
      for (const { from, until, failureRate } of this.#settings.outages) {
        if (failureRate > 0 && from <= next && next < until) {
          next = until;
        }
      }
      if (next === at) {
        return this.#madeAt + next;
      }
      at = next;
    }
  }

  /** The counts of calls so far. */
  get statistics(): SimulatedProviderStatistics {
    return { calls: this.#calls, ...this.#ended, running: this.#running, mostRunning: this.#mostRunning };
  }

  #start<T>(
    request: R,
    context: SimulatedCallContext | undefined,
    subscriber: Subscriber<T>,
    form: AnswerForm<T>,
  ): void {
    const signal = context?.signal;
    if (signal?.aborted) {
      subscriber.error(signal.reason);
      return;
    }
    const tokens = this.#tokensOf(request);
    const verdict = this.#judge(request, costOf(tokens));
    const number = ++this.#calls;
    const isServed = verdict.kind === 'answered';
    this.#served += isServed ? 1 : 0;
    this.#running++;
    this.#mostRunning = Math.max(this.#mostRunning, this.#running);
    let isOver = false;
    const end = (how: Verdict['kind'] | 'aborted') => {
      isOver = true;
      this.#ended[how]++;
      this.#running--;
      this.#served -= isServed ? 1 : 0;
    };

    let cancel = this.#timetable.set(this.#latencyOf(verdict, form.latencyOf(tokens)), () => {
      if (isServed) {
        cancel = form.give({ number, tokens, headers: verdict.headers }, context, subscriber, end);
      } else {
        end(verdict.kind);
        subscriber.error(verdict.error);
      }
    });
    const onAbort = () => subscriber.error(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    subscriber.add(() => {
      signal?.removeEventListener('abort', onAbort);
      if (!isOver) {
        cancel();
        end('aborted');
      }
    });
  }

  #judge(request: R, cost: CallCost): Verdict {
    const now = this.#advance();
    const other = this.#settings.refuse?.(request, { at: now, running: this.#served });
    if (other) {
      const headers = this.#headers(cost);
      const wait =
        other === true ? undefined : numberSetting('The retryAfter that refuse returns', other.retryAfter, 0);
      return {
        kind: 'refused',
        headers,
        error: refusalOutsideLimits(wait, this.#settings.retryAfter, headers),
      };
    }
    if (this.#limits.every((limit) => limit.admits(cost[limit.of]))) {
      for (const limit of this.#limits) {
        limit.take(cost[limit.of]);
      }
      const headers = this.#headers(cost);
      const outage = this.#settings.outages.find(
        ({ from, until, failureRate }) => from <= now && now < until && this.#outageRandom() < failureRate,
      );
      if (!outage) {
        return { kind: 'answered', headers };
      }
      const { status, retryAfter } = outage;
      return {
        kind: 'failed',
        headers,
        error: failure(status, retryAfter, this.#settings.retryAfter, headers),
      };
    }
    if (this.#settings.refusedCallsCount) {
      for (const limit of this.#limits) {
        if (limit.of === 'requests') {
          limit.drain(1);
        }
      }
    }
    return this.#refuse(cost);
  }

  /** The wait is computed after the refusal was billed, so that a caller that returns on time is admitted. */
  #refuse(cost: CallCost): Verdict {
    let wait = -1;
    let tightest!: SimulatedLimit;
    for (const limit of this.#limits) {
      const own = limit.waitFor(cost[limit.of]);
      if (own > wait) {
        wait = own;
        tightest = limit;
      }
    }
    const headers = this.#headers(cost);
    return {
      kind: 'refused',
      headers,
      error: refusal(tightest, cost, wait, this.#settings.retryAfter, headers),
    };
  }

  #headers(cost: CallCost): Record<string, string> {
    return headerWriters[this.#settings.headers](this.#statedLimits, cost, this.#clock.now());
  }

  /** Advances the limits. Returns the milliseconds since the provider was made. */
  #advance(): number {
    const now = this.#clock.now() - this.#madeAt;
    this.#neighbours.comeUntil(now, (cost, at) => {
      for (const limit of this.#limits) {
        limit.advance(at);
      }
      if (this.#limits.every((limit) => limit.admits(cost[limit.of]))) {
        for (const limit of this.#limits) {
          limit.take(cost[limit.of]);
        }
      }
    });
    for (const limit of this.#limits) {
      limit.advance(now);
    }
    return now;
  }

  #tokensOf(request: R): RequestTokens {
    const { tokensOf } = this.#settings;
    return tokensOf ? checkedTokens(tokensOf(request)) : estimatedTokens(request);
  }

  #latencyOf({ kind }: Verdict, answered: number): number {
    const { refusal: refusalLatency, knee } = this.#settings.latency;
    return Math.round(kind === 'answered' ? answered * Math.max(1, this.#served / knee) : refusalLatency);
  }
}
