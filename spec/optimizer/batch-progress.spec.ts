import { config, lastValueFrom, map, NEVER, of, Subject, take, throwError, timer, toArray } from 'rxjs';
import type { CallContext } from '../../lib/core/call';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import type { BatchProgress } from '../../lib/optimizer/batch-progress';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';

describe('the progress of a batch', () => {
  let optimizer: LLMCallOptimizer;
  beforeEach(() => (optimizer = new LLMCallOptimizer({ enableRateLimit: false, retry: false })));
  afterEach(() => optimizer.close());

  const echo = (request: number) => of(request);

  /** Takes progress down as `2/3 b B 1`: done, total, request, value or error, failed. */
  function notes() {
    const taken: string[] = [];
    const onProgress = ({ done, total, failed, outcome }: BatchProgress<unknown, unknown>) => {
      const came = outcome.ok ? outcome.value : outcome.error;
      taken.push(`${done}/${total} ${String(outcome.request)} ${String(came)} ${failed}`);
    };
    return { taken, onProgress };
  }

  it('is told after each outcome, as soon as it is known; the batch keeps its order', async () => {
    const ends = new Map(['a', 'b', 'c'].map((name) => [name, new Subject<string>()]));
    const { taken, onProgress } = notes();
    const batch = optimizer.callBatch((name: string) => ends.get(name)!.pipe(take(1)), ['a', 'b', 'c', 'b'], {
      onProgress,
    });
    expect(taken).toEqual([]);
    ends.get('c')!.next('C');
    ends.get('b')!.error(new Error('no'));
    expect(taken).toEqual(['1/4 c C 0', '2/4 b Error: no 1', '3/4 b Error: no 2']);
    ends.get('a')!.next('A');
    expect(taken[3]).toBe('4/4 a A 2');
    expect((await batch).map(({ request }) => request)).toEqual(['a', 'b', 'c', 'b']);
  });

  it.each<[string, () => Iterable<number>, number | undefined]>([
    ['a set', () => new Set([1, 2]), 2],
    ['a generator', () => [1, 2].values(), undefined],
    ['nothing', () => [], 0],
  ])('knows how many requests there are of %s', async (_what, requests, total) => {
    const totals: (number | undefined)[] = [];
    const onProgress = (progress: { readonly total: number | undefined }) => totals.push(progress.total);
    await optimizer.callBatch(echo, requests(), { onProgress });
    expect(totals).toEqual(total === 0 ? [] : [total, total]);
  });

  it('is reported as RxJS reports unhandled errors if it throws, and harms nothing', async () => {
    const thrown = new Subject<unknown>();
    config.onUnhandledError = (error) => thrown.next(error);
    const reported = lastValueFrom(thrown.pipe(map(String), take(2), toArray()), { defaultValue: [] });
    const outcomes = await optimizer.callBatch(echo, [1, 2], {
      onProgress: ({ done }) => {
        throw new Error(`thrown ${done}`);
      },
    });
    expect(outcomes.map((outcome) => outcome.ok && outcome.value)).toEqual([1, 2]);
    expect(await reported).toEqual(['Error: thrown 1', 'Error: thrown 2']);
    config.onUnhandledError = null;
  });

  it.each(['abort', 'close'] as const)(
    'may %s: what was answered stays, and each has an outcome',
    async (how) => {
      const controller = new AbortController();
      const { taken, onProgress } = notes();
      const call = (request: number) => (request === 2 ? of('two') : request === 3 ? timer(1) : NEVER);
      const outcomes = await optimizer.callBatch(call, [1, 2, 3], {
        signal: controller.signal,
        onProgress: (progress) => {
          onProgress(progress);
          if (how === 'close') {
            optimizer.close();
          } else {
            controller.abort('enough');
          }
        },
      });
      const error = how === 'abort' ? 'enough' : { code: 'closed' };
      expect(outcomes).toMatchObject([
        { ok: false, request: 1, error },
        { ok: true, request: 2, value: 'two' },
        { ok: false, request: 3, error },
      ]);
      expect(taken.map((note) => note.slice(0, 5))).toEqual(['1/3 2', '2/3 1', '3/3 3']);
    },
  );

  it('is refused if it is no function', async () => {
    await expect(optimizer.callBatch(echo, [1], { onProgress: 1 as never })).rejects.toThrow(
      'onProgress must be a function, but is 1.',
    );
  });

  it('is told by the executor as well', async () => {
    const executor = new AsyncLLMExecutor();
    const { taken, onProgress } = notes();
    const failing = (request: number) => (request === 1 ? throwError(() => new Error('bad')) : of(request));
    await executor.executeBatch(failing, [1, 2], { onProgress });
    expect(taken).toEqual(['1/2 1 Error: bad 1', '2/2 2 2 1']);
    executor.close();
  });
});

describe('a batch that is aborted', () => {
  it('has its calls finished and kept where the cache keeps them alive', async () => {
    const cache = new LLMResultCache({ keepAlive: true });
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, cache, maxConcurrent: 1 });
    const controller = new AbortController();
    const end = new Subject<void>();
    const signals: AbortSignal[] = [];
    const call = (request: string, { signal }: CallContext) => {
      signals.push(signal);
      return end.pipe(
        take(1),
        map(() => request.toUpperCase()),
      );
    };
    const options = { namespace: 'n' };
    const batch = optimizer.callBatch(call, ['a', 'b'], { ...options, signal: controller.signal });
    controller.abort('enough');
    expect((await batch).map((outcome) => !outcome.ok && outcome.error)).toEqual(['enough', 'enough']);
    end.next();
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect(await optimizer.callOutcome(call, 'a', options)).toMatchObject({ value: 'A', source: 'cache' });
    optimizer.close();
    cache.close();
  });
});
