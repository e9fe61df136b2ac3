import type { Clock } from '../core/clock';
import { chanceFrom, configObject, functionSetting, noUnknownFields, numberSetting } from '../core/settings';
import { classifyError, type ErrorClassification, type ErrorClassifier } from './classify-error';
import { meaningOfFailure } from './meaning-of-failure';

/** How failed calls are retried. */
export interface RetryConfig {
  /** Attempts in all for errors that are not refusals (5xx, lost connections, timeouts). @defaultValue 3 */
  readonly attempts?: number | undefined;
  /**
   * Milliseconds. The first back-off is drawn between 0 and this, each next one from twice as much.
   * @defaultValue 500
   */
  readonly baseDelay?: number | undefined;
  /** Milliseconds that a back-off lasts at most; the provider's own hint may be longer. @defaultValue 30,000 */
  readonly maxDelay?: number | undefined;
  /**
   * Milliseconds after the first start after which a request fails with the error of its last attempt. Holds that the
   * provider asked for do not count. A request that would have to wait longer than this, or that has not started while
   * the provider refused all calls for this long, fails too.
   * @defaultValue 600,000
   */
  readonly maxElapsed?: number | undefined;
  /** Retries per started call, besides ten per second, so that a failing provider is not flooded. @defaultValue 0.2 */
  readonly budgetRatio?: number | undefined;
  /** Says what an error means. @defaultValue {@link classifyError} */
  readonly classifyError?: ErrorClassifier | undefined;
  /** Returns random numbers in [0, 1) for the jitter. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
}

/** What to do after a failed attempt: retry in `delay` milliseconds, or give up. */
export type RetryDecision = { readonly retry: true; readonly delay: number } | { readonly retry: false };

/** What a limiter knows about a failed attempt. */
export interface RetryAdvice {
  /** The number of refusals in a row that chance explains. They lengthen no back-off. */
  readonly expectedRefusals: number;
  /** Whether the attempt was a probe of an outage, which costs nothing. */
  readonly wasProbe: boolean;
}

const retryFields = [
  'attempts',
  'baseDelay',
  'maxDelay',
  'maxElapsed',
  'budgetRatio',
  'classifyError',
  'random',
];

const giveUp: RetryDecision = { retry: false };

/** Seconds for which unused minimum retries are saved up, after Finagle's RetryBudget. */
const budgetSeconds = 10;
const minimumRetriesPerSecond = 10;

/**
 * Decides about retries. Refusals (429, 503, 529) and probes of an outage cost neither attempts nor budget. Other
 * retryable errors are bounded by attempts and by a budget that all requests of the policy share (after Finagle's
 * RetryBudget: a fifth of the calls, and at least ten a second). The provider's hint comes first, else full jitter (AWS
 * Architecture Blog, "Exponential Backoff And Jitter").
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
    noUnknownFields('retry', settings, retryFields);
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

  /** Records a started call, which earns budget for retries. */
  started(): void {
    this.#budget = Math.min(this.#budget + this.#budgetRatio, this.#budgetCapacity);
  }

  /** Classifies the error of a call that was not aborted; `unknown` if the classifier throws. */
  classify(error: unknown): ErrorClassification {
    return meaningOfFailure(error, this.#classify, this.#clock.date());
  }

  /**
   * @param meaning what the error means
   * @param attempt the number of the failed attempt
   * @param uncharged attempts so far that were refusals or probes, this one included
   * @param firstStartAt when the first attempt started, plus the holds that the provider asked for
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
      // At least 1 ms, or a call that is refused at once would repeat endlessly.
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
    // Bounded, because 0 × Infinity is NaN.
    const growth = Math.min(2 ** (failures - 1), Number.MAX_VALUE);
    return chanceFrom(this.#random) * Math.min(this.#maxDelay, this.#baseDelay * growth);
  }
}
