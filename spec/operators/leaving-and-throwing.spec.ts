import {
  config as rxjsConfig,
  concat,
  config,
  defer,
  delay,
  finalize,
  from,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  tap,
  throwError,
  timer,
} from 'rxjs';
import {
  AdaptiveRateLimiter,
  adaptiveThrottle,
  cacheLLM,
  LLMCallOptimizer,
  LLMResultCache,
  mergeWithConcurrency,
  type CallContext,
  type CallEvent,
  type CallOutcome,
} from '../../lib';
import { engineOf } from '../../lib/limiter/engine-of';
import { inVirtualTime, rethrow } from '../test-scheduler';

const outcomeOf = (request: string): CallOutcome<string, string> => ({
  ok: true,
  request,
  value: request.toUpperCase(),
  source: 'call',
  latency: 0,
  waited: 0,
  attempts: 1,
});

const refused = () => throwError(() => Object.assign(new Error('429'), { status: 429 }));

describe('a teardown that throws', () => {
  afterEach(() => {
    config.onUnhandledError = null;
  });

  it('neither keeps an outcome from coming out nor the slot from being freed', () => {
    const reported: unknown[] = [];
    config.onUnhandledError = (error: unknown) => reported.push(error);
    const seen: unknown[] = [];
    inVirtualTime(() => {
      from([1, 2, 3])
        .pipe(
          mergeWithConcurrency(
            (request) =>
              of(request).pipe(
                delay(5),
                finalize(() => {
                  if (request === 2) {
                    throw new Error('teardown');
                  }
                }),
              ),
            1,
          ),
        )
        .subscribe({
          next: ({ request, ok }) => seen.push([request, ok]),
          error: rethrow,
          complete: () => seen.push('complete'),
        });
    });
    expect(seen).toEqual([[1, true], [2, true], [3, true], 'complete']);
    expect(reported).toHaveLength(1);
  });
});

describe('a listener that leaves in the middle of an event', () => {
  it.each(['received', 'cache-miss'])('leaves no flight behind on %s', (type) => {
    const cache = new LLMResultCache();
    const calls: string[] = [];
    const ask = (events?: { next(event: CallEvent): void }) =>
      cacheLLM<string, string>(
        (misses$) =>
          misses$.pipe(
            mergeWithConcurrency((question) => {
              calls.push(question);
              return of(`answer to ${question}`);
            }),
          ),
        { cache, ...(events && { events }) },
      );
    const questions$ = new Subject<string>();
    const leaving = questions$
      .pipe(ask({ next: (event) => event.type === type && leaving.unsubscribe() }))
      .subscribe({ error: rethrow });
    questions$.next('why');
    expect(calls).toEqual([]);

    const answers: unknown[] = [];
    of('why')
      .pipe(ask())
      .subscribe({ next: (outcome) => answers.push(outcome.ok && outcome.value), error: rethrow });
    expect(answers).toEqual(['answer to why']);
  });

  it('ends the request that has just been throttled', () => {
    const told: string[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 4, adaptive: false });
      const next = ({ type }: CallEvent) => {
        told.push(type);
        if (type === 'throttled') subscription.unsubscribe();
      };
      const subscription = of('a', 'b')
        .pipe(adaptiveThrottle(limiter, { events: { next } }))
        .subscribe({ error: rethrow });
    });
    expect(told).toEqual(['received', 'received', 'throttled', 'left']);
  });

  it('does not make the call again for nobody when the last waiter leaves on its failure', () => {
    let calls = 0;
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, baseInterval: 0, retry: true });
      const leaving = of('why')
        .pipe(
          optimizer.optimize(() => {
            calls++;
            return timer(5).pipe(
              mergeMap(() => throwError(() => Object.assign(new Error('500'), { status: 500 }))),
            );
          }),
        )
        .subscribe({ error: rethrow });
      optimizer.events$.subscribe({
        next: (event) => event.type === 'finished' && leaving.unsubscribe(),
        error: rethrow,
      });
    });
    expect(calls).toBe(1);
  });

  it('leaves no failure unhandled of a promise that a call returned which left while it was made', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    const requests = new Subject<string>();
    const subscription = requests
      .pipe(
        mergeWithConcurrency(() => {
          subscription.unsubscribe();
          return Promise.reject<string>(new Error('too late'));
        }),
      )
      .subscribe({ error: rethrow });
    requests.next('a');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('does not begin what a call returned that left while it was made', () => {
    let begun = 0;
    const source$ = new Subject<number>();
    const leaving = source$
      .pipe(
        mergeWithConcurrency(() => {
          leaving.unsubscribe();
          return defer(() => {
            begun++;
            return NEVER;
          });
        }),
      )
      .subscribe({ error: rethrow });
    source$.next(1);
    expect(begun).toBe(0);
  });
});

describe('what one pipeline was sent', () => {
  it('is not found by another, however equal its requests are', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        scheduler,
        baseInterval: 0,
        adaptive: false,
        limits: { requestsPerMinute: 1 },
      });
      const outcomes: CallOutcome<string, string>[] = [];
      const startedAt: number[] = [];
      of('ping')
        .pipe(
          adaptiveThrottle(limiter),
          mergeMap((ping) => of(ping)),
        )
        .subscribe({ error: rethrow });
      timer(600_000)
        .pipe(
          mergeMap(() => of('ping', 'ping')),
          mergeWithConcurrency(
            (ping) => {
              startedAt.push(scheduler.now());
              return of(ping);
            },
            { limiter, maxWait: 65_000 },
          ),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      expect(outcomes.map(({ ok }) => ok)).toEqual([true, true]);
      expect(startedAt).toEqual([600_000, 660_000]);
    });
  });

  it('is found behind an operator that delays it, and pays once', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 1000, adaptive: false });
      const startedAt: number[] = [];
      of('a', 'b')
        .pipe(
          adaptiveThrottle(limiter),
          delay(10),
          mergeWithConcurrency(
            (request) => {
              startedAt.push(scheduler.now());
              return of(request);
            },
            { limiter },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(startedAt).toEqual([10, 1010]);
    });
  });
});

describe('a request that is sent again in the middle of its first time', () => {
  const heard = () => {
    const events: CallEvent[] = [];
    const count = (wanted: string) => events.filter(({ type }) => type === wanted).length;
    return { events, count };
  };

  it('is a request of its own in front of two caches that are one inside the other', () => {
    const { events, count } = heard();
    inVirtualTime((scheduler) => {
      const source$ = new Subject<object>();
      const request = { text: 'a' };
      const listener = {
        next: (event: CallEvent) => {
          // The arrival at the inner cache.
          if (events.push(event) === 3) source$.next(request);
        },
      };
      const cache = new LLMResultCache({ scheduler });
      const caching = (namespace: string) => ({ cache, namespace, events: listener });
      source$
        .pipe(
          adaptiveThrottle({ scheduler, baseInterval: 0 }, { events: listener }),
          cacheLLM(
            (outer$) =>
              outer$.pipe(
                cacheLLM(
                  (inner$) => inner$.pipe(mergeWithConcurrency(() => timer(1), { events: listener })),
                  caching('inner'),
                ),
              ),
            caching('outer'),
          ),
        )
        .subscribe({ error: rethrow });
      source$.next(request);
    });
    expect(count('settled')).toBe(count('received'));
    expect(count('left')).toBe(0);
  });

  it.each([0, 1])(
    'is a request of its own in front of a pipeline of the user, %s throttles in it',
    (throttles) => {
      const { events, count } = heard();
      let reactions = 0;
      inVirtualTime((scheduler) => {
        const source$ = new Subject<string>();
        const listener = { next: (event: CallEvent) => void events.push(event) };
        const pace = adaptiveThrottle<string>({ scheduler, baseInterval: 0 }, { events: listener });
        source$
          .pipe(
            throttles === 0 ? pace : tap(),
            cacheLLM(
              (misses$) =>
                misses$.pipe(
                  throttles === 0 ? tap() : pace,
                  map((request) => {
                    if (throttles > 0 && reactions++ === 0) source$.next(request);
                    return outcomeOf(request);
                  }),
                ),
              { events: listener, scheduler, shouldCache: () => false },
            ),
          )
          .subscribe({
            next: () => {
              if (throttles === 0 && reactions++ === 0) source$.next('a');
            },
            error: rethrow,
          });
        source$.next('a');
      });
      expect(count('received')).toBe(2);
      expect(count('settled')).toBe(2);
    },
  );
});

describe('a subscriber that leaves', () => {
  it('has no request pass from one throttle to the next that is closing', () => {
    const told: string[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 4, adaptive: false });
      const events = { next: ({ type }: CallEvent) => void told.push(`${type} at ${scheduler.now()}`) };
      const subscription = timer(2)
        .pipe(
          mergeMap(() => of('a', 'b')),
          adaptiveThrottle(limiter, { events }),
          adaptiveThrottle(limiter, { events }),
          mergeWithConcurrency(() => of('A'), { events, scheduler }),
        )
        .subscribe({ error: rethrow });
      scheduler.schedule(() => subscription.unsubscribe(), 6);
      scheduler.flush();
    });
    const ended = told.filter((text) => text.startsWith('left') || text.startsWith('settled'));
    expect(told.filter((text) => text.startsWith('received'))).toHaveLength(2);
    expect(ended).toHaveLength(2);
  });
});

describe('a permit that was paid for a request that never starts', () => {
  const hang = () => NEVER;
  const late = { maxWait: 50 };

  it.each([
    ['waits for a slot longer than it may', hang, { maxConcurrent: 1, ...late }],
    ['finds the queue full', hang, { maxConcurrent: 1, maxQueue: 1 }],
    ['is dropped for a newer one', hang, { maxConcurrent: 1, maxQueue: 1, overflow: 'drop-oldest' as const }],
    ['waits when the subscriber leaves', hang, { maxConcurrent: 1 }],
  ])('is forgotten by the limiter where the request %s', (_case, call, config) => {
    const limiter = inVirtualTime((scheduler) => {
      const shared = new AdaptiveRateLimiter({ scheduler, baseInterval: 1, adaptive: false });
      const subscription = of('a', 'b', 'c', 'd')
        .pipe(adaptiveThrottle(shared), mergeWithConcurrency(call, { ...config, limiter: shared }))
        .subscribe({ error: rethrow });
      scheduler.schedule(() => {
        const { outstanding } = shared[engineOf];
        // The one that runs, and those that wait for its slot.
        expect(outstanding).toBe('maxWait' in config ? 1 : 'maxQueue' in config ? 2 : 4);
        subscription.unsubscribe();
      }, 100);
      scheduler.flush();
      return shared;
    });
    expect(limiter[engineOf].outstanding).toBe(0);
  });

  it('is forgotten where whoever hears of it leaves', () => {
    const limiter = inVirtualTime((scheduler) => {
      const shared = new AdaptiveRateLimiter({ scheduler, baseInterval: 4, adaptive: false });
      const next = ({ type }: CallEvent) => type === 'throttled' && subscription.unsubscribe();
      const subscription = of('a', 'b')
        .pipe(
          adaptiveThrottle(shared, { events: { next } }),
          mergeWithConcurrency(() => NEVER, { limiter: shared }),
        )
        .subscribe({ error: rethrow });
      scheduler.flush();
      return shared;
    });
    expect(limiter[engineOf].outstanding).toBe(0);
  });
});

describe('an error of the stream', () => {
  const failed = new Error('failed');
  const readsAll = {
    traits: (request: string) => ({ priority: request === 'bad' ? fail() : 'low' }) as const,
  };
  const fail = (): never => {
    throw failed;
  };

  it.each([
    [
      'of the source',
      concat(
        of('a', 'b'),
        throwError(() => failed),
      ),
      {},
    ],
    ['of the traits reader', of('a', 'b', 'bad', 'c'), readsAll],
  ])('%s is heard when nothing waits and nothing runs any more', (_case, source$, config) => {
    const heard: unknown[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 10, adaptive: false });
      const signals: AbortSignal[] = [];
      const call = (_request: string, { signal }: CallContext) => {
        signals.push(signal);
        return NEVER;
      };
      const operators = [
        mergeWithConcurrency(call, { limiter, ...config }),
        cacheLLM((misses$: Observable<string>) => misses$.pipe(mergeWithConcurrency(call, { limiter })), {
          scheduler,
          ...config,
        }),
      ];
      for (const operator of operators) {
        source$.pipe(operator).subscribe({
          error: (error: unknown) => {
            const { queued } = limiter.state;
            heard.push([error, queued, signals.length, signals.every(({ aborted }) => aborted)]);
          },
        });
      }
      const throttled = adaptiveThrottle<string>(limiter, config);
      source$
        .pipe(throttled)
        .subscribe({ error: (error: unknown) => heard.push([error, limiter.state.queued]) });
    });
    expect(heard).toEqual([
      [failed, 0, 1, true],
      [failed, 0, 1, true],
      [failed, 0],
    ]);
  });
});

describe('an error of the source whose teardown throws', () => {
  const failed = new Error('failed');
  const call = () => NEVER;

  it.each([
    ['mergeWithConcurrency', () => mergeWithConcurrency<string, Observable<never>>(call)],
    ['adaptiveThrottle', () => adaptiveThrottle<string>({ baseInterval: 0 })],
    ['cacheLLM', () => cacheLLM((misses$: Observable<string>) => misses$.pipe(mergeWithConcurrency(call)))],
  ])('is heard behind %s, before the teardown runs, which is reported as unhandled', (_name, operator) => {
    const thrown = new Error('thrown');
    const told: unknown[] = [];
    rxjsConfig.onUnhandledError = (error: unknown) => told.push(error);
    try {
      inVirtualTime(() => {
        const source$ = new Subject<string>();
        const torn$ = source$.pipe(
          finalize(() => {
            told.push('teardown');
            throw thrown;
          }),
        );
        torn$.pipe<unknown>(operator()).subscribe({ error: (error: unknown) => told.push(error) });
        source$.next('a');
        try {
          source$.error(failed);
        } catch (error) {
          told.push(error);
        }
      });
    } finally {
      rxjsConfig.onUnhandledError = null;
    }
    expect(told.slice(0, 2)).toEqual([failed, 'teardown']);
    expect(told).toHaveLength(3);
    expect(told[2]).toMatchObject({ errors: [thrown] });
  });
});

describe('a throttle whose refusal is its error', () => {
  it('takes in nothing that is asked in reaction to the calls that end by it', () => {
    const told: string[] = [];
    inVirtualTime((scheduler) => {
      const again$ = new Subject<string>();
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 4, adaptive: false });
      const events = {
        next: ({ type }: CallEvent) => {
          told.push(type);
          if (type === 'finished') {
            again$.next('c');
          }
        },
      };
      merge(of('a'), timer(2).pipe(map(() => 'b')), again$)
        .pipe(
          adaptiveThrottle(limiter, { events, maxWait: 1 }),
          mergeWithConcurrency(() => NEVER, { events, scheduler }),
        )
        .subscribe({ error: (error: unknown) => told.push((error as Error).name) });
      scheduler.flush();
    });
    expect(told).toEqual([
      'received',
      'started',
      'received',
      'settled',
      'finished',
      'left',
      'DeadlineExceededError',
    ]);
  });
});

describe('a traits reader that throws behind a throttle', () => {
  it('has what waits in the throttle given up before the error is heard', () => {
    const queued: number[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 10, adaptive: false });
      const traits = (request: string) => {
        if (request === 'bad') {
          throw new Error('failed');
        }
        return {};
      };
      of('a', 'bad', 'b', 'c')
        .pipe(
          adaptiveThrottle(limiter),
          mergeWithConcurrency(() => NEVER, { limiter, traits }),
        )
        .subscribe({ error: () => queued.push(limiter.state.queued) });
      scheduler.flush();
    });
    expect(queued).toEqual([0]);
  });
});

describe('a refusal without end', () => {
  it('ends by maxElapsed without a limiter, and never in a loop of the same moment', () => {
    let calls = 0;
    const outcomes: CallOutcome<number, never>[] = [];
    inVirtualTime(() => {
      of(1)
        .pipe(
          mergeWithConcurrency(
            () => {
              calls++;
              return refused();
            },
            { retry: { baseDelay: 0, maxElapsed: 100 } },
          ),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
    });
    expect(outcomes).toMatchObject([{ ok: false }]);
    expect(calls).toBe(101);
  });

  it('ends by maxElapsed at once where the limiter holds for longer', () => {
    const outcomes: CallOutcome<number, never>[] = [];
    const endedAt = inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler });
      const longWait = { status: 429, headers: { 'retry-after': '3600' } };
      of(1)
        .pipe(
          mergeWithConcurrency(() => throwError(() => Object.assign(new Error('429'), longWait)), {
            limiter,
            retry: { maxElapsed: 60_000 },
          }),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      return scheduler.now();
    });
    expect(outcomes).toMatchObject([{ ok: false, attempts: 1 }]);
    expect(endedAt).toBe(0);
  });
});

describe('traits that are not valid', () => {
  it('are left out, so that one NaN does not stop everybody', () => {
    const outcomes: unknown[] = [];
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({
        scheduler,
        baseInterval: 0,
        limits: { tokensPerMinute: 1000 },
      });
      concat(of(0), of(1, 2))
        .pipe(
          mergeWithConcurrency((request: number) => of(request), {
            limiter,
            traits: (request) => (request === 0 ? { tokens: NaN } : {}),
          }),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome.request), error: rethrow });
    });
    expect(outcomes).toEqual([0, 1, 2]);
  });

  it('by name are part of the key where a function reads the traits', () => {
    let calls = 0;
    from([
      { text: 'x', priority: 'high' },
      { text: 'x', priority: 'low' },
    ])
      .pipe(
        cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => of(++calls))), { traits: () => ({}) }),
      )
      .subscribe({ error: rethrow });
    expect(calls).toBe(2);
  });
});

describe('lanes', () => {
  it('give no more than a share to one that sends its requests one by one', () => {
    const starts = new Map<string, number>();
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 10, adaptive: false });
      const requests$ = new Subject<{ lane: string }>();
      const running = requests$
        .pipe(mergeWithConcurrency((request) => of(request.lane), { limiter, maxConcurrent: 1 }))
        .subscribe({
          next: ({ request: { lane } }) => {
            starts.set(lane, (starts.get(lane) ?? 0) + 1);
            if (lane === 'X') {
              requests$.next({ lane });
            }
          },
          error: rethrow,
        });
      for (const lane of ['A', 'B', 'C', 'D']) {
        for (let count = 0; count < 200; count++) {
          requests$.next({ lane });
        }
      }
      requests$.next({ lane: 'X' });
      timer(5000).subscribe({ next: () => running.unsubscribe(), error: rethrow });
    });
    const shares = [...starts.values()];
    expect(starts.size).toBe(5);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(2);
  });
});

describe('closing', () => {
  it('answers a request that comes in reaction to it', () => {
    const optimizer = new LLMCallOptimizer();
    const questions$ = new Subject<string>();
    const outcomes: string[] = [];
    questions$.pipe(optimizer.optimize(() => NEVER)).subscribe({
      next: (outcome) => {
        outcomes.push(`${outcome.request} ${outcome.ok ? 'answered' : (outcome.error as Error).name}`);
        if (outcome.request === 'first') {
          questions$.next('second');
        }
      },
      error: rethrow,
    });
    questions$.next('first');
    optimizer.close();
    expect(outcomes).toEqual(['first ClosedError', 'second ClosedError']);
  });
});
