import { LearnedRate } from '../../lib/limiter/learned-rate';

describe('LearnedRate', () => {
  let rate: LearnedRate;

  beforeEach(() => {
    rate = new LearnedRate(1 / 60_000);
  });

  it('holds nothing back before something is learned', () => {
    rate.take(0);
    expect(rate).toMatchObject({ isKnown: false, perSecond: 0, spacing: 0 });
    expect(rate.opensAt(0)).toBe(-Infinity);
  });

  it('spaces starts', () => {
    rate.set(10, 10, 1000);
    expect(rate.spacing).toBeCloseTo(100);
    expect(rate.opensAt(1000)).toBeCloseTo(1100);
    rate.take(1100);
    expect(rate.opensAt(1100)).toBeCloseTo(1200);
  });

  it('lets a heavier call wait until there is room for it, and those behind it as long again', () => {
    rate.set(10, 10, 0);
    rate.take(100);
    expect(rate.opensAt(100, 5)).toBeCloseTo(600);
    expect(rate.opensAt(600, 5)).toBeCloseTo(600);
    rate.take(600, 5);
    expect(rate.opensAt(600)).toBeCloseTo(700);
  });

  it('lets a late timer catch up with a few starts, and no more', () => {
    rate.set(1000, 1000, 0);
    let starts = 0;
    for (; rate.opensAt(5000) <= 5000; starts++) rate.take(5000);
    expect(starts).toBe(21);
  });

  it('tries more often where a share is refused anyway', () => {
    rate.set(10, 10, 0);
    rate.expect(0.5, 0);
    expect(rate.spacing).toBeCloseTo(50);
    expect(rate.perSecond).toBeCloseTo(10);
  });

  it('is never slower than the slowest rate', () => {
    rate.set(0.001, 0.001, 0);
    expect(rate.spacing).toBeCloseTo(60_000);
  });

  it('grows slowly where refusals began, and faster and faster beyond', () => {
    rate.set(10, 10, 0);
    expect(growthInASecond()).toBeCloseTo(0.01, 3);
    const growths = [1, 2, 3].map(() => {
      for (let second = 0; second < 4; second++) rate.grow(1000, true, 0);
      return growthInASecond();
    });
    expect(growths[0]).toBeGreaterThan(0.01);
    expect(growths[1]).toBeGreaterThan(growths[0]!);
    expect(growths[2]).toBeGreaterThan(growths[1]!);
  });

  it('grows to where refusals began, and beyond only if it may try', () => {
    rate.set(8, 10, 0);
    for (let second = 0; second < 100; second++) rate.grow(1000, false, 0);
    expect(rate.perSecond).toBeGreaterThan(9.5);
    expect(rate.perSecond).toBeLessThan(10.2);
    expect(growthInASecond()).toBeGreaterThan(0);
  });

  it('grows faster when it was measured with few calls', () => {
    rate.set(10, 10, 0, 4);
    expect(growthInASecond()).toBeCloseTo(0.05, 2);
  });

  it('tells that it has grown, until it is set again', () => {
    rate.set(10, 10, 0);
    expect(rate.hasGrown).toBe(false);
    rate.grow(1000, true, 1000);
    expect(rate.hasGrown).toBe(true);
    rate.set(10, 10, 1000);
    expect(rate.hasGrown).toBe(false);
  });

  it('holds nothing back once it is forgotten', () => {
    rate.set(10, 10, 0);
    rate.forget();
    rate.grow(1000, true, 1000);
    expect(rate.isKnown).toBe(false);
    expect(rate.opensAt(1000)).toBe(-Infinity);
  });

  function growthInASecond(): number {
    const before = rate.perSecond;
    rate.grow(1000, true, 0);
    return rate.perSecond / before - 1;
  }
});
