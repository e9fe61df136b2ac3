import { quantile } from '../shared/quantile';
import type { Arrival } from './arrivals';
import type { WatchedProvider } from './watched-provider';

/** What one run showed. */
export interface Figures {
  readonly requests: number;
  /** Milliseconds of virtual time until the last request was answered, or given up where any was lost. */
  readonly finished: number;
  /** Mean milliseconds between arrival and answer. */
  readonly timeToAnswer: number;
  /** Milliseconds between arrival and the start of the call that was answered, which 95 of 100 keep. */
  readonly waitP95: number;
  readonly answered: number;
  /** Requests without an answer that the provider would have answered. */
  readonly lost: number;
  /** Calls that heard 429. */
  readonly refused: number;
  /** Those of them that were neither shed by chance nor of requests that are always refused. */
  readonly avoidable: number;
  /** Calls that heard 5xx. */
  readonly failed: number;
  /** Why it did not end by itself. */
  readonly stopped?: string;
  /** Starts between the arrival of each urgent request and its own; undefined for one that never started. */
  readonly startsBefore: readonly (number | undefined)[];
  /** Milliseconds of real time. */
  readonly wall: number;
}

/** How a run went in time, in milliseconds. */
interface Course {
  readonly start: number;
  readonly end: number;
  readonly stopped: string | undefined;
  readonly wall: number;
}

/** What a provider saw of a run. */
export function figuresOf(
  provider: WatchedProvider,
  { start, end, stopped, wall }: Course,
  requests: number,
  urgent: readonly Arrival[],
): Figures {
  const { answered, answerable, refused, avoidable, failed } = provider;
  const lost = answerable - answered;
  return {
    requests,
    finished: (lost === 0 ? provider.lastAnswerAt : end) - start,
    timeToAnswer: provider.timeToAnswers / answered,
    waitP95: quantile(provider.waits, 0.95),
    answered,
    lost,
    refused,
    avoidable,
    failed,
    ...(stopped !== undefined && { stopped }),
    startsBefore: urgent.map(({ request }) => provider.startsBefore(request)),
    wall,
  };
}
