import type { Distribution } from './distribution';

/** What rxllm has to keep over many draws. */
export const randomBounds = {
  /** Finishing time over the oracle's. */
  ratio: { median: 1.06, p95: 1.35, max: 2.5 },
  /** Refusals per 100 requests that were neither shed by chance nor of requests that are always refused. */
  avoidable: { median: 3 },
} as const;

/** One bound and how rxllm stands to it. */
export interface RandomVerdict {
  readonly what: string;
  readonly measured: string;
  readonly bound: string;
  readonly isKept: boolean;
}

/** How rxllm stands to its bounds over many draws. */
export function randomVerdicts(
  lost: number,
  stopped: number,
  ratios: Distribution,
  avoidable: Distribution,
): RandomVerdict[] {
  const { ratio } = randomBounds;
  const atMost = (what: string, value: number, most: number): RandomVerdict => ({
    what,
    measured: value.toFixed(2),
    bound: `at most ${most}`,
    isKept: value <= most,
  });
  return [
    { what: 'requests lost', measured: String(lost), bound: 'none', isKept: lost === 0 },
    { what: 'runs stopped', measured: String(stopped), bound: 'none', isKept: stopped === 0 },
    atMost('× oracle, median', ratios.median, ratio.median),
    atMost('× oracle, p95', ratios.p95, ratio.p95),
    atMost('× oracle, max', ratios.max, ratio.max),
    atMost('avoidable 429s per 100, median', avoidable.median, randomBounds.avoidable.median),
  ];
}
