/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  BehaviorSubject,
  delay,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  share,
  Subject,
  tap,
  timer,
  VirtualTimeScheduler,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { HeardEvents } from './cached-calls';

interface Asked {
  readonly prompt: string;
  readonly priority?: 'low' | 'critical';
  readonly maxWait?: number;
}

describe('whose outcome it is', () => {
  it('is known to a second cache that gets the outcomes of a shared pipeline later', () => {
    const scheduler = new VirtualTimeScheduler();
    const requests = new Subject<Asked>();
    const told: string[] = [];
    const calls$ = requests.pipe(
      map((request) => ({ ...request, model: 'm' })),
      mergeWithConcurrency(({ prompt }) => timer(10, scheduler).pipe(map(() => prompt.toUpperCase())), {
        scheduler,
      }),
      share(),
    );
    const misses =
      (outcomes$: Observable<CallOutcome<Asked, string>>) =>
      (misses$: Observable<Asked>): Observable<CallOutcome<Asked, string>> =>
        merge(
          misses$.pipe(
            tap((request) => requests.next(request)),
            ignoreElements(),
          ),
          outcomes$,
        );
    const ask = (prompt: string, outcomes$: Observable<CallOutcome<Asked, string>>) =>
      merge(of({ prompt }), new Subject<Asked>())
        .pipe(cacheLLM(misses(outcomes$), { scheduler }))
        .subscribe((outcome) => told.push(`${prompt}: ${outcome.ok ? outcome.value : 'failed'}`));
    const subscriptions = [ask('a', calls$), ask('b', calls$.pipe(delay(1, scheduler)))];
    scheduler.flush();
    expect(told).toEqual(['a: A', 'b: B']);
    for (const subscription of subscriptions) {
      subscription.unsubscribe();
    }
  });

  it('is told apart from that of the same request asked again, though a failure comes late and as a copy', () => {
    const scheduler = new VirtualTimeScheduler();
    const requests$ = new Subject<object>();
    const limit$ = new BehaviorSubject(0);
    const events = new HeardEvents();
    const misses = (misses$: Observable<object>) => {
      const outcomes$ = misses$.pipe(
        mergeWithConcurrency(() => timer(5, scheduler), { maxConcurrent: limit$, maxWait: 10, scheduler }),
        map((outcome) => ({ ...outcome })),
        share(),
      );
      return merge(
        outcomes$.pipe(filter(({ ok }) => ok)),
        outcomes$.pipe(
          filter(({ ok }) => !ok),
          delay(100, scheduler),
        ),
      );
    };
    requests$.pipe(cacheLLM(misses, { scheduler, events })).subscribe();
    const same = { prompt: 'a', bypass: { sharing: true, lookUp: true } };
    const ask = () => requests$.next(same);
    scheduler.schedule(ask, 0);
    scheduler.schedule(() => limit$.next(1), 20);
    scheduler.schedule(ask, 40);
    scheduler.flush();
    const settled = events.of('settled');
    const idsOf = (list: readonly { readonly id: number }[]) => list.map(({ id }) => id);
    // The second is answered first.
    expect(idsOf(settled)).toEqual(idsOf(events.of('received')).reverse());
    expect(settled).toMatchObject([
      { at: 45, ok: true },
      { at: 110, ok: false },
    ]);
  });
});

it('joining with a higher priority may start and land the call at once, and leaves no deadline behind', () => {
  const scheduler = new VirtualTimeScheduler();
  const limiter = new AdaptiveRateLimiter({ baseInterval: 100, scheduler });
  const requests$ = new Subject<Asked>();
  const told: string[] = [];
  requests$
    .pipe(
      cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(({ prompt }) => of([prompt]), { limiter })), {
        scheduler,
      }),
    )
    .subscribe(({ request }) => told.push(`${scheduler.frame} ${request.prompt} ${request.priority ?? ''}`));
  scheduler.schedule(() => {
    requests$.next({ prompt: 'first' });
    requests$.next({ prompt: 'a', priority: 'low' });
  });
  scheduler.schedule(() => requests$.next({ prompt: 'a', priority: 'critical', maxWait: 500 }), 60);
  scheduler.flush();
  expect(told).toEqual(['0 first ', '60 a low', '60 a critical']);
  expect(scheduler.frame).toBeLessThan(560);
  limiter.close();
});

it('an answer that is kept while others expire does not start a second sweep', () => {
  jest.useFakeTimers();
  try {
    let kept = 0;
    const cache: LLMResultCache = new LLMResultCache({
      defaultTtl: 5,
      sweepInterval: 20,
      events: { next: ({ type }) => type === 'cache-evicted' && cache.set(`key ${kept++}`, 'answer') },
    });
    cache.set('key', 'answer');
    for (let interval = 0; interval < 10; interval++) {
      jest.advanceTimersByTime(20);
      expect(jest.getTimerCount()).toBe(1);
    }
    expect(kept).toBe(10);
    cache.close();
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

describe('when a request came', () => {
  it.each([
    ['a deadline', { maxWait: 5000 }],
    ['no deadline', {}],
  ])('is exact where a synchronous source takes its time for each request, with %s', (_what, traits) => {
    let time = 1000;
    const scheduler = { now: () => time, schedule: () => ({ unsubscribe: () => undefined }) };
    const events = new HeardEvents();
    const arrivals: number[] = [];
    function* slowly() {
      for (let id = 0; id < 40; id++) {
        time += 10;
        arrivals.push(time);
        yield { id, ...traits };
      }
    }
    from(slowly())
      .pipe(mergeWithConcurrency(() => NEVER, { scheduler: scheduler as unknown as SchedulerLike, events }))
      .subscribe()
      .unsubscribe();
    expect(events.of('received').map(({ at }) => at)).toEqual(arrivals);
  });
});
