import {
  asyncScheduler,
  concatMap,
  from,
  map,
  mergeMap,
  of,
  range,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { missedFieldBound } from '../../bench/limits/bounds';
import { rxllm } from '../../bench/limits/clients/rxllm';
import { signals, type FieldBound, type SignalsName } from '../../bench/limits/shape';
import { shapes } from '../../bench/limits/shapes';
import { streamRun } from '../../bench/limits/stream-run';
import type { CallOutcome } from '../../lib/core/call';
import type { CallEvent, RefusalsExplainedEvent } from '../../lib/core/events';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';
import { HeapScheduler } from '../heap-scheduler';
import { inVirtualTime, rethrow } from '../test-scheduler';

const refusal = (headers: Record<string, string> = {}) =>
  Object.assign(new Error('no'), { status: 429, headers });

const refused = (latency: number, headers?: Record<string, string>) =>
  timer(latency).pipe(mergeMap(() => throwError(() => refusal(headers))));

const answered = (latency: number) => timer(latency).pipe(map(() => 'fine'));

/** What became of requests, and when. */
function run<R>(
  requests$: () => Observable<R>,
  call: (request: R) => Observable<string>,
  config: OptimizerConfig = {},
): {
  outcomes: (CallOutcome<R, string> & { at: number })[];
  events: CallEvent[];
  optimizer: LLMCallOptimizer;
} {
  return inVirtualTime((scheduler) => {
    const outcomes: (CallOutcome<R, string> & { at: number })[] = [];
    const events: CallEvent[] = [];
    const optimizer = new LLMCallOptimizer({
      maxConcurrent: 10,
      enableCache: false,
      retry: { random: () => 0.5 },
      ...config,
    });
    optimizer.events$.subscribe({ next: (event) => events.push(event), error: rethrow });
    requests$()
      .pipe(optimizer.optimize(call))
      .subscribe({
        next: (outcome) => outcomes.push({ ...outcome, at: asyncScheduler.now() }),
        error: rethrow,
      });
    scheduler.flush();
    return { outcomes, events, optimizer };
  });
}

describe('one request that is always refused', () => {
  it('stops nobody else', () => {
    const { outcomes } = run(
      () => from(['bad', 'a', 'b', 'c', 'd', 'e']),
      (request) => (request === 'bad' ? refused(200) : answered(500)),
      { baseInterval: 100 },
    );
    expect(outcomes).toHaveLength(6);
    const healthy = outcomes.filter(({ ok }) => ok);
    expect(healthy.map(({ request }) => request).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(Math.max(...healthy.map(({ at }) => at))).toBeLessThan(5000);
  });

  it('fails within its own time, and teaches no rate', () => {
    const { outcomes, optimizer } = run(
      () => from(['bad', 'a', 'b', 'c', 'd', 'e']),
      (request) => (request === 'bad' ? refused(200) : answered(500)),
      { baseInterval: 100 },
    );
    const bad = outcomes.find(({ request }) => request === 'bad')!;
    expect(bad.ok).toBe(false);
    expect(bad.at).toBeLessThan(610_000);
    expect(optimizer.limiter!.state.learnedRate).toBeUndefined();
  });
});

describe('a hint that proves too short', () => {
  /** Ten requests in 10 s; one too many, and only 30 s without any request lift the block. */
  function blockingCall(headers: Record<string, string>): (request: number) => Observable<string> {
    let recent: number[] = [];
    let blockedUntil = 0;
    return () => {
      const now = asyncScheduler.now();
      recent = recent.filter((at) => at > now - 10_000);
      if (now < blockedUntil || recent.length === 10) {
        blockedUntil = now + 30_000;
        return refused(50, headers);
      }
      recent.push(now);
      return answered(500);
    };
  }

  it.each([{ headers: { 'retry-after': '10' } }, { headers: {} }])(
    'is followed by longer ones: %p',
    ({ headers }) => {
      const { outcomes, events } = run(() => range(0, 40), blockingCall(headers as Record<string, string>), {
        baseInterval: 100,
      });
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(40);
      expect(events.filter(({ type }) => type === 'started').length).toBeLessThan(150);
    },
  );
});

describe('the first second', () => {
  it('lets ten calls of 200 ms end within 0.6 s', () => {
    const { outcomes } = run(
      () => range(0, 10),
      () => answered(200),
    );
    expect(Math.max(...outcomes.map(({ at }) => at))).toBeLessThanOrEqual(600);
  });

  it('lets twenty awaited calls of 200 ms end within 6 s', () => {
    const ends = inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ enableCache: false });
      const times: number[] = [];
      range(0, 20)
        .pipe(concatMap((request) => from([request]).pipe(optimizer.optimize(() => answered(200)))))
        .subscribe({ next: () => times.push(asyncScheduler.now()), error: rethrow });
      scheduler.flush();
      return times;
    });
    expect(ends).toHaveLength(20);
    expect(ends.at(-1)).toBeLessThanOrEqual(6000);
  });

  it('quickens for a request that waits alone, if the base interval is long', () => {
    const ends = inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ enableCache: false, baseInterval: 1000 });
      const times: number[] = [];
      range(0, 30)
        .pipe(concatMap((request) => from([request]).pipe(optimizer.optimize(() => answered(200)))))
        .subscribe({ next: () => times.push(asyncScheduler.now()), error: rethrow });
      scheduler.flush();
      return times;
    });
    // The second waits for the base interval; the last waits for next to nothing.
    expect(ends[1]).toBe(1200);
    expect(ends.at(-1)! - ends.at(-2)!).toBeLessThan(210);
  });
});

describe('what refusals are put down to', () => {
  const explained = (events: readonly CallEvent[]) =>
    events.filter((event): event is RefusalsExplainedEvent => event.type === 'refusals-explained');

  it('is told by an event and in the state: a bound on the calls that run at once', () => {
    let running = 0;
    const { events, optimizer } = run(
      () => range(0, 200),
      () => {
        if (running >= 5) {
          return refused(50);
        }
        running++;
        return answered(900).pipe(
          map((answer) => {
            running--;
            return answer;
          }),
        );
      },
      { maxConcurrent: 50 },
    );
    expect(explained(events).at(-1)).toMatchObject({ cause: 'at-once', maxRunning: 5 });
    expect(optimizer.limiter!.state).toMatchObject({ refusalCause: 'at-once', maxRunning: 5 });
  });

  it('is told by an event and in the state: a share that is shed at any pace', () => {
    let count = 0;
    const { events, optimizer } = run(
      () => range(0, 600).pipe(concatMap((request) => timer(100).pipe(map(() => request)))),
      // Three of ten, in no order that a limit would have.
      () => ([1, 2, 6].includes((count++ * 7) % 10) ? refused(50) : answered(300)),
    );
    expect(explained(events).some(({ cause }) => cause === 'shedding')).toBe(true);
    expect(optimizer.limiter!.state.refusedShare).toBeGreaterThan(0.15);
  });
});

describe('reading the state', () => {
  it.each([
    { name: 'batch-600', signalsName: 'bare' },
    { name: 'shed-20-bare', signalsName: 'bare' },
    { name: 'shed-5-told', signalsName: 'headers' },
    { name: 'cap-10-short', signalsName: 'bare' },
  ] as const)('changes nothing: $name', ({ name, signalsName }) => {
    const shape = shapes.find((one) => one.name === name)!;
    const unread = streamRun(rxllm, shape, signals[signalsName]);
    const read = streamRun(rxllm, shape, signals[signalsName], { everySecond: () => undefined });
    expect({ ...read, wall: 0 }).toEqual({ ...unread, wall: 0 });
  });
});

describe('providers that refuse for other reasons than pace', () => {
  const cases = shapes
    .filter(({ otherReasons }) => otherReasons)
    .flatMap((shape) =>
      (Object.keys(signals) as SignalsName[])
        .filter((name) => shape.signals?.includes(name) ?? true)
        .map((signalsName) => ({ name: shape.name, title: shape.title, shape, signalsName })),
    );

  /** What a run that misses its bound keeps instead: the bound is the aim, and these runs must not get worse. */
  const notYet: Readonly<Record<string, FieldBound>> = {
    'shed-50-hint': { finished: 130_000, waitP95: 20_000 },
  };

  it.each(cases)('answer every request in time: $title ($signalsName)', ({ shape, name, signalsName }) => {
    const figures = streamRun(rxllm, shape, signals[signalsName]);
    expect(missedFieldBound(figures, notYet[name] ?? shape.bound!)).toEqual([]);
  });
});

describe('a wait that is stated as a moment', () => {
  const noon = Date.UTC(2026, 0, 1, 12);
  const moment = noon + 4000;
  it.each<[string, object]>([
    ['the HTTP date of Retry-After', { headers: { 'retry-after': new Date(moment).toUTCString() } }],
    [
      'milliseconds since 1970',
      { headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${moment}` } },
    ],
    [
      'a header in the body, as OpenRouter sends it',
      {
        error: {
          code: 429,
          metadata: { headers: { 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': `${moment}` } },
        },
      },
    ],
  ])('is kept without a date header: %s', (_name, fields) => {
    const scheduler = new HeapScheduler(noon);
    const optimizer = new LLMCallOptimizer({ baseInterval: 0, scheduler });
    const startedAt: number[] = [];
    of('question')
      .pipe(
        optimizer.optimize(() => {
          startedAt.push(scheduler.now());
          return startedAt.length > 1
            ? of('answer')
            : throwError(() => Object.assign(new Error('no'), { status: 429, ...fields }));
        }),
      )
      .subscribe({ error: rethrow });
    scheduler.flush(noon + 60_000);
    expect(startedAt).toHaveLength(2);
    expect(startedAt[1]).toBeGreaterThanOrEqual(moment);
    expect(startedAt[1]).toBeLessThan(moment + 1000);
  });
});
