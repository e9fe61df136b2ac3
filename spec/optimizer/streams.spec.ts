/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import Keyv from 'keyv';
import { concat, merge, NEVER, of, Subject, take, throwError, timer, map, type Observable } from 'rxjs';
import type { StreamCall } from '../../lib/core/stream';
import type { CallContext } from '../../lib/core/call';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import type { OptimizeStreamOptions } from '../../lib/optimizer/stream-options';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { HeardEvents } from '../operators/cached-calls';
import { inVirtualTime, runUntil, type WatchedTestScheduler } from '../test-scheduler';
import { joining, showItems } from '../streams';

type Call = StreamCall<string, string, string>;

/** Streams what is prepared, the last for all that follow, and notes what became of each. */
class PreparedStreams {
  readonly signals: AbortSignal[] = [];
  readonly call: Call;

  constructor(...streams: readonly Observable<string>[]) {
    this.call = joining((_: string, { signal }: CallContext) => {
      this.signals.push(signal);
      return streams[Math.min(this.signals.length, streams.length) - 1]!;
    });
  }
}

/** What each of several subscribers is told of one answer, who ask for it, and perhaps leave, at some frame. */
function told(
  marbles: string,
  subscribers: readonly { readonly at: number; readonly leavesAt?: number }[],
  options: { readonly config?: OptimizerConfig; readonly error?: unknown } = {},
): { heard: string[]; streams: PreparedStreams; events: HeardEvents } {
  return inVirtualTime((scheduler) => {
    const streams = new PreparedStreams(
      scheduler.createColdObservable(marbles, undefined, options.error ?? new Error('x')),
    );
    const events = new HeardEvents();
    const optimizer = new LLMCallOptimizer({ scheduler, ...options.config });
    optimizer.events$.subscribe(events);
    const heard = subscribers.map(() => '');
    for (const [index, { at, leavesAt }] of subscribers.entries()) {
      const subscription = timer(at, scheduler)
        .pipe(
          map(() => 'q'),
          optimizer.optimizeStream(streams.call),
          showItems(),
        )
        .subscribe((item) => (heard[index] = `${heard[index]!}${scheduler.now()}${item} `));
      if (leavesAt !== undefined) {
        timer(leavesAt, scheduler).subscribe(() => subscription.unsubscribe());
      }
    }
    scheduler.flush();
    optimizer.close();
    return { heard: heard.map((text) => text.trim()), streams, events };
  });
}

describe('joining a running stream', () => {
  const joined = [
    '0a 2b 4c 5=abc',
    '1a 2b 4c 5=abc',
    '2a 2b 4c 5=abc',
    '3a 3b 4c 5=abc',
    '4a 4b 4c 5=abc',
    '5a 5b 5c 5=abc',
    '6a 6b 6c 6=abc',
  ];

  it('at each frame: what has come at once, then the rest as it comes, or what was kept', () => {
    for (const [at, expected] of joined.entries()) {
      const { heard, streams } = told('a-b-c|', [{ at: 0 }, { at }]);
      expect(heard).toEqual([joined[0], expected]);
      expect(streams.signals).toHaveLength(1);
    }
  });

  it('leaving, at each frame, of whoever: disturbs nobody, and the last one who leaves aborts', () => {
    for (let leavesAt = 1; leavesAt <= 5; leavesAt++) {
      const starter = told('a-b-c|', [{ at: 0, leavesAt }, { at: 0 }]);
      expect(starter.heard[1]).toBe(joined[0]);
      const joiner = told('a-b-c|', [{ at: 0 }, { at: 0, leavesAt }]);
      expect(joiner.heard[0]).toBe(joined[0]);
      const alone = told('a-b-c|', [{ at: 0, leavesAt }]);
      expect(joined[0]!.startsWith(alone.heard[0]!)).toBe(true);
      expect(alone.streams.signals.map(({ aborted }) => aborted)).toEqual([true]);
      const both = told('a-b-c|', [
        { at: 0, leavesAt: 2 },
        { at: 1, leavesAt: 4 },
      ]);
      expect(both.heard[1]).toMatch(/^1a 2b( 4c)?$/);
      expect(both.streams.signals.map(({ aborted }) => aborted)).toEqual([true]);
    }
  });

  it('of a failure after the first chunk: all who wait are told, with what had come', () => {
    const { heard, streams } = told('a-b-#', [{ at: 0 }, { at: 3 }, { at: 9 }], {
      error: Object.assign(new Error('lost'), { code: 'ECONNRESET' }),
    });
    expect(heard).toEqual(['0a 2b 4!Error after ab', '3a 3b 4!Error after ab', '9a 11b 13!Error after ab']);
    expect(streams.signals).toHaveLength(2);
  });

  it('of a failure before the first chunk: it is tried again for all', () => {
    const streams: string[] = [];
    inVirtualTime((scheduler) => {
      const prepared = new PreparedStreams(
        scheduler.createColdObservable('--#', undefined, Object.assign(new Error(), { status: 500 })),
        scheduler.createColdObservable('a-b|'),
      );
      const optimizer = new LLMCallOptimizer({ scheduler, retry: { random: () => 0, baseDelay: 1 } });
      for (const at of [0, 1]) {
        timer(at, scheduler)
          .pipe(
            map(() => 'q'),
            optimizer.optimizeStream(prepared.call),
            showItems(),
          )
          .subscribe((item) => streams.push(item));
      }
      scheduler.flush();
      optimizer.close();
      expect(prepared.signals).toHaveLength(2);
    });
    expect(streams).toEqual(['a', 'a', 'b', 'b', '=ab', '=ab']);
  });

  it('tells who made the call, who shared it, and who was given what was kept', () => {
    const { events } = told('a-b-c|', [{ at: 0 }, { at: 1 }, { at: 8 }]);
    expect(events.of('settled').map(({ source }) => source)).toEqual(['call', 'shared', 'cache']);
    expect(events.of('first-chunk')).toHaveLength(1);
    expect(events.of('cache-miss').map(({ joined }) => joined)).toEqual([false, true]);
  });

  it('gives each chunk once and in place to one who joins in reaction to a chunk', () => {
    const stream = new Subject<string>();
    const optimizer = new LLMCallOptimizer();
    const ask = joining<string>(() => stream);
    const heard: string[] = [];
    const listen = (name: string) =>
      optimizer.stream(ask, 'q').subscribe({
        next: (text) => {
          heard.push(name + text);
          if (name === 'x' && text === 'a') {
            listen('y');
            stream.next('b');
            listen('z');
          }
        },
        complete: () => heard.push(`${name}|`),
      });
    listen('x');
    stream.next('a');
    stream.complete();
    expect(heard).toEqual(['xa', 'ya', 'xb', 'yb', 'za', 'zb', 'x|', 'y|', 'z|']);
    optimizer.close();
  });

  it('that is ended from outside: all who wait are told what had come', () => {
    runUntil(6, ({ cold, expectObservable, scheduler }) => {
      const values = { a: 'a', T: '!CallTimeoutError after a', C: '!ClosedError after a' };
      const ask = joining<string>(() => cold('-a-'));
      const limited = new LLMCallOptimizer({ scheduler, cache: { sharedCallTimeout: 5 } });
      expectObservable(cold('q-q').pipe(limited.optimizeStream(ask), showItems()), '------!').toBe(
        '-aa--(TT)',
        values,
      );
      const closed = new LLMCallOptimizer({ scheduler });
      expectObservable(cold('q-').pipe(closed.optimizeStream(ask), showItems())).toBe('-a----(C|)', values);
      scheduler.schedule(() => closed.close(), 6);
    });
  });

  it('is told of the rest before the outcome if the stream ends in the middle of its catching up', () => {
    const stream = new Subject<string>();
    const optimizer = new LLMCallOptimizer();
    const ask = joining<string>(() => stream);
    const heard: string[] = [];
    optimizer.stream(ask, 'q').subscribe();
    stream.next('a');
    stream.next('b');
    optimizer.stream(ask, 'q').subscribe({
      next: (text) => {
        heard.push(text);
        if (text === 'a') {
          stream.next('c');
          stream.complete();
        }
      },
      complete: () => heard.push('|'),
    });
    expect(heard).toEqual(['a', 'b', 'c', '|']);
    optimizer.close();
  });

  it('a joiner who leaves while it catches up is told no more', () => {
    const optimizer = new LLMCallOptimizer();
    const ask = joining<string>(() => concat(of('a', 'b', 'c'), NEVER));
    const heard: string[] = [];
    const first = optimizer.stream(ask, 'q').subscribe();
    optimizer
      .stream(ask, 'q')
      .pipe(take(2))
      .subscribe((text) => heard.push(text));
    expect(heard).toEqual(['a', 'b']);
    expect(optimizer.getStats().executor.active).toBe(1);
    first.unsubscribe();
    expect(optimizer.getStats().executor.active).toBe(0);
    optimizer.close();
  });
});

describe('what is kept', () => {
  const askTwice = (
    open: () => Observable<string>,
    others: Partial<Call> = {},
    options: OptimizeStreamOptions = {},
    config: OptimizerConfig = {},
  ) => {
    const optimizer = new LLMCallOptimizer(config);
    let calls = 0;
    const ask = joining<string>(() => {
      calls++;
      return open();
    }, others);
    const heard: string[] = [];
    for (let time = 0; time < 2; time++) {
      of('q')
        .pipe(optimizer.optimizeStream(ask, options), showItems())
        .subscribe((item) => heard.push(item));
    }
    optimizer.close();
    return [...heard, `${calls}`];
  };

  it('is a whole answer with its chunks', () => {
    expect(askTwice(() => of('a', 'b'))).toEqual(['a', 'b', '=ab', 'a', 'b', '=ab', '1']);
  });

  it('is not one that isWhole refuses, or that failed, or is empty', () => {
    const twice = ['a', '=a', 'a', '=a', '2'];
    expect(askTwice(() => of('a'), { isWhole: (texts) => texts.at(-1) === '.' })).toEqual(twice);
    expect(askTwice(() => of('a', '.'), { isWhole: (texts) => texts.at(-1) === '.' }).at(-1)).toBe('1');
    expect(askTwice(() => of(' ')).at(-1)).toBe('2');
    expect(
      askTwice(() =>
        concat(
          of('a'),
          throwError(() => new Error('x')),
        ),
      ).at(-1),
    ).toBe('2');
    const thrown = () => {
      throw new Error('x');
    };
    expect(askTwice(() => of('a'), { isWhole: thrown })).toEqual(twice);
    const promised = () => Promise.resolve(true) as never;
    expect(askTwice(() => of('a'), { isWhole: promised })).toEqual(twice);
  });

  it('that is an error of the provider is a failure, and is not kept', () => {
    const refusal = { error: { code: 400, message: 'm' } };
    expect(askTwice(() => of('a'), { collect: () => refusal as never }).at(-1)).toBe('2');
  });

  it('shouldCache judges the value', () => {
    const judged: unknown[] = [];
    const shouldCache = (value: unknown) => judged.push(value) > 5;
    expect(askTwice(() => of('a', 'b'), {}, {}, { shouldCache }).at(-1)).toBe('2');
    expect(judged).toEqual(['ab', 'ab']);
  });

  it('comes again as its outcome alone with `whole`', () => {
    expect(askTwice(() => of('a', 'b'), {}, { replay: 'whole' })).toEqual(['a', 'b', '=ab', '=ab', '1']);
  });

  it('comes again chunk by chunk with `chunkDelay`; leaving and closing end that', () => {
    runUntil(40, ({ expectObservable, scheduler, cold }) => {
      const optimizer = new LLMCallOptimizer({ scheduler });
      const ask = joining<string>(() => of('a', 'b', 'c'));
      optimizer.stream(ask, 'q').subscribe();
      const replayed = optimizer.optimizeStream(ask, { replay: { chunkDelay: 3 } });
      const values = { a: 'a', b: 'b', c: 'c', A: '=abc', X: '!ClosedError' };
      expectObservable(cold('q|').pipe(replayed, showItems())).toBe('a--b--(cA|)', values);
      expectObservable(cold('q').pipe(replayed, showItems()), '----!').toBe('a--b-', values);
      expectObservable(optimizer.stream(ask, 'q', { replay: { chunkDelay: 1 } })).toBe(
        'abc|'.replace('c|', '(c|)'),
      );
      expectObservable(
        concat(timer(39, scheduler).pipe(map(() => 'q')), NEVER).pipe(replayed, showItems()),
      ).toBe('39ms a(X|)', values);
      scheduler.schedule(() => optimizer.close(), 40);
    });
  });

  it('comes from a store too', async () => {
    const keyv = new Keyv();
    const ask = joining<string>(() => of('a', 'b'));
    const heard: string[] = [];
    for (let time = 0; time < 2; time++) {
      const optimizer = new LLMCallOptimizer({ cache: { store: keyv } });
      const events = new HeardEvents();
      optimizer.events$.subscribe(events);
      await new Promise<void>((resolve) =>
        optimizer
          .stream(ask, 'q', { namespace: 'n' })
          .subscribe({ next: (text) => heard.push(text), complete: resolve }),
      );
      heard.push(
        events
          .of('settled')
          .map(({ source }) => String(source))
          .join(),
      );
      await new Promise((resolve) => setImmediate(resolve));
      optimizer.close();
    }
    expect(heard).toEqual(['a', 'b', 'call', 'a', 'b', 'cache']);
  });

  it('is apart from the answers of optimize', async () => {
    const optimizer = new LLMCallOptimizer();
    let calls = 0;
    const ask = joining<string>(() => of(`${++calls}`));
    const whole = (): Observable<string> => of(`whole ${++calls}`);
    const heard: string[] = [];
    const options = { namespace: 'n' };
    optimizer.stream(ask, 'q', options).subscribe((text) => heard.push(text));
    heard.push(await optimizer.call(whole, 'q', options));
    optimizer.stream(ask, 'q', options).subscribe((text) => heard.push(text));
    heard.push(await optimizer.call(whole, 'q', options));
    expect(heard).toEqual(['1', 'whole 2', '1', 'whole 2']);
    optimizer.close();
  });

  it('is frozen, its chunks too, from the first of them on', () => {
    const optimizer = new LLMCallOptimizer();
    const ask = {
      open: () => of({ text: 'a' }, { text: 'b' }),
      collect: (chunks: readonly { text: string }[]) => ({ texts: chunks.map(({ text }) => text) }),
    };
    const frozen: boolean[] = [];
    of('q', 'q')
      .pipe(optimizer.optimizeStream(ask))
      .subscribe((item) =>
        frozen.push(
          Object.isFrozen(item.type === 'chunk' ? item.chunk : item.outcome.ok && item.outcome.value.texts),
        ),
      );
    expect(frozen).toEqual(new Array(6).fill(true));
    optimizer.close();
  });

  it('is renewed in the background, and stands in for a failure that comes before the first chunk', () => {
    const run = (second: string, config: OptimizerConfig['cache']) =>
      inVirtualTime((scheduler: WatchedTestScheduler) => {
        const streams = new PreparedStreams(of('a', 'b'), scheduler.createColdObservable(second));
        const optimizer = new LLMCallOptimizer({
          scheduler,
          cacheTtl: 5,
          cache: config,
          retry: false,
        });
        const heard: string[] = [];
        merge(...[0, 10, 20].map((at) => timer(at, scheduler)))
          .pipe(
            map(() => 'q'),
            optimizer.optimizeStream(streams.call),
            showItems(),
          )
          .subscribe((item) => heard.push(item));
        scheduler.flush();
        optimizer.close();
        return heard.join(' ');
      });
    expect(run('c-(d|)', { staleWhileRevalidate: 100 })).toBe('a b =ab a b =ab c d =cd');
    expect(run('--#', { staleIfError: 100 })).toBe('a b =ab a b =ab a b =ab');
    expect(run('c-#', { staleIfError: 100 })).toMatch(/^a b =ab c !error after c/);
  });
});

describe('stream', () => {
  it('is its chunks and their end; a failed outcome is its error', () => {
    runUntil(5, ({ cold, expectObservable, scheduler }) => {
      const optimizer = new LLMCallOptimizer({ scheduler, retry: false });
      expectObservable(
        optimizer.stream(
          joining(() => cold('-a-b-|')),
          'q',
        ),
      ).toBe('-a-b-|');
      expectObservable(
        optimizer.stream(
          joining(() => cold('-a-#')),
          'r',
        ),
      ).toBe('-a-#');
    });
  });

  it('is one request for each subscription, and leaves with it', () => {
    runUntil(8, ({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const optimizer = new LLMCallOptimizer({ scheduler, enableCache: false });
      const stream = cold('-a-b-|');
      const answer$ = optimizer.stream(
        joining(() => stream),
        'q',
      );
      expectObservable(answer$, '--!').toBe('-a-');
      expectObservable(answer$, '---^').toBe('----a-b-|');
      expectSubscriptions(stream.subscriptions).toBe(['^-!', '---^----!']);
    });
  });

  it('is given up with its signal, and with the optimizer', () => {
    const optimizer = new LLMCallOptimizer();
    const errors: unknown[] = [];
    const asked = new AbortController();
    let inner: AbortSignal | undefined;
    const ask = joining((_: string, { signal }) => {
      inner = signal;
      return concat(of('a'), NEVER);
    });
    const error = (reason: unknown) => errors.push(reason);
    optimizer.stream(ask, 'q', { signal: asked.signal }).subscribe({ error });
    asked.abort('enough');
    expect(inner?.aborted).toBe(true);
    optimizer.stream(ask, 'q').subscribe({ error });
    optimizer.close();
    expect(inner?.aborted).toBe(true);
    optimizer.stream(ask, 'q').subscribe({ error });
    expect(errors).toMatchObject(['enough', { name: 'ClosedError' }, { name: 'ClosedError' }]);
  });

  it('refuses wrong options at once', () => {
    const optimizer = new LLMCallOptimizer();
    const ask = joining<string>(() => of('a'));
    expect(() => optimizer.stream(ask, 'q', { replay: 'later' as never })).toThrow('replay must be');
    expect(() => optimizer.stream(ask, 'q', { replay: 'whole' as never })).toThrow("replay must be 'chunks'");
    expect(() => optimizer.stream(ask, 'q', { replay: { chunkDelay: -1 } })).toThrow('replay.chunkDelay');
    expect(() => optimizer.stream(ask, 'q', { firstChunkTimeout: -1 })).toThrow('firstChunkTimeout');
    expect(() => optimizer.optimizeStream({} as never)).toThrow('call.open');
    optimizer.close();
  });
});
