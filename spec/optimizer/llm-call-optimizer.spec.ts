/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-ignored-default-value -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, lastValueFrom, map, NEVER, of, Subject, throwError, timer, toArray } from 'rxjs';
import { ClosedError, QueueOverflowError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const unpaced: OptimizerConfig = { baseInterval: 0, minInterval: 0 };

function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function statusError(status: number): Error {
  return Object.assign(new Error(`status ${status}`), { status });
}

describe('LLMCallOptimizer', () => {
  let optimizer: LLMCallOptimizer;
  const make = (config: OptimizerConfig = {}) =>
    (optimizer = new LLMCallOptimizer({ ...unpaced, ...config }));
  afterEach(() => optimizer.close());

  it('answers a stream, a promise and a batch over one cache and one set of statistics', async () => {
    make();
    const call = jest.fn((request: string) => Promise.resolve(request.toUpperCase()));
    const outcomes = await lastValueFrom(
      from(['a', 'b']).pipe(optimizer.optimize(call, { ordered: true }), toArray()),
    );
    expect(outcomes.map((outcome) => outcome.ok && outcome.value)).toEqual(['A', 'B']);
    await expect(optimizer.call(call, 'a')).resolves.toBe('A');
    const batch = await optimizer.callBatch(call, ['b', 'c', 'a']);
    expect(batch.map((outcome) => outcome.ok && outcome.source)).toEqual(['cache', 'call', 'cache']);
    expect(call).toHaveBeenCalledTimes(3);
    expect(optimizer.getStats().metrics).toMatchObject({
      totalCalls: 6,
      cacheHits: 3,
      cacheMisses: 3,
      startedCalls: 3,
    });
  });

  it('lets a stream and promises share one flight and one set of slots', async () => {
    make({ maxConcurrent: 2 });
    let running = 0;
    let most = 0;
    const call = async (request: number) => {
      most = Math.max(most, ++running);
      await later(5);
      running--;
      return request;
    };
    await Promise.all([
      lastValueFrom(from([1, 2, 3]).pipe(optimizer.optimize(call))),
      ...[1, 4, 5].map((request) => optimizer.call(call, request)),
      optimizer.callBatch(call, [6, 7]),
    ]);
    expect(most).toBe(2);
    expect(optimizer.getStats().metrics).toMatchObject({ sharedCalls: 1, startedCalls: 7, inFlight: 0 });
  });

  it('keeps batches in the order of the requests, with failures as outcomes', async () => {
    make();
    const outcomes = await optimizer.callBatch(
      (request: number) =>
        timer(10 - request).pipe(
          map(() => {
            if (request === 2) {
              throw new Error('second');
            }
            return request;
          }),
        ),
      new Set([1, 2, 3]),
    );
    expect(outcomes.map(({ request, ok }) => [request, ok])).toEqual([
      [1, true],
      [2, false],
      [3, true],
    ]);
    await expect(optimizer.callBatch(() => of(1), [])).resolves.toEqual([]);
  });

  it('keeps two calls apart by namespace', async () => {
    make();
    const ask = (namespace: string) => optimizer.call(() => of(namespace), 'same request', { namespace });
    expect([await ask('one'), await ask('other'), await ask('one')]).toEqual(['one', 'other', 'one']);
  });

  it('rejects with the error of a failed call', async () => {
    make();
    const error = new Error('failed');
    await expect(optimizer.call(() => throwError(() => error), 'a')).rejects.toBe(error);
  });

  it('retries what may succeed by default, and not with retry false', async () => {
    const failing = (failures: number) =>
      jest.fn(() => (failures-- > 0 ? throwError(() => statusError(500)) : of('x')));
    make({ retry: { baseDelay: 1 } });
    await expect(optimizer.call(failing(2), 'a')).resolves.toBe('x');
    expect(optimizer.getStats().metrics.retriedCalls).toBe(2);
    optimizer.close();
    make({ retry: false });
    await expect(optimizer.call(failing(1), 'a')).rejects.toThrow('status 500');
    optimizer.close();
    make();
    const call = failing(1);
    await optimizer.call(call, 'a');
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('gives a request up with the reason of its signal, and aborts its call', async () => {
    make();
    const controller = new AbortController();
    let signal: AbortSignal | undefined;
    const promise = optimizer.call(
      (_request: string, context) => {
        signal = context.signal;
        return NEVER;
      },
      'a',
      { signal: controller.signal },
    );
    const reason = new Error('changed my mind');
    controller.abort(reason);
    await expect(promise).rejects.toBe(reason);
    expect(signal!.aborted).toBe(true);
    await expect(optimizer.call(() => of(1), 'b', { signal: controller.signal })).rejects.toBe(reason);
  });

  it('follows an Observable of maxConcurrent: 3 before its first value', () => {
    const maxConcurrent$ = new Subject<number>();
    make({ maxConcurrent: maxConcurrent$ });
    const subscription = from([1, 2, 3, 4, 5, 6])
      .pipe(optimizer.optimize(() => NEVER))
      .subscribe();
    const active = () => optimizer.getStats().executor;
    expect(active()).toMatchObject({ active: 3, queued: 3, maxConcurrent: 3 });
    maxConcurrent$.next(5);
    expect(active()).toMatchObject({ active: 5, queued: 1, maxConcurrent: 5 });
    subscription.unsubscribe();
    expect(active()).toMatchObject({ active: 0, queued: 0, maxConcurrent: 5 });
  });

  it('has neither cache nor limiter where these are switched off', async () => {
    make({ enableCache: false, enableRateLimit: false });
    expect([optimizer.cache, optimizer.limiter]).toEqual([undefined, undefined]);
    const call = jest.fn(() => of('x'));
    await optimizer.callBatch(call, ['a', 'a']);
    expect(call).toHaveBeenCalledTimes(2);
    expect(optimizer.getStats().metrics).toMatchObject({
      totalCalls: 2,
      cacheHits: 0,
      cacheMisses: 0,
      throttledCalls: 0,
    });
  });

  it('bounds its queue over promises and streams together', async () => {
    make({ maxConcurrent: 1, maxQueue: 2 });
    const open = [1, 2, 3].map((request) => errorOf(optimizer.call(() => NEVER, request)));
    await expect(optimizer.call(() => NEVER, 4)).rejects.toBeInstanceOf(QueueOverflowError);
    optimizer.close();
    expect((await Promise.all(open)).every((error) => error instanceof ClosedError)).toBe(true);
  });

  it('fails open requests with ClosedError on close, starting none, then completes every stream', async () => {
    make({ maxConcurrent: 1 });
    const call = jest.fn(() => NEVER);
    const ended: string[] = [];
    const outcomes: unknown[] = [];
    optimizer.stats$.subscribe({ complete: () => ended.push('stats$') });
    optimizer.events$.subscribe({ complete: () => ended.push('events$') });
    from(['a', 'b'])
      .pipe(optimizer.optimize(call))
      .subscribe({
        next: (outcome) => outcomes.push(!outcome.ok && outcome.error),
        complete: () => ended.push('outcomes'),
      });
    const promise = errorOf(optimizer.call(call, 'c'));
    const batch = optimizer.callBatch(call, ['d']);
    optimizer.close();
    expect(outcomes).toHaveLength(2);
    expect([...outcomes, await promise].every((error) => error instanceof ClosedError)).toBe(true);
    expect(await batch).toMatchObject([{ ok: false, error: { code: 'closed' } }]);
    expect(ended[0]).toBe('outcomes');
    expect(ended.slice(1).sort()).toEqual(['events$', 'stats$']);
    expect(call).toHaveBeenCalledTimes(1);
    await expect(optimizer.call(call, 'e')).rejects.toBeInstanceOf(ClosedError);
    await expect(optimizer.callBatch(call, ['e'])).rejects.toBeInstanceOf(ClosedError);
    await expect(lastValueFrom(of('e').pipe(optimizer.optimize(call)))).rejects.toBeInstanceOf(ClosedError);
  });

  it('tells the events of one stream to that stream as well as to events$', async () => {
    make();
    const all: CallEvent[] = [];
    const own: CallEvent[] = [];
    optimizer.events$.subscribe((event) => all.push(event));
    const events = { next: (event: CallEvent) => own.push(event) };
    await lastValueFrom(of('a').pipe(optimizer.optimize(() => of('x'), { events })));
    expect(own.map(({ type }) => type)).toEqual(['received', 'cache-miss', 'started', 'finished', 'settled']);
    expect(own).toEqual(all);
  });

  it('refuses a wrong config, naming the field', async () => {
    make();
    for (const field of [
      'cacheTtl',
      'cacheMaxSize',
      'maxConcurrent',
      'timeout',
      'maxWait',
      'enableCache',
      'traits',
    ]) {
      expect(() => new LLMCallOptimizer({ [field]: 'wrong' })).toThrow(new RegExp(field));
    }
    expect(() => new LLMCallOptimizer({ cach: true } as object)).toThrow(
      "no field 'cach'. Did you mean 'cache'?",
    );
    expect(() => new LLMCallOptimizer({ retry: { maxAttempts: 3 } as object })).toThrow(
      "retry has no field 'maxAttempts'. Did you mean 'attempts'?",
    );
    expect(() => optimizer.optimize(undefined as never)).toThrow(/call must be a function/);
    expect(() => optimizer.optimize(() => NEVER, { namespace: 1 as never })).toThrow(/namespace/);
    await expect(optimizer.callBatch(undefined as never, [])).rejects.toThrow(/call/);
  });
});

describe('AsyncLLMExecutor', () => {
  it('executes at most maxConcurrent at once, in request order, with failures as outcomes, and caches nothing', async () => {
    const executor = new AsyncLLMExecutor({ maxConcurrent: 2 });
    let running = 0;
    let most = 0;
    const call = async (request: number) => {
      most = Math.max(most, ++running);
      await later(6 - request);
      running--;
      if (request === 3) {
        throw new Error('third');
      }
      return request * 10;
    };
    const outcomes = await executor.executeBatch(call, [1, 2, 3, 4, 1]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.value : 'failed'))).toEqual([
      10,
      20,
      'failed',
      40,
      10,
    ]);
    expect(most).toBe(2);
    await expect(executor.execute(call, 3)).rejects.toThrow('third');
    await expect(executor.execute(call, 2)).resolves.toBe(20);
    executor.close();
    await expect(executor.execute(call, 2)).rejects.toBeInstanceOf(ClosedError);
  });

  it('does not retry by default', async () => {
    const executor = new AsyncLLMExecutor();
    const call = jest.fn(() => throwError(() => statusError(500)));
    await expect(executor.execute(call, 1)).rejects.toThrow('status 500');
    expect(call).toHaveBeenCalledTimes(1);
    executor.close();
  });
});
