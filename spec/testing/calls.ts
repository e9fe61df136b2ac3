import { mergeMap, timer } from 'rxjs';
import type { ProviderFeedback } from '../../lib/core/call';
import {
  SimulatedProvider,
  type SimulatedProviderError,
  type SimulatedAnswer,
  type SimulatedProviderConfig,
} from '../../lib/testing';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';

/** A call of so many tokens at a time. */
export interface PlannedCall {
  readonly at: number;
  readonly input?: number;
  readonly output?: number;
}

/** A planned call and what became of it. */
export interface MadeCall {
  readonly at: number;
  readonly input: number;
  readonly output: number;
  endedAt?: number;
  answer?: SimulatedAnswer;
  error?: SimulatedProviderError;
  feedback?: ProviderFeedback;
}

/** The config of a provider whose requests are their own tokens. */
export type PlannedConfig = SimulatedProviderConfig<{ readonly input: number; readonly output: number }>;

/** Makes planned calls of a provider in virtual time; those planned for one time in their order. */
export function made(
  config: PlannedConfig,
  planned: readonly PlannedCall[],
  after?: (
    provider: SimulatedProvider<{ readonly input: number; readonly output: number }>,
    scheduler: WatchedTestScheduler,
  ) => void,
): MadeCall[] {
  return inVirtualTime((scheduler) => {
    const provider = new SimulatedProvider({ tokensOf: (request) => request, scheduler, ...config });
    const calls = planned.map(({ at, input = 0, output = 0 }): MadeCall => ({ at, input, output }));
    for (const call of calls) {
      const report = (feedback: ProviderFeedback) => (call.feedback = feedback);
      timer(call.at, scheduler)
        .pipe(mergeMap(() => provider.call(call, { report })))
        .subscribe({
          next: (answer) => {
            call.answer = answer;
            call.endedAt = scheduler.now();
          },
          error: (error: unknown) => {
            call.error = error as SimulatedProviderError;
            call.endedAt = scheduler.now();
          },
        });
    }
    scheduler.flush();
    after?.(provider, scheduler);
    return calls;
  });
}

/** Whether each call was admitted: `+` or `-`. */
export function fates(calls: readonly MadeCall[]): string {
  return calls.map((call) => (call.answer ? '+' : '-')).join('');
}

/** The same planned call so many times. */
export function times(count: number, planned: PlannedCall): PlannedCall[] {
  return Array.from({ length: count }, () => planned);
}
