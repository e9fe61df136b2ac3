/*
 * What the suite of RxJS 7 asks of `mergeMap` and of its kin (`mergeAll`, `mergeMapTo`, `mergeScan`, `concatMap` and
 * `concatAll`: 182 situations), asked of whatever runs calls. Two answers are ours: a request has one outcome, which is
 * what its call emitted last; and a call that fails is an outcome too, so the others go on.
 *
 * Not asked is what needs a result selector, an index or an accumulator, as calls are given none; and what differs from
 * another situation only in the values before the last one.
 */
import {
  asapScheduler,
  defer,
  delay,
  EMPTY,
  finalize,
  from,
  lastValueFrom,
  map,
  Observable,
  observable,
  of,
  queueScheduler,
  scheduled,
  Subject,
  take,
  takeUntil,
  tap,
  throwError,
  timer,
  toArray,
  type ObservableInput,
  type Observer,
} from 'rxjs';
import { unwrapOutcomes } from '../../lib/operators/unwrap-outcomes';
import { showOutcomes } from '../outcomes';
import { inVirtualTime, rethrow } from '../test-scheduler';
import { ask, forms, type SituationOptions } from './drawn-situations';

type Situation = readonly [name: string, drawing: string, options?: SituationOptions];

const one = { maxConcurrent: 1 };
const two = { maxConcurrent: 2 };

/** The source alone. */
const ofTheSource: readonly Situation[] = [
  [
    'a source without requests',
    `
    source    |
    outcomes  |`,
  ],
  [
    'a source that never asks',
    `
    source    -
    outcomes  -`,
  ],
  [
    'a source that fails at once',
    `
    source    #
    outcomes  #`,
  ],
];

/** As many calls at once as there are requests. */
const atOnce: readonly Situation[] = [
  [
    'a call for each request, and an end with the last of them',
    `
    source    -a---b-----c-|
    a          -i-j-|
    b              -i-j-|
    c                    -i-j-|
    outcomes  ------A---B-----(C|)`,
  ],
  [
    'calls that end in another order than they began in',
    `
    source    -a-b-c-----------|
    a          ---i---j---k-|
    b            -i-|
    c              -----i-|
    outcomes  ------B-----C-A--|`,
  ],
  [
    'calls that do not overlap',
    `
    source    -a-----b-----c---|
    a          i-j-|
    b                -i|
    c                      i|
    outcomes  -----A---B----C--|`,
  ],
  [
    'a source that ends long after the last call',
    `
    source    -a--b----------------|
    a          --i--j-|
    b             --i--j-|
    outcomes  --------A--B---------|`,
  ],
  [
    'a source that goes on, and a subscriber that leaves in the middle of a call',
    `
    source    -a----b-----c---!
    a          -i--j-|
    b               -i--j-|
    c                     -i--!
    outcomes  -------A----B---!`,
  ],
  [
    'a subscriber that leaves, with operators on both sides that merge',
    `
    source    -a----b-----c---!
    a          -i--j-|
    b               -i--j-|
    c                     -i--!
    outcomes  -------A----B---!`,
    { between: true },
  ],
  [
    'a subscriber that leaves when the source has ended',
    `
    source    --a--b--|
    a           i---j-----!
    b              i--j---!
    outcomes  ------------!`,
  ],
  [
    'calls that never end',
    `
    source    -a--b--|
    a          -i--j--
    b             -i--
    outcomes  --------`,
  ],
  [
    'a call that fails while others run',
    `
    source    -a--b--c--|
    a          -i--j--k-|
    b             -i-#
    c                -i--j-|
    outcomes  -------b--A--(C|)`,
  ],
  [
    'a request that comes after a call has failed',
    `
    source    -a-------b---|
    a          -i-#
    b                  -i-|
    outcomes  ----a-------B|`,
  ],
  [
    'a source that fails while a call runs',
    `
    source    -a--b----#
    a          -i-|
    b             -i---!
    outcomes  ----A----#`,
  ],
  [
    'calls that fail, and a source that fails after them',
    `
    source    -a--b-------#
    a          -i-#
    b             -i-#
    outcomes  ----a--b----#`,
  ],
  [
    'calls of every length, without an answer or answered at once',
    `
    source    a--b---c---d---e----|
    a         -i--j--k---------l-|
    b            -------i--j|
    c                --|
    d                    (i|)
    e                        ---i-|
    outcomes  ---------c-D--B----A(E|)`,
  ],
  [
    'calls of every length, one of them without an end',
    `
    source    a--b---c---d---e----|
    a         -i--j--k---------l---
    b            -------i--j|
    c                --|
    d                    (i|)
    e                        ---i-|
    outcomes  ---------c-D--B-----E`,
  ],
  [
    'calls of every length, and a source without an end',
    `
    source    a--b---c---d---e-----
    a         -i--j--k---------l-|
    b            -------i--j|
    c                --|
    d                    (i|)
    e                        ---i-|
    outcomes  ---------c-D--B----AE`,
  ],
  [
    'calls of every length, and a source that fails between their ends',
    `
    source    a--b---c---d---e-#
    a         -i--j--k---------!
    b            -------i--j|
    c                --|
    d                    (i|)
    e                        --!
    outcomes  ---------c-D--B--#`,
  ],
  [
    'calls of every length, one of which fails',
    `
    source    a--b---c---d---e----|
    a         -i--j--k---------l-|
    b            -------i--j#
    c                --|
    d                    (i|)
    e                        ---i-|
    outcomes  ---------c-D--b----A(E|)`,
  ],
  [
    'calls of every length, and a subscriber that leaves between their ends',
    `
    source    a--b---c---d-!
    a         -i--j--k-----!
    b            -------i--!
    c                --|
    d                    (i|)
    outcomes  ---------c-D-!`,
  ],
  [
    'calls of every length, one of which throws when it is made',
    `
    source    a--b---c---d---e----|
    a         -i--j--k---------l-|
    b            -------i--j|
    c                *
    d                    (i|)
    e                        ---i-|
    outcomes  -------c---D--B----A(E|)`,
  ],
  [
    'a call that throws when it is made, for the first request',
    `
    source    -a-b--|
    a          *
    b            -i|
    outcomes  -a---B|`,
  ],
  [
    'calls that end in one moment',
    `
    source    -a--b-------|
    a          --i--j-|
    b             -i-j|
    outcomes  --------(AB)|`,
  ],
  [
    'a source that ends in the moment of the last outcome',
    `
    source    -a----|
    a          -i--j|
    outcomes  ------(A|)`,
  ],
  [
    'calls without an answer that end at once',
    `
    source    -a--b-c--|
    a          |
    b             |
    c               |
    outcomes  -a--b-c--|`,
  ],
  [
    'a call that never ends, and one without an answer',
    `
    source    -a--b--|
    a          -------
    b             |
    outcomes  ----b---`,
  ],
  [
    'a call without an answer, and one that fails at once',
    `
    source    -a--b--|
    a          |
    b             #
    outcomes  -a--b--|`,
  ],
  [
    'a call that never ends, and one that fails at once',
    `
    source    -a--b--|
    a          -------
    b             #
    outcomes  ----b---`,
  ],
  [
    'a call without an answer, and one that fails later than the source ends',
    `
    source    -a--b--|
    a          |
    b             -----#
    outcomes  -a-------(b|)`,
  ],
  [
    'a call that never ends, and one that fails later than the source ends',
    `
    source    -a--b--|
    a          -----------
    b             -----#
    outcomes  ---------b--`,
  ],
  [
    'calls that return lists',
    `
    source    -a---b---c---|
    a          (ij|)
    b              (ijkl|)
    c                  (i|)
    outcomes  -A---B---C---|`,
    { returns: 'array' },
  ],
  [
    'calls that return lists, of which one is empty',
    `
    source    -a---b---|
    a          |
    b              (ij|)
    outcomes  -a---B---|`,
    { returns: 'array' },
  ],
  [
    'calls that return lists, and a source that fails',
    `
    source    -a---b---#
    a          (ij|)
    b              (ijkl|)
    outcomes  -A---B---#`,
    { returns: 'array' },
  ],
  [
    'calls that return lists, and a subscriber that leaves',
    `
    source    -a---b---!
    a          (ij|)
    b              (ijkl|)
    outcomes  -A---B---!`,
    { returns: 'array' },
  ],
  [
    'calls that return lists, one of which throws when it is made',
    `
    source    -a---b---c--|
    a          (ij|)
    b              *
    c                  (i|)
    outcomes  -A---b---C--|`,
    { returns: 'array' },
  ],
  [
    'requests and calls that come all at once',
    `
    source    (abc|)
    a         (ij|)
    b         (i|)
    c         (ijk|)
    outcomes  (ABC|)`,
    { returns: 'of' },
  ],
  [
    'requests and calls that come all at once, one of which throws',
    `
    source    (abc|)
    a         (ij|)
    b         *
    c         (ijk|)
    outcomes  (AbC|)`,
    { returns: 'of' },
  ],
];

/** Fewer calls at once than there are requests. */
const inTurn: readonly Situation[] = [
  [
    'one call at once',
    `
    source    -a---b---c--|
    a          --i---j-|
    b                  -i---j|
    c                        --i|
    outcomes  ---------A-----B--(C|)`,
    one,
  ],
  [
    'two calls at once',
    `
    source    -a---b---c--|
    a          --i---j---|
    b              -i---j--|
    c                    --i-|
    outcomes  -----------A-B-(C|)`,
    two,
  ],
  [
    'one call at once, of which those that wait are hot and have emitted already',
    `
    source    -a---b---|
    a         x^-i---j-|
    b         xx-x-x-x-^-i--j-|
    outcomes  ---------A------(B|)`,
    one,
  ],
  [
    'two calls at once, of which those that wait are hot and have emitted already',
    `
    source    -a---b---c--|
    a         x^-i---j---|
    b         -x-x-^i--j-----|
    c         xxx-x-x-x--^--i--|
    outcomes  -----------A---B-(C|)`,
    two,
  ],
  [
    'one call at once, whose hot Observable has emitted its last value already',
    `
    source    -a---b---|
    a         -^-i---j-|
    b         ---x-x-x-^-|
    outcomes  ---------A-(b|)`,
    one,
  ],
  [
    'one call at once, and a source that ends before the last begins',
    `
    source    -ab-|
    a          -i--j-|
    b                -i-|
    outcomes  -------A--(B|)`,
    one,
  ],
  [
    'one call at once, and a source that ends after the last call',
    `
    source    -ab----------|
    a          -i-|
    b             -i-|
    outcomes  ----A--B-----|`,
    one,
  ],
  [
    'one call at once, and a source without an end',
    `
    source    -ab-----------
    a          -i-|
    b             -i-|
    outcomes  ----A--B------`,
    one,
  ],
  [
    'one call at once, and a first call without an end',
    `
    source    -ab---|
    a          -i--j--
    outcomes  --------`,
    one,
  ],
  [
    'one call at once, and a last call without an end',
    `
    source    -ab---|
    a          --|
    b            -i---
    outcomes  ---a----`,
    one,
  ],
  [
    'one call at once, and a first call that fails',
    `
    source    -ab---|
    a          -i-#
    b             -i-|
    outcomes  ----a--(B|)`,
    one,
  ],
  [
    'one call at once, and a last call that fails',
    `
    source    -ab---|
    a          -i-|
    b             -i-#
    outcomes  ----A--(b|)`,
    one,
  ],
  [
    'one call at once, and calls that all fail',
    `
    source    (ab|)
    a         ---#
    b            ------#
    outcomes  ---a-----(b|)`,
    one,
  ],
  [
    'one call at once, and calls without an answer',
    `
    source    (ab|)
    a         --|
    b           ----|
    outcomes  --a---(b|)`,
    one,
  ],
  [
    'one call at once, of which the first gives nothing and the second fails',
    `
    source    (ab|)
    a         --|
    b           ----#
    outcomes  --a---(b|)`,
    one,
  ],
  [
    'one call at once, of which the first answers and the second gives nothing',
    `
    source    (ab|)
    a         -i-|
    b            ----|
    outcomes  ---A---(b|)`,
    one,
  ],
  [
    'one call at once, and a source that fails while requests wait',
    `
    source    -abc--#
    a          -i---!
    outcomes  ------#`,
    one,
  ],
  [
    'one call at once, calls that fail, and a source that fails while one runs',
    `
    source    -abc-----#
    a          -i-#
    b             --#
    c               -i-!
    outcomes  ----a-b--#`,
    one,
  ],
  [
    'one call at once, and a subscriber that leaves while requests wait',
    `
    source    -abc---!
    a          -i-|
    b             -i-!
    outcomes  ----A--!`,
    one,
  ],
  [
    'one call at once, and a subscriber that leaves with operators on both sides that merge',
    `
    source    -abc---!
    a          -i-|
    b             -i-!
    outcomes  ----A--!`,
    { ...one, between: true },
  ],
  [
    'one call at once, and one that throws when it is made',
    `
    source    -abc-------|
    a          -i-|
    b             *
    c             -i---|
    outcomes  ----(Ab)-C-|`,
    one,
  ],
  [
    'one call at once, and hot ones that come together but wait for each other',
    `
    source    (ab|)
    a         ^-i---j-|
    b         -x-i-x--^-j-|
    outcomes  --------A---(B|)`,
    one,
  ],
  [
    'one call at once, and calls that return lists',
    `
    source    (abc|)
    a         (ij|)
    b         (i|)
    c         (ijk|)
    outcomes  (ABC|)`,
    { ...one, returns: 'array' },
  ],
];

/** A call that answers with what its request is, by some way. */
const answering: readonly (readonly [string, (request: string) => ObservableInput<string>])[] = [
  ['promises', (request) => Promise.resolve(request)],
  ['Observables of promises', (request) => from(Promise.resolve(request))],
  ['lists', (request) => [request]],
  ['synchronous Observables', (request) => of('no', request)],
  ['Observables of a scheduler', (request) => scheduled(['no', request], queueScheduler)],
  ['Observables of another library', (request) => foreign(timer(0).pipe(map(() => request)))],
  ['Observables in Observables', (request) => wrapped(timer(0, asapScheduler).pipe(map(() => request)))],
];

/** An Observable as another library makes it: it is one only by its method. */
function foreign<T>(inner: Observable<T>): ObservableInput<T> {
  const asObservable = () => ({ subscribe: (observer: Observer<T>) => inner.subscribe(observer) });
  return { [observable]: asObservable } as unknown as ObservableInput<T>;
}

function all<T>(values$: Observable<T>): Promise<T[]> {
  return lastValueFrom(values$.pipe(toArray()), { defaultValue: [] });
}

function wrapped<T>(inner: Observable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const subscription = inner.subscribe(subscriber);
    return () => subscription.unsubscribe();
  });
}

describe.each(forms)('%s, asked what RxJS asks of its mergeMap', (_name, form) => {
  describe('answers', () => {
    for (const [situation, drawing, options] of [...ofTheSource, ...atOnce, ...inTurn]) {
      it(situation, () => ask(form, drawing, options));
    }

    it('nothing that the source emitted before it was asked', () => {
      inVirtualTime((scheduler) => {
        const source = new Subject<string>();
        source.next('early');
        const told: unknown[] = [];
        source
          .pipe(
            form((request) => of(request)),
            showOutcomes(),
          )
          .subscribe({ next: (shown) => told.push(shown), error: rethrow });
        source.next('a');
        scheduler.flush();
        expect(told).toEqual(['a']);
      });
    });

    it('each request by the same Observable', () => {
      inVirtualTime((scheduler) => {
        let subscriptions = 0;
        const same$ = defer(() => (++subscriptions, timer(2).pipe(map(() => 'same'))));
        const told: unknown[] = [];
        from(['a', 'b', 'c'])
          .pipe(
            form(() => same$, two),
            showOutcomes(),
          )
          .subscribe({ next: (shown) => told.push(shown), error: rethrow });
        scheduler.flush();
        expect(told).toEqual(['same', 'same', 'same']);
        expect(subscriptions).toBe(3);
      });
    });
  });

  describe('takes', () => {
    it.each(answering)('%s', async (_way, call) => {
      const outcomes$ = from(['a', 'b', 'c', 'd']).pipe(form(call), showOutcomes());
      expect((await all(outcomes$)).sort()).toEqual(['a', 'b', 'c', 'd']);
    });

    it.each(answering)('%s, one after the other', async (_way, call) => {
      const outcomes$ = from(['a', 'b', 'c', 'd']).pipe(form(call, one), showOutcomes());
      expect(await all(outcomes$)).toEqual(['a', 'b', 'c', 'd']);
    });

    it.each([Infinity, 1])('promises that reject, and goes on (maxConcurrent %p)', async (maxConcurrent) => {
      const call = (request: string) =>
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as marbles fail
        request === 'b' ? Promise.reject('error') : Promise.resolve(request);
      const outcomes$ = from(['a', 'b', 'c']).pipe(form(call, { maxConcurrent }), showOutcomes());
      expect((await all(outcomes$)).sort()).toEqual(['a', 'c', 'error']);
    });

    it('calls that are streams of requests themselves', async () => {
      const call = (request: string) =>
        from(['1', '2']).pipe(
          form((part) => Promise.resolve(request + part), one),
          unwrapOutcomes(),
          toArray(),
        );
      const outcomes$ = from(['a', 'b']).pipe(form(call, one), unwrapOutcomes());
      expect(await all(outcomes$)).toEqual([
        ['a1', 'a2'],
        ['b1', 'b2'],
      ]);
    });

    it('iterables that throw after a while', () => {
      inVirtualTime((scheduler) => {
        const letters = function* (request: string) {
          yield request;
          if (request === 'b') {
            throw new RangeError('no b');
          }
        };
        const told: unknown[] = [];
        from(['a', 'b', 'c'])
          .pipe(delay(1), form(letters), showOutcomes())
          .subscribe({ next: (shown) => told.push(shown), error: rethrow });
        scheduler.flush();
        expect(told).toEqual(['a', 'RangeError', 'c']);
      });
    });
  });

  describe('lets go', () => {
    it('of a synchronous source', () => {
      inVirtualTime(() => {
        const steps: number[] = [];
        const source = new Observable<string>((subscriber) => {
          for (let step = 0; step < 10 && !subscriber.closed; step++) {
            steps.push(step);
            subscriber.next(`request ${step}`);
          }
        });
        source
          .pipe(
            form((request) => of(request)),
            take(3),
          )
          .subscribe();
        expect(steps).toEqual([0, 1, 2]);
      });
    });

    it('of a call in the middle of a synchronous run of values', () => {
      inVirtualTime(() => {
        const steps: number[] = [];
        const stop$ = new Subject<void>();
        const call = () =>
          new Observable<number>((subscriber) => {
            for (let step = 0; step < 10 && !subscriber.closed; step++) {
              steps.push(step);
              subscriber.next(step);
              if (step === 2) {
                stop$.next();
              }
            }
          });
        of('a').pipe(form(call), takeUntil(stop$)).subscribe();
        expect(steps).toEqual([0, 1, 2]);
      });
    });

    it('of an iterable without an end', () => {
      inVirtualTime(() => {
        const stop$ = new Subject<void>();
        let pulled = 0;
        let isReturned = false;
        const endless = {
          [Symbol.iterator]: () => ({
            next: () => {
              if (++pulled === 3) {
                stop$.next();
              }
              return { done: false, value: pulled };
            },
            return: () => {
              isReturned = true;
              return { done: true, value: undefined };
            },
          }),
        } as Iterable<number>;
        of('a')
          .pipe(
            form(() => endless),
            takeUntil(stop$),
          )
          .subscribe();
        expect([pulled, isReturned]).toEqual([3, true]);
      });
    });

    it('of an Observable of another library', () => {
      inVirtualTime((scheduler) => {
        const told: string[] = [];
        const inner = timer(10).pipe(finalize(() => told.push('left')));
        const leaving = of('a')
          .pipe(form(() => foreign(inner)))
          .subscribe();
        scheduler.schedule(() => leaving.unsubscribe(), 5);
        scheduler.flush();
        expect(told).toEqual(['left']);
        expect(scheduler.lastWorkAt).toBe(5);
      });
    });

    it('of a call before it starts the next', () => {
      inVirtualTime((scheduler) => {
        const told: string[] = [];
        const call = (request: string) =>
          defer(() => {
            told.push(`begins ${request}`);
            return timer(1).pipe(finalize(() => told.push(`is left ${request}`)));
          });
        from(['a', 'b'])
          .pipe(form(call, one))
          .subscribe({ next: ({ request }) => told.push(`has answered ${request}`), error: rethrow });
        scheduler.flush();
        expect(told).toEqual([
          'begins a',
          'is left a',
          'has answered a',
          'begins b',
          'is left b',
          'has answered b',
        ]);
      });
    });

    it('of the source before its calls', () => {
      inVirtualTime((scheduler) => {
        const told: string[] = [];
        const source = new Observable<string>((subscriber) => {
          subscriber.next('a');
          return () => told.push('source');
        });
        const leaving = source
          .pipe(form(() => timer(10).pipe(finalize(() => told.push('call')))))
          .subscribe();
        scheduler.schedule(() => leaving.unsubscribe(), 5);
        scheduler.flush();
        expect(told).toEqual(['source', 'call']);
      });
    });
  });

  describe('stands it', () => {
    it('when a request is made in reaction to an outcome', () => {
      inVirtualTime((scheduler) => {
        const source = new Subject<string>();
        const told: unknown[] = [];
        source
          .pipe(
            form((request) => of(request), one),
            showOutcomes(),
            tap((shown) => {
              if (shown.length < 4) {
                source.next(`${shown}${shown}`);
              }
              told.push(shown);
            }),
          )
          .subscribe();
        source.next('a');
        scheduler.flush();
        expect(told.sort()).toEqual(['a', 'aa', 'aaaa']);
      });
    });

    it('when the source ends or fails in reaction to an outcome', () => {
      inVirtualTime((scheduler) => {
        for (const [end, expected] of [
          ['complete', ['a', 'b', 'complete']],
          ['error', ['a', 'error']],
        ] as const) {
          const source = new Subject<string>();
          const told: unknown[] = [];
          source
            .pipe(
              form((request) => timer(1).pipe(map(() => request))),
              showOutcomes(),
            )
            .subscribe({
              next: (shown) => {
                told.push(shown);
                if (shown === 'a') {
                  source[end](new Error('of the source'));
                }
              },
              error: () => told.push('error'),
              complete: () => told.push('complete'),
            });
          source.next('a');
          source.next('b');
          scheduler.flush();
          expect(told).toEqual(expected);
        }
      });
    });

    it('when the subscriber leaves in reaction to an outcome', () => {
      inVirtualTime((scheduler) => {
        const started: string[] = [];
        const call = (request: string) => {
          started.push(request);
          return request === 'a' ? throwError(() => new Error('no')) : EMPTY;
        };
        from(['a', 'b', 'c']).pipe(form(call, one), take(1)).subscribe();
        scheduler.flush();
        expect(started).toEqual(['a']);
      });
    });
  });
});
