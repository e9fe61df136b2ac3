/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-ignored-default-value -- an error that nothing handles fails the spec, which listens for them */
import { timerCount } from './timer-ledger';
import {
  EMPTY,
  from,
  lastValueFrom,
  map,
  mergeMap,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  toArray,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  adaptiveThrottle,
  AdaptiveRateLimiter,
  cacheLLM,
  CallPriority,
  CallStats,
  CallTimeoutError,
  LLMCallOptimizer,
  LLMResultCache,
  mergeWithConcurrency,
  type CallContext,
  type CallEvent,
  type CallOutcome,
  type StatsSnapshot,
} from 'rxllm';
import { SimulatedProvider } from 'rxllm/testing';
import { keyedRequests, unkeyedRequests } from './keyed-requests';

/** What the page is asked to do. Everything goes in and out as plain data, in a window and in a worker alike. */
export interface Page {
  globals(): readonly string[];
  chain(): Promise<unknown>;
  priorities(): Promise<unknown>;
  promises(): Promise<unknown>;
  retries(): Promise<unknown>;
  keys(): readonly (readonly string[])[];
  refusals(): readonly string[];
  foreign(): { readonly own: readonly string[]; readonly others: readonly string[]; readonly nodes: string };
  leave(how: WayToLeave): Promise<unknown>;
  firehose(count: number, ofOthers: number): Promise<unknown>;
  simulation(): unknown;
  misbehave(): Promise<unknown>;
  timers(): { readonly made: number; readonly left: number };
}

export type WayToLeave = 'unsubscribe' | 'timeout' | 'take' | 'signal' | 'close';

interface StoryRequest {
  readonly story: string;
  readonly priority?: CallPriority;
}

class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly headers: Headers,
  ) {
    super(`The server answered ${status}.`);
  }
}

/** A call as a user writes it for a browser. */
function callOf(path: string) {
  return async ({ story }: StoryRequest, { signal, report }: CallContext): Promise<{ text: string }> => {
    const response = await fetch(path, { method: 'POST', body: JSON.stringify({ story }), signal });
    report({ headers: response.headers });
    if (!response.ok) {
      throw new HttpError(response.status, response.headers);
    }
    return (await response.json()) as { text: string };
  };
}

function shown<R extends StoryRequest>(outcome: CallOutcome<R, { text: string }>): string {
  return outcome.ok
    ? `${outcome.request.story}: ${outcome.value.text} (${outcome.source})`
    : `${outcome.request.story}: ${String(outcome.error)}`;
}

const pause = (delay: number) => new Promise((resolve) => setTimeout(resolve, delay));

async function chain() {
  const interval = 25;
  const limiter = new AdaptiveRateLimiter({ baseInterval: interval, adaptive: false });
  const cache = new LLMResultCache({ defaultTtl: 60_000 });
  const stats = new CallStats({ sampleInterval: 20, limiter, cache });
  const snapshots: StatsSnapshot[] = [];
  let isStatsDone = false;
  stats.stats$.subscribe({
    next: (snapshot) => snapshots.push(snapshot),
    complete: () => (isStatsDone = true),
  });
  const starts: number[] = [];
  const events = {
    next: (event: CallEvent) => {
      stats.next(event);
      if (event.type === 'started') {
        starts.push(event.at);
      }
    },
  };
  const throughChain: OperatorFunction<string, CallOutcome<StoryRequest, { text: string }>> = (stories$) =>
    stories$.pipe(
      map((story): StoryRequest => ({ story })),
      cacheLLM<StoryRequest, { text: string }>(
        (misses$) =>
          misses$.pipe(
            adaptiveThrottle(limiter, { events }),
            mergeWithConcurrency(callOf('/answer'), { maxConcurrent: 3, limiter, events, timeout: 60_000 }),
          ),
        { cache, events },
      ),
    );
  const first = await lastValueFrom(
    from(['gold', 'oil', 'gold', 'tin', 'oil']).pipe(throughChain, toArray()),
  );
  const again = await lastValueFrom(from(['tin', 'gold', 'oil']).pipe(throughChain, toArray()));
  const size = cache.stats.size;
  stats.close();
  const gaps = starts.slice(1).map((start, index) => start - starts[index]!);
  const sweeping = timerCount().left;
  cache.clear();
  const { totalCalls, cacheHits, cacheMisses, sharedCalls, failedCalls } = snapshots.at(-1)!.metrics;
  return {
    first: first.map(shown).sort(),
    again: again.map(shown),
    againAt: again.map(({ latency, attempts }) => [latency, attempts]),
    size,
    starts: starts.length,
    isPaced: gaps.every((gap) => gap >= interval),
    isLive: snapshots.length > 2,
    isStatsDone,
    metrics: { totalCalls, cacheHits, cacheMisses, sharedCalls, failedCalls },
    sweeping,
  };
}

/** What order do requests start in that have waited for the one slot together? */
async function priorities() {
  const { LOW, MEDIUM, HIGH, CRITICAL } = CallPriority;
  const stories: StoryRequest[] = [
    { story: 'first', priority: LOW },
    ...[LOW, MEDIUM, HIGH, CRITICAL].flatMap((priority) =>
      [1, 2].map((number) => ({ story: `${priority} ${number}`, priority })),
    ),
  ];
  const started: string[] = [];
  const call = callOf('/answer');
  const outcomes = await lastValueFrom(
    from(stories).pipe(
      mergeWithConcurrency(
        (request: StoryRequest, context) => {
          started.push(request.story);
          return call(request, context);
        },
        { maxConcurrent: 1 },
      ),
      toArray(),
    ),
  );
  return { started, outcomes: outcomes.map(shown) };
}

async function promises() {
  const optimizer = new LLMCallOptimizer({
    baseInterval: 0,
    sampleInterval: 10,
    timeout: 60_000,
    maxWait: 60_000,
  });
  const snapshots: StatsSnapshot[] = [];
  optimizer.stats$.subscribe((snapshot) => snapshots.push(snapshot));
  const call = callOf('/answer');
  const stories = ['zinc', 'lead', 'zinc', 'iron'].map((story) => ({ story }));
  const batch = await optimizer.callBatch(call, stories);
  const one = await optimizer.call(call, { story: 'lead' });
  const isFrozen = Object.isFrozen(one);
  const next = await optimizer.call(call, { story: 'coal' });
  const why = (await optimizer.explain(call, { story: 'tea' }))?.text;
  await pause(30);
  const { perMinute } = optimizer.limiter!.state.requests!;
  optimizer.close();
  const late = await optimizer.call(call, { story: 'late' }).catch((error: unknown) => String(error));
  const { totalCalls, cacheHits, sharedCalls } = snapshots.at(-1)!.metrics;
  return {
    batch: batch.map(shown),
    one,
    next,
    isFrozen,
    why,
    perMinute,
    late,
    isLive: snapshots.length > 2,
    metrics: { totalCalls, cacheHits, sharedCalls },
  };
}

/** What a browser's fetch says of refusals and lost connections must be understood. */
async function retries() {
  const optimizer = new LLMCallOptimizer({ baseInterval: 0, retry: { baseDelay: 5 } });
  const failures: string[] = [];
  optimizer.events$.subscribe((event) => {
    if (event.type === 'finished' && event.result === 'failed') {
      failures.push(String(event.error));
    }
  });
  const startedAt = Date.now();
  const [refused] = await optimizer.callBatch(callOf('/refuse-once'), [{ story: 'rice' }]);
  const waitedLongEnough = Date.now() - startedAt >= 50;
  const [cut] = await optimizer.callBatch(callOf('/cut-once'), [{ story: 'corn' }]);
  optimizer.close();
  return { refused: shown(refused!), waitedLongEnough, cut: shown(cut!), failures };
}

function keys(): string[][] {
  return keyedRequests.map((row) => row().map((request) => LLMResultCache.generateKey(request)));
}

/** What is said of each request that has no key, or its key where it has one. */
function refusals(): string[] {
  return unkeyedRequests.map((make) => {
    try {
      return LLMResultCache.generateKey(make());
    } catch (error) {
      return (error as Error).message;
    }
  });
}

interface DocumentLike {
  readonly body: { append(node: object): void };
  createElement(name: 'iframe'): {
    readonly contentWindow: { eval(source: string): unknown };
    remove(): void;
  };
}

/** Keys of values of a frame, which has an Object, an Array and all classes of its own; and what is said of a node. */
function foreign() {
  const { document } = globalThis as unknown as { readonly document: DocumentLike };
  const frame = document.createElement('iframe');
  document.body.append(frame);
  const make = () => [
    { b: [1, { c: -0 }], a: 'x' },
    new Date(5),
    new Map([['a', new Set([1])]]),
    Uint8Array.of(1, 2),
    /a/g,
    new URL('https://a.example/'),
  ];
  const values = frame.contentWindow.eval(`(${make.toString()})()`) as unknown[];
  const keyOf = (value: unknown) => LLMResultCache.generateKey(value);
  const keys = { own: make().map(keyOf), others: values.map(keyOf) };
  frame.remove();
  try {
    return { ...keys, nodes: keyOf({ node: document.body }) };
  } catch (error) {
    return { ...keys, nodes: (error as Error).message };
  }
}

/** Leaves while two calls run, and where there are more requests, they wait; tells what our side saw of it. */
async function leave(how: WayToLeave): Promise<unknown> {
  const stories: StoryRequest[] = ['one', 'two', 'three'].map((name) => ({ story: `${how} ${name}` }));
  const signals: AbortSignal[] = [];
  let begun = 0;
  const endless = async ({ story }: StoryRequest, { signal }: CallContext): Promise<{ text: string }> => {
    signals.push(signal);
    const response = await fetch('/endless', { method: 'POST', body: JSON.stringify({ story }), signal });
    begun++;
    return (await response.json()) as { text: string };
  };
  const bothBegun = async () => {
    while (begun < 2) {
      await pause(5);
    }
  };
  const reasons = () => signals.map(({ reason }) => (reason as DOMException | undefined)?.name);
  const name = (error: unknown) => (error as Error).name;
  switch (how) {
    case 'unsubscribe': {
      const config = { maxConcurrent: 2, timeout: 60_000, maxWait: 60_000 };
      const subscription = from(stories).pipe(mergeWithConcurrency(endless, config)).subscribe();
      await bothBegun();
      subscription.unsubscribe();
      await pause(20);
      return { reasons: reasons() };
    }
    case 'timeout': {
      const silent = (request: StoryRequest, context: CallContext) => {
        signals.push(context.signal);
        return callOf('/silent')(request, context);
      };
      const outcomes = await lastValueFrom(
        from(stories.slice(0, 2)).pipe(mergeWithConcurrency(silent, { timeout: 300 }), toArray()),
      );
      const errors = outcomes.map(
        (outcome) => !outcome.ok && outcome.error instanceof CallTimeoutError && name(outcome.error),
      );
      return { reasons: reasons(), errors };
    }
    case 'take': {
      const quick: StoryRequest = { story: 'quick' };
      const answer = async (request: StoryRequest, context: CallContext) => {
        await bothBegun();
        return callOf('/answer')(request, context);
      };
      const outcomes = await lastValueFrom(
        from([...stories.slice(0, 2), quick, ...stories.slice(2)]).pipe(
          mergeWithConcurrency((request: StoryRequest, context) =>
            (request === quick ? answer : endless)(request, context),
          ),
          take(1),
          toArray(),
        ),
      );
      return { reasons: reasons(), outcomes: outcomes.map(shown) };
    }
    case 'signal': {
      const optimizer = new LLMCallOptimizer({ baseInterval: 0, maxConcurrent: 2 });
      const controller = new AbortController();
      const batch = optimizer.callBatch(endless, stories, { signal: controller.signal });
      await bothBegun();
      controller.abort();
      const errors = (await batch).map((outcome) => !outcome.ok && name(outcome.error));
      await pause(20);
      const { active, queued } = optimizer.getStats().executor;
      optimizer.close();
      return { reasons: reasons(), errors, active, queued };
    }
    case 'close': {
      const optimizer = new LLMCallOptimizer({ baseInterval: 0, maxConcurrent: 2 });
      const batch = optimizer.callBatch(endless, stories);
      await bothBegun();
      optimizer.close();
      const errors = (await batch).map((outcome) => !outcome.ok && name(outcome.error));
      return { reasons: reasons(), errors };
    }
  }
}

/** Counts what comes out where all goes in, and is answered, within one turn of the event loop. */
async function firehose(count: number, ofOthers: number) {
  const call = (request: number) => of(-request);
  const counted = (size: number, pipeline: OperatorFunction<number, CallOutcome<number, number>>) => {
    let ok = 0;
    let isComplete = false;
    range(0, size)
      .pipe(pipeline)
      .subscribe({
        next: (outcome) => (ok += Number(outcome.ok && outcome.value === -outcome.request)),
        complete: () => (isComplete = true),
      });
    return { ok, isComplete };
  };

  let started = 0;
  await lastValueFrom(
    range(0, count).pipe(
      mergeWithConcurrency((request: number) => {
        started++;
        return of(request);
      }),
      take(1),
    ),
  );

  // All wait for the first, and are then answered in one run.
  const gate$ = new Subject<number>();
  let backlog = 0;
  range(0, count)
    .pipe(mergeWithConcurrency((request: number) => (request === 0 ? gate$ : of(request)), 1))
    .subscribe(({ ok }) => (backlog += Number(ok)));
  const before = backlog;
  gate$.next(0);
  gate$.complete();

  const promised = await lastValueFrom(
    range(0, ofOthers).pipe(
      mergeWithConcurrency((request: number) => Promise.resolve(request)),
      toArray(),
    ),
  );
  const limiter = new AdaptiveRateLimiter({ baseInterval: 0, adaptive: false });
  const optimizer = new LLMCallOptimizer({
    enableRateLimit: false,
    cacheMaxSize: 10,
    // Hashes take most of the time, and have a spec of their own.
    traits: (request: number) => ({ cacheKey: String(request) }),
  });
  const results = {
    plain: counted(count, mergeWithConcurrency(call)),
    ordered: counted(ofOthers, mergeWithConcurrency(call, { ordered: true, maxConcurrent: 1 })),
    throttled: counted(ofOthers, (source) =>
      source.pipe(adaptiveThrottle(limiter), mergeWithConcurrency(call, { limiter })),
    ),
    optimized: counted(ofOthers, optimizer.optimize(call)),
    started,
    before,
    backlog,
    promised: promised.length,
  };
  optimizer.close();
  return results;
}

/** A minute of a provider's time, in no time: `rxllm/testing` must run in a browser, too. */
function simulation() {
  let outcome: unknown;
  new TestScheduler(() => undefined).run(({ flush }) => {
    const provider = new SimulatedProvider({ limits: [{ of: 'requests', limit: 600 }], headers: 'openai' });
    const optimizer = new LLMCallOptimizer({ maxConcurrent: 100 });
    let answered = 0;
    from(Array.from({ length: 500 }, (_, index) => `question ${index}`))
      .pipe(
        optimizer.optimize(provider.call),
        tap(({ ok }) => (answered += Number(ok))),
        mergeMap((): Observable<never> => EMPTY),
      )
      .subscribe({ complete: () => (outcome = { answered, ofProvider: provider.statistics.answered }) });
    flush();
    optimizer.close();
  });
  return outcome;
}

/** Does what the others must not, to see whether it is noticed. */
async function misbehave() {
  const timer = setTimeout(() => undefined, 60_000);
  const { left } = timerCount();
  clearTimeout(timer);
  console.warn('A warning.');
  void Promise.reject(new Error('Nobody handles this.'));
  throwError(() => new Error('Nobody handles this one, either.')).subscribe();
  await pause(20);
  return left;
}

const page: Page = {
  globals: () =>
    ['process', 'require', 'Buffer', 'global', 'setImmediate', 'window', 'document'].filter(
      (name) => name in globalThis,
    ),
  chain,
  priorities,
  promises,
  retries,
  keys,
  refusals,
  foreign,
  leave,
  firehose,
  simulation,
  misbehave,
  timers: timerCount,
};

Object.assign(globalThis, { page });
