import { concat, map, NEVER, of, Subject, throwError, timer } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallContext } from '../../lib/core/call';
import { ClosedError } from '../../lib/core/errors';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { DrainOptions, OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { rethrow, WatchedTestScheduler } from '../test-scheduler';

const isDraining = /LLMCallOptimizer is draining/;

describe('drain', () => {
  let scheduler: WatchedTestScheduler;
  let optimizer: LLMCallOptimizer;
  const make = (config: OptimizerConfig = {}) =>
    (optimizer = new LLMCallOptimizer({ scheduler, enableRateLimit: false, maxConcurrent: 1, ...config }));
  /** A call that takes 10 ms. */
  const ask = (request: string) => timer(10, scheduler).pipe(map(() => request.toUpperCase()));
  /** Lets the time pass until a moment, or until nothing is left to do. */
  const passUntil = (frame = Infinity) => {
    scheduler.maxFrames = frame;
    scheduler.flush();
  };
  /** What a stream of an optimizer emits, and how it ends. */
  const listenTo = (requests: Subject<string>) => {
    const told: string[] = [];
    requests.pipe(optimizer.optimize(ask)).subscribe({
      next: (outcome) =>
        told.push(outcome.ok ? outcome.value : (outcome.error as Error).message.slice(0, 33)),
      error: rethrow,
      complete: () => told.push('complete'),
    });
    return told;
  };
  beforeEach(() => (scheduler = new WatchedTestScheduler()));
  afterEach(() => optimizer.close());

  it('answers what runs, waits and backs off; refuses what comes later; then closes', async () => {
    make({ retry: { attempts: 2, baseDelay: 50 } });
    let failures = 1;
    const flaky = (request: string) =>
      failures-- > 0 ? throwError(() => Object.assign(new Error('busy'), { status: 500 })) : ask(request);
    const ended: string[] = [];
    optimizer.stats$.subscribe({ error: rethrow, complete: () => ended.push('stats$') });
    const backingOff = optimizer.call(flaky, 'a');
    const running = optimizer.call(ask, 'b');
    const waiting = optimizer.callBatch(ask, ['c', 'd']);
    const drained = optimizer.drain().then(() => ended.push('drained'));
    await expect(optimizer.call(ask, 'e')).rejects.toThrow(isDraining);
    await expect(optimizer.callOutcome(ask, 'e')).rejects.toBeInstanceOf(ClosedError);
    await expect(optimizer.callBatch(ask, ['e'])).rejects.toMatchObject({ code: 'closed' });
    expect(ended).toEqual([]);
    passUntil();
    expect(await Promise.all([running, backingOff])).toEqual(['B', 'A']);
    expect((await waiting).map((outcome) => outcome.ok && outcome.value)).toEqual(['C', 'D']);
    await drained;
    expect(ended).toEqual(['stats$', 'drained']);
    await expect(optimizer.call(ask, 'e')).rejects.toThrow('LLMCallOptimizer is closed');
    expect(optimizer.getStats().executor).toMatchObject({ active: 0, queued: 0 });
  });

  it('completes a stream whose source never completes when what it has sent is answered', async () => {
    make();
    const requests = new Subject<string>();
    const idle = new Subject<string>();
    const told = listenTo(requests);
    const toldIdle = listenTo(idle);
    requests.next('a');
    requests.next('b');
    const drained = optimizer.drain();
    expect(toldIdle).toEqual(['complete']);
    passUntil(10);
    requests.next('c');
    expect(told).toEqual(['A', 'The LLMCallOptimizer is draining:']);
    passUntil();
    expect(told.slice(2)).toEqual(['B', 'complete']);
    expect([requests.observed, idle.observed]).toEqual([false, false]);
    await drained;
  });

  it('keeps the order of a stream that asks for it', async () => {
    make({ maxConcurrent: 2 });
    const requests = new Subject<string>();
    const told: unknown[] = [];
    const call = (request: string) => timer(request === 'a' ? 20 : 10, scheduler).pipe(map(() => request));
    requests.pipe(optimizer.optimize(call, { ordered: true })).subscribe({
      next: (outcome) => told.push(outcome.ok ? outcome.value : 'refused'),
      error: rethrow,
      complete: () => told.push('complete'),
    });
    requests.next('a');
    requests.next('b');
    const drained = optimizer.drain();
    requests.next('c');
    passUntil();
    expect(told).toEqual(['a', 'b', 'refused', 'complete']);
    await drained;
  });

  it('lets an open stream of chunks go on to its end', async () => {
    make();
    const call = {
      open: () => concat(of('x'), timer(10, scheduler).pipe(map(() => 'y'))),
      collect: (chunks: readonly string[]) => chunks.join(''),
    };
    const told: string[] = [];
    optimizer.stream(call, 'a').subscribe({
      next: (chunk) => told.push(chunk),
      error: rethrow,
      complete: () => told.push('complete'),
    });
    const drained = optimizer.drain();
    passUntil();
    expect(told).toEqual(['x', 'y', 'complete']);
    await drained;
  });

  it('waits for a call that the cache keeps alive, and keeps its answer', async () => {
    const cache = new LLMResultCache({ scheduler, keepAlive: true });
    make({ cache });
    const signals: AbortSignal[] = [];
    const call = (request: string, { signal }: CallContext) => {
      signals.push(signal);
      return ask(request);
    };
    const left = of('a')
      .pipe(optimizer.optimize(call, { namespace: 'n' }))
      .subscribe();
    let isDrained = false;
    const drained = optimizer.drain().then(() => (isDrained = true));
    left.unsubscribe();
    await Promise.resolve();
    await Promise.resolve();
    expect(isDrained).toBe(false);
    passUntil();
    await drained;
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect(cache.stats.size).toBe(1);
    cache.close();
  });

  it('ends at once if nothing is open, and the same way each time it is asked', async () => {
    make();
    const first = optimizer.drain();
    expect(optimizer.drain()).toBe(first);
    await first;
    await expect(optimizer.call(ask, 'a')).rejects.toThrow('is closed');
    await optimizer.drain();
    make();
    optimizer.close();
    await optimizer.drain();
  });

  it.each(['close', 'signal', 'signal of a second drain'])('ends at once by %s', async (how) => {
    make();
    const controller = new AbortController();
    const { signal } = controller;
    const remove = jest.spyOn(signal, 'removeEventListener');
    const running = optimizer.callOutcome(() => NEVER, 'a');
    const drained = optimizer.drain(how === 'signal' ? { signal } : undefined);
    if (how === 'signal of a second drain') {
      void optimizer.drain({ signal });
    }
    if (how === 'close') {
      optimizer.close();
    } else {
      controller.abort();
    }
    expect(await running).toMatchObject({ ok: false, error: { code: 'closed' } });
    expect(((await running) as { error: Error }).error.message).toMatch('is closed');
    await drained;
    expect(remove.mock.calls.length).toBe(0);
  });

  it('closes if its signal is aborted already, and lets go of one that is not when it is done', async () => {
    make();
    const running = optimizer.callOutcome(() => NEVER, 'a');
    await optimizer.drain({ signal: AbortSignal.abort() });
    expect(await running).toMatchObject({ ok: false });
    make();
    const { signal } = new AbortController();
    const remove = jest.spyOn(signal, 'removeEventListener');
    await optimizer.drain({ signal });
    expect(remove).toHaveBeenCalledTimes(1);
    expect(() => optimizer.drain(1 as never)).toThrow(TypeError);
  });

  it.each(['call', 'outcome', 'settled'] as const)(
    'may be asked for within a %s: nothing is lost, and nothing is refused that was asked before',
    async (where) => {
      make({ maxConcurrent: 2 });
      let drained: Promise<void> | undefined;
      const drain = (at: string) => (at === where ? (drained ??= optimizer.drain()) : undefined);
      const call = (request: string) => {
        void drain('call');
        return request === 'b' ? ask(request) : of(request.toUpperCase());
      };
      optimizer.events$.subscribe({ next: ({ type }) => void drain(type), error: rethrow });
      const requests = new Subject<string>();
      const told: string[] = [];
      requests.pipe(optimizer.optimize(call)).subscribe({
        next: (outcome) => {
          told.push(outcome.ok ? outcome.value : 'refused');
          void drain('outcome');
        },
        error: rethrow,
        complete: () => told.push('complete'),
      });
      const batch = optimizer.callBatch(ask, ['c']);
      requests.next('a');
      requests.next('b');
      passUntil();
      await drained;
      expect(told).toEqual(['A', 'complete']);
      expect((await batch).map((outcome) => outcome.ok && outcome.value)).toEqual(['C']);
    },
  );

  it('refuses the rest of a batch within one of whose calls it is asked for, and loses none of it', async () => {
    make();
    let drained: Promise<void> | undefined;
    const call = (request: number) => {
      drained ??= optimizer.drain();
      return of(request);
    };
    const outcomes = await optimizer.callBatch(call, [1, 2, 3]);
    expect(
      outcomes.map((outcome) => (outcome.ok ? outcome.value : (outcome.error as ClosedError).code)),
    ).toEqual([1, 'closed', 'closed']);
    await drained;
  });

  it('leaves no timer behind', async () => {
    make({ enableRateLimit: true, baseInterval: 5, adaptive: false });
    const running = optimizer.call(ask, 'a');
    const drained = optimizer.drain();
    passUntil();
    await running;
    await drained;
    const { lastWorkAt } = scheduler;
    passUntil();
    expect(scheduler.lastWorkAt).toBe(lastWorkAt);
  });

  it.each([
    [{ signl: new AbortController().signal }, "no field 'signl'. Did you mean 'signal'?"],
    [{ signal: 'SIGTERM' }, 'signal must be an AbortSignal'],
  ])('refuses the options %j, and stays open', async (options, message) => {
    make();
    expect(() => optimizer.drain(options as DrainOptions)).toThrow(message);
    const answer = optimizer.call(ask, 'a');
    passUntil();
    expect(await answer).toBe('A');
  });

  it('is there for the executor as well', async () => {
    const executor = new AsyncLLMExecutor({ scheduler });
    const running = executor.execute(ask, 'a');
    const drained = executor.drain();
    await expect(executor.execute(ask, 'b')).rejects.toThrow(isDraining);
    passUntil();
    expect(await running).toBe('A');
    await drained;
  });
});
