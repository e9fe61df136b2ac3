import { HitWindow } from '../../lib/cache/hit-window';

describe('HitWindow', () => {
  it('is 0 before the first look-up, at any time', () => {
    expect(new HitWindow().rate(0)).toBe(0);
    expect(new HitWindow().rate(1_800_000_000_000)).toBe(0);
  });

  it('is the share of hits among the look-ups', () => {
    const window = new HitWindow();
    window.add(0, true);
    window.add(500, false);
    window.add(30_000, true);
    window.add(59_999, true);
    expect(window.rate(59_999)).toBe(0.75);
  });

  it.each([0, 12_345_000, 1_800_000_000_000])(
    'forgets look-ups after a minute, to the second (from %i on)',
    (start) => {
      const window = new HitWindow();
      window.add(start, true);
      window.add(start + 1999, false);
      expect(window.rate(start + 59_999)).toBe(0.5);
      // The first second has passed a minute ago.
      expect(window.rate(start + 60_000)).toBe(0);
      window.add(start + 60_500, true);
      expect(window.rate(start + 60_999)).toBe(0.5);
      expect(window.rate(start + 61_000)).toBe(1);
      expect(window.rate(start + 120_000)).toBe(0);
    },
  );

  it('forgets everything after a long silence, also one of whole minutes', () => {
    for (const silence of [60_000, 120_000, 86_400_000, 61_500]) {
      const window = new HitWindow();
      for (let second = 0; second < 60; second++) {
        window.add(second * 1000, second % 2 === 0);
      }
      window.add(59_000 + silence, true);
      expect(window.rate(59_000 + silence)).toBe(1);
    }
  });

  it('counts what a clock that was set back would date before', () => {
    const window = new HitWindow();
    window.add(100_000, true);
    window.add(40_000, false);
    expect(window.rate(40_000)).toBe(0.5);
    expect(window.rate(159_999)).toBe(0.5);
    expect(window.rate(160_000)).toBe(0);
  });

  it('agrees with a list of all look-ups', () => {
    const window = new HitWindow();
    const all: { readonly at: number; readonly isHit: boolean }[] = [];
    let now = 1_000_000;
    for (let number = 0; number < 3000; number++) {
      now += (number * 7919) % 997 === 0 ? 70_000 : (number * 7919) % 211;
      const isHit = (number * 31) % 7 < 3;
      window.add(now, isHit);
      all.push({ at: now, isHit });
      const since = (Math.floor(now / 1000) - 59) * 1000;
      const recent = all.filter(({ at }) => at >= since);
      expect(window.rate(now)).toBe(recent.filter((one) => one.isHit).length / recent.length);
    }
  });
});
