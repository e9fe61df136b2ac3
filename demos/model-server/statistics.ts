import type { ApiError } from './api-error';

/**
 * What became of the calls to `/v1/chat/completions`; other routes are not counted. Each call is counted as received
 * when it arrives and in exactly one other count once its fate is known.
 */
export interface ModelServerStatistics {
  /** Calls that arrived. */
  received: number;
  /** Calls answered in full. */
  answered: number;
  /** Calls refused with 429, by the budget that was short. */
  refused: { requests: number; tokens: number };
  /** Calls that failed with 5xx. */
  failed: number;
  /** Calls that the server chose never to answer. */
  hung: number;
  /** Calls whose connection ended before the answer was out. */
  aborted: number;
  /** Calls with a wrong key. */
  unauthorized: number;
  /** Calls refused as invalid. */
  invalid: number;
  /** Calls being worked on now; hung calls are not. */
  running: number;
  /** Tokens read by the answered calls. */
  promptTokens: number;
  /** Tokens written by the answered calls. */
  completionTokens: number;
}

/** Statistics of a server that has seen nothing yet. */
export function emptyStatistics(): ModelServerStatistics {
  return {
    received: 0,
    answered: 0,
    refused: { requests: 0, tokens: 0 },
    failed: 0,
    hung: 0,
    aborted: 0,
    unauthorized: 0,
    invalid: 0,
    running: 0,
    promptTokens: 0,
    completionTokens: 0,
  };
}

/** Counts a call that ended with an error answer. */
export function countError(statistics: ModelServerStatistics, error: ApiError): void {
  if (error.status === 401) statistics.unauthorized += 1;
  else if (error.status === 429) statistics.refused[error.type === 'tokens' ? 'tokens' : 'requests'] += 1;
  else if (error.status >= 500) statistics.failed += 1;
  else statistics.invalid += 1;
}
