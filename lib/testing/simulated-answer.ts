import type { Subscriber } from 'rxjs';
import type { ProviderFeedback } from '../core/call';
import type { Cancel } from '../core/clock';
import type { ProviderSettings } from './provider-settings';
import type { RequestTokens } from './request-tokens';

/** What a simulated provider answers. */
export interface SimulatedAnswer {
  /** `answer 1` to the first call that the provider was sent, `answer 2` to the second, and so on. */
  readonly content: string;
  /** The tokens that the call was billed. */
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
}

/** The part of rxllm's `CallContext` that a simulated call uses; calls outside rxllm's operators may leave it out. */
export interface SimulatedCallContext {
  /** Hears headers and usage just before the answer. */
  readonly report?: ((feedback: ProviderFeedback) => void) | undefined;
  /** Aborting it cancels the answer, which then errors with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer that is ready. */
export interface BilledAnswer {
  /** Of the call among all that the provider was sent. */
  readonly number: number;
  readonly tokens: RequestTokens;
  readonly headers: Record<string, string>;
}

/** How an answer is given. */
export interface AnswerForm<T> {
  /** Milliseconds until it begins, while few calls run. */
  latencyOf(tokens: RequestTokens): number;
  /** Gives it from now on; returns how to stop that. */
  give(
    answer: BilledAnswer,
    context: SimulatedCallContext | undefined,
    subscriber: Subscriber<T>,
    ended: (how: 'answered' | 'failed') => void,
  ): Cancel;
}

/** Answers that come whole, after all their latency. */
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
    // One caller's mistake must not keep the others that are due now from their answers.
    subscriber.error(error);
    return;
  }
  subscriber.next({ content: `answer ${number}`, usage });
  subscriber.complete();
}
