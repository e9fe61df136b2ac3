/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  concat,
  endWith,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  Subject,
  take,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import type { CallOutcome } from '../../lib/core/call';
import { MissingOutcomeError } from '../../lib/core/errors';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime } from '../test-scheduler';
import { HeardEvents, shown } from './cached-calls';

interface Asked {
  readonly cacheKey: string;
  /** Milliseconds its call takes. */
  readonly takes: number;
}

const asked = (cacheKey: string, takes = 10): Asked => ({ cacheKey, takes });
const answer = ({ cacheKey, takes }: Asked) => timer(takes).pipe(map(() => cacheKey.toUpperCase()));
const made = (request: Asked): Observable<CallOutcome<Asked, string>> =>
  answer(request).pipe(
    map((value) => ({ ok: true, request, value, source: 'call', latency: 0, waited: 0, attempts: 1 })),
  );

describe('the pipeline for misses', () => {
  const outcomesOf = (
    requests: readonly Asked[],
    misses: (misses$: Observable<Asked>) => Observable<CallOutcome<Asked, string>>,
  ) => {
    const outcomes: string[] = [];
    inVirtualTime((scheduler) => {
      from(requests)
        .pipe(cacheLLM(misses, { scheduler }))
        .subscribe((outcome) => outcomes.push(`${outcome.request.cacheKey}: ${shown(outcome)}`));
    });
    return outcomes;
  };
  const abc = [asked('a', 30), asked('b', 20), asked('c', 10)];

  it('may part its requests among several, of which some are no operators of rxllm', () => {
    const outcomes = outcomesOf(abc, (misses$) =>
      merge(
        misses$.pipe(
          filter(({ cacheKey }) => cacheKey !== 'b'),
          mergeWithConcurrency(answer),
        ),
        misses$.pipe(
          filter(({ cacheKey }) => cacheKey === 'b'),
          mergeMap(made),
        ),
      ),
    );
    expect(outcomes).toEqual(['c: C call', 'b: B call', 'a: A call']);
  });

  it('completes who subscribes to its requests when they have all come, and lets go of who leaves early', () => {
    const seen: string[] = [];
    const outcomes = outcomesOf(abc, (misses$) => {
      const first$ = misses$.pipe(
        take(1),
        tap(({ cacheKey }) => seen.push(cacheKey)),
        ignoreElements(),
      );
      const late$ = concat(
        misses$.pipe(ignoreElements()),
        misses$.pipe(ignoreElements(), endWith('done')),
      ).pipe(
        tap((word) => seen.push(word)),
        ignoreElements(),
      );
      return merge(first$, late$, misses$.pipe(mergeWithConcurrency(answer)));
    });
    expect(outcomes).toEqual(['c: C call', 'b: B call', 'a: A call']);
    expect(seen).toEqual(['a', 'done']);
  });

  it('may pass on some outcomes as they are, and make others anew', () => {
    const requests = Array.from({ length: 40 }, (_, index) => asked(`k${index}`, ((index * 7) % 40) + 1));
    let passed = 0;
    const outcomes = outcomesOf(requests, (misses$) =>
      misses$.pipe(
        mergeWithConcurrency(answer, Infinity),
        map((outcome) => (++passed % 3 === 0 ? { ...outcome } : outcome)),
      ),
    );
    const inTime = [...requests].sort((one, other) => one.takes - other.takes);
    expect(outcomes).toEqual(inTime.map(({ cacheKey }) => `${cacheKey}: ${cacheKey.toUpperCase()} call`));
  });

  it('has its outcomes passed on as they are to who waits alone', () => {
    const seen: unknown[] = [];
    const passed: unknown[] = [];
    inVirtualTime((scheduler) => {
      from(abc)
        .pipe(
          cacheLLM(
            (misses$) =>
              misses$.pipe(
                mergeWithConcurrency(answer),
                tap((one) => seen.push(one)),
              ),
            {
              scheduler,
            },
          ),
        )
        .subscribe((outcome) => passed.push(outcome));
    });
    expect(passed).toHaveLength(3);
    passed.forEach((outcome, index) => expect(outcome).toBe(seen[index]));
  });

  it.each([
    ['answer', () => of('answer'), 'answer'],
    ['failure', () => throwError(() => new Error('failure')), 'Error: failure'],
  ])('lets nobody who shares an %s change it for the others', (_name, call, expected) => {
    const seen: string[] = [];
    const start$ = new Subject<void>();
    const spoil = (outcome: CallOutcome<unknown, unknown>) => {
      seen.push(String(outcome.ok ? outcome.value : outcome.error));
      Object.assign(outcome, { value: 'spoilt', error: 'spoilt' });
    };
    const requests = [asked('a'), asked('a'), asked('a')];
    from(requests)
      .pipe(cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => start$.pipe(mergeMap(call))))))
      .subscribe(spoil);
    start$.next();
    start$.complete();
    expect(seen).toEqual([expected, expected, expected]);
  });

  it('fails requests in the order they came when it ends without their outcomes', () => {
    const end$ = new Subject<never>();
    const outcomes: string[] = [];
    inVirtualTime((scheduler) => {
      const requests = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => asked(key, key < 'c' ? 10 : 1000));
      from(requests)
        .pipe(
          cacheLLM(
            (misses$) => {
              const outcomes$ = misses$.pipe(mergeWithConcurrency(answer, Infinity));
              return merge(outcomes$, end$);
            },
            { scheduler },
          ),
        )
        .subscribe(({ request, ...outcome }) => {
          const failure = !outcome.ok && outcome.error instanceof MissingOutcomeError;
          outcomes.push(`${request.cacheKey}${failure ? ' missing' : ''}`);
        });
      timer(20).subscribe(() => end$.error(new Error('over')));
    });
    expect(outcomes).toEqual(['a', 'b', 'c missing', 'd missing', 'e missing', 'f missing']);
  });

  it('is closed with its optimizer, which fails requests in the order they came', () => {
    const outcomes: string[] = [];
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false, maxConcurrent: 10 });
      from(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => asked(key, key < 'c' ? 10 : 1000)))
        .pipe(optimizer.optimize(answer))
        .subscribe(({ request, ok }) => outcomes.push(`${request.cacheKey} ${ok}`));
      timer(20).subscribe(() => optimizer.close());
    });
    expect(outcomes).toEqual(['a true', 'b true', 'c false', 'd false', 'e false', 'f false']);
  });

  describe('answering equal requests whose calls share nothing and end in reverse', () => {
    const equal = () => ({ cacheKey: 'a', bypass: { sharing: true } });
    const same = equal();
    const asTheyAre = <T extends object>(outcome: T): T => outcome;
    const asCopies = <T extends object>(outcome: T): T => ({ ...outcome });

    /** By their places in the source, the requests in the order in which they were settled. */
    const settledBy = (requests: readonly object[], passOn: typeof asTheyAre) => {
      const events = new HeardEvents();
      const answers: string[] = [];
      const ends: Subject<string>[] = [];
      const call = () => {
        const end$ = new Subject<string>();
        ends.push(end$);
        return end$;
      };
      from(requests)
        .pipe(cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(call), map(passOn)), { events }))
        .subscribe((outcome) => answers.push(shown(outcome)));
      for (const [index, end$] of [...ends.entries()].reverse()) {
        end$.next(`answer ${index}`);
        end$.complete();
      }
      expect(answers).toEqual(['answer 2 call', 'answer 1 call', 'answer 0 call']);
      const received = events.of('received').map(({ id }) => id);
      return events.of('settled').map(({ id }) => received.indexOf(id));
    };

    it('answers each by its own call', () => {
      expect(settledBy([equal(), equal(), equal()], asTheyAre)).toEqual([2, 1, 0]);
      expect(settledBy([same, same, same], asTheyAre)).toEqual([2, 1, 0]);
    });

    it('answers each by its own call from copies of its outcomes, too, if each is an object of its own', () => {
      expect(settledBy([equal(), equal(), equal()], asCopies)).toEqual([2, 1, 0]);
    });

    it('takes a copy, if they are all one object, for the outcome of the one that came first', () => {
      expect(settledBy([same, same, same], asCopies)).toEqual([0, 1, 2]);
    });
  });
});
