import { EMPTY, of, throwError } from 'rxjs';
import type { CallOutcome } from '../../lib/core/call';
import { unwrapOutcomes } from '../../lib/operators/unwrap-outcomes';
import { runUntil } from '../test-scheduler';

const times = { latency: 1, waited: 0, attempts: 1 };
const failure = new Error('failed');
const outcomes: Record<string, CallOutcome<string, string>> = {
  A: { ok: true, request: 'a', value: 'A', source: 'call', ...times },
  B: { ok: true, request: 'b', value: 'B', source: 'cache', ...times },
  x: { ok: false, request: 'x', error: failure, ...times },
};

describe('unwrapOutcomes', () => {
  it('gives the values', () => {
    runUntil(4, ({ cold, expectObservable }) => {
      expectObservable(cold('-A-B|', outcomes).pipe(unwrapOutcomes())).toBe('-A-B|');
    });
  });

  it('makes the first failure the error of the stream where nothing stands for failures', () => {
    runUntil(2, ({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-AxB|', outcomes);
      expectObservable(source.pipe(unwrapOutcomes())).toBe('-A#', undefined, failure);
      expectSubscriptions(source.subscriptions).toBe('^-!');
    });
  });

  it('puts what stands for a failure in its place, however long that takes', () => {
    runUntil(6, ({ cold, expectObservable }) => {
      const source = cold('  -AxB|   ', outcomes);
      const fallback = cold('  --f-|  ');
      const expected = '     -A--f-(B|)';
      expectObservable(source.pipe(unwrapOutcomes(() => fallback))).toBe(expected);
    });
  });

  it('gives the failure with its request and error', () => {
    runUntil(1, ({ cold, expectObservable }) => {
      const values$ = cold('x|', outcomes).pipe(unwrapOutcomes(({ request, error }) => of([request, error])));
      expectObservable(values$).toBe('f|', { f: ['x', failure] });
    });
  });

  it('leaves failures out with EMPTY, and ends the stream with throwError', () => {
    runUntil(4, ({ cold, expectObservable }) => {
      expectObservable(cold('-AxB|', outcomes).pipe(unwrapOutcomes(() => EMPTY))).toBe('-A-B|');
      const other = new Error('other');
      expectObservable(cold('-AxB|', outcomes).pipe(unwrapOutcomes(() => throwError(() => other)))).toBe(
        '-A#',
        undefined,
        other,
      );
    });
  });

  it.each<[string, unknown]>([
    ["'text'", 'text'],
    ['undefined', undefined],
    ['null', null],
    ['an object', { id: 1 }],
    ['an array', []],
  ])('says what is wrong when it is given %s in place of an outcome', (shown, value) => {
    const error = new TypeError(
      'unwrapOutcomes stands behind mergeWithConcurrency, cacheLLM or optimize and takes their outcomes, ' +
        `but was given ${shown}.`,
    );
    for (const operator of [unwrapOutcomes(), unwrapOutcomes(() => EMPTY)]) {
      const next = jest.fn();
      const errors: unknown[] = [];
      of(value as CallOutcome<unknown, unknown>)
        .pipe(operator)
        .subscribe({ next, error: (reason: unknown) => errors.push(reason) });
      expect(errors).toEqual([error]);
      expect(next).not.toHaveBeenCalled();
    }
  });

  it('makes what the handler throws the error of the stream', () => {
    runUntil(0, ({ cold, expectObservable }) => {
      const thrown = new Error('thrown');
      const values$ = cold('x|', outcomes).pipe(
        unwrapOutcomes(() => {
          throw thrown;
        }),
      );
      expectObservable(values$).toBe('#', undefined, thrown);
    });
  });
});
