import { from, map, mergeMap, of, type ObservableInput, type OperatorFunction } from 'rxjs';
import type { CallOutcome } from '../../lib/core/call';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { WatchedTestScheduler } from '../test-scheduler';

type Call<V> = (request: string) => ObservableInput<V>;

/** How a situation differs from the plain one. */
export interface SituationOptions {
  /** Default: as many as there are. */
  readonly maxConcurrent?: number;
  /** What a call returns in place of an Observable: all that is drawn, at once. */
  readonly returns?: 'array' | 'of';
  /** Whether operators of RxJS that merge stand on both sides. */
  readonly between?: boolean;
}

/** Makes the operator that is asked, of its own limiter and cache. */
export type Form = <V>(
  call: Call<V>,
  options?: SituationOptions,
) => OperatorFunction<string, CallOutcome<string, V>>;

/** Whatever runs calls as a `mergeMap` runs its inner Observables. */
export const forms: readonly (readonly [name: string, form: Form])[] = [
  [
    'mergeWithConcurrency',
    (call, { maxConcurrent = Infinity } = {}) => mergeWithConcurrency(call, maxConcurrent),
  ],
  [
    'optimize',
    (call, { maxConcurrent = Infinity } = {}) =>
      new LLMCallOptimizer({ maxConcurrent, baseInterval: 0, retry: false }).optimize(call),
  ],
  [
    'the chain',
    (call, { maxConcurrent = Infinity } = {}) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0 });
      return cacheLLM((misses$) =>
        misses$.pipe(adaptiveThrottle(limiter), mergeWithConcurrency(call, { maxConcurrent, limiter })),
      );
    },
  ],
];

/** A line of a drawing. */
interface Line {
  /** The marbles, without what only the drawing knows. */
  readonly marbles: string;
  readonly startsAt: number;
  /** When it ends or is left; undefined if it goes on. */
  readonly endsAt: number | undefined;
  readonly end: '|' | '#' | '!' | undefined;
  readonly values: readonly string[];
  readonly isHot: boolean;
}

/** The columns in front of a drawing, which name its lines. */
const labelWidth = 10;

/**
 * Asks a form what is drawn. The line `source` has the requests, and the line of each request its call: it begins where
 * the call is to start, or has a `^` there if it is hot, and ends where the call is to end (`|`, `#`) or to be left (`!`); a
 * `*` is a call that throws. `outcomes` has a capital where a request is answered with what its call emitted last, a small
 * letter where it fails as its call did, and `!` where the subscriber leaves.
 */
export function ask(form: Form, drawing: string, options: SituationOptions = {}): void {
  new WatchedTestScheduler().run(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const { source, outcomes, ...calls } = linesOf(drawing);
    const asked = cold(source!.marbles);
    const answers = new Map(
      Object.entries(calls).map(([request, { marbles, isHot }]) => [request, (isHot ? hot : cold)(marbles)]),
    );
    const call = (request: string): ObservableInput<string> => {
      const { marbles, values } = calls[request]!;
      if (marbles === '*') {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- as marbles fail
        throw 'error';
      }
      const { returns } = options;
      return returns === 'array' ? [...values] : returns === 'of' ? from(values) : answers.get(request)!;
    };
    const shown = (outcome: CallOutcome<string, string>) => shownOutcome(outcome, calls);
    const merging = mergeMap((passed: string) => of(passed));
    const shown$ = (options.between ? asked.pipe(merging) : asked).pipe(form(call, options), map(shown));
    const leaves = outcomes!.end === '!' ? `${'-'.repeat(outcomes!.endsAt!)}!` : undefined;
    expectObservable(options.between ? shown$.pipe(merging) : shown$, leaves).toBe(outcomes!.marbles);
    expectSubscriptions(asked.subscriptions).toBe(subscriptionOf(source!));
    if (!options.returns) {
      for (const [request, line] of Object.entries(calls)) {
        expectSubscriptions(answers.get(request)!.subscriptions).toBe(
          line.marbles === '*' ? [] : subscriptionOf(line),
        );
      }
    }
  });
}

function linesOf(drawing: string): Readonly<Record<string, Line>> {
  const lines = drawing.split('\n').filter((line) => line.trim() !== '');
  const indentation = lines[0]!.search(/\S/);
  return Object.fromEntries(
    lines.map((line) => {
      const label = line.slice(indentation, indentation + labelWidth).trim();
      return [label, lineOf(line.slice(indentation + labelWidth).trimEnd())];
    }),
  );
}

function lineOf(drawn: string): Line {
  const isHot = drawn.includes('^');
  const startsAt = isHot ? drawn.indexOf('^') : Math.max(0, drawn.search(/\S/));
  const marbles = isHot ? drawn : drawn.trimStart();
  const offset = isHot ? 0 : startsAt;
  const at = marbles.search(/[|#!]/);
  const end = marbles[at] as Line['end'];
  // What stands in one group happens when the group begins.
  const group = marbles.lastIndexOf('(', at);
  const endsAt =
    at < 0 ? undefined : offset + (group >= 0 && !marbles.slice(group, at).includes(')') ? group : at);
  const values = marbles.slice(isHot ? startsAt : 0).match(/[a-zA-Z]/g) ?? [];
  return { marbles: marbles.replace(/[\^!]/, '-'), startsAt, endsAt, end, values, isHot };
}

function subscriptionOf({ startsAt, endsAt }: Line): string {
  const before = '-'.repeat(startsAt);
  if (endsAt === undefined) {
    return `${before}^`;
  }
  return endsAt === startsAt ? `${before}(^!)` : `${before}^${'-'.repeat(endsAt - startsAt - 1)}!`;
}

function shownOutcome(outcome: CallOutcome<string, string>, calls: Readonly<Record<string, Line>>): string {
  const { request } = outcome;
  const { end, values, marbles } = calls[request]!;
  if (outcome.ok) {
    return outcome.value === values.at(-1) ? request.toUpperCase() : `${request}: ${outcome.value}`;
  }
  const expected = end === '#' || marbles === '*' ? 'error' : 'EmptyError';
  const name = outcome.error instanceof Error ? outcome.error.name : outcome.error;
  return name === expected ? request : `${request}: ${String(name)}`;
}
