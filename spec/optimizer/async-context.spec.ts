import { AsyncLocalStorage } from 'node:async_hooks';
import { lastValueFrom, map, of, Subject, take, timer, type Observable } from 'rxjs';
import type { CallContext } from '../../lib/core/call';
import { DeadlineExceededError } from '../../lib/core/errors';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { inVirtualTime, rethrow, type WatchedTestScheduler } from '../test-scheduler';

const tenant = new AsyncLocalStorage<string>();

/** A call that notes whose context each of its attempts runs in. */
function noting(make: (request: string, context: CallContext) => Promise<string> | Observable<string>) {
  const ran: string[] = [];
  const call = (request: string, context: CallContext) => {
    ran.push(`${request}${context.attempt > 1 ? ` again` : ''} as ${tenant.getStore()}`);
    return make(request, context);
  };
  return { call, ran };
}

const soon = (request: string) => new Promise<string>((resolve) => setTimeout(() => resolve(request), 2));
const names = ['A', 'B', 'C'];
const eachAsItself = names.map((name) => `${name} as ${name}`);

/** Asks once for each tenant, in the context of that tenant. */
function askEach<T>(ask: (name: string) => Promise<T>): Promise<T[]> {
  return Promise.all(names.map((name) => tenant.run(name, () => ask(name))));
}

describe('a call of a promise runs in the async context of who asked', () => {
  it('when it waits for a slot', async () => {
    const executor = new AsyncLLMExecutor({ maxConcurrent: 1 });
    const { call, ran } = noting(soon);
    expect(await askEach((name) => executor.execute(call, name))).toEqual(names);
    expect(ran).toEqual(eachAsItself);
    executor.close();
  });

  it('when it waits for a slot that a batch of somebody else holds', async () => {
    const executor = new AsyncLLMExecutor({ maxConcurrent: 2 });
    const { call, ran } = noting(soon);
    await askEach((name) => executor.executeBatch(call, [name, name, name]));
    expect([...new Set(ran)]).toEqual(eachAsItself);
    expect(ran).toHaveLength(9);
    executor.close();
  });

  it('when it waits for its turn', async () => {
    const optimizer = new LLMCallOptimizer({ baseInterval: 5, adaptive: false });
    const { call, ran } = noting(soon);
    expect(await askEach((name) => optimizer.call(call, name))).toEqual(names);
    expect(ran).toEqual(eachAsItself);
    optimizer.close();
  });

  it('when it is tried again', async () => {
    const optimizer = new LLMCallOptimizer({
      enableRateLimit: false,
      maxConcurrent: 1,
      retry: { baseDelay: 3, attempts: 3 },
    });
    const { call, ran } = noting((request, { attempt }) =>
      attempt < 3
        ? Promise.reject(Object.assign(new Error('busy'), { status: 500 }))
        : Promise.resolve(request),
    );
    await askEach((name) => optimizer.callBatch(call, [name]));
    expect(ran.sort()).toEqual(
      names.flatMap((name) => [`${name} again as ${name}`, `${name} again as ${name}`, `${name} as ${name}`]),
    );
    optimizer.close();
  });

  it('also what it does when it is subscribed to', async () => {
    const executor = new AsyncLLMExecutor({ maxConcurrent: 1 });
    const subscribedAs: unknown[] = [];
    const call = (name: string) =>
      timer(1).pipe(
        map(() => name),
        (source) => {
          subscribedAs.push(tenant.getStore());
          return source;
        },
      );
    await askEach((name) => executor.execute(call, name));
    expect(subscribedAs).toEqual(names);
    executor.close();
  });

  it('also when a store is asked before', async () => {
    const store = new Map<string, string>();
    const slowStore = {
      get: async (key: string) => Promise.resolve(store.get(key)),
      set: (key: string, text: string) => store.set(key, text),
      delete: (key: string) => store.delete(key),
    };
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, cache: { store: slowStore } });
    const { call, ran } = noting(soon);
    await askEach((name) => optimizer.call(call, name, { namespace: 'n' }));
    expect(ran).toEqual(eachAsItself);
    optimizer.close();
  });

  it('of the one who started it, when others share it, and of the next one when that one leaves', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 });
    const end = new Subject<string>();
    const { call, ran } = noting((request) => (request === 'busy' ? end.pipe(take(1)) : soon(request)));
    const busy = optimizer.call(call, 'busy');
    const first = tenant.run('A', () => optimizer.call(call, 'q', { maxWait: 1 }));
    const second = tenant.run('B', () => optimizer.call(call, 'q'));
    await expect(first).rejects.toBeInstanceOf(DeadlineExceededError);
    end.next('done');
    expect(await Promise.all([busy, second])).toEqual(['done', 'q']);
    expect(ran).toEqual(['busy as undefined', 'q as B']);
    const [one, other] = ['A', 'B'].map((name) => tenant.run(name, () => optimizer.call(call, 'r')));
    expect(await Promise.all([one, other])).toEqual(['r', 'r']);
    expect(ran.at(-1)).toBe('r as A');
    optimizer.close();
  });

  it('also when it renews an answer', async () => {
    const optimizer = new LLMCallOptimizer({
      enableRateLimit: false,
      cache: { defaultTtl: 1, staleWhileRevalidate: 60_000 },
    });
    const { call, ran } = noting(soon);
    await tenant.run('A', () => optimizer.call(call, 'q'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await tenant.run('B', () => optimizer.call(call, 'q'));
    expect(ran).toEqual(['q as A', 'q as B']);
    optimizer.close();
  });
});

describe('the start of a call of a promise', () => {
  it('is at once when a slot is free', async () => {
    const optimizer = new LLMCallOptimizer();
    const { call, ran } = noting(soon);
    const one = optimizer.call(call, 'a');
    const others = optimizer.callBatch(call, ['b', 'c']);
    expect(ran).toHaveLength(3);
    await Promise.all([one, others]);
    optimizer.close();
  });

  it('does not come about any more when the request is given up just before it', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 });
    const end = new Subject<void>();
    const leaving = new AbortController();
    const { call, ran } = noting(() =>
      end.pipe(
        map(() => 'x'),
        take(1),
      ),
    );
    const first = optimizer.call(call, 'a');
    const second = optimizer.call(call, 'b', { signal: leaving.signal });
    end.next();
    leaving.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    expect(await first).toBe('x');
    await Promise.resolve();
    expect(ran).toEqual(['a as undefined']);
    optimizer.close();
  });

  it('may fail, at once or later, like any other', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1, retry: false });
    const call = (request: string): Promise<string> => {
      if (request === 'throws') {
        throw new Error('thrown');
      }
      return soon(request).then(() => Promise.reject(new Error('rejected')));
    };
    const outcomes = await Promise.allSettled(['a', 'throws', 'b'].map((name) => optimizer.call(call, name)));
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && String(outcome.reason))).toEqual([
      'Error: rejected',
      'Error: thrown',
      'Error: rejected',
    ]);
    optimizer.close();
  });
});

describe('in virtual time', () => {
  it.each<[string, (scheduler: WatchedTestScheduler) => OptimizerConfig]>([
    ['of a scheduler that is given', (scheduler) => ({ scheduler })],
    ['of TestScheduler.run', () => ({})],
  ])('%s, calls of promises start when it is their time', (_name, config) => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ maxConcurrent: 1, baseInterval: 0, ...config(scheduler) });
      const startedAt: number[] = [];
      const call = () => {
        startedAt.push(scheduler.now());
        return timer(5);
      };
      const asked = [optimizer.callBatch(call, ['a', 'b']), optimizer.call(call, 'c')];
      scheduler.flush();
      expect(startedAt).toEqual([0, 5, 10]);
      expect(asked).toHaveLength(2);
      optimizer.close();
    });
  });
});

describe('a streamed answer', () => {
  it('is made in the context of who asked for the stream', async () => {
    const optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 });
    const ran: string[] = [];
    const call = {
      open: async function* (name: string) {
        ran.push(`${name} as ${tenant.getStore()}`);
        yield await soon(name);
      },
      collect: (texts: readonly string[]) => texts.join(''),
    };
    expect(
      await askEach((name) => lastValueFrom(optimizer.stream(call, name), { defaultValue: undefined })),
    ).toEqual(names);
    expect(ran).toEqual(eachAsItself);
    optimizer.close();
  });
});

describe('a stream', () => {
  it('starts its calls as before, in virtual time too: it has no context of one who asks', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, maxConcurrent: 1, baseInterval: 0 });
      const startedAt: number[] = [];
      const outcomes$ = of('a', 'b', 'c').pipe(
        optimizer.optimize(() => {
          startedAt.push(scheduler.now());
          return timer(5);
        }),
      );
      outcomes$.subscribe({ error: rethrow });
      scheduler.flush();
      expect(startedAt).toEqual([0, 5, 10]);
    });
  });
});
