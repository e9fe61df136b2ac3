/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, map, NEVER, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  CallStats,
  LLMCallOptimizer,
  type CallContext,
  type CallEvent,
  type StatsSnapshot,
} from '../../lib/index';
import {
  CallTimeoutError,
  ClosedError,
  DeadlineExceededError,
  MissingOutcomeError,
  NoAnswerError,
  QueueOverflowError,
  QuotaSpentError,
} from '../../lib/core/errors';
import { errorKindOf, kindWithoutCall } from '../../lib/stats/error-kinds';
import { LatencyHistogram } from '../../lib/stats/latency-histogram';

const step = { at: 0, id: 1 } as const;
const settled = { ...step, type: 'settled', latency: 10, waited: 0, attempts: 1 } as const;

/** Runs in virtual time. */
function virtually(run: (at: (time: number, look: () => void) => void) => void): void {
  new TestScheduler(() => undefined).run(({ flush }) => {
    run((time, look) => void timer(time).subscribe(look));
    flush();
  });
}

describe('how long starts wait', () => {
  it('is told in all and by priority, retries from the end of their back-off', () => {
    const stats = new CallStats();
    const started = (priority: 'low' | 'high', waited: number): CallEvent => ({
      ...step,
      type: 'started',
      attempt: 1,
      priority,
      waited,
    });
    [started('low', 1000), started('low', 3000), started('high', 0)].forEach((event) => stats.next(event));
    const { wait, waitByPriority } = stats.snapshot().times;
    expect(wait).toMatchObject({ count: 3, sum: 4000 });
    expect(wait.p50 / 1000).toBeCloseTo(1, 1);
    expect(wait.p99 / 3000).toBeCloseTo(1, 1);
    expect(waitByPriority.low).toMatchObject({ count: 2, sum: 4000 });
    expect(waitByPriority.high).toMatchObject({ count: 1, p50: 0, p99: 0 });
    expect(waitByPriority.critical).toMatchObject({ count: 0, sum: 0, p50: 0, p95: 0, p99: 0 });
  });

  it('is what it is in a queue', () => {
    let snapshot!: StatsSnapshot;
    virtually(() => {
      const optimizer = new LLMCallOptimizer({ maxConcurrent: 1, enableRateLimit: false });
      const call = (request: { name: string }) => timer(100).pipe(map(() => request.name));
      from([{ name: 'a' }, { name: 'b' }, { name: 'c', priority: 'critical' }])
        .pipe(optimizer.optimize(call))
        .subscribe({ complete: () => (snapshot = optimizer.getStats()) });
    });
    expect(snapshot.times.wait).toMatchObject({ count: 3, sum: 300 });
    expect(snapshot.times.waitByPriority.medium).toMatchObject({ count: 2, sum: 200 });
    expect(snapshot.times.waitByPriority.critical).toMatchObject({ count: 1, sum: 100 });
    expect(snapshot.times.call).toMatchObject({ count: 3, sum: 300 });
  });

  it.each([
    [0, 5],
    [5, 5],
    [100, 100],
    [101.5, 250],
    [600_000, 600_000],
  ])('counts %d ms up to %d', (latency, bound) => {
    const histogram = new LatencyHistogram();
    histogram.add(latency);
    const { buckets } = histogram.distribution();
    expect(buckets.find(({ count }) => count === 1)?.upTo).toBe(bound);
    expect(buckets.at(-1)?.count).toBe(1);
  });

  it('counts what is beyond all bounds in the whole only', () => {
    const histogram = new LatencyHistogram();
    histogram.add(700_000);
    expect(histogram.distribution().buckets.at(-1)?.count).toBe(0);
    expect(histogram.distribution().count).toBe(1);
  });
});

describe('the age of the oldest request', () => {
  it('grows while it waits, and is 0 when none does', () => {
    const ages: number[] = [];
    virtually((at) => {
      const optimizer = new LLMCallOptimizer({ maxConcurrent: 1, baseInterval: 1000, adaptive: false });
      const look = () => ages.push(optimizer.getStats().executor.oldestWait);
      look();
      from(['a', 'b', 'c'])
        .pipe(optimizer.optimize(() => timer(10).pipe(map(() => 1))))
        .subscribe();
      [0, 500, 999, 1000, 1500, 2001].forEach((time) => at(time, look));
    });
    expect(ages).toEqual([0, 0, 500, 999, 1000, 1500, 0]);
  });

  it('leaves out who is in back-off', () => {
    const ages: number[] = [];
    virtually((at) => {
      const retry = { attempts: 2, baseDelay: 1000, random: () => 1 };
      const optimizer = new LLMCallOptimizer({ retry, enableRateLimit: false });
      const call = (_request: string, { attempt }: CallContext) => {
        if (attempt === 1) {
          throw Object.assign(new Error('down'), { status: 500 });
        }
        return NEVER;
      };
      from(['a']).pipe(optimizer.optimize(call)).subscribe();
      at(500, () => {
        const { oldestWait, queued } = optimizer.getStats().executor;
        ages.push(oldestWait, queued);
        optimizer.close();
      });
    });
    expect(ages).toEqual([0, 1]);
  });
});

describe('what holds the next request', () => {
  it('is in the snapshot, with every budget', () => {
    let snapshot!: StatsSnapshot;
    virtually((at) => {
      const optimizer = new LLMCallOptimizer({ maxConcurrent: 10, limits: { requestsPerMinute: 2 } });
      from(['a', 'b', 'c'])
        .pipe(optimizer.optimize(() => NEVER))
        .subscribe();
      at(1000, () => {
        snapshot = optimizer.getStats();
        optimizer.close();
      });
    });
    const { rateLimiter, executor } = snapshot;
    const [budget] = rateLimiter.budgets;
    expect(budget).toMatchObject({
      name: 'limits.requestsPerMinute',
      source: 'given',
      limit: 2,
      remaining: 0,
      inFlight: 2,
    });
    expect(budget!.fullAt - snapshot.at).toBeGreaterThan(58_000);
    expect(budget!.fullAt - snapshot.at).toBeLessThanOrEqual(59_500);
    expect(rateLimiter.next).toMatchObject({ gate: 'budget' });
    expect(rateLimiter.next!.opensAt! - snapshot.at).toBe(59_000);
    expect(executor).toMatchObject({ active: 2, queued: 1, oldestWait: 1000 });
  });
});

describe('outcomes', () => {
  it('are counted by where the answer came from', () => {
    const stats = new CallStats();
    const events: CallEvent[] = [
      { ...settled, ok: true, source: 'call' },
      { ...settled, ok: true, source: 'cache' },
      { ...settled, ok: true, source: 'cache' },
      { ...settled, ok: true, source: 'shared' },
      { ...settled, ok: true, source: 'stale' },
      { ...settled, ok: false, error: new Error('no') },
      { ...step, type: 'left' },
    ];
    events.forEach((event) => stats.next(event));
    expect(stats.snapshot().outcomes).toEqual({ call: 1, cache: 2, shared: 1, stale: 1, failed: 1, left: 1 });
  });
});

describe('errors', () => {
  const withStatus = (status: number, more: object = {}) =>
    Object.assign(new Error('no'), { status, ...more });
  const unreadable = new Proxy(
    {},
    {
      get: () => {
        throw new Error('unreadable');
      },
    },
  );

  it.each<[string, unknown]>([
    ['rate-limited', withStatus(429)],
    ['rate-limited', { response: { status: 429 } }],
    ['quota-spent', withStatus(429, { code: 'insufficient_quota' })],
    ['quota-spent', withStatus(429, { error: { type: 'insufficient_quota' } })],
    ['overloaded', withStatus(529)],
    ['overloaded', { $metadata: { httpStatusCode: 503 } }],
    ['server-error', { statusCode: 500 }],
    ['unauthorized', withStatus(401)],
    ['unauthorized', withStatus(403)],
    ['not-found', withStatus(404)],
    ['bad-request', withStatus(400)],
    ['timeout', new CallTimeoutError(10)],
    ['timeout', withStatus(504)],
    ['timeout', Object.assign(new Error('slow'), { code: 'ETIMEDOUT' })],
    ['overloaded', { status_code: 503 }],
    ['overloaded', new Error('HTTP 503')],
    ['rate-limited', new Error('429 Too Many Requests')],
    ['connection', Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' })],
    ['connection', new Error('socket hang up')],
    ['connection', new TypeError('fetch failed')],
    ['connection', new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } })],
    ['connection', new Error('wrapped', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) })],
    ['empty', Object.assign(new Error('no elements'), { name: 'EmptyError' })],
    ['empty', new NoAnswerError('an empty body')],
    ['overloaded', Object.assign(new NoAnswerError('an error'), { status: 503 })],
    ['other', new Error('anything')],
    ['other', 'a string'],
    ['other', undefined],
    ['other', unreadable],
  ])('are %s', (kind, error) => {
    expect(errorKindOf(error)).toBe(kind);
    expect(kindWithoutCall(error)).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['deadline-exceeded', new DeadlineExceededError(10)],
    ['queue-overflow', new QueueOverflowError(10)],
    ['quota-spent', new QuotaSpentError(10, 0, undefined)],
    ['missing-outcome', new MissingOutcomeError()],
    ['closed', new ClosedError('It')],
  ])('are %s without a call that failed', (kind, error) => {
    expect(kindWithoutCall(error)).toBe(kind);
  });

  it('are counted once for each failed call, and for each request that no call failed of', () => {
    const stats = new CallStats();
    const finished = { ...step, type: 'finished', attempt: 1, startedAt: 0, latency: 1 } as const;
    const refusal = withStatus(429);
    const events: CallEvent[] = [
      { ...finished, result: 'failed', error: refusal },
      { ...finished, result: 'failed', error: refusal },
      { ...finished, result: 'succeeded' },
      { ...finished, result: 'aborted' },
      { ...settled, ok: false, error: refusal },
      { ...settled, ok: false, error: new QueueOverflowError(1), attempts: 0 },
      { ...settled, ok: true, source: 'stale', error: refusal },
    ];
    events.forEach((event) => stats.next(event));
    expect(stats.snapshot().errors).toEqual({ 'rate-limited': 2, 'queue-overflow': 1 });
  });
});

describe('tokens', () => {
  it('are told by model, of which there are few', () => {
    const stats = new CallStats();
    const finished = {
      ...step,
      type: 'finished',
      attempt: 1,
      startedAt: 0,
      latency: 1,
      result: 'failed',
    } as const;
    for (let number = 0; number < 30; number++) {
      stats.next({ ...finished, usage: { model: `model ${number}`, inputTokens: 2, outputTokens: 1 } });
    }
    stats.next({ ...finished, usage: { model: 'model 0', inputTokens: 5 } });
    stats.next({ ...finished, usage: { model: 'a model without tokens' } });
    const { tokensByModel } = stats.snapshot();
    expect(Object.keys(tokensByModel)).toHaveLength(21);
    expect(tokensByModel['model 0']).toEqual({ input: 7, output: 1 });
    expect(tokensByModel['other']).toEqual({ input: 20, output: 10 });
  });
});

describe('the first chunk', () => {
  it('is timed from the start of its call', () => {
    const stats = new CallStats();
    stats.next({ ...step, type: 'first-chunk', attempt: 1, latency: 300 });
    expect(stats.snapshot().times.firstChunk).toMatchObject({ count: 1, sum: 300 });
  });
});
