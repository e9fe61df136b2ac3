import { RunningBound } from '../../lib/limiter/running-bound';

describe('RunningBound', () => {
  let bound: RunningBound;

  beforeEach(() => {
    bound = new RunningBound();
    for (let call = 0; call < 10; call++) bound.letThrough(1 + (call % 5), 0);
  });

  it('bounds nothing at first', () => {
    expect(bound.limit(0)).toBe(Infinity);
    expect(bound.explains(100, 0)).toBe(false);
  });

  it('is one less than run when calls are refused', () => {
    expect(bound.isLearnedFrom(6, 3, 1000)).toBe(true);
    expect(bound.bound).toBe(5);
    expect(bound.explains(6, 1000)).toBe(true);
    expect(bound.explains(5, 1000)).toBe(false);
  });

  it('is not learned from a refusal that may be an accident', () => {
    expect(bound.isLearnedFrom(6, 1, 1000)).toBe(false);
    expect(bound.bound).toBe(Infinity);
  });

  it('is not learned from one call that runs alone', () => {
    expect(new RunningBound().isLearnedFrom(1, 100, 1000)).toBe(false);
  });

  it('is not learned where as many were let through lately, but where they were long ago', () => {
    bound.letThrough(7, 0);
    expect(bound.isLearnedFrom(6, 5, 59_000)).toBe(false);
    expect(bound.isLearnedFrom(6, 5, 61_000)).toBe(true);
  });

  it('tries one more after ten seconds', () => {
    bound.isLearnedFrom(6, 3, 1000);
    expect(bound.limit(10_999)).toBe(5);
    expect(bound.limit(11_000)).toBe(6);
  });

  it('tries ever less often when that is refused', () => {
    bound.isLearnedFrom(6, 3, 0);
    const trials: number[] = [];
    for (let now = 0; now < 300_000; now += 1000) {
      if (bound.limit(now) > 5) {
        trials.push(now);
        bound.explains(6, now);
      }
    }
    const gaps = trials.slice(1).map((now, index) => now - trials[index]!);
    expect(gaps).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
  });

  it('rises when as many as it tries are let through, and then by more', () => {
    bound.isLearnedFrom(6, 3, 0);
    for (let call = 0; call < 10; call++) {
      expect(bound.bound).toBe(5);
      bound.letThrough(6, 11_000);
    }
    expect(bound.bound).toBe(6);
    expect(bound.limit(11_000)).toBe(8);
  });

  it('goes on with a trial in which few are refused', () => {
    bound.isLearnedFrom(6, 3, 0);
    for (let call = 0; call < 5; call++) bound.letThrough(6, 11_000);
    bound.explains(6, 11_000);
    expect(bound.limit(11_000)).toBe(6);
    bound.explains(6, 11_000);
    expect(bound.limit(11_000)).toBe(5);
  });

  it('is forgotten', () => {
    bound.isLearnedFrom(6, 3, 0);
    bound.forget();
    expect(bound.limit(60_000)).toBe(Infinity);
    expect(bound.explains(6, 60_000)).toBe(false);
  });
});
