import type { OutcomeSource, TokenUsage } from './call';
import type { CallEventListener, EvictionReason, FinishedEvent } from './events';

/** The commonest events, told to one who only counts them: each method is one of their types. */
export interface StepCounter {
  received(): void;
  hit(savedLatency: number, usage: TokenUsage | undefined): void;
  missed(joined: boolean): void;
  started(): void;
  finished(result: FinishedEvent['result'], latency: number): void;
  /**
   * @param source undefined for a failure
   * @param usage what sharing a call saved
   */
  settled(source: OutcomeSource | undefined, usage: TokenUsage | undefined): void;
  evicted(reason: EvictionReason): void;
}

/** Under which a listener offers to count events, while it would do nothing else with them. */
export const stepsOf = /* @__PURE__ */ Symbol('rxllm steps');

/** A listener that may spare others the making of events; only those of rxllm itself do. */
export interface CountingListener extends CallEventListener {
  /** Undefined as long as somebody wants to see the events. */
  readonly [stepsOf]: StepCounter | undefined;
}

/** Who counts the events that a listener hears, if nothing else is done with them. */
export function counterOf(listener: CallEventListener): StepCounter | undefined {
  return (listener as Partial<CountingListener>)[stepsOf];
}
