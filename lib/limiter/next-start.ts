import type { BudgetState } from '../core/budget-state';
import type { GateName, NextStart } from '../core/gates';
import { waitMultipliers, type PriorityRank } from '../core/priority';

/** No request can start, as none has a free slot. */
export const everySlotTaken: NextStart = {
  gate: 'slots',
  reason: 'Every slot is taken (maxConcurrent): one of the running calls must end first.',
};

/** What a gate is explained by. */
export interface GateFigures {
  readonly rank: PriorityRank;
  /** Milliseconds until it opens. */
  readonly wait: number;
  readonly interval: number;
  readonly learnedRate: number;
  /** Calls that may run at once, as refusals taught. */
  readonly maxRunning: number;
  readonly budget: BudgetState | undefined;
  /** What the next call may take of the budget. */
  readonly cost: number;
  /** What the fleet says of itself. */
  readonly fleet?: string | undefined;
}

/** Says in a sentence what a gate waits for. */
export function reasonOf(gate: GateName, figures: GateFigures): string {
  const { rank, wait, interval, learnedRate, maxRunning, budget, cost } = figures;
  switch (gate) {
    case 'slots':
      return `Refusals taught that the provider takes ${maxRunning} calls at once: one must end first, or a minute pass.`;
    case 'pause':
      return 'The limiter is paused: resume() lets requests start again.';
    case 'hold':
      return `The provider lets nothing through (429), so everybody waits: ${seconds(wait)} are left.`;
    case 'outage':
      return 'Most of the last calls failed: only a few probes are let through until they succeed.';
    case 'pace':
      return (
        `The pace is a start every ${interval.toFixed(0)} ms, times ${waitMultipliers[rank]} for this priority; ` +
        'it quickens while calls succeed and others wait.'
      );
    case 'learned-rate':
      if (learnedRate === 0) {
        return 'Most calls are refused: for long, no more than twice as many are tried as are let through.';
      }
      return (
        `Refusals taught that the provider takes about ${learnedRate.toFixed(2)} calls a second; ` +
        'more is tried from time to time.'
      );
    case 'fleet':
      return figures.fleet!;
    case 'budget': {
      const { name, limit, window, remaining, foreignPerMinute } = budget!;
      const others =
        foreignPerMinute > 0 ? `, others spend ${foreignPerMinute.toFixed(0)} a minute of it` : '';
      return (
        `The limit '${name}' of ${limit} in ${seconds(window)} has ${Math.floor(remaining)} left, ` +
        `the next call may take ${Math.ceil(cost)}${others}.`
      );
    }
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
