import { configObject, numberSetting } from '../core/settings';
import type { KnownLimit } from './sliding-window-budget';

/**
 * Limits that are known beforehand; those that the provider's headers state are found by themselves. Each holds in every
 * window of its length, whatever the moment one looks: no minute and no day sees more. A full limit may start at once.
 * A call counts when it starts. No priority passes a limit.
 */
export interface KnownLimits {
  /** Calls that start in any minute. */
  readonly requestsPerMinute?: number | undefined;
  /**
   * Tokens of the calls that start in any minute, prompts and answers together. A call reserves what its traits
   * announce, else the mean of what calls have used, until its usage is reported. What a failed or abandoned call
   * reserved is given back. A call that costs more than the limit counts as the limit.
   */
  readonly tokensPerMinute?: number | undefined;
  /** Tokens of prompts in any minute, if the provider counts them apart. */
  readonly inputTokensPerMinute?: number | undefined;
  /** Tokens of answers in any minute, if the provider counts them apart. */
  readonly outputTokensPerMinute?: number | undefined;
  /** Calls that start in any 24 hours. */
  readonly requestsPerDay?: number | undefined;
}

const minute = 60_000;
const day = 86_400_000;

const counted: Readonly<Record<keyof KnownLimits, Pick<KnownLimit, 'dimension' | 'window'>>> = {
  requestsPerMinute: { dimension: 'requests', window: minute },
  tokensPerMinute: { dimension: 'tokens', window: minute },
  inputTokensPerMinute: { dimension: 'input-tokens', window: minute },
  outputTokensPerMinute: { dimension: 'output-tokens', window: minute },
  requestsPerDay: { dimension: 'requests', window: day },
};

/** Checks the limits that the user gives. */
export function knownLimitsOf(given: KnownLimits | undefined): KnownLimit[] {
  const limits: KnownLimits = configObject('limits', given);
  const known: KnownLimit[] = [];
  for (const field of Object.keys(counted) as (keyof KnownLimits)[]) {
    if (limits[field] !== undefined) {
      const { dimension, window } = counted[field];
      const limit = numberSetting(`limits.${field}`, limits[field], 0, { above: true });
      // Half a request a minute is one in two minutes.
      const share = dimension === 'requests' ? Math.min(1, limit) : 1;
      known.push({ name: `limits.${field}`, dimension, limit: limit / share, window: window / share });
    }
  }
  return known;
}
