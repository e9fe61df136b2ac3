import {
  concat,
  config as rxjsConfig,
  EMPTY,
  firstValueFrom,
  from,
  map,
  NEVER,
  of,
  range,
  Subject,
  Subscription,
  take,
  tap,
  throwError,
  toArray,
  type SchedulerLike,
} from 'rxjs';
import type { CallContext } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import { CallPriority, prioritiesByRank } from '../../lib/core/priority';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import type { ErrorClassification } from '../../lib/provider/classify-error';
import { showOutcomes } from '../outcomes';
import { inVirtualTime, runUntil, rethrow } from '../test-scheduler';

/** An error as a provider's SDK throws it. */
function statusError(status: number, headers: Record<string, string> = {}): Error {
  return Object.assign(new Error(`status ${status}`), { status, headers });
}

const names = {
  E: 'EmptyError',
  T: 'CallTimeoutError',
  D: 'DeadlineExceededError',
  Q: 'QueueOverflowError',
  F: 'Error',
};

describe('mergeWithConcurrency', () => {
  describe('as a mergeMap', () => {
    it('never ends while the source does not, and starts nothing', () => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('-');
        expectObservable(source.pipe(mergeWithConcurrency(() => NEVER))).toBe('-');
        expectSubscriptions(source.subscriptions).toBe('^');
      });
    });

    it('completes with an empty source', () => {
      runUntil(4, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('----|');
        expectObservable(source.pipe(mergeWithConcurrency(() => NEVER))).toBe('----|');
        expectSubscriptions(source.subscriptions).toBe('^---!');
      });
    });

    it('yields the last emission of a call when the call completes, and then completes', () => {
      runUntil(6, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       -a|     ');
        const call = cold('          -1-2-| ');
        const expected = '          ------(2|)';
        expectObservable(
          source.pipe(
            mergeWithConcurrency(() => call),
            showOutcomes(),
          ),
        ).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-!');
        expectSubscriptions(call.subscriptions).toBe('  -^----!');
      });
    });

    it('runs three calls at once by default, the next when a slot is free, and passes completion on last', () => {
      runUntil(10, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       abcd|       ');
        const calls = {
          a: cold('                 -----A|     '),
          b: cold('                  -B|        '),
          c: cold('                   ------C|  '),
          d: cold('                    ------D| '),
        };
        const expected = '          ---B--A--C(D|)';
        expectObservable(
          source.pipe(
            mergeWithConcurrency((request) => calls[request as keyof typeof calls]),
            showOutcomes(),
          ),
        ).toBe(expected);
        expectSubscriptions(calls.a.subscriptions).toBe('^-----!');
        expectSubscriptions(calls.b.subscriptions).toBe('-^-!');
        expectSubscriptions(calls.c.subscriptions).toBe('--^------!');
        expectSubscriptions(calls.d.subscriptions).toBe('---^------!');
      });
    });

    it('passes an error of the source on at once and aborts the running calls', () => {
      runUntil(3, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       ab-#     ');
        const call = cold('         ------x| ');
        const expected = '          ---#     ';
        const signals: AbortSignal[] = [];
        const outcomes$ = source.pipe(
          mergeWithConcurrency((_request, { signal }) => {
            signals.push(signal);
            return call;
          }, 2),
          showOutcomes(),
          tap({ finalize: () => expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]) }),
        );
        expectObservable(outcomes$).toBe(expected);
        expectSubscriptions(call.subscriptions).toBe(['^--!', '-^-!']);
      });
    });

    it('aborts what runs and forgets what waits when the subscriber leaves', () => {
      runUntil(6, ({ cold, hot, expectObservable, expectSubscriptions }) => {
        const source = hot('        ab---c    ');
        const call = cold('         ---x|     ');
        const unsubscription = '    ^-----!   ';
        const expected = '          ----x-    ';
        expectObservable(
          source.pipe(
            mergeWithConcurrency(() => call, 1),
            showOutcomes(),
          ),
          unsubscription,
        ).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-----!');
        expectSubscriptions(call.subscriptions).toBe(['^---!', '----^-!']);
      });
    });

    it('turns what a call throws into its outcome and goes on', () => {
      runUntil(3, ({ cold, expectObservable }) => {
        const source = cold('       ab-|');
        const expected = '          FB-|';
        const outcomes$ = source.pipe(
          mergeWithConcurrency((request) => {
            if (request === 'a') {
              throw new Error('thrown');
            }
            return of('B');
          }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, B: 'B' });
      });
    });

    it('turns an error of a call into its outcome and goes on', () => {
      runUntil(5, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('       ab-|   ');
        const failing = cold('      --#    ', undefined, new Error('failed'));
        const answered = cold('      ---B| ');
        const expected = '          --F--(B|)';
        expectObservable(
          source.pipe(
            mergeWithConcurrency((request) => (request === 'a' ? failing : answered)),
            showOutcomes(),
          ),
        ).toBe(expected, { ...names, B: 'B' });
        expectSubscriptions(failing.subscriptions).toBe('^-!');
      });
    });

    it('fails a call that completes without an emission with EmptyError', () => {
      runUntil(2, ({ cold, expectObservable }) => {
        const source = cold('       a-|');
        const expected = '          E-|';
        expectObservable(
          source.pipe(
            mergeWithConcurrency(() => EMPTY),
            showOutcomes(),
          ),
        ).toBe(expected, names);
      });
    });

    it('fails a call that returns nothing that can be subscribed to', () => {
      runUntil(1, ({ cold, expectObservable }) => {
        const outcomes$ = cold('a|').pipe(
          mergeWithConcurrency(() => undefined as never),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('F|', { F: 'TypeError' });
      });
    });

    it('takes promises, also ones that resolve with undefined', async () => {
      const collected = new Promise((resolve) => {
        from([1, 2])
          .pipe(
            mergeWithConcurrency((request) =>
              request === 1 ? Promise.resolve(undefined) : Promise.reject(new Error('failed')),
            ),
            toArray(),
          )
          .subscribe({ next: resolve, error: rethrow });
      });
      expect(await collected).toMatchObject([
        { ok: true, request: 1, value: undefined, attempts: 1 },
        { ok: false, request: 2, attempts: 1 },
      ]);
    });

    it('tells in each outcome how long the request waited and how long its call took', () => {
      runUntil(6, ({ cold, expectObservable }) => {
        const source = cold('       ab|     ');
        const call = cold('         --x|    ');
        const expected = '          ---a--(b|)';
        const outcome = { ok: true, value: 'x', source: 'call', latency: 3, attempts: 1 };
        expectObservable(source.pipe(mergeWithConcurrency(() => call, 1))).toBe(expected, {
          a: { ...outcome, request: 'a', waited: 0 },
          b: { ...outcome, request: 'b', waited: 2 },
        });
      });
    });

    it('takes requests that are made in reaction to its own outcomes', () => {
      const requests$ = new Subject<number>();
      const answered: number[] = [];
      const completed = jest.fn();
      requests$.pipe(mergeWithConcurrency((request) => of(request), 1)).subscribe({
        next: ({ request }) => {
          answered.push(request);
          if (request < 5) {
            requests$.next(request + 1);
            requests$.next(request + 10);
          } else if (request === 5) {
            requests$.complete();
          }
        },
        complete: completed,
        error: rethrow,
      });
      requests$.next(1);
      expect(answered).toEqual([1, 2, 11, 3, 12, 4, 13, 5, 14]);
      expect(completed).toHaveBeenCalledTimes(1);
    });

    it('answers 100,000 synchronous requests with synchronous calls without overflowing the stack', () => {
      for (const config of [1, 3, Infinity, { ordered: true, maxConcurrent: 1 }]) {
        let count = 0;
        const completed = jest.fn();
        range(0, 100_000)
          .pipe(mergeWithConcurrency((request) => of(request), config))
          .subscribe({ next: () => count++, complete: completed, error: rethrow });
        expect(count).toBe(100_000);
        expect(completed).toHaveBeenCalledTimes(1);
      }
    });

    it('drains 100,000 waiting requests without overflowing the stack', () => {
      const gate$ = new Subject<number>();
      let count = 0;
      range(0, 100_000)
        .pipe(mergeWithConcurrency((request) => (request === 0 ? gate$ : of(request)), 1))
        .subscribe({ next: () => count++, error: rethrow });
      expect(count).toBe(0);
      gate$.next(0);
      gate$.complete();
      expect(count).toBe(100_000);
    });

    it('starts no more calls than take(n) needs, and pulls the source no further', () => {
      for (const maxConcurrent of [1, 3, Infinity]) {
        let pulled = 0;
        let started = 0;
        const source$ = range(0, 100_000).pipe(tap(() => pulled++));
        source$
          .pipe(
            mergeWithConcurrency((request) => {
              started++;
              return of(request);
            }, maxConcurrent),
            take(5),
          )
          .subscribe();
        expect({ pulled, started }).toEqual({ pulled: 5, started: 5 });
      }
    });

    it('runs anew for every subscription', () => {
      runUntil(3, ({ cold, expectObservable }) => {
        const outcomes$ = cold('a|').pipe(
          mergeWithConcurrency(() => cold('--A|'), 1),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('---(A|)');
        expectObservable(outcomes$).toBe('---(A|)');
      });
    });

    it('makes an error of the traits reader the error of the stream', () => {
      runUntil(1, ({ cold, expectObservable }) => {
        const traits = () => {
          throw new Error('no traits');
        };
        const outcomes$ = cold('-a-|').pipe(mergeWithConcurrency(() => NEVER, { traits }));
        expectObservable(outcomes$).toBe('-#', undefined, new Error('no traits'));
      });
    });
  });

  describe('maxConcurrent as an Observable', () => {
    it('is 3 before its first value', () => {
      runUntil(4, ({ cold, expectObservable, expectSubscriptions }) => {
        const maxConcurrent = cold<number>('-');
        const source = cold('               (abcd)');
        const call = cold('                 ---x| ');
        const expected = '                  ----(xxx|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency(() => call, { maxConcurrent }),
          take(3),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected);
        expectSubscriptions(maxConcurrent.subscriptions).toBe('^---!');
        expectSubscriptions(call.subscriptions).toBe(['^---!', '^---!', '^---!', '----(^!)']);
      });
    });

    it.each<[unknown, string]>([
      [undefined, 'maxConcurrent must be a number, but is undefined.'],
      [null, 'maxConcurrent must be a number, but is null (object).'],
      ['3', "maxConcurrent must be a number, but is '3' (string)."],
    ])('ends the stream when it emits %p', (limit, message) => {
      runUntil(1, ({ cold, expectObservable, expectSubscriptions }) => {
        const maxConcurrent = cold<number>('-l', { l: limit as number });
        const source = cold('               a-');
        const call = cold('                 --');
        const outcomes$ = source.pipe(mergeWithConcurrency(() => call, { maxConcurrent }));
        expectObservable(outcomes$).toBe('  -#', undefined, new TypeError(message));
        expectSubscriptions(call.subscriptions).toBe('^!');
      });
    });

    it('pauses at 0, lets running calls finish, and starts at once what a higher value allows', () => {
      runUntil(15, ({ cold, hot, expectObservable, expectSubscriptions }) => {
        const maxConcurrent = hot('         2-0------1-3', { 0: 0, 1: 1, 2: 2, 3: 3 });
        const source = cold('               abcde|         ');
        const call = cold('                 ---x|          ');
        const expected = '                  ----xx-------x-(xx|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency(() => call, { maxConcurrent }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected);
        expectSubscriptions(call.subscriptions).toBe([
          '^---!               ',
          '-^---!              ',
          '---------^---!      ',
          '-----------^---!    ',
          '-----------^---!    ',
        ]);
        expectSubscriptions(source.subscriptions).toBe('^----!');
      });
    });

    it('starts nothing above a lower value until what runs too much has finished', () => {
      runUntil(10, ({ cold, hot, expectObservable, expectSubscriptions }) => {
        const maxConcurrent = hot('         --1', { 1: 1 });
        const source = cold('               (abcd|)      ');
        const calls = {
          a: cold('                         --a|         '),
          b: cold('                         ---b|        '),
          c: cold('                         -----c|      '),
          d: cold('                               ---d|  '),
        };
        const expected = '                  ---ab-c---(d|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency((request) => calls[request as keyof typeof calls], { maxConcurrent }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected);
        expectSubscriptions(calls.c.subscriptions).toBe('^-----!');
        expectSubscriptions(calls.d.subscriptions).toBe('------^---!');
      });
    });

    it('makes its error the error of the stream, and aborts', () => {
      runUntil(2, ({ cold, expectObservable, expectSubscriptions }) => {
        const maxConcurrent = cold<number>('--#   ');
        const source = cold('               ab-   ');
        const call = cold('                 -----x|');
        expectObservable(source.pipe(mergeWithConcurrency(() => call, { maxConcurrent }))).toBe('--#');
        expectSubscriptions(call.subscriptions).toBe(['^-!', '-^!']);
        expectSubscriptions(source.subscriptions).toBe('^-!');
      });
    });

    it.each([-1, 1.5, NaN])('makes %p the error of the stream, because so many calls cannot run', (value) => {
      runUntil(1, ({ cold, expectObservable }) => {
        const maxConcurrent = cold('-v', { v: value });
        const outcomes$ = cold('a').pipe(mergeWithConcurrency(() => NEVER, { maxConcurrent }));
        const message = `maxConcurrent must be a whole number of at least 0, but is ${value}.`;
        expectObservable(outcomes$).toBe('-#', undefined, new RangeError(message));
      });
    });

    it('keeps its last value when it completes', () => {
      runUntil(4, ({ cold, expectObservable }) => {
        const outcomes$ = cold('a-b-|').pipe(
          mergeWithConcurrency((request) => of(request), { maxConcurrent: of(1) }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('a-b-|');
      });
    });

    it('subscribes to nothing where it fails at once', () => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('a');
        const maxConcurrent = throwError(() => new Error('failed'));
        expectObservable(source.pipe(mergeWithConcurrency(() => NEVER, { maxConcurrent }))).toBe(
          '#',
          undefined,
          new Error('failed'),
        );
        expectSubscriptions(source.subscriptions).toBe([]);
      });
    });
  });

  describe('ordered', () => {
    it('holds outcomes back until those of earlier requests are out', () => {
      runUntil(6, ({ cold, expectObservable }) => {
        const source = cold('         abc|    ');
        const calls = {
          a: cold('                   -----A| '),
          b: cold('                    -B|    '),
          c: cold('                     -#    ', undefined, new Error('failed')),
        };
        const expected = '            ------(ABF|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency((request) => calls[request as keyof typeof calls], { ordered: true }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, A: 'A', B: 'B' });
      });
    });

    it('gives failures their place too, those of requests that never started included', () => {
      runUntil(8, ({ cold, expectObservable }) => {
        const requests = { a: { name: 'a' }, b: { name: 'b', maxWait: 2 }, c: { name: 'c' } };
        const source = cold('         (abc|)      ', requests);
        const call = cold('           ---x|       ');
        const expected = '            ----(xD)(x|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency(() => call, { ordered: true, maxConcurrent: 1 }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, x: 'x' });
      });
    });

    it('loses nothing when the source completes in reaction to an outcome', () => {
      const requests$ = new Subject<string>();
      const gates = { a: new Subject<string>(), b: new Subject<string>() };
      const seen: string[] = [];
      requests$
        .pipe(mergeWithConcurrency((request) => gates[request as 'a' | 'b'], { ordered: true }))
        .subscribe({
          next: ({ request }) => {
            seen.push(request);
            requests$.complete();
          },
          complete: () => seen.push('complete'),
          error: rethrow,
        });
      requests$.next('a');
      requests$.next('b');
      gates.b.next('B');
      gates.b.complete();
      gates.a.next('A');
      gates.a.complete();
      expect(seen).toEqual(['a', 'b', 'complete']);
    });
  });

  describe('timeout', () => {
    it('fails an attempt that takes longer, stops it, and aborts its signal with TimeoutError', () => {
      const signals: AbortSignal[] = [];
      runUntil(8, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('        ab|         ');
        const calls = {
          a: cold('                  ------x|    '),
          b: cold('                       --B|   '),
        };
        const expected = '           -----T--(B|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency(
            (request, { signal }) => {
              signals.push(signal);
              return calls[request as keyof typeof calls];
            },
            { maxConcurrent: 1, timeout: 5 },
          ),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, B: 'B' });
        expectSubscriptions(calls.a.subscriptions).toBe('^----!');
        expectSubscriptions(calls.b.subscriptions).toBe('-----^--!');
      });
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
      expect(signals[0]!.reason).toMatchObject({ name: 'TimeoutError' });
    });
  });

  describe('signal', () => {
    it('is aborted with AbortError when the subscriber leaves', () => {
      let signal: AbortSignal | undefined;
      const subscription = of('a')
        .pipe(
          mergeWithConcurrency((_request, context) => {
            ({ signal } = context);
            return NEVER;
          }),
        )
        .subscribe();
      expect(signal!.aborted).toBe(false);
      subscription.unsubscribe();
      expect(signal!.aborted).toBe(true);
      expect(signal!.reason).toMatchObject({ name: 'AbortError' });
    });

    it('is aborted when the source errors', () => {
      const source$ = new Subject<string>();
      let signal: AbortSignal | undefined;
      source$
        .pipe(
          mergeWithConcurrency((_request, context) => {
            ({ signal } = context);
            return NEVER;
          }),
        )
        .subscribe({ error: () => undefined });
      source$.next('a');
      source$.error(new Error('failed'));
      expect(signal!.reason).toMatchObject({ name: 'AbortError' });
    });

    it('is never aborted by success or by a failure of the call itself', () => {
      const signals: AbortSignal[] = [];
      from(['a', 'b'])
        .pipe(
          mergeWithConcurrency((request, { signal }) => {
            signals.push(signal);
            return request === 'a' ? of('A') : throwError(() => new Error('failed'));
          }),
        )
        .subscribe();
      expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    });

    it('is made only when it is asked for, once, and is already aborted if it is asked for too late', () => {
      let made = 0;
      const original = globalThis.AbortController;
      globalThis.AbortController = class extends original {
        constructor() {
          super();
          made++;
        }
      };
      let context: CallContext | undefined;
      const subscription = from(['a'])
        .pipe(
          mergeWithConcurrency((_request, given) => {
            context = given;
            return NEVER;
          }),
        )
        .subscribe();
      subscription.unsubscribe();
      expect(made).toBe(0);
      expect(context!.signal.reason).toMatchObject({ name: 'AbortError' });
      expect(context!.signal).toBe(context!.signal);
      expect(made).toBe(1);
      globalThis.AbortController = original;
    });

    it('is aborted for every running call even where one abort listener makes the subscriber leave again', () => {
      const signals: AbortSignal[] = [];
      const subscription = from(['a', 'b', 'c'])
        .pipe(
          mergeWithConcurrency((_request, { signal }) => {
            signals.push(signal);
            signal.addEventListener('abort', () => subscription.unsubscribe());
            return NEVER;
          }),
        )
        .subscribe();
      subscription.unsubscribe();
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
    });
  });

  describe('order', () => {
    interface Ranked {
      readonly priority: CallPriority;
      readonly lane?: string;
    }

    it('shares starts 10, 16, 22 and 52 % between LOW, MEDIUM, HIGH and CRITICAL while all four wait', () => {
      const gate$ = new Subject<never>();
      const started: CallPriority[] = [];
      const backlog = prioritiesByRank.flatMap((priority) => Array<Ranked>(2000).fill({ priority }));
      concat(of(undefined), from(backlog))
        .pipe(
          mergeWithConcurrency((request: Ranked | undefined) => {
            if (request) {
              started.push(request.priority);
            }
            return request ? of(0) : concat(of(0), gate$);
          }, 1),
        )
        .subscribe();
      gate$.complete();
      const share = (priority: CallPriority) =>
        started.slice(0, 2000).filter((one) => one === priority).length / 2000;
      expect(started).toHaveLength(8000);
      expect(share(CallPriority.LOW)).toBeCloseTo(0.104, 2);
      expect(share(CallPriority.MEDIUM)).toBeCloseTo(0.156, 2);
      expect(share(CallPriority.HIGH)).toBeCloseTo(0.222, 2);
      expect(share(CallPriority.CRITICAL)).toBeCloseTo(0.519, 2);
    });

    it('starts a CRITICAL request next that arrives in a backlog, and serves one priority in order of arrival', () => {
      const requests$ = new Subject<Ranked & { readonly name: string }>();
      const gates: Subject<never>[] = [];
      const started: string[] = [];
      requests$
        .pipe(
          mergeWithConcurrency(({ name }) => {
            started.push(name);
            const gate$ = new Subject<never>();
            gates.push(gate$);
            return concat(of(0), gate$);
          }, 1),
        )
        .subscribe();
      for (let index = 0; index < 50; index++) {
        requests$.next({ name: `low ${index}`, priority: CallPriority.LOW });
        requests$.next({ name: `medium ${index}`, priority: CallPriority.MEDIUM });
      }
      const finishNext = () => gates.at(-1)!.complete();
      for (let index = 0; index < 10; index++) {
        finishNext();
      }
      requests$.next({ name: 'critical', priority: CallPriority.CRITICAL });
      finishNext();
      expect(started.at(-1)).toBe('critical');
      for (let index = 0; index < 88; index++) {
        finishNext();
      }
      const lows = started.filter((name) => name.startsWith('low'));
      expect(lows).toEqual(lows.map((_, index) => `low ${index}`));
    });

    it('lets lanes share the starts of a priority equally', () => {
      const gate$ = new Subject<never>();
      const started: string[] = [];
      const lanes = [...Array<string>(20).fill('big'), 'late', 'small', 'small', 'small'];
      concat(of(undefined), from(lanes))
        .pipe(
          mergeWithConcurrency(
            (lane: string | undefined) => {
              if (lane) {
                started.push(lane);
              }
              return lane ? of(0) : concat(of(0), gate$);
            },
            { maxConcurrent: 1, traits: (lane) => (lane ? { lane } : {}) },
          ),
        )
        .subscribe();
      gate$.complete();
      const firstTen = started.slice(0, 10);
      expect(firstTen.indexOf('late')).toBeLessThan(4);
      expect(firstTen.filter((lane) => lane === 'small')).toHaveLength(3);
      expect(started).toHaveLength(24);
    });

    it('starts a new lane next although another one has been served alone for long', () => {
      const requests$ = new Subject<string>();
      const gates: Subject<never>[] = [];
      const started: string[] = [];
      requests$
        .pipe(
          mergeWithConcurrency(
            (lane) => {
              started.push(lane);
              const gate$ = new Subject<never>();
              gates.push(gate$);
              return concat(of(0), gate$);
            },
            { maxConcurrent: 1, traits: (lane) => ({ lane }) },
          ),
        )
        .subscribe();
      for (let index = 0; index < 20; index++) {
        requests$.next('big');
      }
      for (let index = 0; index < 5; index++) {
        gates.at(-1)!.complete();
      }
      requests$.next('new');
      gates.at(-1)!.complete();
      expect(started.at(-1)).toBe('new');
    });

    it('never starves LOW, even where a CRITICAL request arrives before every start', () => {
      const requests$ = new Subject<Ranked>();
      const gates: Subject<never>[] = [];
      const started: CallPriority[] = [];
      requests$
        .pipe(
          mergeWithConcurrency(({ priority }) => {
            started.push(priority);
            const gate$ = new Subject<never>();
            gates.push(gate$);
            return concat(of(0), gate$);
          }, 1),
        )
        .subscribe();
      for (let index = 0; index < 20; index++) {
        requests$.next({ priority: CallPriority.LOW });
      }
      for (let index = 0; index < 60; index++) {
        requests$.next({ priority: CallPriority.CRITICAL });
        gates.at(-1)!.complete();
      }
      expect(started.filter((priority) => priority === CallPriority.LOW).length).toBeGreaterThan(5);
    });
  });

  describe('waiting and bounds', () => {
    it('fails a request that has waited maxWait with DeadlineExceededError, without a call', () => {
      runUntil(6, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('        ab|   ');
        const call = cold('          -----x|');
        const expected = '           ----D-(x|)';
        const outcomes$ = source.pipe(
          mergeWithConcurrency(() => call, { maxConcurrent: 1, maxWait: 3 }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, x: 'x' });
        expectSubscriptions(call.subscriptions).toBe('^-----!');
      });
    });

    it('bounds the own maxWait of a request by that of the config', () => {
      runUntil(6, ({ cold, expectObservable }) => {
        const requests = { a: {}, b: { maxWait: 1 }, c: { maxWait: 1e300 } };
        const source = cold('        abc|        ', requests);
        const call = cold('          -----x|     ');
        const expected = '           --D--D(x|)   ';
        const outcomes$ = source.pipe(
          mergeWithConcurrency(() => call, { maxConcurrent: 1, maxWait: 3 }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, x: 'x' });
      });
    });

    it('tells in the outcome of an expired request how long it waited', () => {
      runUntil(5, ({ cold, expectObservable }) => {
        const outcomes$ = cold('-a').pipe(
          mergeWithConcurrency(() => NEVER, { maxConcurrent: of(0), maxWait: 4 }),
          map((outcome) => (outcome.ok ? outcome : { ...outcome, error: String(outcome.error) })),
        );
        expectObservable(outcomes$).toBe('-----D', {
          D: {
            ok: false,
            request: 'a',
            error: expect.stringContaining('waited 4 ms') as string,
            latency: 0,
            waited: 4,
            attempts: 0,
          },
        });
      });
    });

    describe('behind a synchronous source that takes 10 ms for each request', () => {
      /** Eight requests that came 10 ms after each other; the first call ends 20 ms after the last of them, the others at once. */
      const outcomesOf = (maxWait: number | undefined) => {
        let time = 0;
        const scheduler: SchedulerLike = { now: () => time, schedule: () => new Subscription() };
        const ends: Subject<number>[] = [];
        const told: string[] = [];
        function* slowly() {
          while (time < 80) {
            time += 10;
            yield { cameAt: time };
          }
        }
        const call = () => {
          const end$ = new Subject<number>();
          ends.push(end$);
          return end$;
        };
        const config = { maxConcurrent: 1, scheduler, ...(maxWait !== undefined && { maxWait }) };
        from(slowly())
          .pipe(mergeWithConcurrency(call, config))
          .subscribe({
            next: ({ request, ok, waited }) =>
              told.push(`${request.cameAt} ${ok ? 'started' : 'expired'} after ${waited}`),
            error: rethrow,
          });
        time = 100;
        for (const end$ of ends) {
          end$.next(time);
          end$.complete();
        }
        return told;
      };

      it('tells how long each has waited itself', () => {
        expect(outcomesOf(undefined)).toEqual([
          '10 started after 0',
          '20 started after 80',
          '30 started after 70',
          '40 started after 60',
          '50 started after 50',
          '60 started after 40',
          '70 started after 30',
          '80 started after 20',
        ]);
      });

      it('counts maxWait from when each came', () => {
        expect(outcomesOf(45)).toEqual([
          '10 started after 0',
          '20 expired after 80',
          '30 expired after 70',
          '40 expired after 60',
          '50 expired after 50',
          '60 started after 40',
          '70 started after 30',
          '80 started after 20',
        ]);
      });
    });

    describe('before a subscriber that takes 10 ms for some outcomes, with calls that resolve at once', () => {
      const count = 60;

      interface Given {
        readonly config?: Partial<ConcurrencyConfig<number>>;
        /** Milliseconds that each call takes. */
        readonly takes?: number;
        readonly isSlow: (request: number) => boolean;
      }

      /** The latency that each of the requests is told. */
      const toldLatencies = async ({ config, takes = 0, isSlow }: Given) => {
        let time = 0;
        const scheduler: SchedulerLike = {
          now: () => time,
          schedule: () => new Subscription(),
        };
        const call = (request: number) => {
          time += takes;
          return Promise.resolve(request);
        };
        const requests = Array.from({ length: count }, (_, request) => request);
        return firstValueFrom(
          from(requests).pipe(
            mergeWithConcurrency(call, { maxConcurrent: 1, scheduler, ...config }),
            tap(({ request }) => {
              time += isSlow(request) ? 10 : 0;
            }),
            map(({ latency }) => latency),
            toArray(),
          ),
          { defaultValue: [] },
        );
      };

      it.each([
        ['all', () => true],
        ['every second', (request: number) => request % 2 === 0],
        ['one of sixteen', (request: number) => request % 16 === 0],
        ['all from the fortieth on', (request: number) => request >= 40],
      ])('tells rightly how long each call took, where it is slow with %s', async (_of, isSlow) => {
        const latencies = await toldLatencies({ isSlow });
        expect(latencies).toEqual(Array.from({ length: count }, () => 0));
      });

      it('tells rightly how long each call took that does not resolve at once', async () => {
        const latencies = await toldLatencies({ takes: 1, isSlow: (request) => request === 40 });
        expect(latencies).toEqual(Array.from({ length: count }, () => 1));
      });

      it('times out no call for what the subscriber did', async () => {
        const latencies = await toldLatencies({
          config: { timeout: 5 },
          isSlow: (request) => request === 40,
        });
        expect(latencies).toEqual(Array.from({ length: count }, () => 0));
      });

      it('tells rightly how long calls took that took long and end all at once', () => {
        let time = 0;
        const scheduler: SchedulerLike = { now: () => time, schedule: () => new Subscription() };
        const ends: Subject<number>[] = [];
        const latencies: number[] = [];
        const call = () => {
          ends.push(new Subject());
          return ends.at(-1)!;
        };
        range(0, count)
          .pipe(mergeWithConcurrency(call, { maxConcurrent: 30, scheduler }))
          .subscribe({
            next: ({ request, latency }) => {
              latencies.push(latency);
              time += request === 20 ? 10 : 0;
            },
            error: rethrow,
          });
        for (time = 50; ends.length > 0; time += 50) {
          for (const end$ of ends.splice(0)) {
            end$.next(0);
            end$.complete();
          }
        }
        // Those that waited: twenty began before the slow outcome, ten after it.
        expect(latencies).toEqual([
          ...Array.from({ length: 21 }, () => 50),
          ...Array.from({ length: 9 }, () => 60),
          ...Array.from({ length: 20 }, () => 60),
          ...Array.from({ length: 10 }, () => 50),
        ]);
      });
    });

    it('refuses newcomers of a full queue with QueueOverflowError', () => {
      runUntil(8, ({ cold, expectObservable }) => {
        const source = cold('        (abcd|)     ');
        const expected = '           (QQ)A---(B|)';
        const calls = { a: cold('    ---A|'), b: cold('---B|') };
        const outcomes$ = source.pipe(
          mergeWithConcurrency((request) => calls[request as keyof typeof calls], {
            maxConcurrent: 1,
            maxQueue: 1,
          }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe(expected, { ...names, A: 'A', B: 'B' });
      });
    });

    it('takes with maxQueue 0 only what can start at once', () => {
      const outcomes: string[] = [];
      from(['a', 'b', 'c'])
        .pipe(mergeWithConcurrency(() => NEVER, { maxConcurrent: 2, maxQueue: 0 }))
        .subscribe({ next: ({ request }) => outcomes.push(request), error: rethrow });
      expect(outcomes).toEqual(['c']);
    });

    it('drops with drop-oldest the longest waiting of the lowest priority', () => {
      const dropped: string[] = [];
      const requests = [
        { name: 'runs', priority: CallPriority.LOW },
        { name: 'high', priority: CallPriority.HIGH },
        { name: 'low 1', priority: CallPriority.LOW },
        { name: 'low 2', priority: CallPriority.LOW },
        { name: 'medium', priority: CallPriority.MEDIUM },
        { name: 'critical', priority: CallPriority.CRITICAL },
        { name: 'low 3', priority: CallPriority.LOW },
      ];
      from(requests)
        .pipe(mergeWithConcurrency(() => NEVER, { maxConcurrent: 1, maxQueue: 3, overflow: 'drop-oldest' }))
        .subscribe({ next: ({ request }) => dropped.push(request.name), error: rethrow });
      expect(dropped).toEqual(['low 1', 'low 2', 'low 3']);
    });

    it('starts nothing when the outcome of a dropped request made the subscriber leave', () => {
      const started: string[] = [];
      const outcomes$ = from(['a', 'b', 'c']).pipe(
        mergeWithConcurrency(
          (request) => {
            started.push(request);
            return NEVER;
          },
          { maxConcurrent: 1, maxQueue: 1, overflow: 'drop-oldest' },
        ),
        take(1),
      );
      outcomes$.subscribe();
      expect(started).toEqual(['a']);
    });
  });

  describe('retry', () => {
    const half = { random: () => 0.5 };

    it('asks once what an error of a call means', () => {
      const classifyError = jest.fn((): ErrorClassification => ({ kind: 'transient' }));
      runUntil(10, ({ cold, expectObservable }) => {
        const calls = [cold('-#', undefined, statusError(500)), cold('-(r|)')];
        expectObservable(
          cold('(a|)').pipe(
            mergeWithConcurrency((_, { attempt }) => calls[attempt - 1]!, {
              retry: { classifyError, baseDelay: 16, ...half },
            }),
            map(({ attempts }) => String(attempts)),
          ),
        ).toBe('----------(2|)');
      });
      expect(classifyError).toHaveBeenCalledTimes(1);
    });

    it('is off by default', () => {
      runUntil(1, ({ cold, expectObservable, expectSubscriptions }) => {
        const call = cold('-#', undefined, statusError(500));
        expectObservable(
          cold('(a|)').pipe(
            mergeWithConcurrency(() => call),
            showOutcomes(),
          ),
        ).toBe('-(F|)', names);
        expectSubscriptions(call.subscriptions).toBe('^!');
      });
    });

    it('tries a transient error again after a back-off with full jitter, as often as attempts allow', () => {
      runUntil(33, ({ cold, expectObservable, expectSubscriptions }) => {
        const call = cold('-#', undefined, statusError(500));
        const retry = { ...half, attempts: 3, baseDelay: 20 };
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(() => call, { retry }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('33ms (F|)', names);
        expectSubscriptions(call.subscriptions).toBe(['^!', '11ms ^!', '32ms ^!']);
      });
    });

    it('tells attempt by attempt which one it is, and in the outcome how many there were', () => {
      runUntil(12, ({ cold, expectObservable }) => {
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(
            (_request, { attempt }) =>
              attempt === 1 ? cold('-#', undefined, statusError(502)) : cold('-A|'),
            { retry: { ...half, baseDelay: 18 } },
          ),
        );
        const outcome = {
          ok: true,
          request: 'a',
          value: 'A',
          source: 'call',
          latency: 2,
          waited: 10,
          attempts: 2,
        };
        expectObservable(outcomes$).toBe('12ms (o|)', { o: outcome });
      });
    });

    it('waits as long as the provider asked in place of a back-off of its own', () => {
      runUntil(2002, ({ cold, expectObservable }) => {
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(
            (_request, { attempt }) =>
              attempt === 1 ? cold('-#', undefined, statusError(500, { 'retry-after': '2' })) : cold('-(A|)'),
            { retry: half },
          ),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('2002ms (A|)');
      });
    });

    it('does not count refusals as attempts', () => {
      let calls = 0;
      runUntil(10_011, ({ cold, expectObservable }) => {
        const refused = cold('-#', undefined, statusError(429, { 'retry-after': '1' }));
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(() => (++calls <= 10 ? refused : cold('-(A|)')), {
            retry: { ...half, attempts: 1 },
          }),
          map(({ ok, attempts }) => ({ ok, attempts })),
        );
        expectObservable(outcomes$).toBe('10011ms (o|)', { o: { ok: true, attempts: 11 } });
      });
    });

    it('gives refusals up at maxWait', () => {
      runUntil(2500, ({ cold, expectObservable }) => {
        const refused = cold('-#', undefined, statusError(429, { 'retry-after': '1' }));
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(() => refused, { retry: half, maxWait: 2500 }),
          map((outcome) => ({ name: (outcome as { error: Error }).error.name, attempts: outcome.attempts })),
        );
        expectObservable(outcomes$).toBe('2500ms (o|)', {
          o: { name: 'DeadlineExceededError', attempts: 3 },
        });
      });
    });

    it('gives refusals up when the next attempt would begin after maxElapsed', () => {
      runUntil(2003, ({ cold, expectObservable }) => {
        const refused = cold('-#', undefined, statusError(503, { 'retry-after': '1' }));
        const retry = { ...half, maxElapsed: 2500 };
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(() => refused, { retry }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('2003ms (F|)', names);
      });
    });

    it.each([
      ['an error it does not know', new Error('unknown')],
      ['a bad key', statusError(401)],
      ['a bad request', statusError(400)],
      ['a spent quota', Object.assign(statusError(429), { code: 'insufficient_quota' })],
    ])('does not try %s again', (_name, error) => {
      runUntil(1, ({ cold, expectObservable, expectSubscriptions }) => {
        const call = cold('-#', undefined, error);
        const outcomes$ = cold('(a|)').pipe(
          mergeWithConcurrency(() => call, { retry: true }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('-(F|)', names);
        expectSubscriptions(call.subscriptions).toBe('^!');
      });
    });

    it('leaves the slot to others during the back-off, and then stands at the front of the queue', () => {
      const started: string[] = [];
      runUntil(13, ({ cold, expectObservable }) => {
        const source = cold('      (abcd|)            ');
        const outcomes$ = source.pipe(
          mergeWithConcurrency(
            (request, { attempt }) => {
              started.push(`${request}${attempt}`);
              return request === 'a' && attempt === 1
                ? cold('-#', undefined, statusError(500))
                : cold(`---(${request}|)`);
            },
            { maxConcurrent: 1, retry: { ...half, baseDelay: 8 } },
          ),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('----b--c--a--(d|)');
      });
      expect(started).toEqual(['a1', 'b1', 'c1', 'a2', 'd1']);
    });

    it('starts no retry after the subscriber has left', () => {
      runUntil(5, ({ cold, expectObservable, expectSubscriptions }) => {
        const call = cold('-#', undefined, statusError(500));
        const outcomes$ = cold('a').pipe(mergeWithConcurrency(() => call, { retry: half }));
        expectObservable(outcomes$, '^----!').toBe('-');
        expectSubscriptions(call.subscriptions).toBe('^!');
      });
    });
  });

  describe('events', () => {
    it('tell every step of every request once', () => {
      const told: Partial<CallEvent>[] = [];
      runUntil(7, ({ cold, expectObservable }) => {
        const outcomes$ = cold('a|').pipe(
          mergeWithConcurrency(
            (_request, { attempt, report }) => {
              report({ usage: { inputTokens: 3 } });
              return attempt === 1 ? cold('--#', undefined, statusError(500)) : cold('-A|');
            },
            { retry: { random: () => 0.5, baseDelay: 6 }, events: { next: (event) => told.push(event) } },
          ),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('-------(A|)');
      });
      expect(new Set(told.map((event) => (event as { id: number }).id)).size).toBe(1);
      expect(told).toMatchObject([
        { type: 'received', at: 0, priority: 'medium' },
        { type: 'started', at: 0, attempt: 1, waited: 0 },
        { type: 'feedback', at: 0, startedAt: 0, feedback: { usage: { inputTokens: 3 } } },
        { type: 'finished', at: 2, attempt: 1, result: 'failed', latency: 2 },
        { type: 'retrying', at: 2, attempt: 2, delay: 3 },
        { type: 'started', at: 5, attempt: 2, waited: 0 },
        { type: 'feedback', at: 5, startedAt: 5 },
        { type: 'finished', at: 7, attempt: 2, result: 'succeeded', latency: 2 },
        { type: 'settled', at: 7, ok: true, source: 'call', latency: 2, waited: 5, attempts: 2 },
      ]);
    });

    it('tell of those who left, running or waiting', () => {
      const told: string[] = [];
      const subscription = from(['a', 'b'])
        .pipe(
          mergeWithConcurrency(() => NEVER, {
            maxConcurrent: 1,
            events: { next: ({ type }) => told.push(type) },
          }),
        )
        .subscribe();
      subscription.unsubscribe();
      expect(told.sort()).toEqual(['finished', 'left', 'left', 'received', 'received', 'started']);
    });

    it('tell of those who left in the order in which they came, before the running call', () => {
      const received: number[] = [];
      const left: number[] = [];
      const end$ = new Subject<string>();
      const subscription = from(['a', 'b', 'c', 'd', 'e', 'f'])
        .pipe(
          // Ordered, each waits with a ticket, and the list of tickets is kept whole by moving its last one.
          mergeWithConcurrency((request) => (request === 'a' ? end$ : NEVER), {
            ordered: true,
            maxConcurrent: 1,
            events: {
              next: (event) => {
                if (event.type === 'received') {
                  received.push(event.id);
                } else if (event.type === 'left') {
                  left.push(event.id);
                }
              },
            },
          }),
        )
        .subscribe();
      end$.next('A');
      end$.complete();
      subscription.unsubscribe();
      const [, b, ...waiting] = received;
      expect(left).toEqual([...waiting, b]);
    });

    it('harm nothing when the listener throws, which is reported as RxJS reports unhandled errors', () => {
      const reported: unknown[] = [];
      rxjsConfig.onUnhandledError = (error) => reported.push(error);
      runUntil(2, ({ cold, expectObservable }) => {
        const events = {
          next: ({ type }: CallEvent) => {
            throw new Error(type);
          },
        };
        const outcomes$ = cold('a|').pipe(
          mergeWithConcurrency(() => cold('-A|'), { events }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('--(A|)');
      });
      rxjsConfig.onUnhandledError = null;
      expect(reported).toEqual(['received', 'started', 'finished', 'settled'].map((type) => new Error(type)));
    });

    it('start nothing when a listener makes the subscriber leave', () => {
      const call = jest.fn(() => NEVER);
      const told: string[] = [];
      const requests$ = new Subject<string>();
      const subscription = requests$
        .pipe(
          mergeWithConcurrency(call, {
            events: {
              next: ({ type }) => {
                told.push(type);
                subscription.unsubscribe();
              },
            },
          }),
        )
        .subscribe();
      requests$.next('a');
      expect(call).not.toHaveBeenCalled();
      expect(told).toEqual(['received', 'left']);
    });
  });

  describe('with a limiter', () => {
    it('starts calls at the pace of the limiter', () => {
      runUntil(20, ({ cold, scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 10, adaptive: false, scheduler });
        const outcomes$ = cold('(abc|)').pipe(
          mergeWithConcurrency((request) => of(request), { limiter }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('a 9ms b 9ms (c|)');
      });
    });

    it('tells throttled for what waited for a permit, and not for what waited for a slot', () => {
      const throttled: unknown[] = [];
      runUntil(100, ({ cold, scheduler, expectObservable }) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 10, adaptive: false, scheduler });
        const events = { next: (event: CallEvent) => event.type === 'throttled' && throttled.push(event) };
        const outcomes$ = cold('(ab|)').pipe(
          mergeWithConcurrency((request) => cold(`50ms (${request}|)`), {
            limiter,
            maxConcurrent: 1,
            events,
          }),
          showOutcomes(),
        );
        expectObservable(outcomes$).toBe('50ms a 49ms (b|)');
      });
      expect(throttled).toEqual([]);
    });

    it('does not start what is made in reaction to a refusal before the hold has passed', () => {
      const startedAt: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({ baseInterval: 0, adaptive: false, scheduler });
        const requests$ = new Subject<number>();
        requests$
          .pipe(
            mergeWithConcurrency(
              (request) => {
                startedAt.push(scheduler.now());
                return request === 1
                  ? throwError(() => statusError(429, { 'retry-after': '5' }))
                  : of(request);
              },
              { limiter },
            ),
          )
          .subscribe({
            next: ({ ok }) => {
              if (!ok) {
                requests$.next(2);
              }
            },
            error: rethrow,
          });
        requests$.next(1);
      });
      expect(startedAt).toEqual([0, 5000]);
    });

    it('spends nothing of the limiter when a subscriber leaves whose requests wait for a budget', () => {
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({
          baseInterval: 0,
          limits: { tokensPerMinute: 100 },
          scheduler,
        });
        const call = jest.fn(() => NEVER);
        const subscription = from([{ tokens: 60 }, { tokens: 60 }, { tokens: 10 }])
          .pipe(mergeWithConcurrency(call, { limiter, maxConcurrent: 5 }))
          .subscribe();
        expect(call).toHaveBeenCalledTimes(1);
        expect(limiter.state.tokens!.remaining).toBe(40);
        subscription.unsubscribe();
        // The call that ran was abandoned, and what it had reserved is given back.
        expect(limiter.state.tokens!.remaining).toBe(100);
        expect(limiter.state.queued).toBe(0);
      });
    });
  });

  describe('configs', () => {
    const call = () => of(1);
    it.each<[string, unknown, string]>([
      ['maxConcurrent', { maxConcurrent: 0 }, '0'],
      ['maxConcurrent', 2.5, '2.5'],
      ['maxConcurrent', { maxConcurrent: 'three' }, "'three'"],
      ['ordered', { ordered: 'yes' }, "'yes'"],
      ['timeout', { timeout: 0 }, '0'],
      ['timeout', { timeout: NaN }, 'NaN'],
      ['maxWait', { maxWait: -1 }, '-1'],
      ['maxQueue', { maxQueue: 0.5 }, '0.5'],
      ['overflow', { overflow: 'drop' }, "'drop'"],
      ['limiter', { limiter: {} }, ''],
      ['traits', { traits: 5 }, '5'],
      ['events', { events: () => undefined }, 'a function'],
      ['scheduler', { scheduler: 1 }, '1'],
      ['retry.attempts', { retry: 0 }, '0'],
      ['retry.baseDelay', { retry: { baseDelay: -5 } }, '-5'],
      ['retry', { retry: 'often' }, "'often'"],
      ['mergeWithConcurrency', null, 'null'],
    ])('names %s when it is wrong: %p', (field, config, shown) => {
      const make = () => mergeWithConcurrency(call, config as ConcurrencyConfig<unknown>);
      expect(make).toThrow(field);
      expect(make).toThrow(shown);
    });

    it('refuses a call that is no function', () => {
      expect(() => mergeWithConcurrency(undefined as never)).toThrow(
        new TypeError('call must be a function, but is undefined.'),
      );
    });
  });
});
