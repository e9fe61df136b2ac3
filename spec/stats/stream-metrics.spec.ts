import type { CallEvent } from '../../lib/core/events';
import { CallStats } from '../../lib/stats/call-stats';
import { StreamFold } from '../../lib/stats/stream-metrics';

const first = (id: number, at: number, latency: number): CallEvent => ({
  type: 'first-chunk',
  id,
  at,
  attempt: 1,
  latency,
});
const finished = (
  id: number,
  at: number,
  result: 'succeeded' | 'failed' | 'aborted',
  outputTokens: number,
): CallEvent => ({
  type: 'finished',
  id,
  at,
  attempt: 1,
  result,
  latency: at,
  startedAt: 0,
  usage: { outputTokens },
});

function metricsOf(...events: CallEvent[]) {
  const fold = new StreamFold();
  for (const event of events) {
    fold.next(event);
  }
  return fold.metrics();
}

describe('the figures of streams', () => {
  it('are 0 before any', () => {
    const stats = new CallStats();
    expect(stats.snapshot().streams).toEqual({
      started: 0,
      p50FirstChunk: 0,
      p95FirstChunk: 0,
      tokensPerSecond: 0,
    });
    stats.close();
  });

  it('tell the time to the first chunk', () => {
    const many = Array.from({ length: 100 }, (_, index) => first(index, 0, index < 90 ? 100 : 1000));
    const { started, p50FirstChunk, p95FirstChunk } = metricsOf(...many);
    expect(started).toBe(100);
    expect(Math.abs(p50FirstChunk - 100)).toBeLessThan(1);
    expect(Math.abs(p95FirstChunk - 1000)).toBeLessThan(10);
  });

  it('tell the tokens per second of streaming, of streams that ended well', () => {
    const { tokensPerSecond } = metricsOf(
      first(1, 1000, 1000),
      first(2, 1500, 500),
      finished(1, 3000, 'succeeded', 100),
      finished(2, 2000, 'aborted', 40),
      finished(3, 9000, 'succeeded', 1000),
    );
    expect(tokensPerSecond).toBe(50);
  });
});
