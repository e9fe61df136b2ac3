import type { StatsSnapshot } from '../../lib/index';

/** What the figures say that one should change; nothing while there are too few of them. */
export function adviceOn({ metrics }: Pick<StatsSnapshot, 'metrics'>): string[] {
  const { cacheHits, cacheMisses, cacheHitRate, totalCalls, throttledCalls } = metrics;
  const { startedCalls, retriedCalls, answeredCalls, failedCalls } = metrics;
  const settled = answeredCalls + failedCalls;
  const isFailing = settled >= 5 && failedCalls / settled > 0.5;
  const isRetrying = startedCalls >= 5 && retriedCalls / startedCalls > 0.5;
  if (isFailing || isRetrying) {
    return [
      'Most calls fail or are refused. Look at their errors first; other figures say little until then.',
    ];
  }
  // Without answers the cache stays empty and the pace slow, whatever the settings are.
  if (answeredCalls === 0) return [];
  const advice: string[] = [];
  if (cacheHits + cacheMisses >= 20 && cacheHitRate < 0.3) {
    advice.push(
      'Few look-ups hit (under 30 %). Make the cacheKey of what decides the answer and of nothing else, ' +
        'or keep answers longer (cacheTtl).',
    );
  }
  if (totalCalls >= 20 && throttledCalls / totalCalls > 0.5) {
    advice.push(
      'More than half of the requests wait for the pace that the provider allows. ' +
        'Ask less often, let the cache answer more, or raise the limits at the provider.',
    );
  }
  return advice;
}
