import type { StatedLimit, StatedLimits } from './stated-limits';

/** One event as the naive client would have met it. */
export interface NaiveEvent {
  /** When it arrived, in milliseconds since the run began. */
  readonly arrivedAt: number;
  /** Milliseconds that a call about its story took. */
  readonly latency: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Tokens that the endpoint counts when it admits the call: the prompt and the longest answer. */
  readonly reservedTokens: number;
}

/** What the same events cost the naive client. */
export interface NaiveResult {
  /** Calls sent, the refused ones included. */
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** What follows from the endpoint's limits; undefined where it states none. */
  readonly refusals: NaiveRefusals | undefined;
}

/** What the endpoint's limits do to the naive client. */
export interface NaiveRefusals {
  /** Calls answered with 429. */
  readonly refused: number;
  /** Events given up after the last attempt was refused. */
  readonly givenUp: number;
  /** Milliseconds from the first arrival to the last answer. */
  readonly duration: number;
}

/** Attempts of the official client, which makes two retries unless told otherwise. */
export const attemptsOfOfficialClient = 3;

/** How the naive client works. */
export interface NaiveOptions {
  /** Calls that run at once. */
  readonly maxConcurrent: number;
  /** Attempts in all for each event; `Infinity`: until it is answered. */
  readonly attempts: number;
}

/**
 * What the usual first version of such a program costs: it makes one call for each event, in the order they arrive,
 * so many at a time, with nothing between it and the endpoint but retries, each after the wait that the refusal names.
 *
 * This is played through on what happened in the run: the times the events arrived at, and the latency and tokens
 * that were measured for the story of each. The endpoint is the two budgets that its headers stated, refilled
 * continuously and full at the start; a call takes one request, and its prompt and longest answer in tokens; a
 * refused call takes nothing and is answered at once. Failures other than 429 are left out. Where no limit was
 * stated, refusals cannot be known, and nothing is said about them.
 */
export function runNaively(
  events: readonly NaiveEvent[],
  limits: StatedLimits,
  { maxConcurrent, attempts }: NaiveOptions,
): NaiveResult {
  const inOrder = [...events].sort((one, other) => one.arrivedAt - other.arrivedAt);
  const total = (figure: (event: NaiveEvent) => number): number =>
    inOrder.reduce((sum, event) => sum + figure(event), 0);
  if (limits.requests === undefined && limits.tokens === undefined) {
    return {
      calls: events.length,
      inputTokens: total(({ inputTokens }) => inputTokens),
      outputTokens: total(({ outputTokens }) => outputTokens),
      refusals: undefined,
    };
  }

  const start = inOrder[0]?.arrivedAt ?? 0;
  const requests = limits.requests && new NaiveBudget(limits.requests, start);
  const tokens = limits.tokens && new NaiveBudget(limits.tokens, start);
  const result = { calls: 0, inputTokens: 0, outputTokens: 0 };
  let refused = 0;
  let givenUp = 0;
  let end = start;
  const workers = new Array<Worker>(Math.max(1, Math.min(maxConcurrent, inOrder.length)))
    .fill({ at: start })
    .map((worker) => ({ ...worker }));
  let next = 0;
  for (;;) {
    const worker = soonest(workers);
    if (worker.event === undefined) {
      const event = inOrder[next];
      // The soonest worker is idle and nothing is left to take; the others may still have something to do.
      if (event === undefined) {
        if (worker.at === Infinity) break;
        worker.at = Infinity;
        continue;
      }
      next += 1;
      worker.event = event;
      worker.attempt = 1;
      worker.at = Math.max(worker.at, event.arrivedAt);
      continue;
    }
    const { event, at, attempt = 1 } = worker;
    result.calls += 1;
    const wait = Math.max(requests?.waitFor(1, at) ?? 0, tokens?.waitFor(event.reservedTokens, at) ?? 0);
    if (wait === 0) {
      requests?.take(1);
      tokens?.take(event.reservedTokens);
      result.inputTokens += event.inputTokens;
      result.outputTokens += event.outputTokens;
      worker.at = at + event.latency;
      worker.event = undefined;
    } else {
      refused += 1;
      if (attempt < attempts) {
        worker.attempt = attempt + 1;
        worker.at = at + wait;
      } else {
        givenUp += 1;
        worker.event = undefined;
      }
    }
    end = Math.max(end, worker.at);
  }
  return { ...result, refusals: { refused, givenUp, duration: end - start } };
}

interface Worker {
  /** When it can do its next step. */
  at: number;
  event?: NaiveEvent | undefined;
  attempt?: number;
}

function soonest(workers: readonly Worker[]): Worker {
  return workers.reduce((one, other) => (other.at < one.at ? other : one));
}

/** A budget that refills continuously; asked in the order of time. */
class NaiveBudget {
  readonly #perMillisecond: number;
  readonly #depth: number;
  #level: number;
  #at: number;

  constructor({ perMinute, depth }: StatedLimit, now: number) {
    this.#perMillisecond = perMinute / 60_000;
    this.#depth = Math.max(1, depth);
    this.#level = this.#depth;
    this.#at = now;
  }

  /** Whole milliseconds until so much may be taken, as a refusal states them; 0 means now. */
  waitFor(amount: number, now: number): number {
    this.#level = Math.min(this.#depth, this.#level + (now - this.#at) * this.#perMillisecond);
    this.#at = now;
    const missing = Math.min(amount, this.#depth) - this.#level;
    return missing <= 1e-6 ? 0 : Math.ceil(missing / this.#perMillisecond);
  }

  take(amount: number): void {
    this.#level -= amount;
  }
}
