/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { concat, EMPTY, from, map, NEVER, Observable, of, Subject, take, throwError, timer } from 'rxjs';
import { CallTimeoutError } from '../../lib/core/errors';
import type { CallContext } from '../../lib/core/call';
import type { StreamItem } from '../../lib/core/stream';
import { settled, streamWithConcurrency } from '../../lib/operators/stream-with-concurrency';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { inVirtualTime, rethrow, runUntil } from '../test-scheduler';
import { joining, shownItem, showItems } from '../streams';
import { HeardEvents } from './cached-calls';

describe('the fixed matrix', () => {
  const call = joining((request: string) => of(request, 'z'));

  it('never', () => {
    runUntil(3, ({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-');
      expectObservable(source.pipe(streamWithConcurrency(call)), '---!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('empty', () => {
    runUntil(3, ({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('---|');
      expectObservable(source.pipe(streamWithConcurrency(call))).toBe('---|');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('single: chunks, then the outcome, then the completion', () => {
    runUntil(4, ({ cold, expectObservable, expectSubscriptions }) => {
      const stream = cold('a-b-(c|)');
      const source = cold('q|');
      expectObservable(source.pipe(streamWithConcurrency(joining(() => stream)), showItems())).toBe(
        'a-b-(cA|)',
        { a: 'a', b: 'b', c: 'c', A: '=abc' },
      );
      expectSubscriptions(stream.subscriptions).toBe('^---!');
      expectSubscriptions(source.subscriptions).toBe('^!');
    });
  });

  it('many: the slot is held until the stream ends', () => {
    runUntil(8, ({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('-a-b-|');
      const second = cold('-c-(d|)');
      const streams = [first, second];
      const source = cold('qr|');
      expectObservable(
        source.pipe(
          streamWithConcurrency(
            joining(() => streams.shift()!),
            1,
          ),
          showItems(),
        ),
      ).toBe('-a-b-Ac-(dB|)', { a: 'a', b: 'b', c: 'c', d: 'd', A: '=ab', B: '=cd' });
      expectSubscriptions(first.subscriptions).toBe('^----!');
      expectSubscriptions(second.subscriptions).toBe('-----^--!');
    });
  });

  it('many at once: the chunks interleave, and each item tells its request', () => {
    const items: StreamItem<string, string, string>[] = [];
    inVirtualTime((scheduler) => {
      const texts: Record<string, string> = { q: '-a-b|', r: 'c-d|' };
      from(['q', 'r'])
        .pipe(
          streamWithConcurrency(
            joining((request: string) => scheduler.createColdObservable(texts[request]!)),
          ),
        )
        .subscribe((item) => items.push(item));
      scheduler.flush();
    });
    expect(items.map(shownItem)).toEqual(['c', 'a', 'd', 'b', '=cd', '=ab']);
    expect(items.map(({ request }) => request).join('')).toBe('rqrqrq');
    const [c, a, d, b, end] = items;
    expect([c, a, d, b].map((item) => item?.type === 'chunk' && item.index)).toEqual([0, 0, 1, 1]);
    expect(new Set(items.map(({ id }) => id)).size).toBe(2);
    expect(end).toMatchObject({ type: 'outcome', id: c!.id, request: 'r' });
    expect(end?.type === 'outcome' && end.outcome).toEqual({
      ok: true,
      request: 'r',
      value: 'cd',
      source: 'call',
      latency: 3,
      waited: 0,
      attempts: 1,
    });
  });

  it('error: passed on at once, and the streams are aborted', () => {
    runUntil(3, ({ cold, expectObservable, expectSubscriptions }) => {
      const stream = cold('-a---b|');
      expectObservable(cold('q--#').pipe(streamWithConcurrency(joining(() => stream)), showItems())).toBe(
        '-a-#',
      );
      expectSubscriptions(stream.subscriptions).toBe('^--!');
    });
  });

  it('early unsubscribe, at each frame: nothing is told any more, the signal is aborted at once', () => {
    for (let frame = 1; frame <= 6; frame++) {
      runUntil(Math.min(frame, 6), ({ cold, expectObservable, expectSubscriptions, flush }) => {
        const stream = cold('-a-b-c|');
        let signal: AbortSignal | undefined;
        const call = joining((_: string, context: CallContext) => {
          signal = context.signal;
          return stream;
        });
        expectObservable(
          cold('q').pipe(streamWithConcurrency(call), showItems()),
          `${'-'.repeat(frame)}!`,
        ).toBe(['-', '-', '-a', '-a', '-a-b', '-a-b', '-a-b-c'][frame]!);
        expectSubscriptions(stream.subscriptions).toBe(`^${'-'.repeat(frame - 1)}!`);
        flush();
        expect(signal?.aborted).toBe(true);
        expect((signal?.reason as Error).name).toBe('AbortError');
      });
    }
  });

  it('a callback that throws fails its request', () => {
    const thrown = (): never => {
      throw new Error('x');
    };
    const outcomesOf = (call: ReturnType<typeof joining<string>>): string[] => {
      const items: string[] = [];
      of('q')
        .pipe(streamWithConcurrency(call), showItems())
        .subscribe((item) => items.push(item));
      return items;
    };
    expect(outcomesOf(joining(thrown))).toEqual(['!Error']);
    expect(outcomesOf(joining(() => of('a'), { collect: thrown }))).toEqual(['a', '!Error']);
    expect(
      outcomesOf(
        joining(
          () =>
            concat(
              of('a'),
              throwError(() => new TypeError()),
            ),
          { collect: thrown },
        ),
      ),
    ).toEqual(['a', '!TypeError']);
  });

  it('a wrong call or config throws at once', () => {
    expect(() => streamWithConcurrency({} as never)).toThrow('call.open must be a function');
    expect(() => streamWithConcurrency({ open: () => EMPTY } as never)).toThrow(
      'call.collect must be a function',
    );
    expect(() =>
      streamWithConcurrency(
        joining(() => EMPTY),
        { chunkTimeout: 0 },
      ),
    ).toThrow('chunkTimeout');
    expect(() =>
      streamWithConcurrency(
        joining(() => EMPTY),
        { maxConcurrent: 0 },
      ),
    ).toThrow('maxConcurrent');
  });

  it('a stream without chunks fails with EmptyError', () => {
    runUntil(2, ({ cold, expectObservable }) => {
      expectObservable(cold('q|').pipe(streamWithConcurrency(joining(() => cold('--|'))), showItems())).toBe(
        '--(E|)',
        { E: '!EmptyError' },
      );
    });
  });
});

describe('reentrancy', () => {
  it('a subscriber that leaves in a chunk pulls no more of a synchronous firehose, and starts no other call', () => {
    let pulled = 0;
    let opened = 0;
    const endless = joining(() => {
      opened++;
      return new Observable<string>((subscriber) => {
        while (!subscriber.closed) {
          pulled++;
          subscriber.next('a');
        }
      });
    });
    of('q', 'r', 's').pipe(streamWithConcurrency(endless, 1), take(3)).subscribe();
    expect([pulled, opened]).toEqual([3, 1]);
  });

  it('100,000 synchronous requests, and one of 100,000 chunks', () => {
    let items = 0;
    const count = 100_000;
    from(Array.from({ length: count }, (_, index) => index))
      .pipe(streamWithConcurrency(joining(() => of('a', 'b'))))
      .subscribe(() => items++);
    expect(items).toBe(3 * count);
    let chunks = 0;
    of('q')
      .pipe(
        streamWithConcurrency({
          open: () => from(new Array<number>(count).fill(1)),
          collect: (all) => all.length,
        }),
      )
      .subscribe((item) =>
        item.type === 'chunk' ? chunks++ : expect(item.outcome).toMatchObject({ value: count }),
      );
    expect(chunks).toBe(count);
  });

  it('a request that is sent in reaction to a chunk, and a source that completes in it', () => {
    const requests = new Subject<string>();
    const items: string[] = [];
    requests
      .pipe(
        streamWithConcurrency(
          joining((request: string) => of(request, 'z')),
          1,
        ),
        showItems(),
      )
      .subscribe({
        next: (item) => {
          items.push(item);
          if (item === 'q') {
            requests.next('r');
            requests.complete();
          }
        },
        complete: () => items.push('|'),
      });
    requests.next('q');
    expect(items).toEqual(['q', 'z', '=qz', 'r', 'z', '=rz', '|']);
  });

  it('chunks that come in reaction to a chunk keep their place', () => {
    const stream = new Subject<string>();
    const told: [number, string][] = [];
    of('q')
      .pipe(streamWithConcurrency(joining(() => stream)))
      .subscribe((item) => {
        if (item.type === 'chunk') {
          told.push([item.index, item.chunk]);
          if (item.chunk === 'a') {
            stream.next('b');
            stream.complete();
          }
        } else {
          told.push([-1, shownItem(item)]);
        }
      });
    stream.next('a');
    expect(told).toEqual([
      [0, 'a'],
      [1, 'b'],
      [-1, '=ab'],
    ]);
  });
});

describe('failures', () => {
  const retry = { random: () => 0.5, baseDelay: 4 };
  const lost = () => Object.assign(new Error('lost'), { code: 'ECONNRESET' });

  it('before the first chunk are tried again', () => {
    runUntil(9, ({ cold, expectObservable }) => {
      const streams = [cold('--#', undefined, lost()), cold('-a-b-|')];
      expectObservable(
        cold('q|').pipe(
          streamWithConcurrency(
            joining(() => streams.shift()!),
            { retry },
          ),
          showItems(),
        ),
      ).toBe('-----a-b-(A|)', { a: 'a', b: 'b', A: '=ab' });
    });
  });

  it('after the first chunk are not, and tell what had come', () => {
    runUntil(3, ({ cold, expectObservable }) => {
      const streams = [cold('-a-#', undefined, lost()), cold('-a-b-|')];
      expectObservable(
        cold('q|').pipe(
          streamWithConcurrency(
            joining(() => streams.shift()!),
            { retry },
          ),
          showItems(),
        ),
      ).toBe('-a-(F|)', { a: 'a', F: '!Error after a' });
    });
  });

  it('leave partial out if nothing had come', () => {
    const outcomes: object[] = [];
    of('q')
      .pipe(streamWithConcurrency(joining(() => throwError(() => new Error('x')))), settled())
      .subscribe((outcome) => outcomes.push(outcome));
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]).not.toHaveProperty('partial');
  });
});

describe('firstChunkTimeout and chunkTimeout', () => {
  const timed = (marbles: string, config: object, expected: string, endsAt: number, ping?: number) => {
    runUntil(endsAt, ({ cold, expectObservable, scheduler }) => {
      const call = joining((_: string, { report }: CallContext) => {
        if (ping !== undefined) {
          scheduler.schedule(() => report({}), ping);
        }
        return cold(marbles);
      });
      expectObservable(cold('q|').pipe(streamWithConcurrency(call, config), showItems())).toBe(expected, {
        a: 'a',
        b: 'b',
        A: '=ab',
        T: '!CallTimeoutError',
        U: '!CallTimeoutError after a',
        V: '!CallTimeoutError after ab',
      });
    });
  };

  it('the first counts from the start of the call to the first chunk', () => {
    timed('---a----b|', { firstChunkTimeout: 3 }, '---(T|)', 3);
    timed('--a-----b|', { firstChunkTimeout: 3 }, '--a-----b(A|)', 9);
  });

  it('the other counts silences after it', () => {
    timed('-----a--b--|', { chunkTimeout: 4 }, '-----a--b--(A|)', 11);
    timed('-----a----b|', { chunkTimeout: 4 }, '-----a---(U|)', 9);
    timed('-----a-b----|', { chunkTimeout: 4 }, '-----a-b---(V|)', 11);
  });

  it('a report is a sign of life, but no first chunk', () => {
    timed('-a-----b|', { chunkTimeout: 4 }, '-a-----b(A|)', 8, 4);
    timed('----a|', { firstChunkTimeout: 3 }, '---(T|)', 3, 2);
  });

  it('abort the signal, name the setting, and leave no timer', () => {
    const reasons: unknown[] = [];
    inVirtualTime((scheduler) => {
      let signal: AbortSignal | undefined;
      of('q')
        .pipe(
          streamWithConcurrency(
            joining((_: string, context) => {
              signal = context.signal;
              return concat(of('a'), NEVER);
            }),
            { chunkTimeout: 5, firstChunkTimeout: 7 },
          ),
          settled(),
        )
        .subscribe((outcome) => reasons.push(!outcome.ok && outcome.error, signal?.reason));
      scheduler.flush();
      expect(scheduler.now()).toBe(5);
    });
    expect(reasons[0]).toBeInstanceOf(CallTimeoutError);
    expect(reasons[0]).toMatchObject({ timeout: 5, setting: 'chunkTimeout' });
    expect(reasons[1]).toMatchObject({ name: 'TimeoutError' });
  });

  it('a first chunk that does not come is tried again', () => {
    runUntil(8, ({ cold, expectObservable }) => {
      const streams = [cold('-'), cold('-a|')];
      expectObservable(
        cold('q|').pipe(
          streamWithConcurrency(
            joining(() => streams.shift()!),
            {
              firstChunkTimeout: 4,
              retry: { random: () => 0.5, baseDelay: 4 },
            },
          ),
          showItems(),
        ),
      ).toBe('-------a(A|)', { a: 'a', A: '=a' });
    });
  });
});

describe('usage and events', () => {
  const usage = (texts: readonly string[]) =>
    texts.at(-1) === '.' ? { inputTokens: 10, outputTokens: texts.length } : undefined;

  it('first-chunk is told once a call', () => {
    const events = new HeardEvents();
    inVirtualTime((scheduler) => {
      const streams = ['---#', '--a-b|'].map((marbles) =>
        scheduler.createColdObservable(
          marbles,
          undefined,
          Object.assign(new Error(), { code: 'ECONNRESET' }),
        ),
      );
      of('q')
        .pipe(
          streamWithConcurrency(
            joining(() => streams.shift()!),
            {
              events,
              retry: { random: () => 0, baseDelay: 1 },
            },
          ),
        )
        .subscribe();
      scheduler.flush();
    });
    expect(events.of('first-chunk')).toMatchObject([{ attempt: 2, latency: 2 }]);
    expect(events.types).toEqual([
      'received',
      'started',
      'finished',
      'retrying',
      'started',
      'first-chunk',
      'finished',
      'settled',
    ]);
  });

  it('usage is told at the end, before the call is finished', () => {
    const events = new HeardEvents();
    of('q')
      .pipe(
        streamWithConcurrency(
          joining(() => of('a', '.'), { usage }),
          { events },
        ),
      )
      .subscribe();
    expect(events.types.slice(-3)).toEqual(['feedback', 'finished', 'settled']);
    expect(events.of('feedback')[0]!.feedback).toEqual({ usage: { inputTokens: 10, outputTokens: 2 } });
  });

  it('a stream that is left, or fails, settles its tokens by what had come', () => {
    for (const end of [NEVER, throwError(() => new Error('x'))]) {
      const events = new HeardEvents();
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({
          limits: { tokensPerMinute: 1000 },
          baseInterval: 0,
          scheduler,
        });
        const subscription = of({ text: '12345678', tokens: 500 })
          .pipe(
            streamWithConcurrency(
              joining(() => concat(of('abcd', 'efgh'), end), { usage }),
              { limiter, events },
            ),
          )
          .subscribe();
        scheduler.schedule(() => subscription.unsubscribe(), 1);
        scheduler.flush();
        const budget = limiter.state.budgets.find(({ dimension }) => dimension === 'tokens');
        expect(budget?.remaining).toBe(996);
        limiter.close();
      });
      expect(events.of('feedback')[0]!.feedback).toEqual({ usage: { inputTokens: 2, outputTokens: 2 } });
    }
  });

  it('a call that reports its usage itself is not estimated', () => {
    const events = new HeardEvents();
    of('q')
      .pipe(
        streamWithConcurrency(
          joining((_: string, { report }) => {
            report({ usage: { inputTokens: 1, outputTokens: 1 } });
            return of('a', 'b', 'c');
          }),
          { events },
        ),
        take(1),
      )
      .subscribe();
    expect(events.of('feedback')).toHaveLength(1);
    expect(events.types.at(-2)).toBe('finished');
  });
});

describe('what a stream may be', () => {
  const turns = () => new Promise((resolve) => setImmediate(resolve));

  it('an async generator: leaving returns it at once', async () => {
    const log: string[] = [];
    const waiting = new Subject<void>();
    async function* texts(signal: AbortSignal) {
      try {
        yield 'a';
        yield 'b';
        await new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted'))),
        );
        yield 'c';
      } finally {
        log.push('returned');
      }
    }
    const call = {
      open: (_: string, { signal }: CallContext) => texts(signal),
      collect: (all: readonly string[]) => all.join(''),
    };
    const subscription = of('q')
      .pipe(streamWithConcurrency(call), showItems())
      .subscribe((item) => log.push(item));
    await turns();
    subscription.unsubscribe();
    await turns();
    waiting.complete();
    expect(log).toEqual(['a', 'b', 'returned']);
  });

  it('any async iterable: return() is called while its next value is awaited', async () => {
    let returned = 0;
    const iterable = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<string>>(() => undefined),
        return: () => {
          returned++;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
    const subscription = of('q')
      .pipe(streamWithConcurrency({ open: () => iterable, collect: (all) => all.length }))
      .subscribe();
    await turns();
    subscription.unsubscribe();
    expect(returned).toBe(1);
  });

  it('a ReadableStream: leaving cancels it while a chunk is awaited, and an end is no leaving', async () => {
    let cancelled = 0;
    const streamOf = (ends: boolean) =>
      new ReadableStream<string>({
        start: (controller) => {
          controller.enqueue('a');
          if (ends) {
            controller.close();
          }
        },
        cancel: () => {
          cancelled++;
        },
      });
    const items: string[] = [];
    const subscription = of(false, true)
      .pipe(
        streamWithConcurrency({
          open: (ends: boolean): AsyncIterable<string> => streamOf(ends),
          collect: (all: readonly string[]) => all.join(''),
        }),
        showItems(),
      )
      .subscribe((item) => items.push(item));
    await turns();
    subscription.unsubscribe();
    expect(items).toEqual(['a', 'a', '=a']);
    expect(cancelled).toBe(1);
  });

  it('an iterator that throws fails the request', async () => {
    const failing = async function* () {
      yield 'a';
      await Promise.reject(new TypeError('x'));
    };
    const items: string[] = [];
    of('q')
      .pipe(
        streamWithConcurrency({ open: () => failing(), collect: (all: readonly string[]) => all.join('') }),
        showItems(),
      )
      .subscribe({ next: (item) => items.push(item), error: rethrow });
    await turns();
    expect(items).toEqual(['a', '!TypeError after a']);
  });
});

it('settled keeps the outcomes', () => {
  runUntil(4, ({ cold, expectObservable }) => {
    expectObservable(
      cold('q|').pipe(
        streamWithConcurrency(
          joining(() =>
            timer(2, 1).pipe(
              take(3),
              map((tick) => `${tick}`),
            ),
          ),
        ),
        settled(),
        map((outcome) => outcome.ok && outcome.value),
      ),
    ).toBe('----(A|)', { A: '012' });
  });
});
