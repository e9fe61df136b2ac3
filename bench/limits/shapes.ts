import { logNormalFactor, seededRandom } from '../../demos/model-server/random';
import type { CallPriority } from '../../lib/index';
import type { SimulatedLimit, SimulatedProviderConfig } from '../../lib/testing';

/** One request of a shape; its fields are those of an LLM body and of rxllm's traits. */
export interface ShapeRequest {
  /** No two requests of a shape have the same, so that no cache answers any. */
  readonly prompt: string;
  readonly max_tokens: number;
  readonly priority?: CallPriority;
}

/** What a user who knows the limit tells the clients that have to be told. */
export interface ToldLimit {
  readonly of: 'requests' | 'tokens';
  /** Per interval. */
  readonly cap: number;
  /** Milliseconds. */
  readonly interval: number;
  /** Whether it comes back little by little or all at once. */
  readonly refill: 'continuous' | 'at-once';
  /** For clients that only count requests. */
  readonly inRequests: { readonly cap: number; readonly interval: number };
}

/** A provider and what is asked of it. */
export interface Shape {
  readonly name: string;
  readonly title: string;
  /** Without the signals; see {@link signals}. */
  readonly provider: Omit<SimulatedProviderConfig<ShapeRequest>, 'scheduler' | 'headers' | 'retryAfter'>;
  /**
   * What the oracle meets instead, where a neighbour has a share: a provider with that share taken off its limits.
   * Taking what there is the moment it is there would starve the neighbour, and be the faster for it.
   */
  readonly oracleProvider?: Shape['provider'];
  readonly requests: readonly ShapeRequest[];
  /** Milliseconds since the start, one for each request, ascending. Default: all at once. */
  readonly arrivals?: readonly number[];
  readonly told: ToldLimit;
}

/** How much the provider says of its limits. */
export const signals = {
  headers: { headers: 'openai', retryAfter: 'seconds' },
  'retry-after': { headers: 'none', retryAfter: 'seconds' },
  bare: { headers: 'none', retryAfter: 'none' },
} as const satisfies Record<string, Pick<SimulatedProviderConfig, 'headers' | 'retryAfter'>>;

export type SignalsName = keyof typeof signals;

/** Tokens of one request as the provider counts them. */
export interface TokenCount {
  readonly input: number;
  readonly output: number;
}

const meanOutput = 100;
const meanCost = 900;

/** A provider in which refused calls count, with all that shapes do not change. */
function providerOf(
  limits: readonly SimulatedLimit[],
  tokens: ReadonlyMap<string, TokenCount>,
  more: Partial<Shape['provider']> = {},
): Shape['provider'] {
  return {
    limits,
    refusedCallsCount: true,
    latency: { base: 300, perOutputToken: 5, refusal: 100 },
    tokensOf: ({ prompt }) => tokens.get(prompt) ?? { input: meanOutput, output: meanOutput },
    seed: 1,
    ...more,
  };
}

/** Requests and what the provider will count for each. */
interface Batch {
  readonly requests: readonly ShapeRequest[];
  readonly tokens: ReadonlyMap<string, TokenCount>;
}

/** Requests with these token counts; a prompt is about four characters a token. */
export function batchOf(name: string, counts: readonly TokenCount[]): Batch {
  const tokens = new Map<string, TokenCount>();
  const requests = counts.map((count, index) => {
    const prompt = `${name} ${index} `.padEnd(4 * count.input, '.');
    tokens.set(prompt, count);
    return { prompt, max_tokens: Math.max(400, count.output) };
  });
  return { requests, tokens };
}

function outputTokens(random: () => number): number {
  return Math.min(400, Math.max(1, Math.round(meanOutput * logNormalFactor(random, 0.4))));
}

function ordinaryBatch(name: string, size: number): Batch {
  const random = seededRandom(size);
  return batchOf(
    name,
    Array.from({ length: size }, () => ({ input: 25, output: outputTokens(random) })),
  );
}

/** Costs as they are in practice: most small, a few very large. */
function heavyTailedBatch(name: string, size: number): Batch {
  const random = seededRandom(size);
  return batchOf(
    name,
    Array.from({ length: size }, () => {
      const output = outputTokens(random);
      return {
        input: Math.max(20, Math.round(meanCost * logNormalFactor(random, 1)) - output),
        output,
      };
    }),
  );
}

/** What is told of a limit in requests a minute: in seconds, or in whole minutes where that much may come at once. */
function told(requestsPerMinute: number, refill: ToldLimit['refill'], interval: number): ToldLimit {
  const cap = (requestsPerMinute * interval) / 60_000;
  return { of: 'requests', cap, interval, refill, inRequests: { cap, interval } };
}

/** A bucket one second deep. */
function pacedLimit(requestsPerMinute: number): SimulatedLimit {
  return { of: 'requests', limit: requestsPerMinute, depth: Math.max(1, requestsPerMinute / 60) };
}

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

/** One batch against some limits. */
function batchShape(
  name: string,
  title: string,
  size: number,
  limits: readonly SimulatedLimit[],
  limitTold: ToldLimit,
  more?: Partial<Shape['provider']>,
): Shape {
  const { requests, tokens } = ordinaryBatch(name, size);
  return { name, title, provider: providerOf(limits, tokens, more), requests, told: limitTold };
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
];
