/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  bufferCount,
  concatMap,
  EMPTY,
  finalize,
  from,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import { DeadlineExceededError, MissingOutcomeError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import { settled, streamWithConcurrency } from '../../lib/operators/stream-with-concurrency';
import { showOutcomes } from '../outcomes';
import { joining } from '../streams';
import { inVirtualTime, runUntil } from '../test-scheduler';

interface Request {
  readonly text: string;
  readonly priority?: 'low' | 'medium' | 'high' | 'critical';
  readonly maxWait?: number;
  readonly cacheKey?: string | false;
  readonly cacheTtl?: number;
}

/** A pipeline for misses that makes calls. */
function calling<R, V>(
  call: (request: R, context: CallContext) => Observable<V>,
  config: ConcurrencyConfig<R> = {},
): (misses$: Observable<R>) => Observable<CallOutcome<R, V>> {
  return (misses$) => misses$.pipe(mergeWithConcurrency(call, config));
}

/** A call that counts how often it was made. */
function counted<R, V>(answer: (request: R, context: CallContext) => Observable<V>) {
  const requests: R[] = [];
  const signals: AbortSignal[] = [];
  const call = (request: R, context: CallContext): Observable<V> => {
    requests.push(request);
    signals.push(context.signal);
    return answer(request, context);
  };
  return { call, requests, signals };
}

/** What one source of an outcome says, shown short. */
function shown<R, V>(outcome: CallOutcome<R, V>): string {
  return outcome.ok
    ? `${String(outcome.value)} ${outcome.source}`
    : outcome.error instanceof Error
      ? outcome.error.name
      : String(outcome.error);
}

describe('cacheLLM', () => {
  describe('as an operator', () => {
    it('never ends while the source does not, and calls nothing', () => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('-');
        expectObservable(source.pipe(cacheLLM(calling(() => NEVER)))).toBe('-');
        expectSubscriptions(source.subscriptions).toBe('^');
      });
    });

    it('completes with an empty source', () => {
      runUntil(3, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('---|');
        expectObservable(source.pipe(cacheLLM(calling(() => NEVER)))).toBe('---|');
        expectSubscriptions(source.subscriptions).toBe('^--!');
      });
    });

    it('answers a single request by a call and completes after its outcome', () => {
      runUntil(4, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('-a|      ');
        const call = cold('   ---A|  ').pipe(take(1));
        const expected = '   ----(A|)';
        expectObservable(source.pipe(cacheLLM(calling(() => call)), showOutcomes())).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-!');
      });
    });

    it('answers many requests: misses by calls, equal running ones by one call, later ones from the cache', () => {
      runUntil(10, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('ab-a-----a|');
        const calls = { a: cold('----x|'), b: cold(' --y|') };
        const expected = '   ----B(AS)H|';
        const outcomes$ = source.pipe(
          cacheLLM(calling((request: string) => calls[request as keyof typeof calls])),
          map(shown),
        );
        expectObservable(outcomes$).toBe(expected, { A: 'x call', B: 'y call', S: 'x shared', H: 'x cache' });
        expectSubscriptions(source.subscriptions).toBe('^---------!');
        expectSubscriptions(calls.a.subscriptions).toBe('^----!');
        expectSubscriptions(calls.b.subscriptions).toBe('-^--!');
      });
    });

    it('passes an error of the source on at once and aborts the running calls', () => {
      runUntil(3, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('ab-#    ');
        const call = cold('  -----x|');
        expectObservable(source.pipe(cacheLLM(calling(() => call)))).toBe('---#');
        expectSubscriptions(source.subscriptions).toBe('^--!');
        expectSubscriptions(call.subscriptions).toBe(['^--!', '-^-!']);
      });
    });

    it('aborts what runs when its only subscriber leaves, and starts nothing later', () => {
      runUntil(5, ({ cold, hot, expectObservable, expectSubscriptions }) => {
        const source = hot('ab---c  ');
        const call = cold(' -----x| ');
        const leaving = '   ---!    ';
        const signals: AbortSignal[] = [];
        const outcomes$ = source.pipe(
          cacheLLM(
            calling(
              (_request, { signal }) => {
                signals.push(signal);
                return call;
              },
              { maxConcurrent: 1 },
            ),
          ),
          tap({ finalize: () => expect(signals.map(({ aborted }) => aborted)).toEqual([true]) }),
        );
        expectObservable(outcomes$, leaving).toBe('----');
        expectSubscriptions(source.subscriptions).toBe('^--!');
        expectSubscriptions(call.subscriptions).toBe('^--!');
      });
    });

    it('errors with what misses throws', () => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('a|');
        const outcomes$ = source.pipe(
          cacheLLM(() => {
            throw new Error('thrown');
          }),
        );
        expectObservable(outcomes$).toBe('#', undefined, new Error('thrown'));
        expectSubscriptions(source.subscriptions).toBe([]);
      });
    });

    it.each<[string, () => unknown]>([
      ['a promise', async () => Promise.reject(new Error('not asked for'))],
      ['an object', () => ({})],
      ['undefined', () => undefined],
    ])('says that a call belongs inside when misses returns %s', (shown, misses) => {
      runUntil(0, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('a|');
        const message =
          `misses must return an Observable of outcomes, but returned ${shown}. ` +
          'A call belongs inside, as in cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(ask))).';
        expectObservable(source.pipe(cacheLLM(misses as never))).toBe('#', undefined, new TypeError(message));
        expectSubscriptions(source.subscriptions).toBe([]);
      });
    });

    it('fails its requests when the pipeline for misses emits what is no outcome, and says so', () => {
      runUntil(6, ({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('ab----|');
        const answers = cold('--x-|');
        const outcomes$ = source.pipe(
          cacheLLM((misses$) => misses$.pipe(mergeMap(() => answers as never))),
          map((outcome) => !outcome.ok && String((outcome.error as Error).cause)),
        );
        const why =
          'TypeError: The pipeline for misses of cacheLLM must emit outcomes, as mergeWithConcurrency does, ' +
          "but was given 'x'.";
        expectObservable(outcomes$).toBe('--(yy)|', { y: why });
        expectSubscriptions(answers.subscriptions).toBe(['^-!', '-^!']);
      });
    });

    it('fails its requests when the pipeline for misses emits chunks, and says what to do', () => {
      runUntil(6, ({ cold, expectObservable }) => {
        const source = cold('     a-----|');
        const ask = joining(() => cold('-1-2|'));
        const misses = (misses$: Observable<string>) => misses$.pipe(streamWithConcurrency(ask));
        const outcomes$ = source.pipe(
          // @ts-expect-error -- its items are no outcomes
          cacheLLM(misses),
          map((outcome) => !outcome.ok && String((outcome.error as Error).cause)),
        );
        const why =
          'TypeError: The pipeline for misses of cacheLLM must emit outcomes and no chunks: put settled() behind ' +
          'streamWithConcurrency, or stream from a cache with optimizeStream of an optimizer, but was given an object.';
        expectObservable(outcomes$).toBe('-y----|', { y: why });
      });
    });

    it('keeps the outcomes of streams, and has requests share them', () => {
      runUntil(9, ({ cold, expectObservable }) => {
        const source = cold('     a-a-----a|');
        const opened: string[] = [];
        const ask = joining((request: string) => {
          opened.push(request);
          return cold('           -1-2|');
        });
        const outcomes$ = source.pipe(
          cacheLLM((misses$) => misses$.pipe(streamWithConcurrency(ask), settled())),
          map(shown),
          finalize(() => expect(opened).toEqual(['a'])),
        );
        const expected = '        ----(AB)C|';
        expectObservable(outcomes$).toBe(expected, { A: '12 call', B: '12 shared', C: '12 cache' });
      });
    });

    it('keeps the order of the source where ordered', () => {
      runUntil(5, ({ cold, expectObservable }) => {
        const source = cold('  ab|      ');
        const calls = { a: cold('----x|'), b: cold(' -y|') };
        const expected = '     -----(AB|)';
        const outcomes$ = source.pipe(
          cacheLLM(
            calling((request: string) => calls[request as keyof typeof calls]),
            { ordered: true },
          ),
          map(shown),
        );
        expectObservable(outcomes$).toBe(expected, { A: 'x call', B: 'y call' });
      });
    });

    it('loses nothing that is held back for the order when the source completes in reaction to an outcome', () => {
      inVirtualTime(() => {
        const requests$ = new Subject<number>();
        const seen: number[] = [];
        let isComplete = false;
        requests$
          .pipe(
            cacheLLM(
              calling((request) => timer(10 - request).pipe(map(() => request))),
              { ordered: true },
            ),
          )
          .subscribe({
            next: ({ request }) => {
              seen.push(request);
              requests$.complete();
            },
            complete: () => (isComplete = true),
          });
        from([1, 2, 3]).subscribe((request) => requests$.next(request));
        timer(20).subscribe(() => {
          expect(seen).toEqual([1, 2, 3]);
          expect(isComplete).toBe(true);
        });
      });
      expect.assertions(2);
    });

    it('answers a request that is made in reaction to an outcome', () => {
      runUntil(9, ({ cold, expectObservable }) => {
        const requests$ = new Subject<string>();
        const call = cold('---x|');
        let isFirst = true;
        const outcomes$ = requests$.pipe(
          cacheLLM(calling(() => call)),
          tap(() => {
            if (isFirst) {
              isFirst = false;
              requests$.next('a');
              requests$.next('b');
            }
          }),
          map(shown),
        );
        timer(1).subscribe(() => requests$.next('a'));
        expectObservable(outcomes$).toBe('-----(HA)B', { H: 'x cache', A: 'x call', B: 'x call' });
      });
    });

    it('starts no more calls of a synchronous firehose than take(5) needs', () => {
      const { call, requests } = counted((request: number) => of(request));
      const values: unknown[] = [];
      range(0, 100_000)
        .pipe(cacheLLM(calling(call)), take(5))
        .subscribe((outcome) => values.push(outcome.request));
      expect(values).toEqual([0, 1, 2, 3, 4]);
      expect(requests).toHaveLength(5);
    });

    it('answers 20,000 synchronous requests without overflowing the stack', () => {
      let count = 0;
      range(0, 20_000)
        .pipe(cacheLLM(calling((request: number) => of(request))))
        .subscribe(() => count++);
      expect(count).toBe(20_000);
    });

    it('refuses a wrong config, naming the field', () => {
      const misses = () => EMPTY;
      expect(() => cacheLLM(undefined as never)).toThrow(/misses must be a function/);
      expect(() => cacheLLM(misses, { maxWait: -1 })).toThrow(/maxWait/);
      expect(() => cacheLLM(misses, { defaultTtl: -1 })).toThrow(/defaultTtl/);
      expect(() => cacheLLM(misses, { cache: {} as never })).toThrow(/cache must be an LLMResultCache/);
      expect(() => cacheLLM(misses, { ordered: 1 as never })).toThrow(/ordered/);
      expect(() => cacheLLM(misses, { namespace: 1 as never })).toThrow(/namespace/);
      expect(() => cacheLLM(misses, { events: {} as never })).toThrow(/events/);
    });
  });

  describe('flights', () => {
    it('make one call for 50 requests from 50 pipelines, of whom 49 leave, the first among them', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const { call, requests, signals } = counted(() => timer(10).pipe(map(() => 'answer')));
        const answers: string[] = [];
        const pipelines = Array.from({ length: 50 }, (_, index) =>
          of({ text: 'same' })
            .pipe(cacheLLM(calling(call), cache))
            .subscribe((outcome) => answers.push(`${index} ${shown(outcome)}`)),
        );
        timer(5).subscribe(() => pipelines.slice(0, 49).forEach((pipeline) => pipeline.unsubscribe()));
        timer(20).subscribe(() => {
          expect(requests).toHaveLength(1);
          expect(signals[0]!.aborted).toBe(false);
          expect(answers).toEqual(['49 answer shared']);
        });
      });
      expect.assertions(3);
    });

    it('are aborted when the last waiter leaves too, and no other call is made', () => {
      const { call, requests, signals } = counted(() => timer(10).pipe(map(() => 'answer')));
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const pipelines = Array.from({ length: 50 }, () =>
          of({ text: 'same' })
            .pipe(cacheLLM(calling(call), cache))
            .subscribe(),
        );
        pipelines.forEach((pipeline, index) => timer(index / 10).subscribe(() => pipeline.unsubscribe()));
      });
      expect(requests).toHaveLength(1);
      expect(signals[0]!.aborted).toBe(true);
      expect((signals[0]!.reason as Error).name).toBe('AbortError');
    });

    it('let two pipelines with crossed keys complete', () => {
      runUntil(4, ({ cold, scheduler, expectObservable }) => {
        const cache = new LLMResultCache({ scheduler });
        const call = () => cold('---x|');
        const one$ = cold('a-b|').pipe(cacheLLM(calling(call, { maxConcurrent: 1 }), cache), map(shown));
        const other$ = cold('b-a|').pipe(cacheLLM(calling(call, { maxConcurrent: 1 }), cache), map(shown));
        expectObservable(one$.pipe(toArray())).toBe('----(x|)', { x: ['x call', 'x shared'] });
        expectObservable(other$.pipe(toArray())).toBe('----(x|)', { x: ['x shared', 'x call'] });
      });
    });

    it('let a pipeline whose misses batches complete', () => {
      runUntil(6, ({ cold, expectObservable, scheduler }) => {
        const cache = new LLMResultCache({ scheduler });
        const misses = (misses$: Observable<string>) =>
          misses$.pipe(
            bufferCount(3),
            concatMap((batch) =>
              timer(2).pipe(
                mergeMap(() => batch),
                map((request): CallOutcome<string, string> => ({
                  ok: true,
                  request,
                  value: request.toUpperCase(),
                  source: 'call',
                  latency: 2,
                  waited: 0,
                  attempts: 1,
                })),
              ),
            ),
          );
        expectObservable(cold('abac|').pipe(cacheLLM(misses, cache), showOutcomes(), toArray())).toBe(
          '-----(x|)',
          { x: ['A', 'A', 'B', 'C'] },
        );
        expectObservable(cold('--ad|').pipe(cacheLLM(misses, cache), showOutcomes(), toArray())).toBe(
          '------(x|)',
          { x: ['A', 'D'] },
        );
      });
    });

    it('share a failed call among all waiters, and the failure is not cached', () => {
      runUntil(7, ({ cold, expectObservable, scheduler }) => {
        const cache = new LLMResultCache({ scheduler });
        const { call, requests } = counted(() => cold('--#', undefined, new Error('down')));
        const outcomes$ = cold('aa---a|').pipe(cacheLLM(calling(call), cache), map(shown));
        expectObservable(outcomes$).toBe('--(ff)-(f|)', { f: 'Error' });
        scheduler.schedule(() => expect(requests).toHaveLength(2), 7);
      });
    });

    it('go on for the others when only the own maxWait of the starter ends it', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const { call, requests } = counted((request: Request) => timer(10).pipe(map(() => request.text)));
        const misses = calling(call, { maxConcurrent: 1 });
        const seen: string[] = [];
        const note = (name: string) => (outcome: CallOutcome<Request, string>) =>
          seen.push(`${scheduler.frame} ${name} ${shown(outcome)}`);
        from<Request[]>([{ text: 'busy' }, { text: 'shared', maxWait: 5 }])
          .pipe(cacheLLM(misses, cache))
          .subscribe(note('starter'));
        of<Request>({ text: 'shared' }).pipe(cacheLLM(misses, cache)).subscribe(note('joiner'));
        of<Request>({ text: 'shared' }).pipe(cacheLLM(misses, cache)).subscribe(note('second joiner'));
        timer(100).subscribe(() => {
          expect(seen).toEqual([
            '5 starter DeadlineExceededError',
            '10 starter busy call',
            '15 joiner shared call',
            '15 second joiner shared shared',
          ]);
          expect(requests.map(({ text }) => text)).toEqual(['busy', 'shared']);
        });
      });
      expect.assertions(2);
    });

    it('go on for the others when a full queue refuses only the starter', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const call = (request: Request) => timer(10).pipe(map(() => request.text));
        const seen: string[] = [];
        from<Request[]>([{ text: 'busy' }, { text: 'shared' }, { text: 'newer' }])
          .pipe(
            concatMap((request) => timer(1).pipe(map(() => request))),
            cacheLLM(calling(call, { maxConcurrent: 1, maxQueue: 1, overflow: 'drop-oldest' }), cache),
          )
          .subscribe((outcome) =>
            seen.push(`${scheduler.frame} starter ${outcome.request.text} ${shown(outcome)}`),
          );
        timer(2.5)
          .pipe(map((): Request => ({ text: 'shared' })))
          .pipe(cacheLLM(calling(call), cache))
          .subscribe((outcome) => seen.push(`${scheduler.frame} joiner ${shown(outcome)}`));
        timer(100).subscribe(() => {
          expect(seen).toEqual([
            '3 starter shared QueueOverflowError',
            '11 starter busy busy call',
            '13 joiner shared call',
            '21 starter newer newer call',
          ]);
        });
      });
      expect.assertions(1);
    });

    it('are raised by a joiner of higher priority', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const started: string[] = [];
        const call = (request: Request) => {
          started.push(request.text);
          return timer(10).pipe(map(() => request.text));
        };
        from<Request[]>([
          { text: 'first' },
          { text: 'second' },
          { text: 'third' },
          { text: 'urgent for another' },
        ])
          .pipe(cacheLLM(calling(call, { maxConcurrent: 1 }), cache))
          .subscribe();
        timer(5)
          .pipe(
            map((): Request => ({ text: 'urgent for another', priority: 'critical' })),
            cacheLLM(calling(call), cache),
          )
          .subscribe();
        timer(100).subscribe(() =>
          expect(started).toEqual(['first', 'urgent for another', 'second', 'third']),
        );
      });
      expect.assertions(1);
    });

    it('end for a joiner whose own maxWait passes before the call has begun, and for that joiner only', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const call = (request: Request) => timer(10).pipe(map(() => request.text));
        const seen: string[] = [];
        from<Request[]>([{ text: 'busy' }, { text: 'shared' }])
          .pipe(cacheLLM(calling(call, { maxConcurrent: 1 }), cache))
          .subscribe((outcome) => seen.push(`${scheduler.frame} starter ${shown(outcome)}`));
        of<Request>({ text: 'shared', maxWait: 4 })
          .pipe(cacheLLM(calling(call), cache))
          .subscribe((outcome) => {
            seen.push(`${scheduler.frame} joiner ${shown(outcome)}`);
            expect(outcome).toMatchObject({ waited: 4, attempts: 0, latency: 0 });
            expect(!outcome.ok && outcome.error).toBeInstanceOf(DeadlineExceededError);
          });
        of<Request>({ text: 'busy', maxWait: 4 })
          .pipe(cacheLLM(calling(call), cache))
          .subscribe((outcome) => seen.push(`${scheduler.frame} joiner of a running call ${shown(outcome)}`));
        timer(100).subscribe(() =>
          expect(seen).toEqual([
            '4 joiner DeadlineExceededError',
            '10 starter busy call',
            '10 joiner of a running call busy shared',
            '20 starter shared call',
          ]),
        );
      });
      expect.assertions(3);
    });

    it('fail with MissingOutcomeError when misses completes with requests unanswered', () => {
      runUntil(3, ({ cold, expectObservable }) => {
        const outcomes$ = cold('ab-|').pipe(
          cacheLLM((misses$) => misses$.pipe(mergeMap(() => EMPTY))),
          map(shown),
        );
        expectObservable(outcomes$).toBe('---(mm|)', { m: 'MissingOutcomeError' });
      });
    });

    it('fail with MissingOutcomeError, its cause within, when misses errors, and so do later requests', () => {
      inVirtualTime(() => {
        const cause = new Error('broken pipeline');
        const errors: unknown[] = [];
        from(['a', 'b'])
          .pipe(cacheLLM((misses$) => misses$.pipe(mergeMap(() => throwError(() => cause)))))
          .subscribe((outcome) => errors.push(!outcome.ok && outcome.error));
        expect(errors).toHaveLength(2);
        for (const error of errors) {
          expect(error).toBeInstanceOf(MissingOutcomeError);
          expect((error as Error).cause).toBe(cause);
        }
      });
    });

    it('are fenced by delete and clear: nobody joins them, and they write nothing', () => {
      for (const fence of ['delete', 'clear'] as const) {
        inVirtualTime((scheduler) => {
          const cache = new LLMResultCache({ scheduler });
          let version = 0;
          const call = () => {
            const answer = `version ${++version}`;
            return timer(10).pipe(map(() => answer));
          };
          const key = LLMResultCache.generateKey('a');
          const seen: string[] = [];
          const ask = (name: string) =>
            of('a')
              .pipe(cacheLLM(calling(call), cache))
              .subscribe((outcome) => seen.push(`${name}: ${shown(outcome)}`));
          ask('before');
          timer(5).subscribe(() => {
            if (fence === 'delete') {
              cache.delete(key);
            } else {
              cache.clear();
            }
            ask('after');
          });
          timer(12).subscribe(() => expect(cache.get(key)).toBeUndefined());
          timer(20).subscribe(() => {
            expect(seen).toEqual(['before: version 1 call', 'after: version 2 call']);
            expect(cache.get(key)).toBe('version 2');
          });
        });
      }
      expect.assertions(6);
    });

    it('know their answers apart when a fenced call and a new one for the same request end in the other order', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        let version = 0;
        const call = () => {
          version++;
          const answer = `version ${version}`;
          return timer(version === 1 ? 20 : 5).pipe(map(() => answer));
        };
        const requests$ = new Subject<string>();
        const seen: string[] = [];
        requests$.pipe(cacheLLM(calling(call), cache)).subscribe((outcome) => seen.push(shown(outcome)));
        requests$.next('a');
        cache.clear();
        requests$.next('a');
        timer(30).subscribe(() => {
          expect(seen).toEqual(['version 2 call', 'version 1 call']);
          expect(cache.get(LLMResultCache.generateKey('a'))).toBe('version 2');
        });
      });
      expect.assertions(2);
    });

    it('of misses without an operator of rxllm leave no trace on a later equal request', () => {
      inVirtualTime((scheduler) => {
        const events: CallEvent[] = [];
        const misses = (misses$: Observable<string>) =>
          misses$.pipe(
            mergeMap((request) =>
              timer(10).pipe(
                map((): CallOutcome<string, string> => ({
                  ok: true,
                  request,
                  value: 'answer',
                  source: 'call',
                  latency: 10,
                  waited: 0,
                  attempts: 1,
                })),
              ),
            ),
          );
        const cache = new LLMResultCache({ scheduler });
        const ask = () =>
          of('a').pipe(cacheLLM(misses, { cache, events: { next: (event) => events.push(event) } }));
        const leaving = ask().subscribe();
        timer(5).subscribe(() => leaving.unsubscribe());
        let answer: unknown;
        timer(6).subscribe(() => ask().subscribe((outcome) => (answer = outcome.ok && outcome.value)));
        timer(50).subscribe(() => {
          expect(answer).toBe('answer');
          const ids = events
            .filter(({ type }) => type === 'received')
            .map((event) => 'id' in event && event.id);
          expect(new Set(ids).size).toBe(2);
        });
      });
      expect.assertions(2);
    });
  });

  describe('look-ups', () => {
    it('are skipped, and nothing is shared or written, with cacheKey false', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler });
        const { call, requests } = counted((request: Request) => timer(5).pipe(map(() => request.text)));
        const reasons: string[] = [];
        const events = {
          next: (event: CallEvent) => event.type === 'cache-bypassed' && reasons.push(event.reason),
        };
        from<Request[]>([
          { text: 'a', cacheKey: false },
          { text: 'a', cacheKey: false },
        ])
          .pipe(cacheLLM(calling(call), { cache, events }))
          .subscribe();
        timer(10).subscribe(() => {
          expect(requests).toHaveLength(2);
          expect(cache.stats).toMatchObject({ size: 0, totalAccesses: 0 });
          expect(reasons).toEqual(['cacheKey is false', 'cacheKey is false']);
        });
      });
      expect.assertions(3);
    });

    it('are skipped for a request that cannot be hashed, with an event that says where and why', () => {
      const reasons: string[] = [];
      const outcomes: unknown[] = [];
      of({ text: 'a', options: { onToken: () => undefined } })
        .pipe(
          cacheLLM(
            calling(() => of('answer')),
            {
              events: { next: (event) => event.type === 'cache-bypassed' && reasons.push(event.reason) },
            },
          ),
        )
        .subscribe((outcome) => outcomes.push(outcome.ok && outcome.value));
      expect(outcomes).toEqual(['answer']);
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toContain('request.options.onToken');
    });

    it('use a key of the request in place of its content', () => {
      const { call, requests } = counted((request: Request) => of(request.text));
      const values: unknown[] = [];
      from<Request[]>([
        { text: 'a', cacheKey: 'k' },
        { text: 'b', cacheKey: 'k' },
      ])
        .pipe(cacheLLM(calling(call)))
        .subscribe((outcome) => values.push(outcome.ok && outcome.value));
      expect(values).toEqual(['a', 'a']);
      expect(requests).toHaveLength(1);
    });

    it('of two namespaces never meet', () => {
      const cache = new LLMResultCache();
      const seen: string[] = [];
      for (const namespace of ['summary', 'title', 'summary']) {
        of('a')
          .pipe(
            cacheLLM(
              calling(() => of(namespace)),
              { cache, namespace },
            ),
          )
          .subscribe((outcome) => seen.push(shown(outcome)));
      }
      cache.clear();
      expect(seen).toEqual(['summary call', 'title call', 'summary cache']);
    });

    it('find nothing after the cacheTtl of the request', () => {
      inVirtualTime((scheduler) => {
        const cache = new LLMResultCache({ scheduler, defaultTtl: 1000 });
        const seen: string[] = [];
        const ask = () =>
          of<Request>({ text: 'a', cacheTtl: 10 })
            .pipe(
              cacheLLM(
                calling(() => of('x')),
                cache,
              ),
            )
            .subscribe((outcome) => seen.push(`${scheduler.frame} ${shown(outcome)}`));
        [0, 9, 11].forEach((time) => timer(time).subscribe(ask));
        timer(20).subscribe(() => expect(seen).toEqual(['0 x call', '9 x cache', '11 x call']));
      });
      expect.assertions(1);
    });
  });

  describe('answers', () => {
    const choice = (content: string | null, finish_reason: string) => ({
      choices: [{ finish_reason, message: { content } }],
    });

    it.each([
      ['undefined', undefined],
      ['null', null],
      ["''", ''],
      ['a truncated completion', choice('half', 'length')],
      ['a filtered completion', choice('half', 'content_filter')],
      ['a refusal', { choices: [{ finish_reason: 'stop', message: { content: null, refusal: 'No.' } }] }],
    ])('are not cached where they are %s', (_name, value: unknown) => {
      const cache = new LLMResultCache();
      const { call, requests } = counted(() => of(value));
      from(['a', 'a'])
        .pipe(cacheLLM(calling(call), cache))
        .subscribe();
      expect(requests).toHaveLength(2);
      expect(cache.stats.size).toBe(0);
    });

    it.each([
      ['0', 0],
      ['false', false],
      ['[]', []],
      ['{}', {}],
      ['a whole completion', choice('yes', 'stop')],
    ])('are cached where they are %s', (_name, value: unknown) => {
      const cache = new LLMResultCache();
      const { call, requests } = counted(() => of(value));
      from(['a', 'a'])
        .pipe(cacheLLM(calling(call), cache))
        .subscribe();
      expect(requests).toHaveLength(1);
      cache.clear();
    });

    it('are frozen all the way down, so that nobody changes them for others', () => {
      const values: { labels: string[] }[] = [];
      from(['a', 'a'])
        .pipe(cacheLLM(calling(() => of({ labels: ['x'] }))))
        .subscribe((outcome) => outcome.ok && values.push(outcome.value));
      expect(values).toHaveLength(2);
      expect(values[1]).toBe(values[0]);
      expect(() => values[1]!.labels.push('y')).toThrow(TypeError);
    });

    it('are frozen without the requests that they refer to, whoever shares them', () => {
      for (const shouldCache of [() => true, () => false]) {
        const requests = ['a', 'a'].map((q) => ({ q, notes: ['n'] }));
        const values: { notes: string[]; own: object }[] = [];
        const call = (request: (typeof requests)[number]) =>
          timer(1).pipe(map(() => ({ ...request, request, own: {} })));
        inVirtualTime((scheduler) => {
          from(requests)
            .pipe(cacheLLM(calling(call), { scheduler, shouldCache }))
            .subscribe((outcome) => outcome.ok && values.push(outcome.value));
        });
        expect(values).toHaveLength(2);
        expect(values.every((value) => Object.isFrozen(value) && Object.isFrozen(value.own))).toBe(true);
        requests[0]!.notes.push('more');
        requests[0]!.q = 'b';
      }
    });

    it('are copies where clone says so, for hits and for those who share a call', () => {
      inVirtualTime((scheduler) => {
        const values: { labels: string[] }[] = [];
        const cache = new LLMResultCache({ scheduler, clone: structuredClone });
        const requests$ = from([0, 0, 20]).pipe(mergeMap((time) => timer(time).pipe(map(() => 'a'))));
        requests$
          .pipe(
            cacheLLM(
              calling(() => timer(10).pipe(map(() => ({ labels: ['x'] })))),
              cache,
            ),
          )
          .subscribe((outcome) => {
            if (outcome.ok) {
              values.push(outcome.value);
              expect(outcome.value).toEqual({ labels: ['x'] });
              outcome.value.labels.push('changed');
            }
          });
        timer(30).subscribe(() => expect(new Set(values).size).toBe(3));
      });
      expect.assertions(4);
    });

    it('reach everybody although clone throws', () => {
      inVirtualTime((scheduler) => {
        const clone = () => {
          throw new Error('cannot be cloned');
        };
        const cache = new LLMResultCache({ scheduler, clone });
        const seen: string[] = [];
        from(['a', 'a'])
          .pipe(
            cacheLLM(
              calling(() => timer(10).pipe(map(() => 'x'))),
              cache,
            ),
          )
          .subscribe((outcome) => seen.push(shown(outcome)));
        timer(20).subscribe(() => expect(seen).toEqual(['x call', 'x shared']));
      });
      expect.assertions(1);
    });
  });

  it('tells every step of every request once', () => {
    inVirtualTime((scheduler) => {
      const types: string[] = [];
      const events = { next: (event: CallEvent) => types.push(event.type) };
      const cache = new LLMResultCache({ scheduler });
      from([0, 1, 20])
        .pipe(
          mergeMap((time) => timer(time).pipe(map(() => 'a'))),
          cacheLLM(
            calling(() => timer(10), { events }),
            { cache, events },
          ),
        )
        .subscribe();
      timer(30).subscribe(() =>
        expect(types).toEqual([
          ...['received', 'cache-miss', 'started'],
          ...['received', 'cache-miss'],
          ...['finished', 'settled', 'settled'],
          ...['received', 'cache-hit', 'settled'],
        ]),
      );
    });
    expect.assertions(1);
  });
});
