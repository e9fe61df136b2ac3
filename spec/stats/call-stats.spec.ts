/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import fc from 'fast-check';
import type { CallEvent } from '../../lib/core/events';
import type { CallMetrics } from '../../lib/stats/call-metrics';
import { CallStats, type StatsSnapshot } from '../../lib/stats/call-stats';
import { LatencyHistogram } from '../../lib/stats/latency-histogram';

const step = { at: 0, id: 1 } as const;
const usage = { inputTokens: 1000, outputTokens: 500, model: 'small-2026' } as const;
const received: CallEvent = { ...step, type: 'received', priority: 'medium' };
const settled = { ...step, type: 'settled', latency: 10, waited: 0, attempts: 1 } as const;
const finished = { ...step, type: 'finished', attempt: 1, startedAt: 0 } as const;
const prices = { small: { input: 100, output: 100 }, 'small-*': { input: 2, output: 10 } };

describe('CallStats', () => {
  const cases: [string, CallEvent, Partial<CallMetrics>][] = [
    ['a received request', received, { totalCalls: 1 }],
    [
      'a hit, and what it saved',
      { ...step, type: 'cache-hit', key: 'k', age: 5, tier: 'memory', savedLatency: 9, usage },
      { cacheHits: 1, cacheHitRate: 1, savedTokens: 1500, savedLatency: 9, saved: 0.007 },
    ],
    [
      'a hit in the store, stale',
      { ...step, type: 'cache-hit', key: 'k', age: 5, tier: 'store', stale: true, savedLatency: 9 },
      { cacheHits: 1, savedTokens: 0, savedLatency: 9, staleAnswers: 0 },
    ],
    [
      'a hit that is a kept failure',
      { ...step, type: 'cache-hit', key: 'k', age: 5, tier: 'memory', failed: true, savedLatency: 0 },
      { cacheHits: 1, failedCalls: 0, savedLatency: 0 },
    ],
    ['a miss', { ...step, type: 'cache-miss', key: 'k', joined: false }, { cacheMisses: 1, sharedCalls: 0 }],
    [
      'a joined call',
      { ...step, type: 'cache-miss', key: 'k', joined: true },
      { cacheMisses: 1, sharedCalls: 1 },
    ],
    [
      'a bypass',
      { ...step, type: 'cache-bypassed', reason: 'r' },
      { bypassedCalls: 1, cacheHitRate: 0, sharedCalls: 0 },
    ],
    [
      'a bypass that shares a call',
      { ...step, type: 'cache-bypassed', reason: 'r', joined: true },
      { bypassedCalls: 1, sharedCalls: 1, cacheMisses: 0 },
    ],
    [
      'a renewal, which is no request',
      { ...step, type: 'cache-renewing', key: 'k', renewal: 2 },
      { renewedAnswers: 1, totalCalls: 0, cacheMisses: 0 },
    ],
    [
      'an answer that is not kept',
      { ...step, type: 'cache-not-kept', key: 'k', reason: 'fenced' },
      { answersNotKept: 1 },
    ],
    ...(['expired', 'size', 'bytes', 'deleted', 'invalidated'] as const).map(
      (reason): [string, CallEvent, Partial<CallMetrics>] => [
        `an eviction: ${reason}`,
        { at: 0, type: 'cache-evicted', reason },
        { evictions: { expired: 0, size: 0, bytes: 0, deleted: 0, invalidated: 0, [reason]: 1 } },
      ],
    ),
    [
      'nothing of a store that is bypassed',
      { at: 0, type: 'store-bypassed', operation: 'get', reason: 'deadline' },
      { bypassedCalls: 0, totalCalls: 0 },
    ],
    [
      'nothing of a store that is back',
      { at: 0, type: 'store-restored' },
      { bypassedCalls: 0, totalCalls: 0 },
    ],
    ['a throttled request', { ...step, type: 'throttled', waited: 5 }, { throttledCalls: 1 }],
    [
      'a start',
      { ...step, type: 'started', attempt: 1, priority: 'low', waited: 0 },
      { startedCalls: 1, inFlight: 1 },
    ],
    ['a successful call', { ...finished, result: 'succeeded', latency: 10 }, { avgLatency: 10 }],
    ['a failed call', { ...finished, result: 'failed', latency: 10 }, { avgLatency: 10 }],
    ['an aborted call', { ...finished, result: 'aborted', latency: 10 }, { avgLatency: 0, inFlight: -1 }],
    [
      'the usage of a call that has finished, by the longest name among the prices',
      { ...finished, result: 'succeeded', latency: 10, usage },
      { inputTokens: 1000, outputTokens: 500, spent: 0.007, unpricedTokens: 0 },
    ],
    [
      'usage of every kind',
      {
        ...finished,
        result: 'aborted',
        latency: 10,
        usage: { ...usage, cachedInputTokens: 800, cacheWriteTokens: 100, reasoningTokens: 300 },
      },
      { cachedInputTokens: 800, cacheWriteTokens: 100, reasoningTokens: 300, spent: 0.007 },
    ],
    [
      'usage without a price',
      { ...finished, result: 'failed', latency: 10, usage: { ...usage, model: 'large' } },
      { inputTokens: 1000, outputTokens: 500, spent: 0, unpricedTokens: 1500 },
    ],
    [
      'nothing of usage while its call runs, as more of it may come',
      { ...step, type: 'feedback', startedAt: 0, feedback: { usage } },
      { inputTokens: 0, spent: 0 },
    ],
    ['a retry', { ...step, type: 'retrying', attempt: 2, delay: 5 }, { retriedCalls: 1 }],
    ['an answer', { ...settled, ok: true, source: 'call' }, { answeredCalls: 1, failedCalls: 0 }],
    [
      'a shared answer',
      { ...settled, ok: true, source: 'shared', usage },
      { savedTokens: 1500, saved: 0.007 },
    ],
    [
      'a stale answer, also in place of a failure',
      { ...settled, ok: true, source: 'stale', error: new Error('down') },
      { staleAnswers: 1, answeredCalls: 1, failedCalls: 0, savedTokens: 0 },
    ],
    ['a failure', { ...settled, ok: false }, { failedCalls: 1, answeredCalls: 0, staleAnswers: 0 }],
    ['one that left', { ...step, type: 'left' }, { leftCalls: 1 }],
  ];
  it.each(cases)('counts %s', (_name, event, expected) => {
    const stats = new CallStats({ prices });
    stats.next(event);
    expect(stats.snapshot().metrics).toMatchObject(expected);
  });

  describe('stats$', () => {
    let stats: CallStats;
    let seen: [number, number][];
    const note = ({ at, metrics }: StatsSnapshot) => seen.push([at, metrics.totalCalls]);

    beforeEach(() => {
      jest.useFakeTimers({ now: 0 });
      stats = new CallStats({ sampleInterval: 1000 });
      seen = [];
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    it('gives the present snapshot to every new subscriber', () => {
      stats.next(received);
      stats.stats$.subscribe(note);
      jest.advanceTimersByTime(100);
      stats.stats$.subscribe(note);
      expect(seen).toEqual([
        [0, 1],
        [100, 1],
      ]);
    });

    it('emits at most once per interval, and only after a change', () => {
      stats.stats$.subscribe(note);
      for (let time = 0; time < 2500; time += 100) {
        stats.next(received);
        jest.advanceTimersByTime(100);
      }
      jest.advanceTimersByTime(60_000);
      expect(seen).toEqual([
        [0, 0],
        [1000, 10],
        [2000, 20],
        [3000, 25],
      ]);
    });

    it('holds no timer while nothing changes or nobody listens', () => {
      stats.next(received);
      expect(jest.getTimerCount()).toBe(0);
      const subscription = stats.stats$.subscribe(note);
      expect(jest.getTimerCount()).toBe(0);
      stats.next(received);
      stats.next(received);
      expect(jest.getTimerCount()).toBe(1);
      subscription.unsubscribe();
      expect(jest.getTimerCount()).toBe(0);
      stats.next(received);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('emits a last snapshot on close, completes, and gives that snapshot to those who come later', () => {
      const complete = jest.fn();
      stats.stats$.subscribe({ next: note, complete });
      stats.next(received);
      stats.close();
      stats.close();
      expect(seen).toEqual([
        [0, 0],
        [0, 1],
      ]);
      expect(complete).toHaveBeenCalledTimes(1);
      expect(jest.getTimerCount()).toBe(0);
      stats.stats$.subscribe({ next: note, complete });
      expect(seen.at(-1)).toEqual([0, 1]);
      expect(complete).toHaveBeenCalledTimes(2);
    });
  });

  it('refuses a wrong config', () => {
    expect(() => new CallStats({ sampleInterval: -1 })).toThrow(/sampleInterval/);
    expect(() => new CallStats({ prices: { m: { input: -1, output: 0 } } })).toThrow(/prices\['m'\]\.input/);
    expect(() => new CallStats({ prices: { m: 1 as never } })).toThrow(/of prices\['m'\] must be an object/);
    expect(() => new CallStats({ events: {} as never })).toThrow(/events must have a next\(\) method/);
    expect(() => new CallStats({ scheduler: 1 as never })).toThrow(/scheduler must have/);
  });
});

describe('LatencyHistogram', () => {
  it('knows nothing of no calls', () => {
    const histogram = new LatencyHistogram();
    expect([histogram.mean, histogram.percentile(0.5), histogram.percentile(1)]).toEqual([0, 0, 0]);
  });

  it('gives percentiles with an error below 1 %, and the exact mean', () => {
    const latencies = fc.array(fc.double({ min: 0.1, max: 6e7, noNaN: true }), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(latencies, fc.constantFrom(0.5, 0.95, 0.99), (values, share) => {
        const histogram = new LatencyHistogram();
        values.forEach((value) => histogram.add(value));
        const exact = [...values].sort((one, other) => one - other)[Math.ceil(values.length * share) - 1]!;
        expect(Math.abs(histogram.percentile(share) / exact - 1)).toBeLessThan(0.01);
        const sum = values.reduce((total, value) => total + value, 0);
        expect(histogram.mean).toBeCloseTo(sum / values.length, 5);
      }),
    );
  });
});
