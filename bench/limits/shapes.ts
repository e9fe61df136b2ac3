import {
  batchOf,
  batchShape,
  heavyTailedBatch,
  meanCost,
  ordinaryBatch,
  pacedLimit,
  providerOf,
  told,
} from './batches';
import { fieldShapes } from './field-shapes';
import type { Shape, TokenCount } from './shape';

function steadyBatch(size: number, requestsPerMinute: number): Shape {
  const name = `batch-${requestsPerMinute}`;
  const { requests, tokens } = ordinaryBatch(name, size);
  return {
    name,
    title: `${size.toLocaleString('en')} requests at ${requestsPerMinute.toLocaleString('en')} a minute`,
    provider: providerOf([pacedLimit(requestsPerMinute)], tokens),
    requests,
    told: told(requestsPerMinute, 'continuous', 1_000),
  };
}

function tokenBound(): Shape {
  const { requests, tokens } = heavyTailedBatch('tokens', 2_000);
  return {
    name: 'tokens',
    title: '2,000 requests of about 900 tokens, heavy-tailed, at 90,000 tokens a minute',
    provider: providerOf(
      [
        { of: 'tokens', limit: 90_000 },
        { of: 'requests', limit: 3_000 },
      ],
      tokens,
    ),
    requests,
    told: {
      of: 'tokens',
      cap: 90_000,
      interval: 60_000,
      refill: 'continuous',
      inRequests: { cap: 90_000 / meanCost, interval: 60_000 },
    },
  };
}

function neighbour(): Shape {
  const limit = pacedLimit(600);
  const taken = 240;
  const shape = batchShape(
    'neighbour',
    '1,000 requests at 600 a minute, of which a neighbour takes 240',
    1_000,
    [limit],
    told(600, 'continuous', 1_000),
    { neighbours: [{ requestsPerMinute: taken, arrivals: 'even' }] },
  );
  return {
    ...shape,
    oracleProvider: { ...shape.provider, neighbours: [], limits: [{ ...limit, limit: 600 - taken }] },
  };
}

function outage(): Shape {
  const size = 1_500;
  return {
    ...batchShape(
      'outage',
      '5 requests a second for 300 s at 600 a minute; from 100 s on, 30 s with 90 % 503s',
      size,
      [pacedLimit(600)],
      told(600, 'continuous', 1_000),
      { outages: [{ from: 100_000, until: 130_000, failureRate: 0.9 }] },
    ),
    arrivals: Array.from({ length: size }, (_, index) => index * 200),
  };
}

/** Requests as they came to a real service, against 400 a minute. */
export function recordedArrivals(arrivals: readonly number[], counts: readonly TokenCount[]): Shape {
  const { requests, tokens } = batchOf(
    'trace',
    counts.map(({ output }) => ({ input: 10, output })),
  );
  return {
    name: 'trace',
    title: `${requests.length.toLocaleString('en')} recorded arrivals at 400 a minute, one minute deep`,
    provider: providerOf([{ of: 'requests', limit: 400 }], tokens),
    requests,
    arrivals,
    told: told(400, 'continuous', 60_000),
  };
}

/** The shapes that need no file, by which rxllm is judged; {@link recordedArrivals} is one more. */
export const shapes: readonly Shape[] = [
  steadyBatch(1_000, 180),
  steadyBatch(1_000, 300),
  steadyBatch(1_000, 600),
  steadyBatch(5_000, 3_000),
  tokenBound(),
  batchShape(
    'fall',
    '3,000 requests at 600 a minute, but 120 a minute from 60 s to 180 s',
    3_000,
    [
      {
        ...pacedLimit(600),
        changes: [
          { at: 60_000, limit: 120 },
          { at: 180_000, limit: 600 },
        ],
      },
    ],
    told(600, 'continuous', 1_000),
  ),
  batchShape(
    'fixed-windows',
    '3,000 requests at 600 in each fixed window of a minute',
    3_000,
    [{ of: 'requests', limit: 600, kind: 'fixed-window' }],
    told(600, 'at-once', 60_000),
  ),
  batchShape(
    'minute-deep',
    '2,000 requests at 600 a minute, one minute deep',
    2_000,
    [{ of: 'requests', limit: 600 }],
    told(600, 'continuous', 60_000),
  ),
  batchShape(
    'hidden-second',
    '2,000 requests at 600 a minute, one minute deep, and a hidden limit of 10 in each second',
    2_000,
    [
      { of: 'requests', limit: 600 },
      { of: 'requests', limit: 10, window: 1_000, kind: 'fixed-window', hidden: true },
    ],
    told(600, 'continuous', 60_000),
  ),
  neighbour(),
  outage(),
  ...fieldShapes,
];
