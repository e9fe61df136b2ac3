import { configObject, numberSetting, type FieldsOf } from '../core/settings';
import type { KnownLimit } from './sliding-window-budget';

const fields: FieldsOf<KnownLimits> = {
  requestsPerMinute: true,
  tokensPerMinute: true,
  inputTokensPerMinute: true,
  outputTokensPerMinute: true,
  requestsPerDay: true,
};

/**
 * Limits that you know beforehand. Limits in the provider's headers need no setting. Each limit holds in every window
 * of its length: no minute and no day sees more. A full limit may start at once. A call counts when it starts. No
 * priority passes a limit.
 */
export interface KnownLimits {
  /** Calls that start in any minute. @defaultValue none */
  readonly requestsPerMinute?: number | undefined;
  /**
   * Tokens of the calls that start in any minute, prompts and answers together. Until its usage is reported, a call
   * reserves the tokens that its traits state, or else the mean of past calls. A failed or abandoned call gives its
   * reservation back. A call that costs more than the limit counts as the limit.
   * @defaultValue none
   */
  readonly tokensPerMinute?: number | undefined;
  /** Tokens of prompts in any minute, if the provider counts them separately. @defaultValue none */
  readonly inputTokensPerMinute?: number | undefined;
  /** Tokens of answers in any minute, if the provider counts them separately. @defaultValue none */
  readonly outputTokensPerMinute?: number | undefined;
  /** Calls that start in any 24 hours. @defaultValue none */
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

export function knownLimitsOf(given: KnownLimits | undefined): KnownLimit[] {
  const limits: KnownLimits = configObject('limits', given, fields);
  const known: KnownLimit[] = [];
  for (const field of Object.keys(counted) as (keyof KnownLimits)[]) {
    if (limits[field] !== undefined) {
      const { dimension, window } = counted[field];
      const limit = numberSetting(`limits.${field}`, limits[field], 0, { above: true });
      // Half a request per minute means one in two minutes.
      const share = dimension === 'requests' ? Math.min(1, limit) : 1;
      known.push({ name: `limits.${field}`, dimension, limit: limit / share, window: window / share });
    }
  }
  return known;
}
