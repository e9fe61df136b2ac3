import type { OutcomeSource, TokenUsage } from '../core/call';
import type { CallEvent } from '../core/events';
import { prioritiesByRank, type CallPriority } from '../core/priority';
import { tokenCount, totalTokens } from '../core/token-usage';
import { errorKindOf, kindWithoutCall, type ErrorKind } from './error-kinds';
import { LatencyHistogram, type Distribution } from './latency-histogram';

/** How long starts waited and calls took. */
export interface CallTimes {
  /** From the arrival of a request, or the end of a back-off, to the start of its call. */
  readonly wait: Distribution;
  /** The same by priority. Hits of the cache do not count. */
  readonly waitByPriority: Readonly<Record<CallPriority, Distribution>>;
  /** The latency of calls that ran to their end. */
  readonly call: Distribution;
  /** From the start of a stream call to its first chunk. */
  readonly firstChunk: Distribution;
}

/** The tokens that calls reported, by model. The first 20 models are counted separately, the rest as `other`. */
export type TokensByModel = Readonly<Record<string, { readonly input: number; readonly output: number }>>;

/** The number of outcomes by source, of failures, and of requests whose caller left. */
export type OutcomeCounts = Readonly<Record<OutcomeSource | 'failed' | 'left', number>>;

/** Failures by kind: failed calls, and requests that failed without a call. */
export type ErrorCounts = Readonly<Partial<Record<ErrorKind, number>>>;

/** The most models that are counted separately, as users may type any name. */
const mostModels = 20;

/** Folds events into the results of requests. */
export class RequestFold {
  readonly #wait = new LatencyHistogram();
  readonly #waitByPriority = new Map<CallPriority, LatencyHistogram>();
  readonly #outcomes = { call: 0, cache: 0, shared: 0, stale: 0, failed: 0, left: 0 };
  readonly #errors: Partial<Record<ErrorKind, number>> = {};
  readonly #tokens = new Map<string, { input: number; output: number }>();

  next(event: CallEvent): void {
    switch (event.type) {
      case 'started':
        this.#wait.add(event.waited);
        this.#waitOf(event.priority).add(event.waited);
        break;
      case 'finished':
        if (event.result === 'failed') {
          this.#failed(errorKindOf(event.error));
        }
        this.#used(event.usage);
        break;
      case 'settled':
        this.#outcomes[event.ok ? (event.source ?? 'call') : 'failed']++;
        if (!event.ok) {
          this.#failed(kindWithoutCall(event.error));
        }
        break;
      case 'left':
        this.#outcomes.left++;
        break;
      default:
    }
  }

  get times(): Pick<CallTimes, 'wait' | 'waitByPriority'> {
    return {
      wait: this.#wait.distribution(),
      waitByPriority: Object.fromEntries(
        prioritiesByRank.map((priority) => [
          priority,
          (this.#waitByPriority.get(priority) ?? nothing).distribution(),
        ]),
      ) as Record<CallPriority, Distribution>,
    };
  }

  get outcomes(): OutcomeCounts {
    return { ...this.#outcomes };
  }

  get errors(): ErrorCounts {
    return { ...this.#errors };
  }

  get tokensByModel(): TokensByModel {
    return Object.fromEntries([...this.#tokens].map(([model, tokens]) => [model, { ...tokens }]));
  }

  #used(usage: TokenUsage | undefined): void {
    if (totalTokens(usage) > 0) {
      const { model } = usage!;
      const name = typeof model === 'string' ? model : 'unknown';
      const key = this.#tokens.has(name) || this.#tokens.size < mostModels ? name : 'other';
      const tokens = this.#tokens.get(key) ?? { input: 0, output: 0 };
      tokens.input += tokenCount(usage!.inputTokens);
      tokens.output += tokenCount(usage!.outputTokens);
      this.#tokens.set(key, tokens);
    }
  }

  #waitOf(priority: CallPriority): LatencyHistogram {
    let histogram = this.#waitByPriority.get(priority);
    if (!histogram) {
      histogram = new LatencyHistogram();
      this.#waitByPriority.set(priority, histogram);
    }
    return histogram;
  }

  #failed(kind: ErrorKind | undefined): void {
    if (kind) {
      this.#errors[kind] = (this.#errors[kind] ?? 0) + 1;
    }
  }
}

/** For a priority without starts. */
const nothing = new LatencyHistogram();
