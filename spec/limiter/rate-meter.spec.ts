import { RateMeter } from '../../lib/limiter/rate-meter';

describe('RateMeter', () => {
  it('tells the starts of the last ten seconds per second', () => {
    const meter = new RateMeter();
    expect(meter.rate(0)).toBe(0);
    for (let second = 0; second < 30; second++) {
      for (let start = 0; start <= second; start++) {
        meter.add(second * 1000 + 10 * start);
      }
      const now = second * 1000 + 999;
      const lastTen = Array.from({ length: Math.min(10, second + 1) }, (_, back) => second + 1 - back);
      const sum = lastTen.reduce((total, count) => total + count, 0);
      // Over the time since the first start, but one second at least.
      expect(meter.rate(now)).toBe((sum * 1000) / Math.max(1000, Math.min(10_000, now)));
    }
  });

  it('forgets each second ten seconds after it began, and not before', () => {
    const meter = new RateMeter();
    meter.add(500);
    meter.add(3200);
    expect(meter.rate(9999)).toBeCloseTo(2000 / 9499);
    expect(meter.rate(10_000)).toBeCloseTo(1000 / 9500);
    expect(meter.rate(12_999)).toBe(0.1);
    expect(meter.rate(13_000)).toBe(0);
  });

  it('forgets all after a pause of any length', () => {
    for (const pause of [10_000, 11_000, 20_000, 1_000_000]) {
      const meter = new RateMeter();
      for (let second = 0; second < 10; second++) {
        meter.add(second * 1000);
      }
      const now = 9000 + pause;
      meter.add(now);
      expect([pause, meter.rate(now)]).toEqual([pause, 0.1]);
    }
  });
});
