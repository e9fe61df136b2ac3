import type { Clock } from '../core/clock';
import { chanceFrom, configObject, functionSetting, numberSetting } from '../core/settings';
import { classifyError, type ErrorClassification, type ErrorClassifier } from './classify-error';
import { meaningOfFailure } from './meaning-of-failure';

/** How failed calls are tried again. */
export interface RetryConfig {
  /** Attempts in all for errors that are not refusals (5xx, lost connections, timeouts). Default 3. */
  readonly attempts?: number | undefined;
  /** Milliseconds; the first back-off is drawn between 0 and this, and each next one from twice as much. Default 500. */
  readonly baseDelay?: number | undefined;
  /** Milliseconds; no back-off of our own is longer (the provider's own hint may be). Default 30,000. */
  readonly maxDelay?: number | undefined;
  /**
   * Milliseconds from the first start on after which a request fails with the error of its last attempt; the time for
   * which the provider asks everybody to wait is not counted. Who would have to wait for longer than this, or has waited
   * so long while the provider refused all calls, fails as well. Default 600,000.
   */
  readonly maxElapsed?: number | undefined;
  /** Retries allowed per started call, besides ten a second: stops a failing provider from being stormed. Default 0.2. */
  readonly budgetRatio?: number | undefined;
  /** What an error means. Default: {@link classifyError}. */
  readonly classifyError?: ErrorClassifier | undefined;
  /** Source of chance for the jitter, in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** What to do about a failed attempt: try again in `delay` milliseconds, or give up. */
export type RetryDecision = { readonly retry: true; readonly delay: number } | { readonly retry: false };

/** What a limiter knows of a failed attempt. */
export interface RetryAdvice {
  /** How many refusals in a row chance explains: they lengthen no back-off. */
  readonly expectedRefusals: number;
  /** Whether it was to find out if an outage is over, and so costs nothing. */
  readonly wasProbe: boolean;
}

const giveUp: RetryDecision = { retry: false };

/** Seconds that unused minimum retries are saved up for, after Finagle's RetryBudget. */
const budgetSeconds = 10;
const minimumRetriesPerSecond = 10;

/**
 * Decides about retries. Refusals (429, 503, 529) cost neither attempts nor budget, because waiting is what they ask
 * for; nor do probes of an outage, because they are made for all. Other retryable errors are bounded by attempts and by a budget shared by all requests of the policy (after
 * Finagle's RetryBudget: a fifth of the calls, and at least ten a second). The provider's hint comes first, else full
 * jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export class RetryPolicy {
  readonly #clock: Clock;
  readonly #attempts: number;
  readonly #baseDelay: number;
  readonly #maxDelay: number;
  /** Milliseconds from the first start on. */
  readonly maxElapsed: number;
  readonly #budgetRatio: number;
  readonly #random: () => number;
  readonly #classify: ErrorClassifier;
  readonly #budgetCapacity: number;
  #budget = budgetSeconds * minimumRetriesPerSecond;
  #budgetAt: number;

  constructor(config: RetryConfig | undefined, clock: Clock) {
    const settings: RetryConfig = configObject('retry', config);
    this.#clock = clock;
    this.#attempts = numberSetting('retry.attempts', settings.attempts, 3, {
      min: 1,
      whole: true,
      infinite: true,
    });
    this.#baseDelay = numberSetting('retry.baseDelay', settings.baseDelay, 500);
    this.#maxDelay = numberSetting('retry.maxDelay', settings.maxDelay, 30_000);
    this.maxElapsed = numberSetting('retry.maxElapsed', settings.maxElapsed, 600_000, { infinite: true });
    this.#budgetRatio = numberSetting('retry.budgetRatio', settings.budgetRatio, 0.2, { infinite: true });
    this.#budgetCapacity = Math.max(100, 10 * budgetSeconds * minimumRetriesPerSecond * this.#budgetRatio);
    this.#classify = functionSetting('retry.classifyError', settings.classifyError) ?? classifyError;
    this.#random = functionSetting('retry.random', settings.random) ?? Math.random;
    this.#budgetAt = clock.now();
  }

  /** Takes note of a started call: calls earn the budget that retries spend. */
  started(): void {
    this.#budget = Math.min(this.#budget + this.#budgetRatio, this.#budgetCapacity);
  }

  /** What the error of a call means that was not aborted; a classifier that throws makes it unknown. */
  classify(error: unknown): ErrorClassification {
    return meaningOfFailure(error, this.#classify);
  }

  /**
   * @param meaning what the error means
   * @param attempt the number of the attempt that failed
   * @param uncharged how many of the attempts so far were refusals, or probes of an outage, this one included
   * @param firstStartAt when the first attempt began, later by the time for which the provider had everybody wait
   */
  decide(
    { kind, retryAfter }: ErrorClassification,
    attempt: number,
    uncharged: number,
    firstStartAt: number,
    advice?: RetryAdvice,
  ): RetryDecision {
    const now = this.#clock.now();
    if (kind === 'stop' || kind === 'unknown') {
      return giveUp;
    }
    let delay: number;
    if (kind === 'transient') {
      const charged = attempt - uncharged;
      if (!advice?.wasProbe && (charged >= this.#attempts || !this.#withdraw(now))) {
        return giveUp;
      }
      delay = retryAfter ?? this.#jitter(Math.max(1, charged));
    } else {
      const unexplained = Math.max(1, uncharged - (advice?.expectedRefusals ?? 0));
      // At least a moment, or a call that is refused at once would be made again and again without an end.
      delay = Math.max(1, retryAfter ?? this.#jitter(unexplained));
    }
    return now + delay - firstStartAt > this.maxElapsed ? giveUp : { retry: true, delay };
  }

  #withdraw(now: number): boolean {
    const earned = ((now - this.#budgetAt) / 1000) * minimumRetriesPerSecond;
    this.#budget = Math.min(this.#budget + earned, this.#budgetCapacity);
    this.#budgetAt = now;
    if (this.#budget < 1) {
      return false;
    }
    this.#budget--;
    return true;
  }

  #jitter(failures: number): number {
    // Bounded, as 0 times an exponential that has become Infinity is no number.
    const growth = Math.min(2 ** (failures - 1), Number.MAX_VALUE);
    return chanceFrom(this.#random) * Math.min(this.#maxDelay, this.#baseDelay * growth);
  }
}
