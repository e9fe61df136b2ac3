import { logNormalFactor, seededRandom } from '../../demos/model-server/random';
import type { SimulatedLimit } from '../../lib/testing';
import type { Shape, ShapeRequest, TokenCount, ToldLimit } from './shape';

/** Tokens of an answer, on average. */
const meanOutput = 100;
/** Tokens of a request and its answer, on average, where tokens bind. */
export const meanCost = 900;

/** A provider in which refused calls count, with all that shapes do not change. */
export function providerOf(
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
export interface Batch {
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

/** Tokens of an ordinary answer. */
export function outputTokens(random: () => number): number {
  return Math.min(400, Math.max(1, Math.round(meanOutput * logNormalFactor(random, 0.4))));
}

/** Requests with short prompts and ordinary answers. */
export function ordinaryBatch(name: string, size: number): Batch {
  const random = seededRandom(size);
  return batchOf(
    name,
    Array.from({ length: size }, () => ({ input: 25, output: outputTokens(random) })),
  );
}

/** Costs as they are in practice: most small, a few very large. */
export function heavyTailedBatch(name: string, size: number): Batch {
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
export function told(requestsPerMinute: number, refill: ToldLimit['refill'], interval: number): ToldLimit {
  const cap = (requestsPerMinute * interval) / 60_000;
  return { of: 'requests', cap, interval, refill, inRequests: { cap, interval } };
}

/** A bucket one second deep. */
export function pacedLimit(requestsPerMinute: number): SimulatedLimit {
  return { of: 'requests', limit: requestsPerMinute, depth: Math.max(1, requestsPerMinute / 60) };
}

/** One batch against some limits. */
export function batchShape(
  name: string,
  title: string,
  size: number,
  limits: readonly SimulatedLimit[],
  limitTold: ToldLimit | undefined,
  more?: Partial<Shape['provider']>,
): Shape {
  const { requests, tokens } = ordinaryBatch(name, size);
  return {
    name,
    title,
    provider: providerOf(limits, tokens, more),
    requests,
    ...(limitTold && { told: limitTold }),
  };
}
