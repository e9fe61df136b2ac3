import { LearnedRate } from '../../lib/limiter/learned-rate';

/** Takes as many as it is let in a time, each as soon as it may. */
function startsOf(rate: LearnedRate, from: number, until: number): number[] {
  const starts: number[] = [];
  let now = from;
  for (let steps = 0; now < until && steps < 20_000; steps++) {
    const opensAt = rate.opensAt(now);
    if (opensAt <= now) {
      rate.take(now);
      starts.push(now);
    } else {
      now = opensAt;
    }
  }
  return starts;
}

describe('LearnedRate', () => {
  it('holds nobody before anything was learned, nor after it was forgotten', () => {
    const rate = new LearnedRate();
    expect(rate.isKnown).toBe(false);
    expect(rate.opensAt(0)).toBeLessThanOrEqual(0);
    rate.take(0);
    rate.grow(1000, 1000);
    expect(rate.perSecond).toBe(0);
    rate.set(5, 5, 0, 0);
    expect(rate.isKnown).toBe(true);
    rate.forget();
    expect(rate.isKnown).toBe(false);
    expect(rate.opensAt(0)).toBeLessThanOrEqual(0);
  });

  it.each([0.5, 3, 10, 47.3, 200])('lets %d a second start, evenly', (perSecond) => {
    const rate = new LearnedRate();
    rate.set(perSecond, perSecond, Infinity, 0);
    const starts = startsOf(rate, 0, 20_000);
    expect(Math.abs(starts.length - 20 * perSecond)).toBeLessThanOrEqual(1 + 0.01 * starts.length);
    // The first one waits as well: what was refused just now has nothing in store.
    expect(starts[0]).toBeGreaterThanOrEqual(1000 / perSecond - 1e-6);
    for (let index = 1; index < starts.length; index++) {
      expect(starts[index]! - starts[index - 1]!).toBeGreaterThanOrEqual(0.99 * (1000 / perSecond));
    }
  });

  it('stores next to nothing for those who come after a pause', () => {
    const rate = new LearnedRate();
    rate.set(10, 10, Infinity, 0);
    const starts = startsOf(rate, 60_000, 61_000);
    expect(starts.length).toBeLessThanOrEqual(12);
  });

  it('stays as it was set for as long as it was told, and grows then', () => {
    const rate = new LearnedRate();
    rate.set(10, 10, 4000, 0);
    rate.grow(1000, 3999);
    expect(rate.perSecond).toBe(10);
    expect(rate.hasGrown).toBe(false);
    rate.grow(1000, 4000);
    expect(rate.perSecond).toBeGreaterThan(10);
  });

  it('grows most carefully near where refusals began, and faster below and beyond', () => {
    const growthFrom = (share: number) => {
      const rate = new LearnedRate();
      rate.set(10 * share, 10, 0, 0);
      rate.grow(1000, 1000);
      return rate.perSecond / (10 * share);
    };
    const atKnee = growthFrom(1);
    expect(atKnee).toBeGreaterThan(1);
    expect(growthFrom(0.5)).toBeGreaterThan(atKnee);
    expect(growthFrom(1.3)).toBeGreaterThan(atKnee);
    expect(growthFrom(3)).toBeGreaterThanOrEqual(growthFrom(1.3));
  });

  it('grows with the time it was asked for, not with the number of answers', () => {
    const once = new LearnedRate();
    const often = new LearnedRate();
    for (const rate of [once, often]) {
      rate.set(10, 10, 0, 0);
    }
    once.grow(1000, 1000);
    for (let step = 1; step <= 10; step++) {
      often.grow(100, step * 100);
    }
    expect(often.perSecond).toBeCloseTo(once.perSecond, 5);
  });

  it('tells when it has grown by more than a little', () => {
    const rate = new LearnedRate();
    rate.set(10, 10, 0, 0);
    for (let second = 1; second <= 60; second++) {
      rate.grow(1000, second * 1000);
    }
    expect(rate.hasGrown).toBe(true);
    rate.set(10, 10, 0, 60_000);
    expect(rate.hasGrown).toBe(false);
  });

  it('keeps what was stored when it is set anew', () => {
    const rate = new LearnedRate();
    rate.set(10, 10, 0, 0);
    rate.set(1, 1, 0, 50);
    // Half a start has come in by then; the other half takes half a second.
    expect(rate.opensAt(50)).toBeCloseTo(550);
  });

  it('tells how far apart starts are', () => {
    const rate = new LearnedRate();
    expect(rate.spacing).toBe(0);
    rate.set(4, 4, 0, 0);
    expect(rate.spacing).toBe(250);
    expect(rate.perSecond).toBe(4);
  });
});
