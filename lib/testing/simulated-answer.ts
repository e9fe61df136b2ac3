import type { Subscriber } from 'rxjs';
import type { ProviderFeedback } from '../core/call';
import type { Cancel } from '../core/clock';
import type { ProviderSettings } from './provider-settings';
import type { RequestTokens } from './request-tokens';

/** The answer of a simulated provider. */
export interface SimulatedAnswer {
  /** `answer 1` for the first call to the provider, `answer 2` for the second, and so on. */
  readonly content: string;
  /** The billed tokens. */
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
}

/** The part of rxllm's `CallContext` that a simulated call uses. Calls outside of rxllm may leave it out. */
export interface SimulatedCallContext {
  /** Receives headers and usage just before the answer. */
  readonly report?: ((feedback: ProviderFeedback) => void) | undefined;
  /** Aborting it cancels the answer, which then errors with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface BilledAnswer {
  /** The number of the call. */
  readonly number: number;
  readonly tokens: RequestTokens;
  readonly headers: Record<string, string>;
}

/** How an answer is delivered. */
export interface AnswerForm<T> {
  /** Milliseconds until it begins, without the slowdown of many running calls. */
  latencyOf(tokens: RequestTokens): number;
  /** Delivers it from now on. Returns a function that cancels it. */
  give(
    answer: BilledAnswer,
    context: SimulatedCallContext | undefined,
    subscriber: Subscriber<T>,
    ended: (how: 'answered' | 'failed') => void,
  ): Cancel;
}

/** Whole answers, after their whole latency. */
export function wholeAnswers({
  base,
  perOutputToken,
}: ProviderSettings<never>['latency']): AnswerForm<SimulatedAnswer> {
  return {
    latencyOf: ({ output }) => base + perOutputToken * output,
    give: (answer, context, subscriber, ended) => {
      ended('answered');
      give(answer, context, subscriber);
      return () => undefined;
    },
  };
}

function give(
  { number, tokens: { input, output }, headers }: BilledAnswer,
  context: SimulatedCallContext | undefined,
  subscriber: Subscriber<SimulatedAnswer>,
): void {
  const usage = { inputTokens: input, outputTokens: output };
  try {
    context?.report?.({ headers, usage });
  } catch (error) {
    // An error of one subscriber must not stop the answers of others that are due now.
    subscriber.error(error);
    return;
  }
  subscriber.next({ content: `answer ${number}`, usage });
  subscriber.complete();
}
