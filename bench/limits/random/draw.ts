import { ordinaryBatch } from '../batches';
import type { Shape, Signals } from '../shape';
import { mostRunning } from '../most-running';
import { drawArrivals } from './draw-arrivals';
import { drawLimit, type DrawnLimit } from './draw-limit';
import { drawOtherReasons } from './draw-other-reasons';
import { Chance } from './chance';

/** A provider and what is asked of it, drawn by lot. */
export interface Draw {
  readonly seed: number;
  readonly index: number;
  readonly shape: Shape;
  readonly says: Signals;
  /** What kind of draw it is, for figures by kind. */
  readonly kinds: readonly string[];
  /** All of it, in one line. */
  readonly description: string;
}

/** More requests make a run longer without showing more. */
const mostRequests = 3_000;

/** Draws one provider and its arrivals; nothing but the seed and the index decides. */
export function drawOf(seed: number, index: number): Draw {
  const chance = new Chance(seed, index);
  const latency = chance.logBetween(0.2, 12);
  const refusal = Math.round(chance.logBetween(20, 200));
  const limit = chance.isIn(0.7) ? drawLimit(chance) : undefined;
  const atOnce = chance.isIn(0.15) ? Math.round(chance.logBetween(5, 50)) : undefined;
  const says = drawSignals(chance, limit);
  const hasHints = says.retryAfter !== 'none';
  const hints = limit && hasHints && chance.isIn(0.2) ? 'short' : undefined;
  const capacity = Math.min(limit?.rate ?? Infinity, Math.min(atOnce ?? Infinity, mostRunning) / latency);
  const arrivals = drawArrivals(chance, {
    capacity,
    // Without a limit or a bound a batch is over before anything could be learned from it.
    mayBeBatch: limit !== undefined || atOnce !== undefined || capacity < 50,
    isEndless: limit === undefined && atOnce === undefined,
    depth: limit?.depth ?? 0,
    window: limit?.window,
    most: mostRequests,
  });
  const name = `draw-${seed}-${index}`;
  const { requests, tokens } = ordinaryBatch(name, arrivals.size);
  const other = drawOtherReasons(chance, requests, hasHints);
  const provider: Shape['provider'] = {
    limits: limit ? [limit.limit] : [],
    refusedCallsCount: chance.isIn(0.6),
    // Half of the time of an answer for its tokens, about a hundred, so that answers differ.
    latency: { base: 500 * latency, perOutputToken: 5 * latency, refusal },
    tokensOf: ({ prompt }) => tokens.get(prompt)!,
    neighbours: limit?.neighbours ?? [],
    seed: chance.seed(),
  };
  const told = [
    ...(limit ? [limit.description] : ['no limit']),
    says.headers !== 'none' ? `${says.headers} headers` : undefined,
    hasHints ? `${hints ?? 'right'} hints in ${says.retryAfter}` : 'no hints',
    atOnce !== undefined ? `at most ${atOnce} at once` : undefined,
    ...other.descriptions,
    `answers in ${latency.toFixed(1)} s, refusals in ${refusal} ms`,
    provider.refusedCallsCount ? 'refused calls count' : undefined,
    arrivals.description,
  ];
  return {
    seed,
    index,
    says,
    kinds: [
      ...(limit ? limit.kinds : ['no limit']),
      says.headers !== 'none' ? 'headers' : hasHints ? 'hints alone' : 'bare',
      ...(hints ? ['short hints'] : []),
      ...(atOnce === undefined ? [] : ['at once']),
      ...other.kinds,
      latency < 1.5 ? 'short answers' : 'long answers',
      arrivals.kind,
    ],
    description: told.filter((part) => part !== undefined).join('; '),
    shape: {
      name,
      title: name,
      provider,
      requests,
      otherReasons: { ...other.reasons, ...(atOnce !== undefined && { atOnce }) },
      ...(limit?.forOracle && {
        oracleProvider: { ...provider, neighbours: [], limits: [limit.forOracle] },
      }),
      ...(arrivals.times && { arrivals: arrivals.times }),
      ...(hints && { hints }),
    },
  };
}

/** Where there is no limit, there are no headers to state it. */
function drawSignals(chance: Chance, limit: DrawnLimit | undefined): Signals {
  const retryAfter = chance.oneOf(['seconds', 'milliseconds', 'none', 'seconds'] as const);
  // Only Azure's names tell how long a window is; OpenAI's mean a minute.
  const headers = limit === undefined ? 'none' : limit.window === undefined ? 'openai' : 'azure';
  return chance.oneOf<Signals>([
    { headers, retryAfter },
    { headers: 'none', retryAfter },
    { headers: 'none', retryAfter: 'none' },
  ]);
}
