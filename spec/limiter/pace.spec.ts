import { Pace } from '../../lib/limiter/pace';

const minute = 60_000;

function paceOf(
  given: { base?: number; min?: number; max?: number; adaptive?: boolean; hasBurst?: boolean } = {},
) {
  return new Pace({ base: 1000, min: 0, max: 30_000, adaptive: true, ...given });
}

describe('Pace', () => {
  it('starts at its base', () => {
    expect(paceOf({ base: 250 }).interval(0)).toBe(250);
  });

  it('halves in a second of demand', () => {
    const pace = paceOf();
    pace.quicken(1000, false);
    expect(pace.interval(1000)).toBe(500);
  });

  it('quickens by the time of demand, however it is divided', () => {
    const pace = paceOf();
    for (let count = 0; count < 10; count++) {
      pace.quicken(100, false);
    }
    expect(pace.interval(1000)).toBeCloseTo(500, 6);
  });

  it('quickens more carefully if there is something to lose', () => {
    const pace = paceOf();
    pace.quicken(1000, true);
    expect(pace.interval(1000)).toBeGreaterThan(500);
    expect(pace.interval(1000)).toBeLessThan(1000);
  });

  it('keeps within its bounds', () => {
    const pace = paceOf({ min: 400, max: 2000 });
    pace.quicken(60_000, false);
    expect(pace.interval(0)).toBe(400);
    pace.relax(100_000, minute);
    expect(pace.interval(0)).toBe(2000);
  });

  it('becomes nothing below a millisecond', () => {
    const pace = paceOf({ base: 2 });
    pace.quicken(1500, false);
    expect(pace.interval(0)).toBe(0);
  });

  it('takes a stated spacing at once, and only once', () => {
    const pace = paceOf();
    expect(pace.stated(100)).toBe(true);
    expect(pace.interval(0)).toBe(100);
    pace.quicken(1000, true);
    expect(pace.stated(100)).toBe(false);
    expect(pace.interval(0)).toBeLessThan(100);
  });

  it('returns to its base, or to what was stated, after a minute of quiet', () => {
    const pace = paceOf();
    pace.activeUntil(0);
    pace.quicken(3000, false);
    expect(pace.interval(minute)).toBe(125);
    expect(pace.interval(minute + 1)).toBe(1000);
    pace.stated(100);
    pace.activeUntil(2 * minute);
    pace.quicken(1000, true);
    expect(pace.interval(3 * minute + 1)).toBe(100);
  });

  it('stays where it is if it does not adapt', () => {
    const pace = paceOf({ adaptive: false });
    pace.quicken(5000, false);
    pace.relax(5000, 5000);
    expect(pace.stated(50)).toBe(false);
    expect(pace.interval(0)).toBe(1000);
  });

  describe('with a burst', () => {
    it('lets four start at once, and four more after a minute of quiet', () => {
      const pace = paceOf({ base: 50, hasBurst: true });
      pace.activeUntil(0);
      let starts = 0;
      while (pace.hasBurst(0)) {
        pace.started();
        starts++;
      }
      expect(starts).toBe(4);
      expect(pace.hasBurst(minute)).toBe(false);
      expect(pace.hasBurst(minute + 1)).toBe(true);
    });

    it('has none once the provider has stated a limit', () => {
      const pace = paceOf({ base: 50, hasBurst: true });
      pace.stated(100);
      expect(pace.hasBurst(0)).toBe(false);
    });
  });
});
