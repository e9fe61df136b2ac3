import { map, mergeMap, type Observable, type OperatorFunction } from 'rxjs';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import type { CallEvent, CallEventListener } from '../../lib/core/events';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';

/** An outcome in a word or two: `A call`, `A stale`, or the name of the error. */
export function shown<R, V>(outcome: CallOutcome<R, V>): string {
  if (outcome.ok) {
    return `${String(outcome.value)} ${outcome.source}`;
  }
  return outcome.error instanceof Error ? outcome.error.name : String(outcome.error);
}

/** All of an outcome but its request. */
export function withoutRequest<R, V>(outcome: CallOutcome<R, V>): object {
  const rest: Partial<CallOutcome<R, V>> = { ...outcome };
  delete (rest as { request?: R }).request;
  return rest;
}

/** Shows values and where they came from. */
export function showSources<R, V>(): OperatorFunction<CallOutcome<R, V>, string> {
  return map(shown);
}

/** Makes each call what is prepared for it, the last of that for all that follow, and notes what it is asked. */
export class PreparedCalls<R, V> {
  readonly requests: R[] = [];
  readonly signals: AbortSignal[] = [];
  private readonly answers: readonly Observable<V>[];
  constructor(...answers: readonly Observable<V>[]) {
    this.answers = answers;
  }

  /** The next call: what an operator is given to make. */
  call(request: R, { signal }: CallContext): Observable<V> {
    this.requests.push(request);
    this.signals.push(signal);
    return this.answers[Math.min(this.requests.length, this.answers.length) - 1]!;
  }

  /** A pipeline for misses that makes them. */
  misses(config: ConcurrencyConfig<R> = {}): (misses$: Observable<R>) => Observable<CallOutcome<R, V>> {
    return (misses$) =>
      misses$.pipe(mergeWithConcurrency((request: R, context) => this.call(request, context), config));
  }

  /** A pipeline for misses that makes them without any operator of rxllm. */
  foreignMisses(): (misses$: Observable<R>) => Observable<CallOutcome<R, V>> {
    return mergeMap((request: R) =>
      this.call(request, { signal: new AbortController().signal, attempt: 1, report: () => undefined }).pipe(
        map((value): CallOutcome<R, V> => {
          return { ok: true, request, value, source: 'call', latency: 0, waited: 0, attempts: 1 };
        }),
      ),
    );
  }
}

/** Listens, and remembers what it heard. */
export class HeardEvents implements CallEventListener {
  readonly all: CallEvent[] = [];

  next(event: CallEvent): void {
    this.all.push(event);
  }

  /** The types of the events, in their order. */
  get types(): string[] {
    return this.all.map(({ type }) => type);
  }

  /** The events of a type. */
  of<Type extends CallEvent['type']>(type: Type): Extract<CallEvent, { type: Type }>[] {
    return this.all.filter((event) => event.type === type) as Extract<CallEvent, { type: Type }>[];
  }
}
