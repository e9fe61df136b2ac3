import {
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  of,
  Subject,
  take,
  tap,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallOutcome } from '../../lib/core/call';
import { ClosedError } from '../../lib/core/errors';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { rethrow } from '../test-scheduler';

describe('callOutcome', () => {
  let optimizer: LLMCallOptimizer;
  const ask = (request: string) => timer(1).pipe(map(() => request.toUpperCase()));
  beforeEach(() => (optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 })));
  afterEach(() => optimizer.close());

  it('tells where an answer came from, how long it took and how often it was asked for', async () => {
    const first = optimizer.callOutcome(ask, 'a');
    const second = optimizer.callOutcome(ask, 'a');
    expect(await first).toMatchObject({ ok: true, request: 'a', value: 'A', source: 'call', attempts: 1 });
    expect(await second).toMatchObject({ ok: true, request: 'a', value: 'A', source: 'shared' });
    expect(await optimizer.callOutcome(ask, 'a')).toEqual({
      ok: true,
      request: 'a',
      value: 'A',
      source: 'cache',
      latency: 0,
      waited: expect.any(Number) as number,
      attempts: 0,
    });
  });

  it('resolves with failures, after the retries', async () => {
    let calls = 0;
    const error = Object.assign(new Error('busy'), { status: 500 });
    const failing = () => throwError(() => (calls++, error));
    const retrying = new LLMCallOptimizer({ enableRateLimit: false, retry: { attempts: 2, baseDelay: 1 } });
    expect(await retrying.callOutcome(failing, 'a')).toMatchObject({ ok: false, error, attempts: 2 });
    expect(calls).toBe(2);
    retrying.close();
  });

  it('takes traits beside the request, a key among them', async () => {
    const keyed = { cacheKey: 'mine', priority: 'high' } as const;
    await optimizer.callOutcome(ask, 'a', keyed);
    expect(await optimizer.callOutcome(ask, 'b', keyed)).toMatchObject({ value: 'A', source: 'cache' });
  });

  it('fails with the reason of its signal, aborted before or meanwhile, and its call is aborted', async () => {
    const controller = new AbortController();
    let signal: AbortSignal | undefined;
    const running = optimizer.callOutcome(
      (_request: string, context) => {
        signal = context.signal;
        return NEVER;
      },
      'a',
      { signal: controller.signal },
    );
    const waiting = optimizer.callOutcome(ask, 'b', { signal: controller.signal });
    controller.abort('enough');
    expect(await running).toMatchObject({ ok: false, request: 'a', error: 'enough', attempts: 1 });
    expect(await waiting).toMatchObject({ ok: false, request: 'b', error: 'enough', attempts: 0 });
    expect(signal!.aborted).toBe(true);
    const late = optimizer.callOutcome(ask, 'c', { signal: AbortSignal.abort('no') });
    expect(await late).toMatchObject({ ok: false, error: 'no', attempts: 0 });
    expect(optimizer.getStats().metrics).toMatchObject({ failedCalls: 3, leftCalls: 0 });
  });

  it('fails with ClosedError if it is closed meanwhile, and rejects with it afterwards', async () => {
    const open = optimizer.callOutcome(() => NEVER, 'a');
    optimizer.close();
    expect(await open).toMatchObject({ ok: false, request: 'a', error: { code: 'closed' } });
    await expect(optimizer.callOutcome(ask, 'a')).rejects.toBeInstanceOf(ClosedError);
  });

  it('fails if its request is closed by the code that reads its traits', async () => {
    const closing: LLMCallOptimizer = new LLMCallOptimizer({
      enableRateLimit: false,
      traits: () => {
        closing.close();
        return {};
      },
    });
    expect(await closing.callOutcome(ask, 'a')).toMatchObject({ ok: false, error: { code: 'closed' } });
  });

  it('rejects as optimize throws', async () => {
    await expect(optimizer.callOutcome(undefined as never, 'a')).rejects.toThrow('call must be a function');
  });

  it('has an outcome, too, if a cache in front does not wait for it any more', async () => {
    const requests = new Subject<string>();
    const front = new LLMResultCache({ sharedCallTimeout: 5 });
    const asked: unknown[] = [];
    const slow = (request: string) => (request === 'slow' ? NEVER : of('A'));
    const shown = (outcome: CallOutcome<string, unknown>) =>
      outcome.ok ? outcome.value : (outcome.error as Error).name;
    const misses = async (request: string) => {
      const outcome = await optimizer.callOutcome(slow, request);
      asked.push(shown(outcome));
      return outcome;
    };
    const shown$ = requests.pipe(
      cacheLLM((misses$) => misses$.pipe(mergeMap(misses)), front),
      map(shown),
      take(2),
      tap({ subscribe: () => queueMicrotask(() => requests.next('slow')), next: () => requests.next('a') }),
      toArray(),
    );
    expect(await lastValueFrom(shown$, { defaultValue: [] })).toEqual(['CallTimeoutError', 'A']);
    expect(asked).toEqual(['AbortError', 'A']);
    front.close();
  });

  it('keeps the outcome when a listener that hears of it closes', async () => {
    optimizer.events$.subscribe({
      next: ({ type }) => {
        if (type === 'settled') {
          optimizer.close();
        }
      },
      error: rethrow,
    });
    expect(await optimizer.callOutcome(() => of('A'), 'a')).toMatchObject({ ok: true, value: 'A' });
  });
});
