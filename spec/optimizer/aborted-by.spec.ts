import { NEVER, of, Subject, throwError, timer, map, take } from 'rxjs';
import { onAbort } from '../../lib/optimizer/aborted-by';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';

describe('a signal that many requests share', () => {
  it('has one listener of ours, and none when all are answered: platforms warn of more than ten', async () => {
    const warnings: string[] = [];
    const warn = (warning: Error) => warnings.push(warning.name);
    process.on('warning', warn);
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: Infinity });
    const controller = new AbortController();
    const { signal } = controller;
    const add = jest.spyOn(signal, 'addEventListener');
    const remove = jest.spyOn(signal, 'removeEventListener');
    const call = (request: number) => timer(1).pipe(map(() => request));
    const requests = Array.from({ length: 30 }, (_, request) => request);
    await Promise.all(requests.map((request) => optimizer.call(call, request, { signal })));
    await Promise.all(requests.map((request) => optimizer.callBatch(call, [100 + request], { signal })));
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
    expect([add.mock.calls.length, remove.mock.calls.length]).toEqual([2, 2]);
    process.off('warning', warn);
    optimizer.close();
  });

  it('gives all of them up together: none starts in place of another', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const started: number[] = [];
    const asked = Promise.allSettled(
      [1, 2, 3].map((request) =>
        optimizer.call(
          (number: number) => {
            started.push(number);
            return NEVER;
          },
          request,
          { signal },
        ),
      ),
    );
    controller.abort('enough');
    expect((await asked).map((one) => one.status === 'rejected' && (one.reason as unknown))).toEqual(
      Array(3).fill('enough'),
    );
    expect(started).toEqual([1]);
    optimizer.close();
  });
});

describe('onAbort', () => {
  it('calls back once, now or later, unless that was taken back', () => {
    const aborted = jest.fn();
    const taken = jest.fn();
    const controller = new AbortController();
    onAbort(controller.signal, aborted);
    onAbort(controller.signal, taken)();
    controller.abort();
    onAbort(controller.signal, aborted)();
    onAbort(undefined, taken)();
    expect(aborted).toHaveBeenCalledTimes(2);
    expect(taken).not.toHaveBeenCalled();
  });
});

describe('a batch whose signal is aborted', () => {
  const shown = (outcomes: Awaited<ReturnType<LLMCallOptimizer['callBatch']>>) =>
    outcomes.map(
      (outcome) => `${String(outcome.request)} ${String(outcome.ok ? outcome.value : outcome.error)}`,
    );

  it('keeps what was answered; the rest fails with the reason, and its calls are aborted', async () => {
    const executor = new AsyncLLMExecutor({ maxConcurrent: 2 });
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    const started: number[] = [];
    const batch = executor.executeBatch(
      (request: number, context) => {
        started.push(request);
        signals.push(context.signal);
        // The second is answered before the first, which is never.
        return request === 0
          ? NEVER
          : request === 2
            ? throwError(() => new Error('bad'))
            : of(`answer ${request}`);
      },
      [0, 1, 2, 3, 4],
      { signal: controller.signal },
    );
    const slow = executor.executeBatch(() => NEVER, [9], { signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(shown(await batch)).toEqual([
      '0 Error: enough',
      '1 answer 1',
      '2 Error: bad',
      '3 answer 3',
      '4 answer 4',
    ]);
    expect(shown(await slow)).toEqual(['9 Error: enough']);
    expect(started).toEqual([0, 1, 2, 3, 4]);
    expect(signals[0]!.aborted).toBe(true);
    executor.close();
  });

  it('starts nothing more', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 });
    const controller = new AbortController();
    const end = new Subject<void>();
    const started: number[] = [];
    const batch = optimizer.callBatch(
      (request: number) => {
        started.push(request);
        return end.pipe(take(1));
      },
      [1, 2, 3],
      { signal: controller.signal },
    );
    controller.abort('enough');
    end.next();
    expect(shown(await batch)).toEqual(['1 enough', '2 enough', '3 enough']);
    expect(started).toEqual([1]);
    expect(optimizer.getStats().executor).toMatchObject({ active: 0, queued: 0 });
    optimizer.close();
  });

  it('starts nothing at all if that was before it began, or while its requests are read', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false });
    const call = jest.fn(() => of('x'));
    expect(shown(await optimizer.callBatch(call, [1, 2], { signal: AbortSignal.abort('no') }))).toEqual([
      '1 no',
      '2 no',
    ]);
    expect(call).not.toHaveBeenCalled();
    const controller = new AbortController();
    function* requests() {
      yield 1;
      controller.abort('stop');
      yield 2;
    }
    expect(shown(await optimizer.callBatch(call, requests(), { signal: controller.signal }))).toEqual([
      '1 x',
      '2 stop',
    ]);
    expect(optimizer.getStats().metrics).toMatchObject({ totalCalls: 4, failedCalls: 3, startedCalls: 1 });
    optimizer.close();
  });

  it('leaves a shared call to those who still want it', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false });
    const controller = new AbortController();
    const call = () => timer(3).pipe(map(() => 'x'));
    const batch = optimizer.callBatch(call, ['q'], { signal: controller.signal });
    const other = optimizer.call(call, 'q');
    controller.abort('enough');
    expect(shown(await batch)).toEqual(['q enough']);
    expect(await other).toBe('x');
    expect(optimizer.getStats().metrics.startedCalls).toBe(1);
    optimizer.close();
  });
});
