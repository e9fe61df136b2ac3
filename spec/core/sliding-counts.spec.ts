import { SlidingCounts } from '../../lib/core/sliding-counts';

describe('SlidingCounts', () => {
  it('are 0 before anything happens, at any time', () => {
    expect(new SlidingCounts(60).total(0)).toBe(0);
    expect(new SlidingCounts(60).total(1_800_000_000_000)).toBe(0);
  });

  it.each([0, 12_345_000, 1_800_000_000_000])(
    'forget after a minute, to the second (from %i on)',
    (start) => {
      const counts = new SlidingCounts(60);
      counts.add(start);
      counts.add(start + 1999);
      expect(counts.total(start + 59_999)).toBe(2);
      expect(counts.total(start + 60_000)).toBe(1);
      counts.add(start + 60_500);
      expect(counts.total(start + 60_999)).toBe(2);
      expect(counts.total(start + 61_000)).toBe(1);
      expect(counts.total(start + 120_000)).toBe(0);
    },
  );

  it.each([60_000, 120_000, 86_400_000, 61_500])('forget everything after a silence of %i ms', (silence) => {
    const counts = new SlidingCounts(60);
    for (let second = 0; second < 60; second++) {
      counts.add(second * 1000);
    }
    counts.add(59_000 + silence);
    expect(counts.total(59_000 + silence)).toBe(1);
  });

  it('count what a clock that was set back dates before', () => {
    const counts = new SlidingCounts(60);
    counts.add(100_000);
    counts.add(40_000);
    expect(counts.total(40_000)).toBe(2);
    expect(counts.total(159_999)).toBe(2);
    expect(counts.total(160_000)).toBe(0);
  });

  it('agree with a list of all', () => {
    const counts = new SlidingCounts(60);
    const all: number[] = [];
    let now = 1_000_000;
    for (let number = 0; number < 3000; number++) {
      now += (number * 7919) % 997 === 0 ? 70_000 : (number * 7919) % 211;
      counts.add(now);
      all.push(now);
      const since = (Math.floor(now / 1000) - 59) * 1000;
      expect(counts.total(now)).toBe(all.filter((at) => at >= since).length);
    }
  });
});
