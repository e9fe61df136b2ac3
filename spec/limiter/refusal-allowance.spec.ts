import { RefusalAllowance } from '../../lib/limiter/refusal-allowance';

const minute = 60_000;

describe('RefusalAllowance', () => {
  let allowance: RefusalAllowance;

  beforeEach(() => {
    allowance = new RefusalAllowance();
    allowance.started(0);
  });

  it('is open until sixty more are refused than let through', () => {
    count(20, false);
    count(80, true);
    expect(allowance.opensAt(0)).toBe(-Infinity);
    count(1, true);
    expect(allowance.opensAt(0)).toBeCloseTo(600);
  });

  it('allows one try a second where all are refused', () => {
    count(61, true);
    expect(allowance.opensAt(0)).toBeCloseTo(1000);
  });

  it('is open at the time that it names', () => {
    count(50, false);
    count(200, true);
    for (const now of [0, 10, 100, 250]) {
      const opensAt = allowance.opensAt(now);
      expect(opensAt).toBeGreaterThan(now);
      expect(allowance.opensAt(opensAt)).toBeLessThanOrEqual(opensAt);
    }
  });

  it('opens again when more are let through', () => {
    count(70, true);
    expect(allowance.opensAt(0)).toBeGreaterThan(0);
    count(10, false);
    expect(allowance.opensAt(0)).toBe(-Infinity);
  });

  it('forgets refusals within minutes', () => {
    count(1000, true);
    expect(allowance.opensAt(minute)).toBeGreaterThan(0);
    expect(allowance.opensAt(4 * minute)).toBe(-Infinity);
  });

  it.each([2, 5, 20])('makes about twice as many tries as the %i a second that are let through', (limit) => {
    const { tries, through } = hammer(limit);
    expect(through / 300).toBeCloseTo(limit, 0);
    // One a second comes on top.
    expect((tries - 300) / through).toBeGreaterThan(1.8);
    expect((tries - 300) / through).toBeLessThan(2.2);
  });

  it('keeps asking once a second where nothing is let through', () => {
    const { tries } = hammer(0);
    expect(tries / 300).toBeCloseTo(1, 1);
  });

  function count(calls: number, isRefused: boolean): void {
    for (let call = 0; call < calls; call++) allowance.count(isRefused, 0);
  }

  /** Tries whenever it may, for ten minutes, and counts in the last five. */
  function hammer(perSecond: number): { tries: number; through: number } {
    let level = 0;
    let tries = 0;
    let through = 0;
    for (let now = 0; now < 10 * minute; now += 5) {
      level = Math.min(Math.max(1, perSecond), level + (5 * perSecond) / 1000);
      if (allowance.opensAt(now) > now) continue;
      allowance.started(now);
      const isRefused = level < 1;
      if (!isRefused) level--;
      allowance.count(isRefused, now);
      if (now < 5 * minute) continue;
      tries++;
      if (!isRefused) through++;
    }
    return { tries, through };
  }
});
