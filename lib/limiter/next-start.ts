import type { BudgetState } from '../core/budget-state';
import { durationText } from '../core/duration-text';
import type { GateName, NextStart } from '../core/gates';
import { waitMultipliers, type PriorityRank } from '../core/priority';

export const everySlotTaken: NextStart = {
  gate: 'slots',
  reason: 'Every slot is taken (maxConcurrent): a running call must end first.',
};

export interface GateFigures {
  readonly rank: PriorityRank;
  /** Milliseconds until the gate opens. */
  readonly wait: number;
  readonly interval: number;
  readonly learnedRate: number;
  /** Calls that may run at once, learned from refusals. */
  readonly maxRunning: number;
  readonly budget: BudgetState | undefined;
  /** What the next call may take of the budget. */
  readonly cost: number;
  /** The sentence of the fleet. */
  readonly fleet?: string | undefined;
}

/** Says in a sentence what a gate waits for. */
export function reasonOf(gate: GateName, figures: GateFigures): string {
  const { rank, wait, interval, learnedRate, maxRunning, budget, cost } = figures;
  switch (gate) {
    case 'slots':
      return `The provider refused calls when more than ${maxRunning} ran at once: one must end first, or a minute must pass.`;
    case 'pause':
      return 'The limiter is paused. Call resume() to let requests start again.';
    case 'hold':
      return `The provider lets nothing through (429), so all requests wait for another ${durationText(wait)}.`;
    case 'outage':
      return 'Most of the last calls failed. Until probes succeed, only a few of them start.';
    case 'pace':
      return (
        `The pace is a start every ${interval.toFixed(0)} ms, times ${waitMultipliers[rank]} for this priority; ` +
        'it quickens while calls succeed and others wait.'
      );
    case 'learned-rate':
      if (learnedRate === 0) {
        return 'The provider refuses most calls, so about two calls are tried for each one that it accepts.';
      }
      return (
        `The provider refused faster calls and accepts about ${learnedRate.toFixed(2)} calls a second; ` +
        'a higher rate is tried from time to time.'
      );
    case 'fleet':
      return figures.fleet!;
    case 'budget': {
      const { name, limit, window, remaining, foreignPerMinute } = budget!;
      const others =
        foreignPerMinute > 0
          ? `; other clients spend about ${foreignPerMinute.toFixed(0)} a minute of it`
          : '';
      return (
        `The limit '${name}' of ${limit} in ${durationText(window)} has ${Math.floor(remaining)} left, ` +
        `and the next call may take ${Math.ceil(cost)}${others}.`
      );
    }
  }
}
